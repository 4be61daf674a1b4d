/*-------------------------------------------------------------------------
 *
 * follows.c
 *	  Which gateways follow which table, and since when they miss nothing.
 *
 * A table that nobody listens to is not worth a record, so who writes looks at
 * the table's mark in shared memory first.  The mark is raised before a gateway
 * is told that it follows the table, and that is not enough: a transaction may
 * have written rows while the mark was down, and commit later.  Whoever writes
 * holds a lock on the table until the end, so those that hold one after the mark
 * has been raised are waited for, as CREATE INDEX CONCURRENTLY does; who takes
 * it later sees the mark.  Nobody is kept from writing, and the hub does not
 * sleep over it: it looks again after a millisecond or more.  Where a
 * transaction goes on for longer than clients wait for a join, the gateway is
 * told so, and they join again.
 *
 * Of those waited for some have written rows of which only the last ones were
 * captured.  They are told before the acknowledgement, which therefore stays
 * behind until the WAL has been read that was there when they had ended.
 *
 * On a standby nobody writes; whether the primary captures changes for it is its
 * setting realtime.capture.
 *
 * src/hub/follows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "storage/lock.h"
#include "utils/memutils.h"

#include "hub/bus_server.h"
#include "hub/follows.h"
#include "hub/timeouts.h"
#include "instant.h"
#include "served_database.h"
#include "shmem.h"

/* Clients give a join 10 s. */
#define WAIT_MAX_MS 8000

/* Pauses between two looks at the transactions that are waited for. */
#define FIRST_PAUSE_MS 1
#define LONGEST_PAUSE_MS 20

/* Of those that wait; one more is told that we are busy. */
#define MAX_WAITS 10000

typedef struct FollowEntry
{
	uint32		relid;
	char		status;
	uint64		slots;			/* bit n: slot n follows it */
	bool		settled;		/* all have ended that did not see the mark */
} FollowEntry;

#define SH_PREFIX follow_map
#define SH_ELEMENT_TYPE FollowEntry
#define SH_KEY_TYPE uint32
#define SH_KEY relid
#define SH_HASH_KEY(tb, k) murmurhash32(k)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A gateway waits for its acknowledgement. */
typedef struct FollowWait
{
	dlist_node	node;
	int			slot;
	uint64		seq;
	uint32		relid;
	Instant begun_at;
	XLogRecPtr	told_after;		/* when this is told of; invalid = writers first */
	int			nwriters;		/* that have not ended yet */
	VirtualTransactionId *writers;
} FollowWait;

static MemoryContext follows_context = NULL;
static follow_map_hash *map = NULL;
static dlist_head waits;
static int	nwaits = 0;
static int	pause_ms = FIRST_PAUSE_MS;
static uint32 *tables_per_mark;

/*
 * Set up.
 */
void
follows_init(void)
{
	follows_context = AllocSetContextCreate(TopMemoryContext, "realtime follows",
											ALLOCSET_DEFAULT_SIZES);
	map = follow_map_create(follows_context, 64, NULL);
	tables_per_mark = MemoryContextAllocZero(follows_context, FOLLOW_MARKS * sizeof(uint32));
	dlist_init(&waits);
	/* an earlier hub may have left some */
	for (int i = 0; i < (int) lengthof(realtime_shared->follow_marks); i++)
		pg_atomic_write_u32(&realtime_shared->follow_marks[i], 0);
}

/*
 * One more table has this mark.
 */
static void
raise_mark(uint32 relid)
{
	uint32		mark = follow_mark_of(relid);

	if (tables_per_mark[mark]++ == 0)
		(void) pg_atomic_fetch_or_u32(&realtime_shared->follow_marks[mark / 32],
									  (uint32) 1 << (mark % 32));
}

/*
 * One less.
 */
static void
lower_mark(uint32 relid)
{
	uint32		mark = follow_mark_of(relid);

	if (--tables_per_mark[mark] == 0)
		(void) pg_atomic_fetch_and_u32(&realtime_shared->follow_marks[mark / 32],
									   ~((uint32) 1 << (mark % 32)));
}

/*
 * A slot follows a table.
 */
static FollowEntry *
add_slot(uint32 relid, int slot)
{
	bool		found;
	FollowEntry *entry = follow_map_insert(map, relid, &found);

	if (!found)
	{
		entry->slots = 0;
		entry->settled = false;
		raise_mark(relid);
	}
	entry->slots |= UINT64CONST(1) << slot;
	return entry;
}

/*
 * A slot no longer follows a table.
 */
static void
clear_slot(FollowEntry *entry, int slot)
{
	entry->slots &= ~(UINT64CONST(1) << slot);
	if (entry->slots != 0)
		return;
	lower_mark(entry->relid);
	follow_map_delete_item(map, entry);
}

/*
 * Nobody waits for this any more.
 */
static void
end_wait(FollowWait *wait)
{
	dlist_delete(&wait->node);
	nwaits--;
	if (wait->writers)
		pfree(wait->writers);
	pfree(wait);
}

/*
 * Tell a gateway.
 */
static void
acknowledge(int slot, uint64 seq, uint32 relid, BusFollowOutcome outcome)
{
	BusFollowAck ack = {0};

	ack.seq = seq;
	ack.relid = relid;
	ack.outcome = (uint8) outcome;
	bus_server_send(slot, BUS_FOLLOW_ACK, slice_make((const char *) &ack, sizeof(ack)),
					slice_make(NULL, 0));
}

/*
 * Add those who may have written to a table of a database.
 */
static void
add_writers(FollowWait *wait, Oid database, Oid table)
{
	LOCKTAG		tag;
	VirtualTransactionId *holders;
	int			n;

	SET_LOCKTAG_RELATION(tag, database, table);
	/* conflicts with what INSERT, UPDATE and DELETE take */
	holders = GetLockConflicts(&tag, ShareLock, &n);
	if (n == 0)
		return;
	if (wait->writers == NULL)
		wait->writers = MemoryContextAlloc(follows_context, n * sizeof(*holders));
	else
		wait->writers = repalloc(wait->writers, (wait->nwriters + n) * sizeof(*holders));
	memcpy(wait->writers + wait->nwriters, holders, n * sizeof(*holders));
	wait->nwriters += n;
}

/*
 * Find out whom a table's acknowledgement has to wait for.
 */
static void
begin_wait(int slot, const BusFollow *follow, Slice tables)
{
	Oid			database = served_database_lookup(NULL);
	FollowWait *wait = MemoryContextAllocZero(follows_context, sizeof(FollowWait));

	wait->slot = slot;
	wait->seq = follow->seq;
	wait->relid = follow->relid;
	wait->begun_at = instant_now();
	dlist_push_tail(&waits, &wait->node);
	nwaits++;
	pause_ms = FIRST_PAUSE_MS;
	if (!OidIsValid(database))
		return;
	for (size_t i = 0; i < tables.len; i += sizeof(uint32))
	{
		uint32		table;

		memcpy(&table, tables.data + i, sizeof(table));
		add_writers(wait, database, table);
	}
}

/*
 * A gateway begins to follow a table, or ends that.
 */
bool
follows_take(int slot, uint64 last_seq, Slice body, uint64 *seq)
{
	BusFollow	follow;
	Slice		tables;
	FollowEntry *entry;

	if (!bus_decode_follow(body, &follow, &tables) || follow.seq != last_seq + 1)
		return false;
	*seq = follow.seq;
	if (!follow.add)
	{
		entry = follow_map_lookup(map, follow.relid);
		if (entry != NULL && (entry->slots & (UINT64CONST(1) << slot)) != 0)
			clear_slot(entry, slot);
		return true;
	}
	if (nwaits >= MAX_WAITS)
	{
		acknowledge(slot, follow.seq, follow.relid, BUS_FOLLOW_BUSY);
		return true;
	}
	entry = add_slot(follow.relid, slot);
	if (entry->settled || RecoveryInProgress())
		acknowledge(slot, follow.seq, follow.relid, BUS_FOLLOW_HELD);
	else
		begin_wait(slot, &follow, tables);
	return true;
}

/*
 * Forget a slot.
 */
void
follows_forget(int slot)
{
	follow_map_iterator iter;
	FollowEntry *entry;
	dlist_mutable_iter wait_iter;

	dlist_foreach_modify(wait_iter, &waits)
	{
		FollowWait *wait = dlist_container(FollowWait, node, wait_iter.cur);

		if (wait->slot == slot)
			end_wait(wait);
	}
	/* deleting the entry just visited is allowed while walking backwards */
	follow_map_start_iterate(map, &iter);
	while ((entry = follow_map_iterate(map, &iter)) != NULL)
	{
		if ((entry->slots & (UINT64CONST(1) << slot)) != 0)
			clear_slot(entry, slot);
	}
}

/*
 * Who follows a table.
 */
uint64
follows_lookup(uint32 relid)
{
	FollowEntry *entry;

	if (map->members == 0)
		return 0;
	entry = follow_map_lookup(map, relid);
	return entry ? entry->slots : 0;
}

/*
 * How many there are.
 */
int
follows_count(void)
{
	return (int) map->members;
}

/*
 * Have all ended that a wait is for?
 */
static bool
writers_ended(FollowWait *wait)
{
	/* no lock is taken, as it does not wait */
	while (wait->nwriters > 0 &&
		   VirtualXactLock(wait->writers[wait->nwriters - 1], false))
		wait->nwriters--;
	return wait->nwriters == 0;
}

/*
 * How far the WAL has to be told of until all is told that has ended by now.
 */
static XLogRecPtr
end_of_ended(void)
{
	return Max(GetFlushRecPtr(NULL),
			   (XLogRecPtr) pg_atomic_read_u64(&realtime_shared->flush_wanted));
}

/*
 * A wait is over: the table is followed, if it still is to be.
 */
static void
settle(FollowWait *wait)
{
	FollowEntry *entry = follow_map_lookup(map, wait->relid);

	if (entry != NULL && (entry->slots & (UINT64CONST(1) << wait->slot)) != 0)
	{
		entry->settled = true;
		acknowledge(wait->slot, wait->seq, wait->relid, BUS_FOLLOW_HELD);
	}
	end_wait(wait);
}

/*
 * A wait takes too long.
 */
static void
give_up(FollowWait *wait)
{
	FollowEntry *entry = follow_map_lookup(map, wait->relid);

	if (entry != NULL && (entry->slots & (UINT64CONST(1) << wait->slot)) != 0)
		clear_slot(entry, wait->slot);
	shmem_count(SHARED_FOLLOWS_BUSY, 1);
	acknowledge(wait->slot, wait->seq, wait->relid, BUS_FOLLOW_BUSY);
	end_wait(wait);
}

/*
 * Go on with those that wait.
 */
long
follows_tick(Instant now, XLogRecPtr told)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &waits)
	{
		FollowWait *wait = dlist_container(FollowWait, node, iter.cur);

		if (XLogRecPtrIsInvalid(wait->told_after) && writers_ended(wait))
			wait->told_after = end_of_ended();
		if (!XLogRecPtrIsInvalid(wait->told_after) && told >= wait->told_after)
			settle(wait);
		else if (ms_since(wait->begun_at, now) >= WAIT_MAX_MS)
			give_up(wait);
	}
	if (nwaits == 0)
		return -1;
	pause_ms = Min(pause_ms * 2, LONGEST_PAUSE_MS);
	return pause_ms;
}
