/*-------------------------------------------------------------------------
 *
 * courier_server.c
 *	  The hub's side of the courier: whether it runs, and its end of the bus.
 *
 * There is one courier per cluster, on the primary, and none before there is
 * something to deliver: what runs alone may keep in its memory what it is about
 * to deliver.  The first look is a job, asked once after the hub's start or the
 * server's promotion; from then on the WAL tells.
 *
 * It is told of new deliveries once per turn of the hub, however many
 * transactions had some: what is due stands in the table.
 *
 * src/hub/courier_server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "lib/stringinfo.h"

#include "guc.h"
#include "hub/bus_peer.h"
#include "hub/child.h"
#include "hub/config_body.h"
#include "hub/courier_server.h"
#include "hub/jobs.h"
#include "instant.h"
#include "proto/courier_report.h"

#define COURIER_PROGRAM "realtime_courier"

/* A courier that has not read for so long is of no use. */
#define STALL_MS 5000

/* How long after a look that failed for the next one. */
#define LOOK_AGAIN_MS 10000

static Child courier;
static BusPeer *peer = NULL;	/* NULL = it does not run */
static bool due = false;		/* there is or was something to deliver */
static bool news = false;		/* and the courier has to be told */
static bool looking = false;	/* a job is under way that tells `due` */
static bool looked = false;		/* it has told */
static Instant look_after = 0;

/*
 * Note in shared memory whether it runs.
 */
static void
publish_courier(void)
{
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->courier_pid = courier.pid;
	realtime_shared->webhooks_held = 0;
	LWLockRelease(realtime_shared->lock);
}

/*
 * It has ended.
 */
static void
forget_courier(Child *child)
{
	jobs_forget_gateway(COURIER_SLOT);
	bus_peer_free(peer);
	peer = NULL;
	publish_courier();
}

/*
 * What it has counted.
 */
static bool
take_report(Slice body)
{
	CourierReport report;

	if (body.len != sizeof(report))
		return false;
	memcpy(&report, body.data, sizeof(report));
	shmem_count(SHARED_WEBHOOKS_SENT, report.sent);
	shmem_count(SHARED_WEBHOOKS_DELIVERED, report.delivered);
	shmem_count(SHARED_WEBHOOKS_RETRIED, report.retried);
	shmem_count(SHARED_WEBHOOKS_DEAD, report.dead);
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->webhooks_held = report.held;
	LWLockRelease(realtime_shared->lock);
	return true;
}

/*
 * Work for the executors.
 */
static bool
take_job(Slice body)
{
	BusJob		job;
	Slice		rest;

	return bus_decode_job(body, &job, &rest) && jobs_add(COURIER_SLOT, &job, rest);
}

/*
 * One frame from the courier.  False if it should not have been sent.
 */
static bool
take_frame(void *owner, const BusHeader *header, Slice body)
{
	switch (header->type)
	{
		case BUS_LOG:
			return child_log(courier.name, body);
		case BUS_READY:
			ereport(LOG, (errmsg("realtime courier is ready, with " SLICE_FMT,
								 SLICE_ARG(child_printable(body)))));
			return true;
		case BUS_STATS:
			return take_report(body);
		case BUS_JOB:
			return take_job(body);
		default:
			return false;
	}
}

/*
 * Its bus is lost.
 */
static void
courier_lost(void *owner, const char *why)
{
	jobs_forget_gateway(COURIER_SLOT);
	child_kill(&courier, why);
}

/*
 * Set up; once per process.
 */
void
courier_server_init(void)
{
	courier.program = COURIER_PROGRAM;
	strlcpy(courier.name, "courier", sizeof(courier.name));
	courier.failures = SHARED_COURIER_FAILURES;
	courier.forget = forget_courier;
	child_add(&courier);
}

/*
 * There is something to deliver.
 */
void
courier_server_due(void)
{
	due = true;
	news = true;
}

/*
 * Send it its settings; the first frame on its bus.
 */
static void
send_config(void)
{
	BusHello	hello;
	StringInfoData settings;

	config_hello(&hello, COURIER_SLOT);
	initStringInfo(&settings);
	add_number(&settings, "sandbox", realtime_sandbox);
	add_number(&settings, "webhook_timeout", realtime_webhook_timeout);
	add_number(&settings, "webhook_concurrency", realtime_webhook_concurrency);
	add_number(&settings, "webhook_max_attempts", realtime_webhook_max_attempts);
	add_number(&settings, "webhook_retry_delay", realtime_webhook_retry_delay);
	add_setting(&settings, "webhook_allow_private", realtime_webhook_allow_private);
	add_setting(&settings, "webhook_ca_file", realtime_webhook_ca_file);
	courier_server_send(BUS_CONFIG, slice_make((const char *) &hello, sizeof(hello)),
						slice_make(settings.data, settings.len));
	pfree(settings.data);
}

/*
 * Start it.
 */
static void
start_courier(Instant now)
{
	static const BusPeerHandlers handlers = {take_frame, courier_lost};
	int			bus_fd;

	if (!child_start(&courier, now, &bus_fd, NULL))
		return;
	peer = bus_peer_create(bus_fd, BUS_MAX_BODY, &handlers, NULL);
	publish_courier();
	send_config();
	/* it looks by itself when it starts */
	news = false;
}

/*
 * The answer to a look: JobEnded.
 */
static void
look_ended(JobOutcome outcome, Slice body, bool answered)
{
	CallReply	reply;

	looking = false;
	looked = outcome == JOB_DONE && job_decode_call_reply(body, &reply);
	if (!looked)
		look_after = ms_after(instant_now(), LOOK_AGAIN_MS);
	else if (reply.status == CALL_WEBHOOKS_DUE)
		due = true;
}

/*
 * Find out whether there is something to deliver.  Returns when to look again.
 */
static long
look(Instant now)
{
	CallJob		job = {.function = CALL_LOOK_FOR_WEBHOOKS,.request = SLICE_LIT("{}")};
	Bytes		body;

	if (looked || looking)
		return -1;
	if (now < look_after)
		return Max((long) ((look_after - now + 999) / 1000), 1);
	bytes_init(&body);
	looking = true;
	if (job_encode_call(&body, &job))
		jobs_add_own(JOB_CALL, bytes_slice(&body), slice_make(NULL, 0), look_ended);
	else
		look_ended(JOB_BUSY, slice_make(NULL, 0), false);
	bytes_free(&body);
	return -1;
}

/*
 * Lose a courier that does not read.
 */
static long
check_stalled(Instant now)
{
	long		left;

	if (bus_peer_is_lost(peer) || bus_peer_queued(peer) == 0)
		return -1;
	left = STALL_MS - (long) ((now - bus_peer_progress_at(peer)) / 1000);
	if (left > 0)
		return left;
	bus_peer_lose(peer, "has stopped reading");
	return -1;
}

/*
 * Have it run or not.
 */
long
courier_server_tick(Instant now)
{
	if (!realtime_webhooks || RecoveryInProgress())
		return courier.pid != 0 ? child_end(&courier, now) : -1;
	if (courier.pid != 0)
		return check_stalled(now);
	if (!due)
		return look(now);
	if (courier.start_after <= now)
		start_courier(now);
	if (courier.pid != 0)
		return -1;
	return Max((long) ((courier.start_after - now + 999) / 1000), 1);
}

/*
 * Tell it the settings.
 */
void
courier_server_reload(void)
{
	if (courier.pid != 0 && courier.end_by == 0)
		send_config();
}

/*
 * Queue a frame.
 */
void
courier_server_send(BusFrameType type, Slice head, Slice rest)
{
	if (peer != NULL)
		bus_peer_send(peer, type, head, rest);
}

/*
 * Tell it the news and write what is queued.
 */
void
courier_server_flush(void)
{
	if (peer == NULL)
		return;
	if (news)
		courier_server_send(BUS_WEBHOOKS, slice_make(NULL, 0), slice_make(NULL, 0));
	news = false;
	bus_peer_flush(peer);
}
