/*-------------------------------------------------------------------------
 *
 * rest_broadcast.c
 *	  POST .../api/broadcast: what is said by HTTP.
 *
 * supabase.md 1.6.  A request that has been read and found right goes through
 * queues before it is answered, and its connection reads no other one:
 *
 *		DECIDING	an executor: may this token write to these private topics?
 *					asked once for each of them
 *		SENDING		publishers.c: can those who listen follow?
 *		STORING		an executor: a single message that is to be stored
 *
 * A request that has come this far is carried out even if its client is gone.
 *
 * What a token may not write is left out of a batch without a word, as
 * upstream does it; a single message is refused.  If that could not be found
 * out, nothing is sent and the client is told.  The same holds for public
 * topics that nobody may write to: all of them with realtime.private_only, and
 * names of agent channels, on which only the server speaks.
 *
 * src/gateway/rest_broadcast.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/agent_channels.h"
#include "gateway/broadcasts.h"
#include "gateway/decisions.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/http_answer.h"
#include "gateway/persist.h"
#include "gateway/publishers.h"
#include "gateway/replies.h"
#include "gateway/request_token.h"
#include "gateway/rest_batch.h"
#include "gateway/rest_broadcast.h"
#include "gateway/stores.h"
#include "proto/jslice.h"

#define BODY_MAX (8 * 1024 * 1024)
#define ROOMS_MAX 1000			/* private topics of one request */
#define MESSAGE_PREFIX "{\"message\":\""
#define EVENTS "events/"
#define RETRY_HEADER "Retry-After: 1\r\n"

static bool admit_batch(Conn *conn, const HttpRequest *req);
static bool admit_single(Conn *conn, const HttpRequest *req);
static void handle_batch(HttpExchange *exchange, const HttpRequest *req, Slice body);
static void handle_single(HttpExchange *exchange, const HttpRequest *req, Slice body);

const HttpBodyRoute rest_batch_route = {
	.admit = admit_batch,
	.handler = handle_batch,
	.body_max = BODY_MAX,
	.error_prefix = MESSAGE_PREFIX
};

const HttpBodyRoute rest_single_route = {
	.admit = admit_single,
	.handler = handle_single,
	.body_max = BODY_MAX,
	.error_prefix = MESSAGE_PREFIX
};

struct RestRequest;

/*
 * A private topic that the request writes to.
 */
typedef struct Room
{
	Asker		asker;			/* must be first: told() casts */
	struct RestRequest *request;
	Topic	   *topic;			/* of its messages, which hold it */
	bool		allowed;
	bool		may_store;
} Room;

typedef struct RestRequest
{
	HttpExchange *exchange;
	Identity   *identity;		/* a reference to each */
	RequestHeaders *headers;
	RestBatch	batch;
	bool		is_single;		/* its only message is: */
	bool		is_binary;
	Bytes		event;			/* plain bytes */
	Persist		persist;		/* is it to be stored? */
	Room	   *rooms;
	uint32		nrooms;
	uint32		nundecided;		/* of them */
	JobOutcome	trouble;		/* why one could not be; else JOB_DONE */
	Publisher	publisher;
	uint32		nsent;			/* messages dealt with */
} RestRequest;

static Bytes payload;			/* being put together */

/*
 * Refuse a request at its head.
 */
static void
refuse(Conn *conn, const HttpRequest *req, int status, const char *prefix, const char *text)
{
	STAT_INC(BUS_STAT_REFUSED);
	http_answer_error(conn, req, HTTP_ALLOWED_ORIGINS, status, prefix, text, NULL);
}

/*
 * Bodies of strangers are not read.
 */
static bool
admit_batch(Conn *conn, const HttpRequest *req)
{
	Identity   *identity = request_identity(req);

	if (identity == NULL)
		refuse(conn, req, 401, MESSAGE_PREFIX, "Unauthorized");
	identity_unref(identity);
	return identity != NULL;
}

/*
 * Is this the media type of a request, parameters aside?
 */
static bool
is_type(Slice value, const char *type)
{
	size_t		len = strlen(type);

	return value.len >= len && pg_strncasecmp(value.data, type, len) == 0 &&
		(value.len == len || strchr("; \t", value.data[len]) != NULL);
}

/*
 * Is the body JSON or bytes?  False if it is something else.
 */
static bool
body_type(const HttpRequest *req, bool *is_binary)
{
	const Slice *type = http_header(req, "Content-Type");

	*is_binary = type != NULL && is_type(*type, "application/octet-stream");
	return http_header_count(req, "Content-Type") == 0 || *is_binary ||
		(type != NULL && is_type(*type, "application/json"));
}

/*
 * Split <topic>/events/<event>, both still encoded, off the end of a path.
 */
static bool
split_path(Slice path, Slice *topic, Slice *event)
{
	static const char base[] = "/api/broadcast/";
	size_t		start = sizeof(base) - 1;
	const char *slash;

	if (!slice_has_prefix(path, SLICE_LIT(base)))
		start += strlen("/realtime/v1");
	Assert(start <= path.len);
	path = slice_make(path.data + start, path.len - start);
	slash = path.len > 0 ? memchr(path.data, '/', path.len) : NULL;
	if (slash == NULL || slash == path.data)
		return false;
	*topic = slice_make(path.data, slash - path.data);
	*event = slice_make(slash + 1, path.len - topic->len - 1);
	if (!slice_has_prefix(*event, SLICE_LIT(EVENTS)))
		return false;
	*event = slice_make(event->data + strlen(EVENTS), event->len - strlen(EVENTS));
	return event->len > 0 && memchr(event->data, '/', event->len) == NULL;
}

/*
 * The same for a single message.
 */
static bool
admit_single(Conn *conn, const HttpRequest *req)
{
	Slice		topic;
	Slice		event;
	bool		is_binary;

	if (!split_path(req->path, &topic, &event))
		refuse(conn, req, 404, MESSAGE_PREFIX, "Not found");
	else if (!admit_batch(conn, req))
		return false;
	else if (!body_type(req, &is_binary))
		refuse(conn, req, 415, "{\"error\":\"",
			   "Unsupported Media Type. Use application/json or application/octet-stream");
	else
		return true;
	return false;
}

/*
 * Free a request, whose exchange has been answered.
 */
static void
free_request(RestRequest *request)
{
	Assert(!request->publisher.waits && request->nundecided == 0);
	identity_unref(request->identity);
	request_headers_unref(request->headers);
	rest_batch_free(&request->batch);
	bytes_free(&request->event);
	free(request->rooms);
	free(request);
}

/*
 * Answer a request with an error, and free it.
 */
static void
fail(RestRequest *request, int status, const char *text)
{
	http_exchange_error(request->exchange, status, text,
						status == 429 || status == 503 ? RETRY_HEADER : NULL);
	free_request(request);
}

/*
 * Answer a request that has been carried out.
 */
static void
succeed(RestRequest *request)
{
	http_exchange_answer(request->exchange, 202, slice_make(NULL, 0), NULL);
	free_request(request);
}

/*
 * Answer a request of which it could not be found out what it may.
 */
static void
fail_for_trouble(RestRequest *request)
{
	switch (request->trouble)
	{
		case JOB_BUSY:
			fail(request, 429, "Connection pool exhausted");
			break;
		case JOB_TIMED_OUT:
			fail(request, 422, "Query was cancelled, please try again");
			break;
		case JOB_UNAVAILABLE:
			fail(request, 422, "Realtime was unable to connect to the project database");
			break;
		default:
			fail(request, 422, "A policy on realtime.messages failed");
			break;
	}
}

/*
 * May a message be sent to its topic?
 */
static bool
is_allowed(const RestRequest *request, const RestMessage *message)
{
	if (message->topic->is_private)
		return request->rooms[message->room].allowed;
	return !gw_settings.private_only && !agent_channel_receive_only(message->topic);
}

/*
 * Make a cast of the message that is the request.
 */
static void
make_single_cast(const RestRequest *request, const RestMessage *message, WalMessage *cast)
{
	memset(cast, 0, sizeof(*cast));
	cast->kind = WAL_MESSAGE_CAST;
	cast->flags = (message->topic->is_private ? WAL_MESSAGE_PRIVATE : 0) |
		(request->is_binary ? WAL_MESSAGE_BINARY : 0);
	cast->topic = topic_name(message->topic);
	cast->event = message->event;
	cast->payload = message->payload;
}

/*
 * Send a message that may be sent; false without memory.
 */
static bool
send_message(const RestRequest *request, const RestMessage *message)
{
	WalMessage	cast;

	if (request->is_single)
		make_single_cast(request, message, &cast);
	else if (!rest_message_cast(message, &payload, &cast))
		return false;
	broadcast_send(message->topic, NULL, &cast);
	scratch_reset(&payload);
	return true;
}

/*
 * The message is stored, or could not be.
 */
static void
stored(void *owner, JobOutcome outcome, const char *id)
{
	RestRequest *request = owner;

	request->trouble = outcome;
	if (outcome == JOB_DONE)
		succeed(request);
	else if (outcome == JOB_FAILED)
		fail(request, 422, "Realtime was unable to store the message");
	else
		fail_for_trouble(request);
}

/*
 * It is told to others, which is no news here.
 */
static void
published(void *owner)
{
}

/*
 * Have the message that is the request stored; it is answered then.
 */
static void
store_single(RestRequest *request)
{
	static const StoreHandlers handlers = {stored, published};
	WalMessage	cast;

	make_single_cast(request, &request->batch.messages[0], &cast);
	publishers_sent(cast.payload.len);
	if (store_begin(&cast, request->persist.ttl, NULL, &handlers, request) != NULL)
		STAT_INC(BUS_STAT_CASTS);
	else
		fail(request, 429, "Connection pool exhausted");
}

/*
 * Is the message that is the request to be stored, and may it?
 */
static bool
may_store(const RestRequest *request)
{
	return request->persist.wanted && request->rooms[0].may_store;
}

/*
 * Send as long as that is possible, and wait for the rest.
 */
static void
send_on(void *owner)
{
	RestRequest *request = owner;

	while (request->nsent < request->batch.count)
	{
		const RestMessage *message = &request->batch.messages[request->nsent];

		if (!publishers_may_go())
		{
			publisher_wait(&request->publisher);
			return;
		}
		request->nsent++;
		if (is_allowed(request, message))
		{
			if (may_store(request))
			{
				store_single(request);
				return;
			}
			if (!send_message(request, message))
			{
				scratch_reset(&payload);
				fail(request, 503, "Out of memory");
				return;
			}
			continue;
		}
		STAT_INC(BUS_STAT_CASTS_DENIED);
		if (request->is_single)
		{
			fail(request, 403, "Unauthorized");
			return;
		}
	}
	succeed(request);
}

/*
 * All private topics are decided.
 */
static void
decided(RestRequest *request)
{
	if (request->trouble != JOB_DONE)
		fail_for_trouble(request);
	else
		publisher_wait(&request->publisher);
}

/*
 * One is.  Who sends one message is told what its policies did, a batch just
 * goes without.
 */
static void
told(Asker *asker, JobOutcome outcome, uint8 rights)
{
	Room	   *room = (Room *) asker;
	RestRequest *request = room->request;

	room->allowed = outcome == JOB_DONE && (rights & RIGHT_BROADCAST_WRITE) != 0;
	room->may_store = room->allowed && (rights & RIGHT_PERSISTENCE_WRITE) != 0;
	if (outcome == JOB_BUSY || outcome == JOB_UNAVAILABLE || outcome == JOB_TIMED_OUT ||
		(outcome == JOB_FAILED && request->is_single))
		request->trouble = outcome;
	if (--request->nundecided == 0)
		decided(request);
}

/*
 * Number of the room of a private topic, made if it is a new one; ROOMS_MAX if
 * there are too many.  Messages to one topic usually follow each other.
 */
static uint32
find_room(RestRequest *request, Topic *topic)
{
	for (uint32 i = request->nrooms; i > 0; i--)
	{
		if (request->rooms[i - 1].topic == topic)
			return i - 1;
	}
	if (request->nrooms < ROOMS_MAX)
	{
		Room	   *room = &request->rooms[request->nrooms];

		room->asker.told = told;
		room->request = request;
		room->topic = topic;
		request->nrooms++;
		return request->nrooms - 1;
	}
	return ROOMS_MAX;
}

/*
 * Find the rooms of all messages; 0, or the status to refuse the request with.
 */
static int
find_rooms(RestRequest *request)
{
	if (request->batch.nprivate == 0)
		return 0;
	request->rooms = calloc(Min(request->batch.nprivate, ROOMS_MAX), sizeof(Room));
	if (request->rooms == NULL)
		return 503;
	for (uint32 i = 0; i < request->batch.count; i++)
	{
		RestMessage *message = &request->batch.messages[i];

		if (!message->topic->is_private)
			continue;
		message->room = find_room(request, message->topic);
		if (message->room == ROOMS_MAX)
			return 429;
	}
	return 0;
}

/*
 * Ask for all rooms.  Without memory for one of them, those that were asked
 * for before are waited for.
 */
static void
ask(RestRequest *request)
{
	Question	question;

	question.identity = request->identity;
	question.headers = request->headers;
	question.wanted = RIGHT_BROADCAST_WRITE |
		(request->persist.wanted ? RIGHT_PERSISTENCE_WRITE : 0);
	for (uint32 i = 0; i < request->nrooms; i++)
	{
		question.topic = request->rooms[i].topic;
		if (decision_ask(&request->rooms[i].asker, &question))
			request->nundecided++;
		else
			request->trouble = JOB_BUSY;
	}
	if (request->nundecided == 0)
		decided(request);
}

/*
 * Go on with a request that has been read.
 */
static void
start(RestRequest *request)
{
	int			status = find_rooms(request);
	const char *error;

	if (status == 429)
		fail(request, 429, "Too many messages to broadcast, please reduce the batch size");
	else if (status != 0)
		fail(request, status, "Out of memory");
	else if ((error = admission_batch(request->batch.count)) != NULL)
		fail(request, 429, error);
	else
	{
		request->publisher.resume = send_on;
		request->publisher.owner = request;
		http_exchange_defer(request->exchange, true);
		ask(request);
	}
}

/*
 * Make the request of an exchange; NULL if it has been refused.
 */
static RestRequest *
make_request(HttpExchange *exchange, const HttpRequest *req)
{
	RestRequest *request = calloc(1, sizeof(RestRequest));
	int			status;

	if (request == NULL)
	{
		http_exchange_error(exchange, 503, "Out of memory", RETRY_HEADER);
		return NULL;
	}
	request->exchange = exchange;
	/* its time may have come while the body was read */
	request->identity = request_identity(req);
	status = request->identity == NULL ? 401 :
		request_headers_take(req, HEADERS_ALL, &request->headers);
	if (status == 0)
		return request;
	fail(request, status, status == 401 ? "Unauthorized" :
		 status == 431 ? "Request headers too large" : "Out of memory");
	return NULL;
}

/*
 * A batch has been read.
 */
static void
handle_batch(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	RestRequest *request = make_request(exchange, req);
	Bytes		errors;
	int			status;

	if (request == NULL)
		return;
	bytes_init(&errors);
	status = rest_batch_read(body, &request->batch, &errors);
	if (status == 0)
		start(request);
	else if (status == 422)
	{
		http_exchange_answer(exchange, 422, bytes_slice(&errors), NULL);
		free_request(request);
	}
	else
		fail(request, status, status == 400 ? "The body is not valid JSON" :
			 status == 429 ? "Too many messages to broadcast, please reduce the batch size" :
			 "Out of memory");
	bytes_free(&errors);
}

/*
 * Is "private" the literal true?
 */
static bool
wants_private(const HttpRequest *req)
{
	Bytes		value;
	bool		is_private;

	bytes_init(&value);
	is_private = http_query_get(req->query, "private", &value) > 0 &&
		slice_equals_cstr(bytes_slice(&value), "true");
	bytes_free(&value);
	return is_private;
}

/*
 * Decode topic and event of the path; 0, or the status to refuse them with.
 */
static int
read_path(RestRequest *request, const HttpRequest *req, RestMessage *message)
{
	bool		is_private = wants_private(req);
	Slice		topic;
	Slice		event;
	Bytes		name;
	int			status = 400;

	bytes_init(&name);
	if (split_path(req->path, &topic, &event) && http_percent_decode(topic, &name) &&
		http_percent_decode(event, &request->event))
	{
		status = 422;
		if (name.len <= TOPIC_MAX_BYTES && request->event.len <= EVENT_MAX_BYTES)
		{
			message->topic = topics_get(is_private, bytes_slice(&name),
										topics_hash(bytes_slice(&name)));
			message->event = bytes_slice(&request->event);
			status = message->topic != NULL ? 0 : 503;
		}
	}
	bytes_free(&name);
	request->batch.nprivate = is_private;
	return status;
}

/*
 * Does a single message say well whether it is to be stored?  If not, it is
 * refused as upstream does it.
 */
static bool
read_persist(RestRequest *request, const HttpRequest *req)
{
	const char *fault = NULL;
	Bytes		errors;

	if (!persist_read_query(req->query, &request->persist))
		fault = "ttl must be between 1 and 259200 seconds";
	else if (request->persist.wanted && request->batch.nprivate == 0)
		fault = "can only be used on private channels";
	if (fault == NULL)
		return true;
	bytes_init(&errors);
	bytes_printf(&errors, "{\"errors\":{\"persist\":[\"%s\"]}}", fault);
	http_exchange_answer(request->exchange, 422, bytes_slice(&errors), NULL);
	bytes_free(&errors);
	free_request(request);
	return false;
}

/*
 * A single message has been read.
 */
static void
handle_single(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	RestRequest *request = make_request(exchange, req);
	RestMessage *message;
	int			status;

	if (request == NULL)
		return;
	request->is_single = true;
	(void) body_type(req, &request->is_binary);
	message = calloc(1, sizeof(RestMessage));
	if (message == NULL)
	{
		fail(request, 503, "Out of memory");
		return;
	}
	request->batch.messages = message;
	request->batch.count = 1;
	message->payload = body.len == 0 && !request->is_binary ? SLICE_LIT("{}") : body;
	status = read_path(request, req, message);
	if (status == 400)
		fail(request, 400, "Bad request");
	else if (status == 422)
		fail(request, 422, "Topic or event is too long");
	else if (status != 0)
		fail(request, status, "Out of memory");
	else if (message->payload.len > (size_t) gw_settings.max_message_size)
	{
		STAT_INC(BUS_STAT_PAYLOADS_LIMITED);
		fail(request, 422, "Payload size exceeds tenant limit");
	}
	else if (!request->is_binary &&
			 !jslice_validate(message->payload.data, message->payload.len, NULL))
		fail(request, 400, "The body is not valid JSON");
	else if (read_persist(request, req))
		start(request);
}
