/*-------------------------------------------------------------------------
 *
 * quiet.c
 *	  Was anything written that the hub has not read?
 *
 * Nobody wakes the hub for foreign WAL, and a checkpoint may remove a segment
 * before the hub has skipped it: CREATE or DROP DATABASE write WAL and demand a
 * checkpoint at once.  That is no loss if nobody has sent anything since the
 * hub had read all that was sent, and clients must not be told that it is.
 *
 * Backends raise emit_begun before they write a record and SHARED_EMITTED after
 * it.  Both equal, with emitted read first: every message counted so far stands
 * in the WAL before its tail.  Having read up to that tail, the hub notes the
 * number.  Later, emit_begun still at that number, read after a tail was taken:
 * no message stands before that tail that we have not read.
 *
 * On a standby the counters tell nothing about what is replayed, so there is
 * never quiet; the hub polls there.
 *
 * src/hub/quiet.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "hub/quiet.h"
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
	pg_memory_barrier();
	look_tail = GetXLogInsertRecPtr();
	looked = (emitted == look_begun);
}

/*
 * Note that all is read that was sent by then.
 */
void
quiet_note(XLogRecPtr position)
{
	if (!looked || position < look_tail)
		return;
	if (realtime_shared->quiet && realtime_shared->quiet_begun == look_begun)
		return;
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->quiet = true;
	realtime_shared->quiet_begun = look_begun;
	LWLockRelease(realtime_shared->lock);
}

/*
 * Is it quiet since?
 */
bool
quiet_still(void)
{
	pg_memory_barrier();
	return realtime_shared->quiet && !RecoveryInProgress() &&
		pg_atomic_read_u64(&realtime_shared->emit_begun) == realtime_shared->quiet_begun;
}
