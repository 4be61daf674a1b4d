/*-------------------------------------------------------------------------
 *
 * hub.c
 *	  The background worker that tails the WAL and feeds the gateways.
 *
 * Its loop: serve the bus, hand jobs to executors, flush what asynchronous
 * commits left unflushed, read WAL, release committed transactions one by one,
 * have them recorded, sleep.  It is connected to no database, so that it is
 * visible in pg_stat_activity, can be terminated and blocks no DROP DATABASE; it
 * takes part in invalidations and barriers like any backend, therefore it never
 * waits for anything but its latch.
 *
 * Ends with exit code 1, because a worker that ends with 0 is not restarted.
 *
 * src/hub/hub.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec/maintenance.h"
#include "guc.h"
#include "hub/audience.h"
#include "hub/bus_server.h"
#include "hub/child.h"
#include "hub/courier_server.h"
#include "hub/events.h"
#include "hub/executors.h"
#include "hub/follows.h"
#include "hub/hub.h"
#include "hub/jobs.h"
#include "hub/pace.h"
#include "hub/position.h"
#include "hub/presence_server.h"
#include "hub/programs.h"
#include "hub/quiet.h"
#include "hub/recorder.h"
#include "hub/release.h"
#include "hub/roll_ups.h"
#include "hub/seam.h"
#include "hub/sealed.h"
#include "hub/timeouts.h"
#include "hub/usage_server.h"
#include "hub/wal_reader.h"
#include "hub/xact_buffer.h"
#include "instant.h"
#include "jwt_config.h"
#include "shmem.h"
#include "ssl_config.h"

/* WAL skipped and things found in it per turn, before the bus is served. */
#define WAL_PER_TURN (16 * 1024 * 1024)
#define EVENTS_PER_TURN 4096

/*
 * Nobody wakes the hub for foreign WAL.  It looks by itself this often, so as
 * not to fall behind the segments that checkpoints remove.
 */
#define IDLE_MS 250

/* A standby's replay wakes nobody either. */
#define STANDBY_POLL_MS 5

/* Longest pause between two looks at a commit that is not visible. */
#define HOLD_MAX_MS 100

#define SAVE_INTERVAL_MS 1000
#define MAINTENANCE_INTERVAL_MS (60 * 60 * 1000)

/*
 * Transactions that ended without a record are looked for soon after the start,
 * when a crash may have left some, and less and less often.
 */
#define FIRST_EXPIRE_INTERVAL_MS 500
#define MAX_EXPIRE_INTERVAL_MS 30000

/* A hub that ends sooner than this after its start makes the next one wait. */
#define HEALTHY_START_MS 1000
#define MAX_START_DELAY_MS 10000

typedef struct Hub
{
	WalReader  *reader;
	uint64		epoch;
	XLogRecPtr	released_lsn;	/* end of the last commit that is told of */
	TimestampTz released_at;
	XLogRecPtr	again_until;	/* WAL up to here is read a second time */
	bool		fresh;			/* no position was found at the start */
	bool		epoch_settled;	/* it is the one that clients are told */
	bool		standby;
	bool		catching_up;	/* no gateway is open yet */
	XLogRecPtr	catch_up_to;	/* until this is read */
	long		hold_ms;		/* next pause of a hold; 0 = none */
	bool		more;			/* there is more to do without waiting */
	bool		at_end;			/* all WAL there was is read and released */
	Instant saved_at;
	HubPosition saved;
	Instant expired_at;
	int			expire_interval_ms;
	Instant maintained_at;
	Instant warned_at;		/* last warning of a forged record */
	MemoryContext turn_context; /* reset each turn */
} Hub;

static Hub	hub;

/*
 * Have the postmaster start the hub as soon as reading is possible.
 */
void
hub_register(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 0;
	strlcpy(worker.bgw_name, "realtime hub", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "realtime hub", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "realtime", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "realtime_hub_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

/*
 * Show in shared memory how far we are.
 */
static void
publish_state(HubState state)
{
	XLogRecPtr	oldest = xact_buffer_oldest();
	XLogRecPtr	read_lsn = wal_reader_position(hub.reader);
	XLogRecPtr	restart_lsn = XLogRecPtrIsInvalid(oldest) ? read_lsn : oldest;
	HubPosition position;

	/* the one in hand is read, but neither told nor noted yet */
	if (!release_pending())
		recorder_read(Min(hub.released_lsn, read_lsn), restart_lsn);
	recorder_position(&position);

	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->hub_state = state;
	realtime_shared->epoch = hub.epoch_settled ? hub.epoch : 0;
	realtime_shared->read_lsn = read_lsn;
	realtime_shared->restart_lsn = restart_lsn;
	realtime_shared->released_lsn = hub.released_lsn;
	realtime_shared->released_at = hub.released_at;
	realtime_shared->recorded_lsn = position.recorded_lsn;
	realtime_shared->recorded_restart_lsn = position.recorded_restart_lsn;
	realtime_shared->record_backlog = recorder_backlog();
	realtime_shared->executors = executors_ready();
	realtime_shared->queued_jobs = jobs_queued();
	presence_server_gauges(&realtime_shared->presence_members,
						   &realtime_shared->presence_bytes);
	realtime_shared->followed_tables = follows_count();
	if (hub.at_end)
		realtime_shared->caught_up_at = instant_now();
	LWLockRelease(realtime_shared->lock);
}

/*
 * The hub is ending: nobody needs to wake it any more.
 */
static void
at_hub_exit(int code, Datum arg)
{
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->hub_latch = NULL;
	realtime_shared->hub_pid = 0;
	realtime_shared->hub_state = HUB_DOWN;
	LWLockRelease(realtime_shared->lock);
}

/*
 * Enter this process into shared memory.
 */
static void
announce(void)
{
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->hub_pid = MyProcPid;
	realtime_shared->hub_latch = MyLatch;
	realtime_shared->hub_state = HUB_CATCHING_UP;
	realtime_shared->generation++;
	LWLockRelease(realtime_shared->lock);
	before_shmem_exit(at_hub_exit, (Datum) 0);
	shmem_count(SHARED_HUB_STARTS, 1);
}

/*
 * Write the position file, at most once a second.
 */
static void
save_position(Instant now, bool force)
{
	HubPosition position;

	if (!force && ms_since(hub.saved_at, now) < SAVE_INTERVAL_MS)
		return;
	hub.saved_at = now;
	position_shared(&position);
	if (position.epoch == 0 || memcmp(&position, &hub.saved, sizeof(position)) == 0)
		return;
	position_save(&position);
	hub.saved = position;
}

/*
 * WAL that was still to be read is gone: say so and begin anew at its end.
 */
static void
lose_continuity(const char *reason)
{
	HubPosition position;

	shmem_count(SHARED_GAPS, 1);
	position_begin_epoch(&position);
	ereport(WARNING,
			(errmsg("realtime has lost messages: %s", reason),
			 errdetail("Delivery goes on at %X/%X in a new epoch; all clients are told to reconnect.",
					   LSN_FORMAT_ARGS(position.restart_lsn)),
			 errhint("The hub fell behind the WAL that the server keeps: consider a larger wal_keep_size.")));
	release_abandon();
	xact_buffer_clear();
	wal_reader_seek(hub.reader, position.restart_lsn);
	hub.epoch = position.epoch;
	hub.released_lsn = position.released_lsn;
	hub.again_until = InvalidXLogRecPtr;
	recorder_begin_epoch(&position);
	publish_state(HUB_RUNNING);
	programs_tell_gap(hub.epoch, reason);
}

/*
 * WalInterest: do we have messages of this transaction?
 */
static bool
has_messages(TransactionId xid, void *arg)
{
	return xact_buffer_find(xid) != NULL;
}

/*
 * A message that no function of ours has written.  Anybody can make one, so the
 * log is told once a second at most.
 */
static void
ignore_message(const WalEvent *event, SharedCounter counter)
{
	Instant now = instant_now();

	shmem_count(counter, 1);
	if (ms_since(hub.warned_at, now) < 1000)
		return;
	hub.warned_at = now;
	ereport(LOG,
			(errmsg("realtime has ignored a forged message at %X/%X",
					LSN_FORMAT_ARGS(event->lsn)),
			 errdetail("Transaction %u wrote it with pg_logical_emit_message().",
					   event->xid)));
}

/*
 * A message in the WAL.
 */
static void
take_message(const WalEvent *event)
{
	WalMessage	message;
	Slice		body;

	switch (sealed_open(event, &message, &body))
	{
		case SEALED_GENUINE:
			xact_buffer_add((TransactionId) message.top_xid, event->lsn, event->xid,
							message.number, body,
							realtime_spill_size * (size_t) 1024);
			break;
		case SEALED_FORGED:
			ignore_message(event, SHARED_FORGED);
			break;
		case SEALED_MALFORMED:
			ignore_message(event, SHARED_MALFORMED);
			break;
		case SEALED_FOREIGN:
			break;
	}
}

/*
 * A transaction that has messages is committed.
 */
static void
take_commit(const WalEvent *event)
{
	BufferedXact *xact = xact_buffer_find(event->xid);
	bool		told = event->end <= hub.released_lsn;

	if (xact == NULL)
		return;
	/* told of, by us or an earlier hub, and recorded */
	if (told && !recorder_wants(event->end))
		xact_buffer_drop(xact);
	else
		release_begin(xact, event, wal_reader_timeline(hub.reader, event->end), told);
}

/*
 * A transaction that has messages is rolled back.
 */
static void
take_abort(const WalEvent *event)
{
	BufferedXact *xact = xact_buffer_find(event->xid);

	if (xact == NULL)
		return;
	shmem_count(SHARED_ROLLED_BACK, xact->count);
	xact_buffer_drop(xact);
}

/*
 * The commit in hand is told of: note it and go on to the next one.
 */
static void
end_release(void)
{
	XLogRecPtr	oldest;
	CommitEntry entry;

	release_describe(&entry);
	release_abandon();
	if (entry.lsn > hub.released_lsn)
	{
		hub.released_lsn = entry.lsn;
		hub.released_at = entry.committed_at;
	}
	if (entry.xid == 0 || !recorder_wants(entry.lsn))
		return;
	oldest = xact_buffer_oldest();
	entry.restart_lsn = XLogRecPtrIsInvalid(oldest) ? entry.lsn : oldest;
	recorder_note(&entry, wal_reader_timeline(hub.reader, entry.lsn));
}

/*
 * May more be read?  What is read again is read no faster than it is recorded.
 */
static bool
has_room(void)
{
	return bus_server_has_room() &&
		(wal_reader_position(hub.reader) >= hub.again_until || recorder_has_room());
}

/*
 * Go on with the commit in hand.  True when reading may go on.
 */
static bool
release(void)
{
	while (release_pending())
	{
		if (!bus_server_has_room())
			return false;
		switch (release_step())
		{
			case RELEASE_DONE:
				end_release();
				break;
			case RELEASE_HELD:
				/* the committing backend wakes us; the pause is a safety net */
				hub.hold_ms = hub.hold_ms == 0 ? 1 : Min(hub.hold_ms * 2, HOLD_MAX_MS);
				return false;
			case RELEASE_BUSY:
				hub.more = true;
				return false;
			case RELEASE_GAP:
				lose_continuity("the WAL of a large transaction was removed before it could be read again");
				break;
		}
		hub.hold_ms = 0;
	}
	return true;
}

/*
 * WAL to be read is gone.  That is a loss unless it was all foreign, which is
 * known of what was not read before.
 */
static void
pass_gap(void)
{
	XLogRecPtr	position = wal_reader_position(hub.reader);
	XLogRecPtr	resume;

	if (position >= hub.again_until && quiet_skip(position, &resume))
		wal_reader_seek(hub.reader, resume);
	else
		lose_continuity(wal_reader_error(hub.reader));
}

/*
 * Read WAL and release what is committed, as far as one turn goes.
 */
static void
read_wal(void)
{
	WalEvent	event;

	hub.more = false;
	hub.at_end = false;
	quiet_look();
	for (int i = 0; i < EVENTS_PER_TURN; i++)
	{
		if (!release() || !has_room())
			return;
		switch (wal_reader_next(hub.reader, WAL_PER_TURN, &event))
		{
			case WAL_MESSAGE:
				take_message(&event);
				break;
			case WAL_COMMIT:
				take_commit(&event);
				break;
			case WAL_ABORT:
				take_abort(&event);
				break;
			case WAL_GAP:
				pass_gap();
				break;
			case WAL_END:
				hub.at_end = true;
				if (XLogRecPtrIsInvalid(xact_buffer_oldest()))
					quiet_note(wal_reader_position(hub.reader));
				return;
			case WAL_BUSY:
				hub.more = true;
				return;
		}
	}
	hub.more = true;
}

/*
 * Have the settings hold for presence.
 */
static void
limit_presence(void)
{
	presence_server_limit((uint64) realtime_max_presence_members,
						  (uint64) realtime_max_presence_memory * 1024);
}

/*
 * Signals, barriers, invalidations, settings.
 */
static void
handle_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		jwt_config_load();
		ssl_config_load();
		programs_reload();
		courier_server_reload();
		limit_presence();
	}
	AcceptInvalidationMessages();
}

/*
 * Open the gateways once all is read that was there at our start: who connects
 * then hears what is committed then.  A commit that is held may stay so for
 * ever; its clients should be able to wait for it.
 */
static void
check_caught_up(void)
{
	if (!hub.catching_up || !hub.epoch_settled)
		return;
	if (hub.hold_ms > 0 || wal_reader_position(hub.reader) >= hub.catch_up_to ||
		!hub.more)
	{
		hub.catching_up = false;
		/* what a crash cut off has been read by now */
		hub.expire_interval_ms = FIRST_EXPIRE_INTERVAL_MS;
	}
}

/*
 * Read the WAL again from a position, for the sake of realtime.commits.  False
 * if that has to wait: a transaction that is half told is told to its end.
 */
static bool
read_again(const HubPosition *position)
{
	bool		adopt = !XLogRecPtrIsInvalid(position->released_lsn);

	if (release_under_way())
		return false;
	ereport(LOG,
			(errmsg("realtime reads the WAL again from %X/%X",
					LSN_FORMAT_ARGS(position->restart_lsn)),
			 adopt ? errdetail("The hub's position was lost; it goes on from the newest row of realtime.commits.") :
			 errdetail("Transactions after that are not in realtime.commits yet.")));
	release_abandon();
	xact_buffer_clear();
	if (adopt)
	{
		hub.epoch = position->epoch;
		hub.released_lsn = position->released_lsn;
		hub.fresh = false;
	}
	hub.again_until = wal_reader_position(hub.reader);
	hub.catch_up_to = wal_reader_tail();
	hub.expire_interval_ms = FIRST_EXPIRE_INTERVAL_MS;
	hub.hold_ms = 0;
	hub.more = true;
	wal_reader_seek(hub.reader, position->restart_lsn);
	recorder_reads_again();
	return true;
}

/*
 * The epoch is decided upon.
 */
static void
settle_epoch(void)
{
	if (hub.epoch_settled)
		return;
	hub.epoch_settled = true;
	if (hub.fresh)
		ereport(LOG,
				(errmsg("realtime hub begins a new epoch at %X/%X",
						LSN_FORMAT_ARGS(hub.released_lsn)),
				 errdetail("Messages committed before are in realtime.messages, but are not delivered.")));
}

/*
 * Have commits recorded, and do what that takes.  Returns the milliseconds until
 * it should be done again.
 */
static long
record(Instant now)
{
	HubPosition position;
	long		timeout;

	if (hub.standby && !RecoveryInProgress())
	{
		hub.standby = false;
		recorder_promoted();
	}
	timeout = recorder_tick(now, jobs_want_record());
	switch (recorder_advice(&position))
	{
		case RECORDER_WAIT:
			return timeout;
		case RECORDER_READ_AGAIN:
			if (!read_again(&position))
				return timeout;
			break;
		case RECORDER_ADOPT:
			hub.epoch = position.epoch;
			hub.fresh = false;
			recorder_adopts();
			break;
		case RECORDER_LOST:
			lose_continuity("transactions could not be recorded before their WAL was removed");
			break;
		case RECORDER_GO_ON:
			break;
	}
	settle_epoch();
	return timeout;
}

/*
 * Drop the messages of transactions that a crash cut off, which no record ends.
 * They would keep restart_lsn where it is until its WAL is removed.
 *
 * Not while a commit is in hand; under load that is most of the time, so it is
 * tried again at once and not only after the next interval.
 */
static void
expire_transactions(Instant now)
{
	uint64		dropped;

	if (release_pending() || ms_since(hub.expired_at, now) < hub.expire_interval_ms)
		return;
	hub.expired_at = now;
	hub.expire_interval_ms += Min(hub.expire_interval_ms / 4,
								  MAX_EXPIRE_INTERVAL_MS - hub.expire_interval_ms);
	dropped = xact_buffer_expire(wal_reader_position(hub.reader));
	if (dropped > 0)
		shmem_count(SHARED_ROLLED_BACK, dropped);
}

/*
 * What is done now and then.
 */
static void
do_chores(Instant now)
{
	save_position(now, false);
	expire_transactions(now);
	if (jwt_config_retry(now))
	{
		programs_reload();
		courier_server_reload();
	}
	if (ms_since(hub.maintained_at, now) >= MAINTENANCE_INTERVAL_MS &&
		!RecoveryInProgress())
	{
		hub.maintained_at = now;
		maintenance_launch();
	}
}

/*
 * Up to where have we told?
 */
static void
told_place(Place *place)
{
	if (release_place(place))
		return;
	place->lsn = hub.released_lsn;
	place->timeline = wal_reader_timeline(hub.reader, hub.released_lsn);
	place->number = PLACE_WHOLE;
}

/*
 * Hand out jobs, and write all that is queued for executors and gateways.
 */
static void
serve_bus(Instant now)
{
	SeamBounds bounds = {0};

	bounds.epoch = hub.epoch;
	told_place(&bounds.told);
	recorder_bounds(now, &bounds.recorded_lsn, &bounds.newest_lsn);
	seam_set_bounds(&bounds);
	executors_dispatch(now);
	presence_server_acknowledge();
	usage_server_tell();
	bus_server_flush(&bounds.told);
	courier_server_flush();
}

/*
 * How far commits are told of, where the WAL was flushed up to `flushed` before
 * it was read.  That may be in the middle of a record, which nobody waits for.
 */
static XLogRecPtr
told_lsn(XLogRecPtr flushed)
{
	if (release_pending())
		return hub.released_lsn;
	return hub.at_end ? flushed : wal_reader_position(hub.reader);
}

/*
 * One turn.  Returns how long to sleep, in milliseconds.
 */
static long
turn(void)
{
	Instant now = instant_now();
	long		timeout = RecoveryInProgress() ? STANDBY_POLL_MS : IDLE_MS;
	long		flush_ms;
	XLogRecPtr	flushed;

	pace_time_flush(false);
	handle_interrupts();
	events_dispatch();
	timeout = sooner(timeout, executors_tick(now));
	timeout = sooner(timeout, jobs_expire(now));
	/* who waits for a decision does not wait for the WAL, too */
	serve_bus(now);
	flush_ms = pace_flush_wal(now);
	timeout = sooner(timeout, flush_ms);
	flushed = GetFlushRecPtr(NULL);
	read_wal();
	timeout = sooner(timeout, record(now));
	timeout = sooner(timeout, audience_tick(now));
	timeout = sooner(timeout, roll_ups_tick(now));
	timeout = sooner(timeout, follows_tick(now, told_lsn(flushed)));
	publish_state(hub.catching_up ? HUB_CATCHING_UP :
				  hub.hold_ms > 0 ? HUB_HOLDING : HUB_RUNNING);
	check_caught_up();
	if (!hub.catching_up)
	{
		timeout = sooner(timeout, programs_tick(now));
		timeout = sooner(timeout, courier_server_tick(now));
	}
	serve_bus(now);
	timeout = sooner(timeout, bus_server_check_stalled(now));
	do_chores(now);

	/* reading stopped for want of room, and the flush has made some */
	if (!hub.at_end && hub.hold_ms == 0 && has_room())
		hub.more = true;
	if (hub.more)
		return 0;
	pace_time_flush(flush_ms > 0);
	if (hub.hold_ms > 0)
		timeout = sooner(timeout, hub.hold_ms);
	return timeout;
}

/*
 * Keep a hub that fails right after its start from being started in a tight
 * loop: bgw_restart_time counts whole seconds and is 0 here.
 */
static void
delay_start(void)
{
	static const int step_ms = 100;
	int			failures;
	Instant started_at;
	Instant now = instant_now();
	long		delay;

	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	started_at = realtime_shared->hub_started_at;
	failures = realtime_shared->hub_failures;
	failures = ms_since(started_at, now) < HEALTHY_START_MS ? failures + 1 : 0;
	realtime_shared->hub_failures = failures;
	realtime_shared->hub_started_at = now;
	LWLockRelease(realtime_shared->lock);

	/* the first restart is free */
	if (failures < 2)
		return;
	delay = Min((long) step_ms << Min(failures - 2, 10), MAX_START_DELAY_MS);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, delay,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->hub_started_at = instant_now();
	LWLockRelease(realtime_shared->lock);
}

/*
 * Make all that the loop needs.
 */
static void
set_up(void)
{
	HubPosition position;

	events_init();
	jwt_config_load();
	ssl_config_load();
	sealed_init();
	xact_buffer_init();
	child_init();
	programs_init();
	courier_server_init();
	limit_presence();
	jobs_init();
	executors_init();
	announce();

	hub.fresh = !position_load(&position);
	hub.again_until = position.restart_lsn;
	recorder_init(&position, hub.fresh);
	hub.standby = RecoveryInProgress();
	hub.reader = wal_reader_create(has_messages, NULL);
	wal_reader_seek(hub.reader, position.restart_lsn);
	hub.epoch = position.epoch;
	hub.released_lsn = position.released_lsn;
	hub.expire_interval_ms = FIRST_EXPIRE_INTERVAL_MS;
	hub.catching_up = true;
	hub.catch_up_to = wal_reader_tail();
	hub.turn_context = AllocSetContextCreate(TopMemoryContext, "realtime hub turn",
											 ALLOCSET_DEFAULT_SIZES);
	publish_state(HUB_CATCHING_UP);
}

/*
 * Main function of the worker.
 */
void
realtime_hub_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	/* pg_cancel_backend() has nothing to cancel here */
	pqsignal(SIGINT, SIG_IGN);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	delay_start();
	set_up();
	pgstat_report_activity(STATE_RUNNING, "tailing the WAL");
	MemoryContextSwitchTo(hub.turn_context);
	for (;;)
	{
		long		timeout;

		ResetLatch(MyLatch);
		timeout = turn();
		MemoryContextReset(hub.turn_context);
		if (ShutdownRequestPending)
		{
			save_position(instant_now(), true);
			proc_exit(1);
		}
		pace_gather(hub.released_lsn, hub.more);
		events_wait(timeout);
	}
}
