/*-------------------------------------------------------------------------
 *
 * release.c
 *	  Hand a committed transaction's messages to the bus.
 *
 * Visible before told: a commit record is flushed before its transaction
 * leaves the proc array, with synchronous replication much before.  Until it
 * has left, nothing is published, and since commits are taken one by one all
 * later ones wait behind it.
 *
 * Of the messages those survive whose subtransaction the commit record names.
 * Those of a spilled transaction are read from the WAL a second time, by a
 * reader of our own.
 *
 * A transaction that was told of before may come again, when WAL is read again
 * to complete realtime.commits: then all that is wanted is the number of its
 * messages.
 *
 * src/hub/release.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "hub/bus_server.h"
#include "hub/courier_server.h"
#include "hub/release.h"
#include "hub/roll_ups.h"
#include "hub/sealed.h"
#include "instant.h"
#include "shmem.h"

/* Messages and bytes of WAL handled per step, so that the hub stays lively. */
#define MESSAGES_PER_STEP 1024
#define WAL_PER_STEP (16 * 1024 * 1024)

typedef struct Release
{
	BufferedXact *xact;			/* NULL = nothing begun */
	XLogRecPtr	commit_lsn;
	TimestampTz committed_at;
	TransactionId *subxacts;	/* sorted */
	int			nsubxacts;
	bool		told_before;	/* count, publish nothing */
	bool		visible;
	Instant held_since;		/* 0 = was visible at once */
	TimeLineID	timeline;		/* of the commit record */
	uint64		full_xid;		/* as its messages say */
	uint32		changes;		/* of rows, so far */
	uint32		count;			/* of messages so far that are stored */
	uint32		unstored;		/* of others */
	uint32		number;			/* of the last one published */
	TimestampTz first_at;		/* least inserted_at of its messages */
	bool		agents_told;	/* that agents have changed */
	bool		tables_told;	/* that tables have, since the last change */

	size_t		offset;			/* in xact->data */
	WalReader  *reader;			/* spilled: the second reader */
	int			range;			/* spilled: the range being read */
} Release;

static Release current;

/*
 * Order of xids for qsort and bsearch: any total order does.
 */
static int
compare_xids(const void *a, const void *b)
{
	TransactionId x = *(const TransactionId *) a;
	TransactionId y = *(const TransactionId *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/*
 * Begin.
 */
void
release_begin(BufferedXact *xact, const WalEvent *commit, TimeLineID timeline,
			  bool told_before)
{
	Assert(current.xact == NULL);
	current.xact = xact;
	current.told_before = told_before;
	current.commit_lsn = commit->end;
	current.timeline = timeline;
	current.committed_at = commit->committed_at;
	current.first_at = commit->committed_at;
	if (xact->disordered && !xact->spilled)
		xact_buffer_sort(xact);
	current.nsubxacts = commit->nsubxacts;
	if (commit->nsubxacts > 0)
	{
		size_t		size = sizeof(TransactionId) * commit->nsubxacts;

		current.subxacts = MemoryContextAlloc(TopMemoryContext, size);
		memcpy(current.subxacts, commit->subxacts, size);
		qsort(current.subxacts, commit->nsubxacts, sizeof(TransactionId), compare_xids);
	}
}

/*
 * Is a transaction in hand?
 */
bool
release_pending(void)
{
	return current.xact != NULL;
}

/*
 * Has some of it been told?
 */
bool
release_under_way(void)
{
	return current.xact != NULL && current.visible;
}

/*
 * Between which of its messages are we?
 */
bool
release_place(Place *place)
{
	if (!release_under_way() || current.told_before)
		return false;
	place->lsn = current.commit_lsn;
	place->timeline = current.timeline;
	place->number = current.number;
	return true;
}

/*
 * What is to be recorded of it.
 */
void
release_describe(CommitEntry *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->lsn = current.commit_lsn;
	entry->xid = current.full_xid;
	entry->committed_at = current.committed_at;
	entry->messages = current.count;
	entry->first_at = current.first_at;
}

/*
 * Forget what is in hand, entry included.
 */
void
release_abandon(void)
{
	if (current.xact == NULL)
		return;
	xact_buffer_drop(current.xact);
	if (current.subxacts)
		pfree(current.subxacts);
	if (current.reader)
		wal_reader_free(current.reader);
	memset(&current, 0, sizeof(current));
}

/*
 * Did the (sub)transaction survive?
 */
static bool
survived(TransactionId xid)
{
	return xid == current.xact->top_xid ||
		(current.nsubxacts > 0 &&
		 bsearch(&xid, current.subxacts, current.nsubxacts,
				 sizeof(TransactionId), compare_xids) != NULL);
}

/*
 * Tell the gateways that names of agent channels are to be checked again, once
 * per transaction.  This is no message to a client, and history has none of it.
 */
static void
publish_agents_changed(void)
{
	if (!current.told_before && !current.agents_told)
		bus_server_send_all(BUS_AGENTS_CHANGED, slice_make(NULL, 0), slice_make(NULL, 0));
	current.agents_told = true;
}

/*
 * Tell the gateways that what they know of followed tables may be outdated.
 * Between two changes of rows once is enough.
 */
static void
publish_tables_changed(void)
{
	if (!current.told_before && !current.tables_told)
		bus_server_send_all(BUS_TABLES_CHANGED, slice_make(NULL, 0), slice_make(NULL, 0));
	current.tables_told = true;
}

/*
 * Publish a change of a row.  History has none, so it has the place of the message
 * before it.
 */
static void
publish_change(const WalMessage *message, Slice body)
{
	BusMessageHead head = {0};

	head.place.lsn = current.commit_lsn;
	head.place.timeline = current.timeline;
	head.place.number = current.number;
	current.changes++;
	head.committed_at = current.committed_at;
	current.tables_told = false;
	if (!current.told_before)
		bus_server_publish(&head, message, body);
}

/*
 * Publish a message that is not stored.  History has none of it, so it has the
 * place of the message before it.
 */
static void
publish_unstored(const WalMessage *message, Slice body)
{
	BusMessageHead head = {0};

	head.place.lsn = current.commit_lsn;
	head.place.timeline = current.timeline;
	head.place.number = current.number;
	head.committed_at = current.committed_at;
	current.unstored++;
	if (!current.told_before)
		bus_server_publish(&head, message, body);
}

/*
 * Publish one message, if it survived.
 */
static void
publish(TransactionId xid, const WalMessage *message, Slice body)
{
	BusMessageHead head = {0};

	if (!survived(xid))
	{
		if (!current.told_before)
			shmem_count(SHARED_ROLLED_BACK, 1);
		return;
	}
	switch (message->kind)
	{
		case WAL_MESSAGE_AGENTS_CHANGED:
			publish_agents_changed();
			return;
		case WAL_MESSAGE_TABLES_CHANGED:
			publish_tables_changed();
			return;
		case WAL_MESSAGE_WEBHOOKS:
			/* they go by the order of commits, be there a stored message or not */
			current.full_xid = message->top_xid;
			if (!current.told_before)
				courier_server_due();
			return;
		case WAL_MESSAGE_CHANGE:
			publish_change(message, body);
			return;
		default:
			break;
	}
	if ((message->flags & WAL_MESSAGE_UNSTORED) != 0)
	{
		publish_unstored(message, body);
		return;
	}
	if ((message->flags & WAL_MESSAGE_CHANNEL) != 0)
		roll_ups_note();
	current.count++;
	current.full_xid = message->top_xid;
	current.first_at = Min(current.first_at, message->inserted_at);
	/* one that is read again cannot be sorted: a cursor stands before all of it */
	if (!current.xact->disordered)
		current.number = message->number;
	head.place.lsn = current.commit_lsn;
	head.place.timeline = current.timeline;
	head.place.number = current.number;
	head.committed_at = current.committed_at;
	if (!current.told_before)
		bus_server_publish(&head, message, body);
}

/*
 * Publish messages that are in memory.  True when through.
 */
static bool
step_memory(void)
{
	BufferedMessage stored;
	WalMessage	message;

	for (int i = 0; i < MESSAGES_PER_STEP && bus_server_has_room(); i++)
	{
		if (!xact_buffer_next(current.xact, &current.offset, &stored))
			return true;
		/* it decoded when it was put there */
		if (wal_record_decode(stored.body.data, stored.body.len, &message))
			publish(stored.xid, &message, stored.body);
	}
	return false;
}

/*
 * Take one record of a range; ours and genuine ones are published.
 */
static void
publish_again(const WalEvent *event)
{
	WalMessage	message;
	Slice		body;

	if (sealed_open(event, &message, &body) == SEALED_GENUINE &&
		(TransactionId) message.top_xid == current.xact->top_xid)
		publish(event->xid, &message, body);
}

/*
 * Publish messages of a spilled transaction, reading them again.
 */
static RelVerdict
step_spilled(void)
{
	const BufferedXact *xact = current.xact;
	uint64		quota = WAL_PER_STEP;
	WalEvent	event;

	if (current.reader == NULL)
	{
		current.reader = wal_reader_create(NULL, NULL);
		wal_reader_seek(current.reader, xact->ranges[0].first);
		if (!current.told_before)
			shmem_count(SHARED_SPILLED, 1);
	}
	for (int i = 0; i < MESSAGES_PER_STEP && bus_server_has_room(); i++)
	{
		XLogRecPtr	before = wal_reader_position(current.reader);
		XLogRecPtr	after;

		switch (wal_reader_next(current.reader, quota, &event))
		{
			case WAL_MESSAGE:
				publish_again(&event);
				break;
			case WAL_GAP:
				return RELEASE_GAP;
			case WAL_END:
				/* all of this was readable before its commit record was */
				return RELEASE_BUSY;
			default:
				break;
		}
		after = wal_reader_position(current.reader);
		if (event.lsn >= xact->ranges[current.range].last)
		{
			if (++current.range == xact->nranges)
				return RELEASE_DONE;
			if (xact->ranges[current.range].first > after)
				wal_reader_seek(current.reader, xact->ranges[current.range].first);
		}
		if (after - before >= quota)
			break;
		quota -= after - before;
	}
	return RELEASE_BUSY;
}

/*
 * May the transaction be told of?
 */
static bool
check_visible(void)
{
	Instant now;

	if (current.visible)
		return true;
	if (TransactionIdIsInProgress(current.xact->top_xid))
	{
		if (current.held_since == 0)
		{
			current.held_since = instant_now();
			shmem_count(SHARED_HELD, 1);
		}
		return false;
	}
	current.visible = true;
	if (current.held_since != 0)
	{
		now = instant_now();
		shmem_count(SHARED_HOLD_USEC, (uint64) Max(now - current.held_since, 0));
	}
	return true;
}

/*
 * Go on with the transaction in hand.
 */
RelVerdict
release_step(void)
{
	RelVerdict	verdict;

	if (!check_visible())
		return RELEASE_HELD;
	if (current.xact->spilled)
		verdict = step_spilled();
	else
		verdict = step_memory() ? RELEASE_DONE : RELEASE_BUSY;
	if (verdict == RELEASE_DONE && !current.told_before && current.changes > 0)
		shmem_count(SHARED_CHANGES, current.changes);
	if (verdict == RELEASE_DONE && !current.told_before &&
		current.count + current.unstored > 0)
	{
		shmem_count(SHARED_RELEASED, current.count + current.unstored);
		shmem_count(SHARED_TRANSACTIONS, 1);
	}
	return verdict;
}
