/*-------------------------------------------------------------------------
 *
 * publish_route.c
 *	  POST /functions/v1/realtime-publish.
 *
 * An agent's server tells the widgets of a user or a conversation that there
 * is something to fetch (insforge-oaura.md 8.3).  Whose key it is and what to
 * send is SQL's affair: an executor calls realtime.http_realtime_publish(),
 * and its status and body are the answer.  The key itself does not leave the
 * gateway; what goes to SQL is its SHA-256, which is what the database keeps.
 *
 * The answer comes after the broadcast has been committed.
 *
 * src/gateway/publish_route.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/evp.h>

#include "gateway/gw_stats.h"
#include "gateway/publish_route.h"
#include "program/bus_jobs.h"
#include "proto/jslice.h"

#define BODY_MAX (16 * 1024)
#define HASH_BYTES 32			/* of a SHA-256 */
#define KEY_PREFIX SLICE_LIT("rtk_")
#define KEY_BYTES (4 + 64)		/* with 64 hex digits */
#define RETRY_HEADER "Retry-After: 1\r\n"

static void handle_publish(HttpExchange *exchange, const HttpRequest *req, Slice body);

const HttpBodyRoute publish_route = {
	.handler = handle_publish,
	.body_max = BODY_MAX,
	.error_prefix = "{\"ok\":false,\"error\":\""
};

/*
 * Append the hash of the key as a JSON value: null where there is no key, or
 * more than one.
 */
static void
append_key_hash(Bytes *out, const HttpRequest *req)
{
	static const char digits[] = "0123456789abcdef";
	const Slice *key = http_header(req, "x-api-key");
	unsigned char hash[HASH_BYTES];

	if (key == NULL || key->len == 0)
	{
		bytes_append_cstr(out, "null");
		return;
	}
	if (EVP_Digest(key->data, key->len, hash, NULL, EVP_sha256(), NULL) != 1)
	{
		out->failed = true;
		return;
	}
	bytes_append_byte(out, '"');
	for (int i = 0; i < HASH_BYTES; i++)
	{
		bytes_append_byte(out, (uint8) digits[hash[i] >> 4]);
		bytes_append_byte(out, (uint8) digits[hash[i] & 15]);
	}
	bytes_append_byte(out, '"');
}

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
	append_key_hash(&request, req);
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
	const Slice *key = http_header(req, "x-api-key");

	if (key == NULL || key->len != KEY_BYTES || !slice_has_prefix(*key, KEY_PREFIX))
		return false;
	for (size_t i = KEY_PREFIX.len; i < key->len; i++)
	{
		if (strchr("0123456789abcdef", key->data[i]) == NULL)
			return false;
	}
	return true;
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
