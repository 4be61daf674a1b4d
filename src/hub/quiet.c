/*-------------------------------------------------------------------------
 *
 * quiet.c
 *	  Which WAL can hold no message that the hub has not read?
 *
 * Nobody wakes the hub for foreign WAL, and a checkpoint may remove a segment
 * before the hub has skipped it: CREATE or DROP DATABASE write WAL and demand a
 * checkpoint at once.  That is no loss if no message stood in it, and clients
 * must not be told that it is.
 *
 * A backend raises emit_begun before it writes a record and SHARED_EMITTED
 * after it.  Both equal, with emitted read first, means that every message
 * begun so far stands before the WAL's tail.  When the hub has read up to that
 * tail and no message's transaction is open, it sets first_unread to 0, and the
 * next sender sets it to the tail that it finds before it writes.
 *
 * A sender that begins while the hub does so may have seen the old value and
 * set none.  But then it has raised emit_begun before: the hub looks at that
 * once more, and sets the tail of its own look, which such a record is behind.
 * That goes over what another sender may have set since, because the record of
 * the first one can stand before the tail that the other one found.
 *
 * On a standby the counters tell nothing about what is replayed; first_unread
 * stays as it is there, and the hub polls.
 *
 * src/hub/quiet.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "hub/quiet.h"
#include "hub/wal_reader.h"
#include "shmem.h"

static bool looked = false;		/* nobody was writing at that time */
static uint64 look_begun;
static XLogRecPtr look_tail;

/*
 * Look at the senders.
 */
void
quiet_look(void)
{
	uint64		emitted;

	looked = false;
	if (RecoveryInProgress())
		return;
	emitted = pg_atomic_read_u64(&realtime_shared->counters[SHARED_EMITTED]);
	pg_memory_barrier();
	look_begun = pg_atomic_read_u64(&realtime_shared->emit_begun);
	if (emitted != look_begun)
		return;
	pg_memory_barrier();
	look_tail = GetXLogInsertRecPtr();
	looked = true;
}

/*
 * Note that all is read that was sent by then.
 */
void
quiet_note(XLogRecPtr position)
{
	if (!looked || position < look_tail ||
		pg_atomic_read_u64(&realtime_shared->first_unread) == 0)
		return;
	(void) pg_atomic_exchange_u64(&realtime_shared->first_unread, 0);
	if (pg_atomic_read_u64(&realtime_shared->emit_begun) != look_begun)
		pg_atomic_write_u64(&realtime_shared->first_unread, look_tail);
}

/*
 * Where to go on if what is gone was foreign.
 *
 * The tail is taken before the look at first_unread, so that who sends after
 * the look writes behind it.
 */
bool
quiet_skip(XLogRecPtr position, XLogRecPtr *resume)
{
	XLogRecPtr	first_unread;

	if (RecoveryInProgress())
		return false;
	*resume = GetXLogInsertRecPtr();
	pg_memory_barrier();
	first_unread = pg_atomic_read_u64(&realtime_shared->first_unread);
	if (first_unread == 0)
		return true;
	*resume = first_unread;
	return first_unread > position && wal_reader_available(first_unread);
}
