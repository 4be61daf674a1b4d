/*-------------------------------------------------------------------------
 *
 * events_route.c
 *	  GET .../events: who may listen by server-sent events, and to what.
 *
 *	  topic=<name>			once for each topic, at least one
 *	  private=true			they are private ones
 *	  access_token, apikey	the token: a page cannot give an EventSource headers
 *	  last_event_id			where to go on; the header Last-Event-ID, which an
 *							EventSource sends by itself, is newer
 *
 * What can be said at once is said here; event_stream.c goes on.
 *
 * src/gateway/events_route.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/event_stream.h"
#include "gateway/events_route.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/identities.h"
#include "gateway/refusals.h"
#include "gateway/request_headers.h"
#include "gateway/request_token.h"

#define RETRY_HEADER "Retry-After: 5\r\n"

/* What a request asks for. */
typedef struct EventsWish
{
	bool		is_private;
	bool		resumes;
	Bytes		last_event_id;	/* if it resumes */
} EventsWish;

static void handle_events(HttpExchange *exchange, const HttpRequest *req, Slice body);

const HttpBodyRoute events_route = {
	.handler = handle_events,
	.body_max = 0,
	.error_prefix = "{\"message\":\""
};

/*
 * Refuse a request.
 */
static void
refuse(HttpExchange *exchange, int status, const char *text)
{
	STAT_INC(BUS_STAT_REFUSED);
	http_exchange_error(exchange, status, text,
						status == 429 || status == 503 ? RETRY_HEADER : NULL);
}

/*
 * Append the token of a request: 1, 0 where there is none, or -1 if it cannot
 * be one.
 */
static int
find_token(const HttpRequest *req, Bytes *token)
{
	Slice		header = request_token(req);
	int			there;

	if (header.len > 0)
		return bytes_append_slice(token, header) ? 1 : -1;
	there = http_query_get(req->query, "access_token", token);
	return there != 0 ? there : http_query_get(req->query, "apikey", token);
}

/*
 * Who wants to listen?  NULL if that is nobody who may, and then the request is
 * answered.
 */
static Identity *
identify(HttpExchange *exchange, const HttpRequest *req)
{
	Identity   *identity;
	const char *error;
	int			status;
	int			there;
	Bytes		token;

	bytes_init(&token);
	there = find_token(req, &token);
	identity = connect_identity(there, bytes_slice(&token), &status, &error);
	bytes_free(&token);
	if (identity != NULL)
		return identity;
	refuse(exchange, status, error);
	return NULL;
}

/*
 * Look at all topics and count them: 0, or the status to refuse the request
 * with.
 */
static int
judge_topics(Slice query, int64 *count, const char **error)
{
	int64		n = 0;
	int			there;
	Bytes		name;

	bytes_init(&name);
	while ((there = http_query_next(&query, "topic", &name)) > 0 &&
		   name.len > 0 && name.len <= TOPIC_MAX_BYTES)
	{
		n++;
		name.len = 0;
	}
	bytes_free(&name);
	*error = "A topic has 1 to 246 bytes of UTF-8";
	if (there != 0)
		return 400;
	*error = "TopicNameRequired: You must provide a topic name";
	if (n == 0)
		return 400;
	*error = "ChannelRateLimitReached: Too many channels";
	*count = n;
	if (n <= gw_settings.max_channels_per_client)
		return 0;
	STAT_INC(BUS_STAT_CHANNELS_LIMITED);
	return 429;
}

StaticAssertDecl(TOPIC_MAX_BYTES == 246, "the error above names the limit");

/*
 * Read the rest of the query: 0, or the status to refuse the request with.
 */
static int
read_wish(const HttpRequest *req, EventsWish *wish, const char **error)
{
	const Slice *header = http_header(req, "Last-Event-ID");
	int			nheaders = http_header_count(req, "Last-Event-ID");
	Bytes		value;
	int			there;

	bytes_init(&value);
	there = http_query_get(req->query, "private", &value);
	wish->is_private = there > 0 && slice_equals_cstr(bytes_slice(&value), "true");
	bytes_free(&value);
	*error = "Bad request";
	if (there < 0 || nheaders > 1)
		return 400;
	if (header != NULL)
		there = bytes_append_slice(&wish->last_event_id, *header) ? 1 : -1;
	else
		there = http_query_get(req->query, "last_event_id", &wish->last_event_id);
	/* an EventSource that has got none sends nothing, and others send an empty one */
	wish->resumes = there > 0 && wish->last_event_id.len > 0;
	if (there < 0)
		return 400;
	*error = "PrivateOnly: This project only allows private channels";
	return gw_settings.private_only && !wish->is_private ? 403 : 0;
}

/*
 * Is there room for one who listens to so many topics?  0, or the status to
 * refuse the request with.
 */
static int
judge_limits(int64 topics, const char **error)
{
	if (conn_open_count() >= gw_settings.max_connections)
	{
		STAT_INC(BUS_STAT_CONNECTIONS_LIMITED);
		*error = "Too many connected users";
		return 503;
	}
	*error = admission_listen((uint64) topics);
	return *error != NULL ? 429 : 0;
}

/*
 * Listen.
 */
static void
start(HttpExchange *exchange, const HttpRequest *req, Identity *identity, const EventsWish *wish)
{
	RequestHeaders *headers;
	int			status = request_headers_take(req, HEADERS_X, &headers);
	Slice		last_event_id = bytes_slice(&wish->last_event_id);
	Slice		query = req->query;
	EventStream *stream;
	Bytes		topic;
	int			there;

	if (status != 0)
	{
		identity_unref(identity);
		refuse(exchange, status, status == 431 ? "Request headers too large" : "Out of memory");
		return;
	}
	stream = event_stream_new(exchange, identity, headers);
	if (stream == NULL)
		return;
	bytes_init(&topic);
	while ((there = http_query_next(&query, "topic", &topic)) > 0)
	{
		event_stream_add(stream, bytes_slice(&topic), wish->is_private,
						 wish->resumes ? &last_event_id : NULL);
		topic.len = 0;
	}
	/* there was nothing wrong with them before */
	if (there < 0)
		event_stream_no_memory(stream);
	bytes_free(&topic);
}

/*
 * Judge a request.
 */
static void
handle_events(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	Identity   *identity = identify(exchange, req);
	EventsWish	wish = {0};
	int64		topics;
	const char *error;
	int			status;

	if (identity == NULL)
		return;
	status = judge_topics(req->query, &topics, &error);
	if (status == 0)
		status = read_wish(req, &wish, &error);
	if (status == 0)
		status = judge_limits(topics, &error);
	if (status == 0)
		start(exchange, req, identity, &wish);
	else
	{
		identity_unref(identity);
		refuse(exchange, status, error);
	}
	bytes_free(&wish.last_event_id);
}
