/*-------------------------------------------------------------------------
 *
 * executor.c
 *	  A worker that runs SQL for clients, one job after the other.
 *
 * The hub launches executors, hands them jobs over a socket in the data
 * directory and replaces those that end.  Here is the worker's shell: it
 * connects as a role that may do next to nothing, waits for a job, has job_run()
 * run it and sends what came out.  What a job may do to the session, and what
 * is put right after it, is job_session.c's business.
 *
 * While it waits it serves what every backend with a connection must serve:
 * barriers, invalidations, settings, the wish that it should end.  A request to
 * cancel a query is for a query: without one it is forgotten.
 *
 * src/exec/executor.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "exec/executor.h"
#include "exec/job_run.h"
#include "exec/job_session.h"
#include "guc.h"
#include "pg_compat.h"
#include "proto/bus_frame.h"
#include "proto/bytes.h"
#include "served_database.h"

#define WORKER_TYPE "realtime executor"

/* A hub that has no room for a connection is asked again after a nap. */
#define CONNECT_NAP_MS 10
#define CONNECT_TRIES 500

/* Bytes asked of the socket at a time; most jobs are smaller. */
#define READ_BYTES (16 * 1024)

/* A buffer that a large job has left behind is given back beyond this. */
#define KEEP_BYTES (256 * 1024)

static int	bus = -1;
static WaitEventSet *wait_set = NULL;
static int	bus_event;			/* position of the bus in wait_set */
static Bytes input;				/* what came over the bus and is not done yet */
static long stats_ms = 0;		/* statistics want to be reported then; 0 = none */

/*
 * Ask for a worker.
 */
bool
executor_launch(int slot, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s %d", WORKER_TYPE, slot + 1);
	strlcpy(worker.bgw_type, WORKER_TYPE, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "realtime", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "realtime_executor_main", BGW_MAXLEN);
	worker.bgw_main_arg = Int32GetDatum(slot);
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/*
 * Signals, barriers, invalidations, settings; between jobs.
 */
static void
handle_interrupts(void)
{
	/* asked to end: nothing to tell the log of */
	if (ProcDiePending)
		proc_exit(0);
	CHECK_FOR_INTERRUPTS();
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		session_reload();
	}
}

/*
 * Sleep until the bus is ready for what is wanted, or something else is to be
 * done, which is done.
 */
static void
wait_for_bus(uint32 wanted)
{
	WaitEvent	event;

	ModifyWaitEvent(wait_set, bus_event, wanted, NULL);
	if (WaitEventSetWait(wait_set, stats_ms > 0 ? stats_ms : -1, &event, 1,
						 PG_WAIT_EXTENSION) == 0)
		stats_ms = pgstat_report_stat(true);
	else if (event.events == WL_LATCH_SET)
		ResetLatch(MyLatch);
	handle_interrupts();
}

/*
 * One attempt to connect; false if the hub has no room right now.
 */
static bool
try_connect(void)
{
	struct sockaddr_un address;

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	strlcpy(address.sun_path, BUS_SOCKET, sizeof(address.sun_path));
	if (connect(bus, (struct sockaddr *) &address, sizeof(address)) == 0)
		return true;
	if (errno == EAGAIN || errno == EINTR)
		return false;
	ereport(FATAL,
			(errcode_for_socket_access(),
			 errmsg("could not connect to the realtime hub: %m")));
	return false;
}

/*
 * Connect to the hub and make what waiting needs.
 */
static void
connect_bus(void)
{
	bus = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bus < 0)
		ereport(FATAL,
				(errcode_for_socket_access(),
				 errmsg("could not create a socket for the realtime hub: %m")));
	for (int i = 0; !try_connect(); i++)
	{
		if (i == CONNECT_TRIES)
			ereport(FATAL,
					(errcode(ERRCODE_CONNECTION_FAILURE),
					 errmsg("the realtime hub takes no connections")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 CONNECT_NAP_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		handle_interrupts();
	}

	wait_set = CreateProcessWaitEventSet(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	bus_event = AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, bus, NULL, NULL);
	bytes_init(&input);
}

/*
 * Send a frame whose body is two pieces; waits until the hub has taken it.
 */
static void
send_frame(BusFrameType type, Slice head, Slice rest)
{
	Bytes		frame;
	size_t		sent = 0;

	bytes_init(&frame);
	if (!bytes_reserve(&frame, BUS_HEADER_BYTES + head.len + rest.len))
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	bus_frame_header(frame.data, type, head.len + rest.len);
	frame.len = BUS_HEADER_BYTES;
	(void) bytes_append_slice(&frame, head);
	(void) bytes_append_slice(&frame, rest);
	while (sent < frame.len)
	{
		ssize_t		n = send(bus, frame.data + sent, frame.len - sent,
							 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0)
			sent += n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			wait_for_bus(WL_SOCKET_WRITEABLE);
		else if (errno != EINTR)
			proc_exit(0);		/* the hub is gone, and knows it */
	}
	bytes_free(&frame);
}

/*
 * Read what there is, waiting for something.
 */
static void
read_bus(void)
{
	ssize_t		n;

	if (!bytes_reserve(&input, READ_BYTES))
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	n = recv(bus, input.data + input.len, input.cap - input.len, MSG_DONTWAIT);
	if (n > 0)
		input.len += n;
	else if (n == 0)
		proc_exit(0);			/* the hub has closed the bus */
	else if (errno == EAGAIN || errno == EWOULDBLOCK)
		wait_for_bus(WL_SOCKET_READABLE);
	else if (errno != EINTR)
		ereport(FATAL,
				(errcode_for_socket_access(),
				 errmsg("could not read from the realtime hub: %m")));
}

/*
 * Wait for the next job.  Returns the bytes of input that it takes; its body
 * points into them.
 */
static size_t
next_job(BusJob *job, Slice *body)
{
	BusHeader	header;
	Slice		frame;
	ssize_t		n;

	while ((n = bus_frame_decode(input.data, input.len, &header, &frame)) == 0)
		read_bus();
	if (n < 0 || header.type != BUS_RUN || !bus_decode_job(frame, job, body))
		ereport(FATAL,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the realtime hub has sent what is no job")));
	return (size_t) n;
}

/*
 * Run a job and send its answer.
 */
static void
serve(const BusJob *job, Slice body)
{
	BusResult	result = {0};
	Bytes		answer;

	bytes_init(&answer);
	result.id = job->id;
	result.outcome = (uint8) job_run((JobKind) job->kind, body, &answer);
	send_frame(BUS_DONE, slice_make((const char *) &result, sizeof(result)),
			   bytes_slice(&answer));
	bytes_free(&answer);
}

/*
 * Forget the job that is done.
 */
static void
consume(size_t n)
{
	bytes_consume(&input, n);
	if (input.len == 0 && input.cap > KEEP_BYTES)
		bytes_free(&input);
}

/*
 * Main function of the worker.
 */
void
realtime_executor_main(Datum slot)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(realtime_database, EXECUTOR_ROLE, 0);
	session_init();
	connect_bus();
	send_frame(BUS_HELLO, slice_make(NULL, 0), slice_make(NULL, 0));
	pgstat_report_activity(STATE_IDLE, NULL);

	for (;;)
	{
		BusJob		job;
		Slice		body;
		size_t		n = next_job(&job, &body);

		serve(&job, body);
		consume(n);
		stats_ms = pgstat_report_stat(false);
		handle_interrupts();
	}
}
