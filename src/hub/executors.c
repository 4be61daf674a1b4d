/*-------------------------------------------------------------------------
 *
 * executors.c
 *	  The workers that run SQL for the hub: launch, supervise, hand out jobs.
 *
 * Executors are dynamic background workers.  The postmaster starts them, so
 * they cannot inherit an end of the bus: they connect to a socket in the data
 * directory, and only a process that we had launched is let in (SO_PEERCRED).
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

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec/executor.h"
#include "guc.h"
#include "hub/bus_peer.h"
#include "hub/events.h"
#include "hub/executors.h"
#include "hub/jobs.h"
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

/* Connections of which we do not know yet whose they are, and for how long. */
#define MAX_GUESTS 8
#define GUEST_MS 1000

/* How soon we look again at workers that are starting or ending. */
#define CHANGE_MS 100

/* Of a frame from an executor: the largest answers a call. */
#define MAX_EXECUTOR_BODY (sizeof(BusResult) + JOB_MAX_BODY)

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
	TimestampTz deadline;		/* of that job */
	bool		leaving;		/* gets no more jobs */
	bool		asked;			/* we have told it to end */
	TimestampTz started_at;
	TimestampTz start_after;	/* not before */
	int			delay_ms;		/* of the next start */
} Executor;

/* Somebody at the door. */
typedef struct Guest
{
	int			fd;				/* -1 = nobody */
	pid_t		pid;
	TimestampTz since;
} Guest;

static Executor executors[MAX_EXECUTORS];
static Guest guests[MAX_GUESTS];
static EventSource door;		/* fd -1 = not open */
static TimestampTz door_after;	/* opened not before */
static TimestampTz slots_after; /* nothing is launched before */
static int	slots_delay_ms = 0;
static bool slots_told = false; /* the log has been told of it */
static TimestampTz way_until = 0;	/* nor before this */
static uint32 way_seen = 0;
static TimestampTz looked_at = 0;
static bool look_good = false;	/* what we saw then */

/*
 * The shorter of two times to wait, where -1 stands for ever.
 */
static long
sooner(long a, long b)
{
	if (a < 0)
		return b;
	return b < 0 ? a : Min(a, b);
}

/*
 * Milliseconds from now to then, at least 1.
 */
static long
ms_until(TimestampTz then, TimestampTz now)
{
	return Max((long) ((then - now + 999) / 1000), 1);
}

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
executor_ended(Executor *executor, TimestampTz now)
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
look_at_worker(Executor *executor, TimestampTz now)
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
 * Let a guest in as the executor it is.  False if it is none that we wait for.
 */
static bool
seat_guest(Guest *guest)
{
	static const BusPeerHandlers handlers = {take_frame, executor_lost};

	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		Executor   *executor = &executors[i];

		if (executor->state != EXECUTOR_STARTING || executor->pid != guest->pid ||
			executor->peer != NULL)
			continue;
		executor->peer = bus_peer_create(guest->fd, MAX_EXECUTOR_BODY, &handlers, executor);
		return true;
	}
	return false;
}

/*
 * Is there a worker of which the postmaster has not told us the process id?
 */
static bool
expects_guests(void)
{
	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		if (executors[i].state == EXECUTOR_STARTING && executors[i].pid == 0)
			return true;
	}
	return false;
}

/*
 * Seat those of whom we know by now who they are, and turn away the others: at
 * once, unless we wait for somebody.
 */
static void
seat_guests(TimestampTz now)
{
	bool		expected = expects_guests();

	for (int i = 0; i < MAX_GUESTS; i++)
	{
		Guest	   *guest = &guests[i];

		if (guest->fd < 0)
			continue;
		if (!seat_guest(guest))
		{
			if (expected && now - guest->since < GUEST_MS * INT64CONST(1000))
				continue;
			ereport(LOG,
					(errmsg("realtime has refused process %d on the bus of its executors",
							(int) guest->pid)));
			close(guest->fd);
		}
		guest->fd = -1;
	}
}

/*
 * Find a chair for somebody who has just come in; NULL if all are taken.
 */
static Guest *
free_chair(void)
{
	for (int i = 0; i < MAX_GUESTS; i++)
	{
		if (guests[i].fd < 0)
			return &guests[i];
	}
	return NULL;
}

/*
 * Close the door for a while, because it could not be used: who knocks meanwhile
 * would keep the hub from ever sleeping.
 */
static void
close_door(TimestampTz now)
{
	ereport(LOG,
			(errcode_for_socket_access(),
			 errmsg("could not accept a connection of a realtime executor: %m")));
	events_remove(&door);
	close(door.fd);
	door.fd = -1;
	door_after = now + FIRST_DELAY_MS * INT64CONST(1000);
}

/*
 * Somebody knocks.
 */
static void
door_event(EventSource *source, uint32 bits)
{
	TimestampTz now = GetCurrentTimestamp();
	struct ucred peer;
	socklen_t	len = sizeof(peer);
	Guest	   *guest;
	int			fd = accept4(door.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
	{
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			close_door(now);
		return;
	}
	guest = free_chair();
	if (guest == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
		len != sizeof(peer) || peer.uid != geteuid())
	{
		close(fd);
		return;
	}
	guest->fd = fd;
	guest->pid = peer.pid;
	guest->since = now;
	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		if (executors[i].state == EXECUTOR_STARTING)
			look_at_worker(&executors[i], now);
	}
	seat_guests(now);
}

/*
 * Make the socket that executors connect to; -1 if that fails.
 */
static int
make_door(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t		mask;
	bool		done;
	int			save_errno;

	if (fd < 0)
		return -1;
	strlcpy(address.sun_path, BUS_SOCKET, sizeof(address.sun_path));
	(void) unlink(BUS_SOCKET);	/* of a hub that could not do so */
	mask = umask(S_IXUSR | S_IRWXG | S_IRWXO);
	done = bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		listen(fd, MAX_EXECUTORS) == 0;
	save_errno = errno;
	(void) umask(mask);
	if (done)
		return fd;
	close(fd);
	errno = save_errno;
	return -1;
}

/*
 * Open the door, if it is not open.  A hub without one serves public channels
 * all the same.
 */
static void
open_door(TimestampTz now)
{
	if (door.fd >= 0 || now < door_after)
		return;
	door.fd = make_door();
	if (door.fd >= 0)
	{
		events_add(&door, EPOLLIN);
		return;
	}
	door_after = now + SLOTS_MAX_DELAY_MS * INT64CONST(1000);
	ereport(WARNING,
			(errcode_for_socket_access(),
			 errmsg("could not create socket \"%s\" for realtime executors: %m", BUS_SOCKET)));
}

/*
 * Is there a database to connect to, and a role to connect as?  What was seen
 * at most max_age_ms ago will do.
 */
static bool
look(TimestampTz now, long max_age_ms)
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
no_slot(TimestampTz now)
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
launch(Executor *executor, TimestampTz now)
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
launch_if_due(Executor *executor, TimestampTz now)
{
	TimestampTz after = Max(Max(executor->start_after, slots_after),
							Max(way_until, door_after));

	if (after > now)
		return ms_until(after, now);
	if (!look(now, jobs_queued() > 0 ? LOOK_FOR_JOBS_MS : LOOK_MS))
		return LOOK_MS;
	launch(executor, now);
	return CHANGE_MS;
}

/*
 * Look after one executor.  Returns the milliseconds until the next look.
 */
static long
tend(Executor *executor, TimestampTz now)
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
make_way(TimestampTz now)
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
	if (door.fd >= 0)
		(void) unlink(BUS_SOCKET);
}

/*
 * Set up; once per process.
 */
void
executors_init(void)
{
	door.fd = -1;
	door.handler = door_event;
	for (int i = 0; i < MAX_GUESTS; i++)
		guests[i].fd = -1;
	way_seen = pg_atomic_read_u32(&realtime_shared->make_way);
	before_shmem_exit(end_all, (Datum) 0);
}

/*
 * Look after all of them.
 */
long
executors_tick(TimestampTz now)
{
	long		soonest = -1;
	bool		complete = true;

	make_way(now);
	open_door(now);
	for (int i = 0; i < MAX_EXECUTORS; i++)
	{
		soonest = sooner(soonest, tend(&executors[i], now));
		if (i < realtime_executors && executors[i].state == EXECUTOR_ABSENT)
			complete = false;
	}
	if (complete)
		slots_told = false;
	seat_guests(now);
	return soonest;
}

/*
 * Can there be an executor?
 */
bool
executors_possible(TimestampTz now)
{
	return realtime_executors > 0 && door.fd >= 0 && look(now, LOOK_FOR_JOBS_MS);
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
run(Executor *executor, Job *job, TimestampTz now)
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
executors_dispatch(TimestampTz now)
{
	Executor   *idle;

	while (jobs_queued() > 0)
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
