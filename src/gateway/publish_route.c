/*-------------------------------------------------------------------------
 *
 * publish_route.c
 *	  POST /functions/v1/realtime-publish.
 *
 * An agent's server tells the widgets of a user or a conversation that there
 * is something to fetch (insforge-oaura.md 8.3).  Whose key it is and what to
 * send is SQL's affair: an executor calls realtime.http_realtime_publish(),
 * and its status and body are the answer.
 *
 * The answer comes after the broadcast has been committed.
 *
 * src/gateway/publish_route.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/api_key.h"
#include "gateway/gw_stats.h"
#include "gateway/publish_route.h"
#include "program/bus_jobs.h"
#include "proto/jslice.h"

#define BODY_MAX (16 * 1024)
#define KEY_HEADER "x-api-key"
#define KEY_PREFIX "rtk_"
#define RETRY_HEADER "Retry-After: 1\r\n"

static void handle_publish(HttpExchange *exchange, const HttpRequest *req, Slice body);

const HttpBodyRoute publish_route = {
	.handler = handle_publish,
	.body_max = BODY_MAX,
	.error_prefix = "{\"ok\":false,\"error\":\""
};

/*
 * Put the job together and ask; false if that cannot be done.
 */
static bool
ask(const HttpRequest *req, Slice body, JobHandler answered, HttpExchange *exchange)
{
	CallJob		call = {0};
	Bytes		request;
	Bytes		job;
	bool		asked = false;

	bytes_init(&request);
	bytes_init(&job);
	bytes_append_cstr(&request, "{\"keyHash\":");
	api_key_append_hash(&request, *http_header(req, KEY_HEADER));
	bytes_append_cstr(&request, ",\"body\":");
	bytes_append_slice(&request, body);
	if (bytes_append_byte(&request, '}'))
	{
		call.function = CALL_REALTIME_PUBLISH;
		call.request = bytes_slice(&request);
		asked = job_encode_call(&job, &call) &&
			bus_jobs_ask(JOB_CALL, bytes_slice(&job), answered, exchange);
	}
	bytes_free(&request);
	bytes_free(&job);
	return asked;
}

/*
 * SQL has answered, or could not.
 */
static void
answered(JobOutcome outcome, Slice result, void *arg)
{
	HttpExchange *exchange = arg;
	CallReply	reply;

	switch (outcome)
	{
		case JOB_DONE:
			if (!job_decode_call_reply(result, &reply) || reply.status < 200)
				break;
			if (reply.status == 200)
				STAT_INC(BUS_STAT_PUBLISHED);
			http_exchange_answer(exchange, reply.status, reply.body, NULL);
			return;
		case JOB_BUSY:
		case JOB_UNAVAILABLE:
		case JOB_TIMED_OUT:
			http_exchange_error(exchange, 503, "Busy, please try again", RETRY_HEADER);
			return;
		default:
			break;
	}
	http_exchange_error(exchange, 500, "Internal error", NULL);
}

/*
 * Has the request a key that realtime.create_agent_key() may have made?  Who
 * has none shall not keep executors busy.
 */
static bool
has_key(const HttpRequest *req)
{
	const Slice *key = http_header(req, KEY_HEADER);

	return key != NULL && api_key_has_form(*key, KEY_PREFIX);
}

/*
 * A whole request.
 */
static void
handle_publish(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	if (!jslice_validate(body.data, body.len, NULL))
		http_exchange_error(exchange, 400, "The body is not valid JSON", NULL);
	else if (!has_key(req))
		http_exchange_error(exchange, 401, "invalid API key", NULL);
	else if (ask(req, body, answered, exchange))
		http_exchange_defer(exchange, false);
	else
		http_exchange_error(exchange, 503, "Busy, please try again", RETRY_HEADER);
}
