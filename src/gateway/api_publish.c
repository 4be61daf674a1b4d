/*-------------------------------------------------------------------------
 *
 * api_publish.c
 *	  POST /api/realtime/publish.
 *
 *	  {"channel": name, "event": name, "payload": object[, "type": "broadcast"]}
 *
 * "topic" is another word for "channel", which one of InsForge's clients uses.
 * An administrator publishes as the server does, by an SQL function; a client as
 * it would on a socket, under the policies on realtime.messages (JOB_PUBLISH).  A
 * key of the role anon is looked up first.
 *
 * Unlike on a socket one need not have subscribed: whoever may publish on a
 * channel need not be allowed to hear it.
 *
 * src/gateway/api_publish.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/api_key.h"
#include "gateway/api_publish.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/request_headers.h"
#include "program/bus_jobs.h"
#include "proto/event_name.h"
#include "proto/jslice.h"
#include "proto/uuid.h"

static const ApiError bad_request = {400, "INVALID_INPUT", NULL, NULL};
static const ApiError bad_event =
{400, "REALTIME_INVALID_EVENT", "This event name is reserved", NULL};
static const ApiError too_large = {413, "INVALID_INPUT", "Payload size exceeds the limit", NULL};
static const ApiError too_many_headers =
{431, "INVALID_INPUT", "Request headers too large", NULL};
static const ApiError denied =
{403, "REALTIME_UNAUTHORIZED", "Not authorized to publish to this channel", NULL};
static const ApiError bad_key = {401, "AUTH_UNAUTHORIZED", "Invalid token", NULL};

/*
 * A message that waits for an answer.
 */
typedef struct ApiMessage
{
	HttpExchange *exchange;		/* keeps the body that payload points into */
	RequestHeaders *headers;	/* a reference */
	Bytes		channel;
	Bytes		event;
	Slice		payload;		/* JSON */
	bool		is_broadcast;
} ApiMessage;

/*
 * Forget a message, whose request has been answered.
 */
static void
free_message(ApiMessage *message)
{
	request_headers_unref(message->headers);
	bytes_free(&message->channel);
	bytes_free(&message->event);
	free(message);
}

/*
 * Answer with an error, and forget the message.
 */
static void
fail(ApiMessage *message, const ApiError *error)
{
	api_error_answer(message->exchange, error);
	free_message(message);
}

/*
 * A job did not end well, or could not be asked for.
 */
static void
fail_for_job(ApiMessage *message, JobOutcome outcome)
{
	api_error_of_job(message->exchange, outcome);
	free_message(message);
}

/*
 * What the types of JSON are called in faults.
 */
static const char *
type_name(Slice value)
{
	switch (jslice_type(value))
	{
		case JSLICE_NULL:
			return "null";
		case JSLICE_TRUE:
		case JSLICE_FALSE:
			return "boolean";
		case JSLICE_NUMBER:
			return "number";
		case JSLICE_STRING:
			return "string";
		case JSLICE_ARRAY:
			return "array";
		default:
			return "object";
	}
}

/*
 * Begin another fault.
 */
static void
begin_fault(Bytes *faults, const char *name)
{
	bytes_printf(faults, "%s%s: ", faults->len > 0 ? ", " : "", name);
}

/*
 * Note that a value is not there or of another type than it should; false if
 * neither is so.
 */
static bool
note_type(Bytes *faults, const char *name, Slice value, JsliceType type, const char *expected)
{
	if (jslice_type(value) == type)
		return false;
	begin_fault(faults, name);
	if (jslice_type(value) == JSLICE_NONE)
		bytes_append_cstr(faults, "Required");
	else
		bytes_printf(faults, "Expected %s, received %s", expected, type_name(value));
	return true;
}

/*
 * Read a name.
 */
static void
read_name(Bytes *faults, const char *key, Slice value, size_t max, Bytes *name)
{
	if (note_type(faults, key, value, JSLICE_STRING, "string"))
		return;
	if (!jslice_unescape(value, name))
		faults->failed = true;
	else if (name->len == 0)
	{
		begin_fault(faults, key);
		bytes_append_cstr(faults, "String must contain at least 1 character(s)");
	}
	else if (name->len > max)
	{
		begin_fault(faults, key);
		bytes_printf(faults, "String must contain at most %zu byte(s)", max);
	}
}

/*
 * Read the type, which need not be there.
 */
static void
read_type(Bytes *faults, Slice value, ApiMessage *message)
{
	JsliceType	type = jslice_type(value);

	message->is_broadcast = jslice_string_equals(value, SLICE_LIT("broadcast"));
	if (type == JSLICE_NONE || message->is_broadcast ||
		jslice_string_equals(value, SLICE_LIT("message")))
		return;
	begin_fault(faults, "type");
	if (type != JSLICE_STRING)
		bytes_printf(faults, "Expected 'message' | 'broadcast', received %s", type_name(value));
	else
	{
		bytes_append_cstr(faults, "Invalid enum value. Expected 'message' | 'broadcast', received '");
		if (!jslice_unescape(value, faults))
			faults->failed = true;
		bytes_append_byte(faults, '\'');
	}
}

/*
 * Read a whole message; what is wrong with it goes to *faults.
 */
static void
read_message(Bytes *faults, Slice body, ApiMessage *message)
{
	Slice		channel = jslice_get(body, "channel");
	Slice		topic = jslice_get(body, "topic");
	bool		by_topic = channel.len == 0 && topic.len > 0;

	if (note_type(faults, "body", body, JSLICE_OBJECT, "object"))
		return;
	read_name(faults, by_topic ? "topic" : "channel", by_topic ? topic : channel,
			  TOPIC_MAX_BYTES, &message->channel);
	read_name(faults, "event", jslice_get(body, "event"), EVENT_MAX_BYTES, &message->event);
	message->payload = jslice_get(body, "payload");
	(void) note_type(faults, "payload", message->payload, JSLICE_OBJECT, "object");
	read_type(faults, jslice_get(body, "type"), message);
}

/*
 * It is published, or not.
 */
static void
published(JobOutcome outcome, Slice result, void *arg)
{
	ApiMessage *message = arg;
	PublishReply reply;
	char		id[UUID_TEXT_LENGTH];
	char		body[128];

	if (outcome == JOB_REFUSED)
		fail(message, &denied);
	else if (outcome != JOB_DONE || !job_decode_publish_reply(result, &reply))
		fail_for_job(message, outcome == JOB_DONE ? JOB_FAILED : outcome);
	else if (reply.verdict != PUBLISH_DONE)
		fail(message, &denied);
	else
	{
		uuid_write(reply.id, id);
		snprintf(body, sizeof(body), "{\"messageId\":\"%.*s\"}", UUID_TEXT_LENGTH, id);
		http_exchange_answer(message->exchange, 201, slice_make(body, strlen(body)), NULL);
		free_message(message);
	}
}

/*
 * Have an executor publish a message as a client; false if that cannot be asked.
 */
static bool
publish_as(ApiMessage *message, Slice role, Slice sub, Slice claims)
{
	PublishJob	publish = {0};
	Bytes		job;
	bool		asked;

	publish.role = role;
	publish.sub = sub;
	publish.channel = bytes_slice(&message->channel);
	publish.claims = claims;
	publish.headers = request_headers_json(message->headers);
	publish.event = bytes_slice(&message->event);
	publish.payload = message->payload;
	publish.is_broadcast = message->is_broadcast;
	bytes_init(&job);
	asked = job_encode_publish(&job, &publish) &&
		bus_jobs_ask(JOB_PUBLISH, bytes_slice(&job), published, message);
	bytes_free(&job);
	return asked;
}

/*
 * SQL has said whose a key is.
 */
static void
key_checked(JobOutcome outcome, Slice result, void *arg)
{
	ApiMessage *message = arg;
	CallReply	reply;

	if (outcome != JOB_DONE || !job_decode_call_reply(result, &reply))
		fail_for_job(message, outcome == JOB_DONE ? JOB_FAILED : outcome);
	else if (reply.status != 200 || !jslice_validate(reply.body.data, reply.body.len, NULL) ||
			 !jslice_string_equals(jslice_get(reply.body, "role"), SLICE_LIT("anon")))
		fail(message, &bad_key);
	else if (!publish_as(message, SLICE_LIT("anon"), slice_make(NULL, 0),
						 SLICE_LIT("{\"role\":\"anon\"}")))
		fail_for_job(message, JOB_BUSY);
}

/*
 * An SQL function has published the message of an administrator, or not.
 */
static void
called(JobOutcome outcome, Slice result, void *arg)
{
	ApiMessage *message = arg;
	CallReply	reply;

	if (outcome != JOB_DONE || !job_decode_call_reply(result, &reply) || reply.status < 200)
	{
		fail_for_job(message, outcome == JOB_DONE ? JOB_FAILED : outcome);
		return;
	}
	http_exchange_answer(message->exchange, reply.status, reply.body, NULL);
	free_message(message);
}

/*
 * Call an SQL function; false if that cannot be asked.
 */
static bool
call(ApiMessage *message, CallFunction function, const Bytes *request, JobHandler handler)
{
	CallJob		call = {0};
	Bytes		job;
	bool		asked;

	call.function = (uint8) function;
	call.request = bytes_slice(request);
	bytes_init(&job);
	asked = !request->failed && job_encode_call(&job, &call) &&
		bus_jobs_ask(JOB_CALL, bytes_slice(&job), handler, message);
	bytes_free(&job);
	return asked;
}

/*
 * Publish as the server does.
 */
static bool
publish_as_admin(ApiMessage *message, const ApiCaller *caller)
{
	Bytes		request;
	bool		asked;

	bytes_init(&request);
	bytes_append_byte(&request, '{');
	api_caller_append(&request, caller);
	bytes_append_cstr(&request, ",\"body\":{\"channel\":");
	jslice_append_string(&request, bytes_slice(&message->channel));
	bytes_append_cstr(&request, ",\"event\":");
	jslice_append_string(&request, bytes_slice(&message->event));
	bytes_append_cstr(&request, message->is_broadcast ? ",\"type\":\"broadcast\"" : "");
	bytes_append_cstr(&request, ",\"payload\":");
	bytes_append_slice(&request, message->payload);
	bytes_append_cstr(&request, "}}");
	asked = call(message, CALL_PUBLISH, &request, called);
	bytes_free(&request);
	return asked;
}

/*
 * Find out whose a key is.
 */
static bool
check_key(ApiMessage *message, Slice key)
{
	Bytes		request;
	bool		asked;

	bytes_init(&request);
	bytes_append_cstr(&request, "{\"keyHash\":");
	api_key_append_hash(&request, key);
	bytes_append_byte(&request, '}');
	asked = call(message, CALL_CHECK_API_KEY, &request, key_checked);
	bytes_free(&request);
	return asked;
}

/*
 * Go on with a message that is all right.
 */
static void
start(ApiMessage *message, const ApiCaller *caller)
{
	const JwtClaims *claims;
	bool		asked = false;

	switch (caller->kind)
	{
		case API_ADMIN:
		case API_ADMIN_KEY:
			asked = publish_as_admin(message, caller);
			break;
		case API_CLIENT:
			claims = &caller->identity->claims;
			asked = publish_as(message, claims->role, claims->sub, claims->json);
			break;
		case API_ANON_KEY:
			asked = check_key(message, caller->key);
			break;
	}
	if (asked)
		http_exchange_defer(message->exchange, caller->kind == API_ANON_KEY);
	else
		fail_for_job(message, JOB_BUSY);
}

/*
 * Publish what a request says.
 */
void
api_publish(HttpExchange *exchange, const HttpRequest *req, Slice body, const ApiCaller *caller)
{
	ApiMessage *message = calloc(1, sizeof(ApiMessage));
	const char *limit;
	Bytes		faults;
	int			status;

	if (message == NULL)
	{
		api_error_of_job(exchange, JOB_BUSY);
		return;
	}
	message->exchange = exchange;
	bytes_init(&faults);
	read_message(&faults, body, message);
	status = request_headers_take(req, HEADERS_ALL, &message->headers);
	if (faults.failed || status == 500)
		fail_for_job(message, JOB_BUSY);
	else if (faults.len > 0)
	{
		api_error_answer_with(exchange, &bad_request, bytes_slice(&faults));
		free_message(message);
	}
	else if (status != 0)
		fail(message, &too_many_headers);
	else if (event_name_is_reserved(bytes_slice(&message->event)))
		fail(message, &bad_event);
	else if (message->payload.len > (size_t) gw_settings.max_message_size)
	{
		STAT_INC(BUS_STAT_PAYLOADS_LIMITED);
		fail(message, &too_large);
	}
	else if ((limit = admission_batch(1)) != NULL)
	{
		http_exchange_error(exchange, 429, limit, "Retry-After: 1\r\n");
		free_message(message);
	}
	else
		start(message, caller);
	bytes_free(&faults);
}
