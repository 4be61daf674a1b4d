/*-------------------------------------------------------------------------
 *
 * executors.c
 *	  The workers that run SQL for the hub: launch, supervise, hand out jobs.
 *
 * Executors are dynamic background workers.  The postmaster starts them, so
 * they cannot inherit an end of the bus: they come to executor_door.c, and only
 * a process that was launched here is let in.
 *
 * An executor has one job at a time and reads nothing meanwhile.  What tells
 * that it is stuck is therefore its job's deadline.  One that is past it is
 * terminated, never killed: SIGKILL to a server process restarts the cluster.
 *
 * Nothing is launched while the served database or the role of the executors
 * does not exist, so that a server without the extension has none of this, and
 * DROP DATABASE ends it.  Before a command that needs the database for itself
 * they are sent away (api/make_way.c).
 *
 * src/hub/executors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "exec/executor.h"
#include "guc.h"
#include "hub/bus_peer.h"
#include "hub/executor_door.h"
#include "hub/executors.h"
#include "hub/jobs.h"
#include "hub/timeouts.h"
#include "proto/change_job.h"
#include "served_database.h"
#include "shmem.h"

/* An executor that lived this long is started again without delay. */
#define HEALTHY_MS 1000
#define FIRST_DELAY_MS 100
#define MAX_DELAY_MS 10000

/* Likewise where the server has no slot for a worker. */
#define SLOTS_FIRST_DELAY_MS 1000
#define SLOTS_MAX_DELAY_MS 60000

/* How often we look for database and role, without and with jobs that wait. */
#define LOOK_MS 1000
#define LOOK_FOR_JOBS_MS 100

/* The time that a command like DROP DATABASE has to lock the database. */
#define MAKE_WAY_MS 1000

/* Beyond realtime.statement_timeout, until an executor counts as stuck. */
#define DEADLINE_SLACK_MS 5000

/* How soon we look again at workers that are starting or ending. */
#define CHANGE_MS 100

/* Of a frame from an executor: the largest has one message of history. */
#define MAX_EXECUTOR_BODY BUS_MAX_BODY

typedef enum ExecutorState
{
	EXECUTOR_ABSENT,			/* no worker; next: STARTING */
	EXECUTOR_STARTING,			/* launched; next: IDLE, ENDING, ABSENT */
	EXECUTOR_IDLE,				/* waits for a job; next: BUSY, ENDING */
	EXECUTOR_BUSY,				/* has one; next: IDLE, ENDING */
	EXECUTOR_ENDING				/* of no use any more; next: ABSENT */
} ExecutorState;

typedef struct Executor
{
	ExecutorState state;
	BackgroundWorkerHandle *handle; /* unless ABSENT */
	pid_t		pid;			/* 0 = not known yet */
	BusPeer    *peer;			/* NULL = has not connected yet */
	Job		   *job;			/* of a BUSY one */
	Instant deadline;		/* of that job */
	bool		leaving;		/* gets no more jobs */
	bool		asked;			/* we have told it to end */
	Instant started_at;
	Instant start_after;	/* not before */
	int			delay_ms;		/* of the next start */
} Executor;

static Executor executors[MAX_EXECUTORS];
static Instant slots_after; /* nothing is launched before */
static int	slots_delay_ms = 0;
static bool slots_told = false; /* the log has been told of it */
static Instant way_until = 0;	/* nor before this */
static uint32 way_seen = 0;
static Instant looked_at = 0;
static bool look_good = false;	/* what we saw then */

/*
 * Number of an executor, as users count.
 */
static int
number_of(const Executor *executor)
{
	return (int) (executor - executors) + 1;
}

/*
 * Take an executor's job from it.
 */
static void
end_job(Executor *executor, JobOutcome outcome, Slice body, bool answered)
{
	Job		   *job = executor->job;

	executor->job = NULL;
	if (job != NULL)
		jobs_end(job, outcome, body, answered);
}

/*
 * Have an executor end, whatever it does.
 */
static void
terminate(Executor *executor)
{
	TerminateBackgroundWorker(executor->handle);
	executor->state = EXECUTOR_ENDING;
	end_job(executor, JOB_UNAVAILABLE, slice_make(NULL, 0), false);
}

/*
 * The same because it is not wanted any more.
 */
static void
dismiss(Executor *executor)
{
	executor->asked = true;
	terminate(executor);
}

/*
 * An executor is ready for its first job.
 */
static bool
take_hello(Executor *executor, Slice body)
{
	if (executor->state != EXECUTOR_STARTING || body.len != 0)
		return false;
	executor->state = EXECUTOR_IDLE;
	return true;
}

/*
 * An executor has done its job.
 */
static bool
take_done(Executor *executor, Slice body)
{
	BusResult	result;
	Slice		rest;

	if (executor->state != EXECUTOR_BUSY || !bus_decode_result(body, &result, &rest) ||
		result.id != executor->job->id || !JOB_OUTCOME_VALID(result.outcome) ||
		(result.outcome != JOB_DONE && rest.len != 0))
		return false;
	executor->state = EXECUTOR_IDLE;
	end_job(executor, (JobOutcome) result.outcome, rest, true);
	return true;
}

/*
 * One frame from an executor.  False if it should not have been sent.
 */
static bool
take_frame(void *owner, const BusHeader *header, Slice body)
{
	Executor   *executor = owner;

	/* it may have been busy or starting when it was told to end */
	if (executor->state == EXECUTOR_ENDING)
		return true;
	switch (header->type)
	{
		case BUS_HELLO:
			return take_hello(executor, body);
		case BUS_DONE:
			return take_done(executor, body);
		default:
			return false;
	}
}

/*
 * An executor has left the bus: usually because it is ending.
 */
static void
executor_lost(void *owner, const char *why)
{
	Executor   *executor = owner;

	if (!executor->asked && !ShutdownRequestPending)
		ereport(LOG,
				(errmsg("realtime executor %d %s", number_of(executor), why)));
	if (executor->state != EXECUTOR_ENDING)
		terminate(executor);
}

/*
 * A worker has ended.
 */
static void
executor_ended(Executor *executor, Instant now)
{
	end_job(executor, JOB_UNAVAILABLE, slice_make(NULL, 0), false);
	if (executor->peer != NULL)
		bus_peer_free(executor->peer);
	pfree(executor->handle);
	executor->peer = NULL;
	executor->handle = NULL;
	executor->pid = 0;
	executor->state = EXECUTOR_ABSENT;

	if (executor->asked || now - executor->started_at >= HEALTHY_MS * INT64CONST(1000))
		executor->delay_ms = 0;
	else
		executor->delay_ms = Min(Max(executor->delay_ms * 2, FIRST_DELAY_MS), MAX_DELAY_MS);
	executor->start_after = now + executor->delay_ms * INT64CONST(1000);
	if (executor->asked)
		return;
	shmem_count(SHARED_EXECUTOR_FAILURES, 1);
	/* perhaps because there is nothing to connect to any more */
	looked_at = 0;
}

/*
 * Look what the postmaster says about a worker that is starting or ending.
 */
static void
look_at_worker(Executor *executor, Instant now)
{
	pid_t		pid;

	switch (GetBackgroundWorkerPid(executor->handle, &pid))
	{
		case BGWH_STARTED:
			executor->pid = pid;
			break;
		case BGWH_STOPPED:
			executor_ended(executor, now);
			break;
		default:
			break;
	}
}

/*
 * Let a process in as the executor it is.  False if it is none that we wait for.
 */
static bool
let_in(int fd, pid_t pid)
{
	static const BusPeerHandlers handlers = {take_frame, executor_lost};

	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		Executor   *executor = &executors[i];

		if (executor->state != EXECUTOR_STARTING || executor->pid != pid ||
			executor->peer != NULL)
			continue;
		executor->peer = bus_peer_create(fd, MAX_EXECUTOR_BODY, &handlers, executor);
		return true;
	}
	return false;
}

/*
 * Is there a worker of which the postmaster has not told us the process id yet?
 */
static bool
expects_others(Instant now)
{
	bool		any = false;

	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		if (executors[i].state != EXECUTOR_STARTING)
			continue;
		look_at_worker(&executors[i], now);
		if (executors[i].state == EXECUTOR_STARTING && executors[i].pid == 0)
			any = true;
	}
	return any;
}

/*
 * Is there a database to connect to, and a role to connect as?  What was seen
 * at most max_age_ms ago will do.
 */
static bool
look(Instant now, long max_age_ms)
{
	Oid			database;

	if (now - looked_at >= max_age_ms * INT64CONST(1000) || now < looked_at)
	{
		look_good = served_database_ready(&database);
		looked_at = now;
	}
	return look_good;
}

/*
 * The server has no slot for a worker.  Told once, until there are as many as
 * are wanted.
 */
static void
no_slot(Instant now)
{
	if (!slots_told)
		ereport(LOG,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("out of background worker slots for realtime executors"),
				 errhint("Consider increasing max_worker_processes, or decreasing realtime.executors.")));
	slots_told = true;
	slots_delay_ms = Min(Max(slots_delay_ms * 2, SLOTS_FIRST_DELAY_MS), SLOTS_MAX_DELAY_MS);
	slots_after = now + slots_delay_ms * INT64CONST(1000);
}

/*
 * Launch the executor of a slot.
 */
static void
launch(Executor *executor, Instant now)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	bool		launched = executor_launch((int) (executor - executors), &executor->handle);

	MemoryContextSwitchTo(old);
	if (!launched)
	{
		no_slot(now);
		return;
	}
	slots_delay_ms = 0;
	executor->state = EXECUTOR_STARTING;
	executor->leaving = false;
	executor->asked = false;
	executor->started_at = now;
	shmem_count(SHARED_EXECUTOR_STARTS, 1);
}

/*
 * Launch an executor that is wanted, if it is time for that.  Returns the
 * milliseconds until it may be.
 */
static long
launch_if_due(Executor *executor, Instant now)
{
	Instant after = Max(Max(executor->start_after, slots_after), way_until);

	if (after > now)
		return ms_until(after, now);
	if (!executor_door_is_open())
		return LOOK_MS;
	if (!look(now, jobs_queued() > 0 ? LOOK_FOR_JOBS_MS : LOOK_MS))
		return LOOK_MS;
	launch(executor, now);
	return CHANGE_MS;
}

/*
 * Look after one executor.  Returns the milliseconds until the next look.
 */
static long
tend(Executor *executor, Instant now)
{
	bool		wanted = executor - executors < realtime_executors;

	switch (executor->state)
	{
		case EXECUTOR_ABSENT:
			return wanted ? launch_if_due(executor, now) : -1;
		case EXECUTOR_STARTING:
		case EXECUTOR_ENDING:
			look_at_worker(executor, now);
			return CHANGE_MS;
		case EXECUTOR_IDLE:
			if (wanted && !executor->leaving)
				return -1;
			dismiss(executor);
			return CHANGE_MS;
		case EXECUTOR_BUSY:
			if (executor->deadline > now)
				return ms_until(executor->deadline, now);
			ereport(LOG,
					(errmsg("realtime executor %d does not end its job, terminating it",
							number_of(executor))));
			end_job(executor, JOB_TIMED_OUT, slice_make(NULL, 0), false);
			terminate(executor);
			return CHANGE_MS;
	}
	return -1;
}

/*
 * See whether a command wants the database for itself.
 */
static void
make_way(Instant now)
{
	uint32		wanted = pg_atomic_read_u32(&realtime_shared->make_way);

	if (wanted == way_seen)
		return;
	way_seen = wanted;
	way_until = now + MAKE_WAY_MS * INT64CONST(1000);
	for (int i = 0; i < MAX_EXECUTORS; i++)
		executors[i].leaving = true;
	/* afterwards things may be different */
	looked_at = 0;
}

/*
 * The hub is ending, in whatever way: its executors are of no use.
 */
static void
end_all(int code, Datum arg)
{
	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		if (executors[i].state != EXECUTOR_ABSENT)
			TerminateBackgroundWorker(executors[i].handle);
	}
	executor_door_remove();
}

/*
 * Set up; once per process.
 */
void
executors_init(void)
{
	executor_door_init(let_in, expects_others);
	way_seen = pg_atomic_read_u32(&realtime_shared->make_way);
	before_shmem_exit(end_all, (Datum) 0);
}

/*
 * Look after all of them.
 */
long
executors_tick(Instant now)
{
	long		soonest = -1;
	bool		complete = true;

	make_way(now);
	executor_door_tick(now);
	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		soonest = sooner(soonest, tend(&executors[i], now));
		if (i < realtime_executors && executors[i].state == EXECUTOR_ABSENT)
			complete = false;
	}
	if (complete)
		slots_told = false;
	return soonest;
}

/*
 * Can there be an executor?
 */
bool
executors_possible(Instant now)
{
	return realtime_executors > 0 && executor_door_is_open() && look(now, LOOK_FOR_JOBS_MS);
}

/*
 * Is there one that can run a job now or when it is through with another one?
 * Returns an idle one, if any, in *idle.
 */
static bool
find_executor(Executor **idle)
{
	bool		any = false;

	*idle = NULL;
	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		if (executors[i].state == EXECUTOR_IDLE && !executors[i].leaving)
		{
			*idle = &executors[i];
			return true;
		}
		if (executors[i].state != EXECUTOR_ABSENT)
			any = true;
	}
	return any;
}

/*
 * Give an idle executor a job.
 */
static void
run(Executor *executor, Job *job, Instant now)
{
	BusJob		head = {0};

	head.id = job->id;
	head.kind = (uint8) job->kind;
	executor->state = EXECUTOR_BUSY;
	executor->job = job;
	executor->deadline = now +
		((int64) realtime_statement_timeout + DEADLINE_SLACK_MS) * 1000;
	bus_peer_send(executor->peer, BUS_RUN, slice_make((const char *) &head, sizeof(head)),
				  slice_make(job->body, job->len));
	bus_peer_flush(executor->peer);
}

/*
 * Hand out jobs.
 */
void
executors_dispatch(Instant now)
{
	Executor   *idle;

	while (jobs_ready())
	{
		bool		any = find_executor(&idle);

		if (idle != NULL)
			run(idle, jobs_take(), now);
		else
		{
			if (!any && !executors_possible(now))
				jobs_end_queued(JOB_UNAVAILABLE);
			break;
		}
	}
}

/*
 * Executors that are ready or busy.
 */
int
executors_ready(void)
{
	int			n = 0;

	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		if (executors[i].state == EXECUTOR_IDLE || executors[i].state == EXECUTOR_BUSY)
			n++;
	}
	return n;
}
