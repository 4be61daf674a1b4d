/*-------------------------------------------------------------------------
 *
 * reports.c
 *	  Telling the database how deliveries ended, in batches.
 *
 * One report is under way at a time, and what ends meanwhile waits for the next
 * one.  A report that cannot be made is made again, for ever: its deliveries
 * stay in hand, so nothing of them is delivered a second time, and if they are
 * too many, nothing more is fetched.
 *
 * src/courier/reports.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "courier/fetches.h"
#include "courier/reports.h"
#include "program/bus_jobs.h"
#include "program/bus_link.h"
#include "program/loop.h"
#include "proto/jslice.h"

#define BATCH_MAX 512
#define BATCH_WAIT_MS 10		/* for more to report */
#define BATCH_ENOUGH 64			/* that need not wait for more */
#define RETRY_MS 1000			/* after a report that failed */
#define LOG_INTERVAL_MS 10000

static dlist_head ended = DLIST_STATIC_INIT(ended); /* to be reported */
static dlist_head told = DLIST_STATIC_INIT(told);	/* the report under way */
static int	nended;
static bool under_way;
static int64 due_at = LOOP_NEVER;	/* when `ended` is to be reported */
static int64 logged_at = -LOG_INTERVAL_MS;
static CourierReport counts;

/*
 * Say that one was given up, once in a while.  An endpoint has no password in it.
 */
static void
log_dead(const Delivery *delivery)
{
	static int64 dead_logged_at = -LOG_INTERVAL_MS;
	static uint64 unlogged;

	if (loop_now < dead_logged_at + LOG_INTERVAL_MS)
	{
		unlogged++;
		return;
	}
	bus_log(BUS_LOG_INFO, "gave up a delivery to %s: %s (and " UINT64_FORMAT " more before)",
			delivery->endpoint->name, delivery->error, unlogged);
	dead_logged_at = loop_now;
	unlogged = 0;
}

/*
 * Count how a delivery ended.
 */
static void
count(const Delivery *delivery)
{
	counts.sent++;
	switch (delivery->verdict)
	{
		case VERDICT_DELIVERED:
			counts.delivered++;
			break;
		case VERDICT_RETRY:
			counts.retried++;
			break;
		case VERDICT_DEAD:
			counts.dead++;
			log_dead(delivery);
			break;
	}
}

/*
 * One more to be reported.
 */
void
reports_add(Delivery *delivery, int64 now)
{
	count(delivery);
	dlist_push_tail(&ended, &delivery->node);
	nended++;
	due_at = Min(due_at, nended >= BATCH_ENOUGH ? now : now + BATCH_WAIT_MS);
}

/*
 * Append one that failed.
 */
static bool
append_failed(Bytes *json, const Delivery *delivery, const char *comma)
{
	bytes_printf(json, "%s{\"id\":" INT64_FORMAT ",\"status\":", comma, delivery->id);
	if (delivery->status != 0)
		bytes_printf(json, "%ld", delivery->status);
	else
		bytes_append_cstr(json, "null");
	bytes_append_cstr(json, ",\"retryMs\":");
	if (delivery->verdict == VERDICT_RETRY)
		bytes_printf(json, INT64_FORMAT, delivery->retry_ms);
	else
		bytes_append_cstr(json, "null");
	bytes_append_cstr(json, ",\"error\":");
	(void) jslice_append_string(json, slice_make(delivery->error, strlen(delivery->error)));
	return bytes_append_byte(json, '}');
}

/*
 * Append all of `told`, of a kind; false without memory.
 */
static bool
append_told(Bytes *json, bool delivered)
{
	const char *comma = "";
	dlist_iter	iter;

	dlist_foreach(iter, &told)
	{
		const Delivery *delivery = dlist_container(Delivery, node, iter.cur);

		if ((delivery->verdict == VERDICT_DELIVERED) != delivered)
			continue;
		if (delivered)
			bytes_printf(json, "%s" INT64_FORMAT, comma, delivery->id);
		else
			(void) append_failed(json, delivery, comma);
		comma = ",";
	}
	return !json->failed;
}

/*
 * The job that reports `told`; false without memory.
 */
static bool
encode(Bytes *body)
{
	CallJob		job = {.function = CALL_FINISH_WEBHOOKS};
	Bytes		json;
	bool		done;

	bytes_init(&json);
	done = bytes_append_cstr(&json, "{\"delivered\":\"{") &&
		append_told(&json, true) &&
		bytes_append_cstr(&json, "}\",\"failed\":[") &&
		append_told(&json, false) &&
		bytes_append_cstr(&json, "]}");
	job.request = bytes_slice(&json);
	done = done && job_encode_call(body, &job);
	bytes_free(&json);
	return done;
}

/*
 * What could not be reported goes to the front again.
 */
static void
keep(int64 retry_at)
{
	while (!dlist_is_empty(&told))
	{
		dlist_node *last = dlist_tail_node(&told);

		dlist_delete(last);
		dlist_push_head(&ended, last);
		nended++;
	}
	due_at = retry_at;
}

/*
 * The report has been made or not: JobHandler.
 */
static void
report_answered(JobOutcome outcome, Slice body, void *arg)
{
	CallReply	reply;

	under_way = false;
	if (outcome != JOB_DONE || !job_decode_call_reply(body, &reply) || reply.status != 200)
	{
		keep(loop_now + RETRY_MS);
		if (loop_now >= logged_at + LOG_INTERVAL_MS)
		{
			bus_log(BUS_LOG_WARNING, "could not report how %d deliveries ended, trying again", nended);
			logged_at = loop_now;
		}
		return;
	}
	while (!dlist_is_empty(&told))
	{
		Delivery   *delivery = dlist_container(Delivery, node, dlist_pop_head_node(&told));

		if (delivery->verdict == VERDICT_RETRY)
			fetches_want_at(loop_now + delivery->retry_ms);
		delivery_free(delivery);
	}
	if (nended > 0)
		due_at = Min(due_at, loop_now);
}

/*
 * Report, if it is time.
 */
void
reports_run(int64 now, bool at_once)
{
	Bytes		body;

	if (under_way || nended == 0 || (now < due_at && !at_once))
		return;
	for (int i = 0; i < BATCH_MAX && !dlist_is_empty(&ended); i++)
	{
		dlist_push_tail(&told, dlist_pop_head_node(&ended));
		nended--;
	}
	due_at = LOOP_NEVER;
	bytes_init(&body);
	under_way = encode(&body) &&
		bus_jobs_ask(JOB_CALL, bytes_slice(&body), report_answered, NULL);
	bytes_free(&body);
	if (!under_way)
		keep(now + RETRY_MS);
}

/*
 * When will it be time?  The answer to the one under way comes by itself.
 */
int64
reports_deadline(void)
{
	return under_way ? LOOP_NEVER : due_at;
}

/*
 * Is all reported?
 */
bool
reports_are_done(void)
{
	return !under_way && nended == 0;
}

/*
 * What was counted.
 */
void
reports_take_counts(CourierReport *out)
{
	*out = counts;
	memset(&counts, 0, sizeof(counts));
}
