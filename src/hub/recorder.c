/*-------------------------------------------------------------------------
 *
 * recorder.c
 *	  Has every transaction that had messages recorded in realtime.commits.
 *
 * Who reads the past in commit order joins realtime.messages with that table,
 * so it has to have each of these transactions exactly once, whatever crashes.
 * The hub notes here what it has released; executors write it in batches, one
 * at a time, so that they take few fsyncs and are in order: a row in the table
 * means that all before it are there.  Writing a row twice does nothing.
 *
 * The floor is the commit up to which all is known to be recorded, with the
 * place from which the WAL must be read to find the rest.  It goes into shared
 * memory and the position file, so after a restart of the hub or of the server
 * the hub reads a little more WAL than delivery needs, and all is well.
 *
 * Where that does not do, the newest row of the table is asked for:
 *
 *	  The position was lost.  The hub has begun a new epoch, but if the WAL
 *	  after that row is there it goes on from there with the old one.
 *	  A standby was promoted.  The old primary recorded up to that row.
 *	  The backlog grew too large because no executor could write it.
 *
 * If commits between that row and the first one noted here are missing, the hub
 * reads the WAL again, without delivering a second time; if the WAL is gone
 * they will never be in the table, which is the end of an epoch.
 *
 * A standby records nothing, but keeps what was noted last for its promotion.
 *
 * src/hub/recorder.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "hub/executors.h"
#include "hub/jobs.h"
#include "hub/recorder.h"
#include "hub/sealed.h"
#include "hub/timeouts.h"
#include "hub/wal_reader.h"
#include "instant.h"
#include "shmem.h"

/* Transactions kept in memory: 14 MB; on a standby 3.5 MB. */
#define MAX_BACKLOG (256 * 1024)
#define MAX_STANDBY_BACKLOG (64 * 1024)
#define FIRST_BACKLOG 1024

/* A batch is sent when it is full or its first transaction has waited. */
#define BATCH_ENTRIES 4096
#define BATCH_MS 100

/* After a failure the next attempt waits, longer each time. */
#define FIRST_DELAY_MS 100
#define MAX_DELAY_MS 10000

/*
 * A standby cannot know what its primary is still to record of the time before
 * its start.  That takes BATCH_MS and the way here.
 */
#define STANDBY_MS 2000

/* How long clients wait at start for the table to say where to go on. */
#define FRESH_MS 10000

typedef enum RecorderState
{
	STATE_FRESH,				/* the epoch may be given up for an older one;
								 * next: READ_AGAIN, ADOPT, STANDBY, ON */
	STATE_ADOPT,				/* wants `again_epoch`; next: STANDBY */
	STATE_STANDBY,				/* keeps the newest; next: UNKNOWN */
	STATE_UNKNOWN,				/* must ask the table; next: READ_AGAIN, LOST,
								 * ON */
	STATE_READ_AGAIN,			/* wants WAL from `again`; next: STANDBY, ON */
	STATE_LOST,					/* wants a new epoch; next: ON */
	STATE_ON					/* records; next: UNKNOWN */
} RecorderState;

/* A place in the history of commits. */
typedef struct Mark
{
	XLogRecPtr	lsn;			/* all up to here; invalid = not known */
	XLogRecPtr	restart_lsn;	/* reading from here finds what is later */
} Mark;

/* A transaction to be recorded. */
typedef struct Noted
{
	CommitEntry entry;
	uint64		epoch;
	TimeLineID	timeline;		/* that its commit record was written on */
} Noted;

static RecorderState state;
static uint64 epoch;			/* of what is noted next */
static Oid	database = InvalidOid;	/* of what is noted */
static Mark floor_mark;			/* what is recorded */
static Mark again;				/* of STATE_READ_AGAIN */
static uint64 again_epoch;
static XLogRecPtr noted_from;	/* all commits after this one are in the
								 * backlog, or recorded */
static XLogRecPtr noted_until;	/* the last of them */
static XLogRecPtr maybe_until;	/* up to here others may have recorded it */
static Mark epoch_start;		/* of the present epoch, if continuity was lost */

static Noted *backlog = NULL;	/* backlog[first .. first + count) */
static int	backlog_size = 0;
static int	first = 0;
static int	count = 0;
static int	in_flight = 0;		/* of these, being written */
static bool busy = false;		/* an executor has a job of ours */

/*
 * A transaction is early if a message of it may be older than this much before
 * the newest commit that precedes it: it was open for long, somebody has set
 * inserted_at, or the clock went back.  Who looks for what was committed behind
 * some place knows then how far back in time the others can be.
 */
#define EARLY_USEC (10 * INT64CONST(1000000))

static TimestampTz newest_at = DT_NOBEGIN;	/* committed_at of what is noted */

static Instant waiting_since;	/* of the first that is not in flight */
static Instant retry_at = 0;
static int	delay_ms = 0;
static Instant fresh_until;
static Instant standby_from;	/* what was told before our start is recorded
									 * by now, and has reached a standby */

/*
 * Take up work, as a standby or not.
 */
static void
settle(void)
{
	state = RecoveryInProgress() ? STATE_STANDBY : STATE_ON;
}

/*
 * Begin.
 */
void
recorder_init(HubPosition *position, bool fresh)
{
	epoch = position->epoch;
	floor_mark.lsn = position->recorded_lsn;
	floor_mark.restart_lsn = position->recorded_restart_lsn;
	noted_from = position->released_lsn;
	fresh_until = instant_now() + FRESH_MS * INT64CONST(1000);
	standby_from = instant_now() + STANDBY_MS * INT64CONST(1000);
	if (fresh)
		state = STATE_FRESH;
	else if (RecoveryInProgress())
		state = STATE_STANDBY;
	else if (XLogRecPtrIsInvalid(floor_mark.lsn))
		state = STATE_UNKNOWN;
	else if (floor_mark.lsn >= position->released_lsn)
		state = STATE_ON;
	else if (position_readable(floor_mark.restart_lsn))
	{
		state = STATE_ON;
		noted_from = floor_mark.lsn;
		position->restart_lsn = Min(position->restart_lsn, floor_mark.restart_lsn);
	}
	else
		state = STATE_UNKNOWN;
	noted_until = noted_from;
	maybe_until = wal_reader_tail();
}

/*
 * Forget the n oldest.
 */
static void
drop_oldest(int n)
{
	first += n;
	count -= n;
	in_flight = Max(in_flight - n, 0);
	if (count == 0)
		first = 0;
}

/*
 * Forget all, because everything up to lsn needs no record.
 */
static void
start_over(XLogRecPtr lsn, XLogRecPtr restart_lsn)
{
	drop_oldest(count);
	floor_mark.lsn = noted_from = noted_until = lsn;
	floor_mark.restart_lsn = restart_lsn;
}

/*
 * Must it still be noted?
 */
bool
recorder_wants(XLogRecPtr lsn)
{
	return lsn > noted_until;
}

/*
 * The backlog is full: forget the older half of it.  What is forgotten stands
 * in the WAL for a while.
 */
static void
overflow(void)
{
	int			n = (count + 1) / 2;

	noted_from = backlog[first + n - 1].entry.lsn;
	drop_oldest(n);
	/* an answer to it would tell nothing about what is left */
	in_flight = 0;
	if (state != STATE_ON)
		return;
	state = STATE_UNKNOWN;
	ereport(LOG,
			(errmsg("realtime has more transactions to record in realtime.commits than it keeps in memory"),
			 errdetail("Those that were committed first are read from the WAL again once an executor can write them.")));
}

/*
 * Have room for one more.  False for want of memory.
 */
static bool
reserve(void)
{
	int			size = Max(backlog_size * 2, FIRST_BACKLOG);
	Noted	   *larger;

	if (first + count < backlog_size)
		return true;
	if (first > 0 && first >= backlog_size / 4)
	{
		memmove(backlog, backlog + first, count * sizeof(Noted));
		first = 0;
		return true;
	}
	larger = MemoryContextAllocExtended(TopMemoryContext, size * sizeof(Noted),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (larger == NULL)
		return false;
	if (count > 0)
		memcpy(larger, backlog + first, count * sizeof(Noted));
	if (backlog)
		pfree(backlog);
	backlog = larger;
	backlog_size = size;
	first = 0;
	return true;
}

/*
 * The served database was dropped and made again: nobody can ask for what the
 * old one's transactions said.
 */
static void
follow_database(void)
{
	Oid			served = sealed_database();

	if (served == database)
		return;
	if (OidIsValid(database))
		start_over(noted_until, InvalidXLogRecPtr);
	database = served;
}

/*
 * Note a transaction.
 */
void
recorder_note(const CommitEntry *entry, TimeLineID timeline)
{
	follow_database();
	while (count > 0 &&
		   (count >= (state == STATE_STANDBY ? MAX_STANDBY_BACKLOG : MAX_BACKLOG) ||
			!reserve()))
		overflow();
	if (!reserve())
	{
		/* not even room for one: as if it had been noted and forgotten */
		noted_from = noted_until = entry->lsn;
		state = state == STATE_ON ? STATE_UNKNOWN : state;
		return;
	}
	if (count == in_flight)
		waiting_since = instant_now();
	newest_at = Max(newest_at, entry->committed_at);
	backlog[first + count].entry = *entry;
	backlog[first + count].entry.is_early =
		Min(entry->first_at, entry->committed_at) < newest_at - EARLY_USEC;
	backlog[first + count].epoch = epoch;
	backlog[first + count].timeline = timeline;
	count++;
	noted_until = entry->lsn;
}

/*
 * The hub has read that far.
 */
void
recorder_read(XLogRecPtr lsn, XLogRecPtr restart_lsn)
{
	if (state != STATE_ON || count > 0 || lsn < floor_mark.lsn)
		return;
	floor_mark.lsn = noted_from = lsn;
	floor_mark.restart_lsn = restart_lsn;
	noted_until = Max(noted_until, noted_from);
}

/*
 * What is recorded.
 */
void
recorder_position(HubPosition *position)
{
	position->recorded_lsn = floor_mark.lsn;
	position->recorded_restart_lsn = floor_mark.restart_lsn;
}

/*
 * All of an older epoch is recorded: what is left to record stands in the WAL
 * behind the gap.
 */
static void
pass_epoch_start(void)
{
	if (floor_mark.lsn >= epoch_start.lsn ||
		(count > 0 && backlog[first].epoch != epoch))
		return;
	floor_mark = epoch_start;
	noted_from = epoch_start.lsn;
	noted_until = Max(noted_until, noted_from);
}

/*
 * Continuity was lost.  What is noted is still recorded, under its own epoch;
 * what is not noted cannot be.
 */
void
recorder_begin_epoch(const HubPosition *position)
{
	epoch = position->epoch;
	epoch_start.lsn = position->released_lsn;
	epoch_start.restart_lsn = position->restart_lsn;
	if (state != STATE_STANDBY && state != STATE_ON)
	{
		floor_mark.lsn = noted_from;
		floor_mark.restart_lsn = InvalidXLogRecPtr;
		settle();
	}
	if (state == STATE_ON)
		pass_epoch_start();
}

/*
 * This server was promoted.
 */
void
recorder_promoted(void)
{
	maybe_until = wal_reader_tail();
	if (state == STATE_STANDBY)
		state = STATE_UNKNOWN;
	retry_at = 0;
}

/*
 * Wait for a while after a failure.
 */
static void
back_off(void)
{
	delay_ms = Min(Max(delay_ms * 2, FIRST_DELAY_MS), MAX_DELAY_MS);
	retry_at = instant_now() + delay_ms * INT64CONST(1000);
}

/*
 * An executor has found no extension, and this is no standby: the messages of
 * what is noted are gone together with the table.
 */
static bool
extension_gone(JobOutcome outcome, bool answered)
{
	return answered && outcome == JOB_UNAVAILABLE && !RecoveryInProgress();
}

/*
 * A batch was written, or was not.
 */
static void
batch_ended(JobOutcome outcome, Slice body, bool answered)
{
	int			n = in_flight;

	busy = false;
	in_flight = 0;
	if (outcome != JOB_DONE && !extension_gone(outcome, answered))
	{
		back_off();
		return;
	}
	delay_ms = 0;
	if (outcome == JOB_DONE)
		shmem_count(SHARED_RECORDED, n);
	if (n == 0)
		return;
	floor_mark.lsn = noted_from = backlog[first + n - 1].entry.lsn;
	floor_mark.restart_lsn = backlog[first + n - 1].entry.restart_lsn;
	drop_oldest(n);
	pass_epoch_start();
}

/*
 * How many of the oldest make a batch: it has one epoch and one timeline.
 */
static int
batch_length(void)
{
	int			n = 1;

	while (n < count && n < BATCH_ENTRIES &&
		   backlog[first + n].epoch == backlog[first].epoch &&
		   backlog[first + n].timeline == backlog[first].timeline)
		n++;
	return n;
}

/*
 * Have the oldest written.
 */
static void
send_batch(void)
{
	CommitsHead head = {0};
	CommitEntry *entries;

	head.epoch = backlog[first].epoch;
	head.timeline = backlog[first].timeline;
	in_flight = batch_length();
	head.count = (uint32) in_flight;
	/* a failure may have been the loss of an answer */
	head.may_repeat = delay_ms > 0 || backlog[first].entry.lsn <= maybe_until;
	entries = palloc(in_flight * sizeof(CommitEntry));
	for (int i = 0; i < in_flight; i++)
		entries[i] = backlog[first + i].entry;
	busy = true;
	waiting_since = instant_now();
	jobs_add_own(JOB_COMMITS, slice_make((const char *) &head, sizeof(head)),
				 slice_make((const char *) entries, in_flight * sizeof(CommitEntry)),
				 batch_ended);
	pfree(entries);
}

/*
 * Is this a row that this server's own history left?
 */
static bool
row_is_ours(const PositionReply *row)
{
	return row->found != 0 && row->lsn <= wal_reader_tail() &&
		row->restart_lsn <= row->lsn && row->epoch != 0 &&
		row->epoch <= PG_INT64_MAX &&
		position_in_history(row->timeline, row->lsn);
}

/*
 * The position was lost: does the newest row give us another one?
 *
 * A standby that was made of a base backup has no WAL from before that.  It does
 * not need it, because what was told before is in the primary's records: it goes
 * on in the primary's epoch, so that cursors are good on both.
 */
static void
decide_fresh(const PositionReply *row)
{
	bool		is_ours = row_is_ours(row);

	again.lsn = row->lsn;
	again.restart_lsn = row->restart_lsn;
	again_epoch = row->epoch;
	if (is_ours && position_readable(row->restart_lsn))
		state = STATE_READ_AGAIN;
	else if (is_ours && RecoveryInProgress())
		state = STATE_ADOPT;
	else
		settle();
}

/*
 * Recording ends at the floor or at the newest row, whichever is later.  Go on
 * from there.
 */
static void
decide_unknown(const PositionReply *row)
{
	Mark		end = floor_mark;
	int			n = 0;

	if (row_is_ours(row) && row->lsn > end.lsn)
	{
		end.lsn = row->lsn;
		end.restart_lsn = row->restart_lsn;
	}
	/* nobody has ever recorded anything */
	if (XLogRecPtrIsInvalid(end.lsn))
		end.lsn = noted_from;

	if (end.lsn >= noted_from)
	{
		while (n < count && backlog[first + n].entry.lsn <= end.lsn)
			n++;
		drop_oldest(n);
		floor_mark = end;
		noted_from = end.lsn;
		noted_until = Max(noted_until, noted_from);
		state = STATE_ON;
	}
	else if (position_readable(end.restart_lsn))
	{
		again = end;
		again_epoch = epoch;
		state = STATE_READ_AGAIN;
	}
	else
		state = STATE_LOST;
}

/*
 * The newest row is here, or is not.  Clients should not be kept waiting for a
 * table that cannot be read.
 */
static void
position_ended(JobOutcome outcome, Slice body, bool answered)
{
	PositionReply row = {0};

	busy = false;
	if (outcome == JOB_DONE && !job_decode_position(body, &row))
		outcome = JOB_FAILED;
	if (outcome != JOB_DONE && !extension_gone(outcome, answered) &&
		!(state == STATE_FRESH && answered))
	{
		back_off();
		return;
	}
	delay_ms = 0;
	if (state == STATE_FRESH)
		decide_fresh(&row);
	else if (state == STATE_UNKNOWN)
		decide_unknown(&row);
}

/*
 * Give up waiting for an older epoch when there is nobody to ask.
 */
static void
check_fresh(Instant now)
{
	if (state == STATE_FRESH && (now >= fresh_until || !executors_possible(now)))
		settle();
}

/*
 * Send what is to be sent.
 */
long
recorder_tick(Instant now, bool hurry)
{
	Instant due = waiting_since + BATCH_MS * INT64CONST(1000);

	check_fresh(now);
	if (busy || (state != STATE_FRESH && state != STATE_UNKNOWN &&
				 (state != STATE_ON || count == 0)))
		return -1;
	if (retry_at > now)
		return ms_until(retry_at, now);
	if (state == STATE_ON && !hurry && count < BATCH_ENTRIES && due > now)
		return ms_until(due, now);
	if (!executors_possible(now))
		return MAX_DELAY_MS;
	if (state == STATE_ON)
		send_batch();
	else
	{
		busy = true;
		jobs_add_own(JOB_POSITION, slice_make(NULL, 0), slice_make(NULL, 0), position_ended);
	}
	return -1;
}

/*
 * What should the hub do?
 */
RecorderAdvice
recorder_advice(HubPosition *position)
{
	switch (state)
	{
		case STATE_FRESH:
			return RECORDER_WAIT;
		case STATE_READ_AGAIN:
			position->epoch = again_epoch;
			position->restart_lsn = position->recorded_restart_lsn = again.restart_lsn;
			position->recorded_lsn = again.lsn;
			position->released_lsn = again_epoch == epoch ? InvalidXLogRecPtr : again.lsn;
			return RECORDER_READ_AGAIN;
		case STATE_ADOPT:
			position->epoch = again_epoch;
			return RECORDER_ADOPT;
		case STATE_LOST:
			return RECORDER_LOST;
		default:
			return RECORDER_GO_ON;
	}
}

/*
 * The hub reads again.
 */
void
recorder_reads_again(void)
{
	start_over(again.lsn, again.restart_lsn);
	maybe_until = wal_reader_tail();
	epoch = again_epoch;
	settle();
}

/*
 * What realtime.commits has.
 */
void
recorder_bounds(Instant now, XLogRecPtr *recorded_lsn, XLogRecPtr *newest_lsn)
{
	bool		standby = state == STATE_STANDBY;

	*newest_lsn = standby && count > 0 ? noted_until : InvalidXLogRecPtr;
	if (!standby)
		*recorded_lsn = floor_mark.lsn;
	else if (now < standby_from)
		*recorded_lsn = InvalidXLogRecPtr;
	else
		*recorded_lsn = PG_UINT64_MAX;
}

/*
 * The hub is in the epoch of its primary.
 */
void
recorder_adopts(void)
{
	epoch = again_epoch;
	settle();
}

/*
 * Transactions that are still to be recorded.
 */
int
recorder_backlog(void)
{
	return count;
}

/*
 * Can more be noted without forgetting any?
 */
bool
recorder_has_room(void)
{
	return count < MAX_BACKLOG / 2 || !busy;
}
