/*-------------------------------------------------------------------------
 *
 * pace.c
 *	  How often the hub flushes WAL, and when it waits for company.
 *
 * Both are about the cost of messages that come thick and fast: fewer flushes
 * and fewer wake-ups, at the price of a time that such messages wait anyway.
 *
 * src/hub/pace.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "guc.h"
#include "hub/pace.h"
#include "hub/timeouts.h"
#include "instant.h"
#include "shmem.h"

/*
 * When releases follow each other this closely, this many times in a row, the
 * hub naps before it waits.
 */
#define GATHER_WITHIN_US 500
#define GATHER_STREAK 4
#define GATHER_NAP_US 150

static Instant flushed_at = 0;	/* last flush of ours */
static XLogRecPtr gathered_lsn = InvalidXLogRecPtr; /* released then */
static Instant gathered_at = 0; /* when that was new */
static int	gather_streak = 0;	/* releases in a row that were close */

/*
 * Flush what asynchronous commits left unflushed, at most every
 * realtime.flush_interval; waiting for the WAL writer would cost 138 ms
 * (spec/lessons.md).
 */
long
pace_flush_wal(Instant now)
{
	XLogRecPtr	wanted = pg_atomic_read_u64(&realtime_shared->flush_wanted);
	int64		waited;

	if (RecoveryInProgress() || wanted <= GetFlushRecPtr(NULL))
		return -1;
	waited = ms_since(flushed_at, now);
	if (waited < realtime_flush_interval)
		return realtime_flush_interval - waited;
	XLogFlush(wanted);
	flushed_at = now;
	shmem_count(SHARED_FLUSHES, 1);
	return -1;
}

/*
 * Say whether we sleep until a flush is due (emit.c reads it).  A barrier, so
 * that what was wanted before we woke is seen now.
 */
void
pace_time_flush(bool timed)
{
	(void) pg_atomic_exchange_u32(&realtime_shared->flush_timed, timed);
}

/*
 * With thousands of commits a second, let a few of them come together.
 *
 * Woken for each one, the hub and after it the gateway spend most of their CPU
 * on waking and sleeping, and each committing backend a signal on it; on a
 * machine whose cores are busy all that is taken from the senders.  While the
 * hub naps nobody has to signal it.  At the rates where this happens the nap is
 * no longer than what a message waits for its turn anyway.
 */
void
pace_gather(XLogRecPtr released_lsn, bool more)
{
	Instant now;

	if (released_lsn == gathered_lsn)
		return;
	now = instant_now();
	gather_streak = now - gathered_at < GATHER_WITHIN_US ? gather_streak + 1 : 0;
	gathered_lsn = released_lsn;
	gathered_at = now;
	if (gather_streak >= GATHER_STREAK && !more)
		pg_usleep(GATHER_NAP_US);
}
