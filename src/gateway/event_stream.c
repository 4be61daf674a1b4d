/*-------------------------------------------------------------------------
 *
 * event_stream.c
 *	  Listening by server-sent events: from the request to the last event.
 *
 * A request becomes channels like those of a WebSocket, and these go the ways of
 * joins.c, access.c and catch_up.c.  Only what is told about them differs, which
 * is here:
 *
 *		DECIDING	may all topics be heard?  The status of the answer has to tell
 *					the truth, so nothing is sent before the last one is decided;
 *					with the first one that may not be heard all end
 *		OPEN		the head of the answer is sent; channels join and catch up
 *		LIVE		all have, and the client knows the place to come back with
 *
 * What may be heard is known for a while before the stream begins.  That does
 * not matter to decisions of policies, which last as long as the token; names
 * of agent channels are looked at once more.
 *
 * Ids.  The id of an event is the cursor of its message, and one id stands for
 * all topics of the stream, because it is a place in commit order: a client
 * that has it has all up to there, of every topic.  So it is not sent as long
 * as that is not true.  One topic that catches up has ids from the start.
 * Several ones catch up beside each other, and are told in the dialect without
 * ids until the last one has: who is cut off before comes back with what he
 * had, and gets some messages twice and all of them once.  The event `ready`
 * then has the place of all.  Without anything to catch up with all channels
 * are at the present from the start.
 *
 * What happens to channels is looked at once in a turn, when all messages that
 * have come are queued: then the place of this gateway is that of the stream.
 *
 * src/gateway/event_stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/agent_channels.h"
#include "gateway/catch_up.h"
#include "gateway/conn_input.h"
#include "gateway/conn_output.h"
#include "gateway/event_stream.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/place.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"
#include "gateway/request_headers.h"
#include "proto/jslice.h"
#include "proto/sse.h"

#define MEDIA_TYPE "text/event-stream"
#define RETRY_HEADER "Retry-After: 5\r\n"

/*
 * That a client waits before it comes back.  Clients of a gateway that has
 * ended are spread over a second.
 */
#define RETRY_MS 1000
#define RETRY_SPREAD_MS 1000

/* Proxies must neither keep a stream nor gather it; nginx knows the last one. */
#define STREAM_HEADERS \
	"Cache-Control: no-store\r\n" \
	"X-Accel-Buffering: no\r\n"

typedef enum StreamState
{
	STREAM_DECIDING,			/* next: OPEN, or refused and gone */
	STREAM_OPEN,				/* next: LIVE */
	STREAM_LIVE
} StreamState;

struct EventStream
{
	Conn	   *conn;
	HttpExchange *exchange;		/* DECIDING: deferred */
	uint8		state;			/* StreamState */
	bool		resumes;		/* it has something to catch up with */
	bool		listed;			/* something was decided: in the list of those */
	dlist_node	node;
	int			status;			/* to refuse the request with; 0 = not known */
	RefusalText reason;			/* of that */
};

static dlist_head to_run = DLIST_STATIC_INIT(to_run);
static Bytes block;				/* being encoded */
static Bytes json;				/* its data */

/*
 * Have event_streams_run() look at a stream.
 */
static void
run_later(EventStream *stream)
{
	if (stream->listed)
		return;
	dlist_push_tail(&to_run, &stream->node);
	stream->listed = true;
}

/*
 * Have a request refused, for the first reason that comes up.
 */
static void
refuse_with(EventStream *stream, int status, const char *reason)
{
	Assert(stream->state == STREAM_DECIDING);
	if (stream->status == 0)
	{
		stream->status = status;
		strlcpy(stream->reason.text, reason, sizeof(stream->reason.text));
	}
	run_later(stream);
}

/*
 * Begin.
 */
EventStream *
event_stream_new(HttpExchange *exchange, Identity *identity, RequestHeaders *headers)
{
	EventStream *stream = calloc(1, sizeof(EventStream));
	Conn	   *conn = http_exchange_conn(exchange);

	if (stream == NULL)
	{
		identity_unref(identity);
		request_headers_unref(headers);
		http_exchange_error(exchange, 503, "Out of memory", RETRY_HEADER);
		return NULL;
	}
	stream->conn = conn;
	stream->exchange = exchange;
	conn->identity = identity;
	conn->headers = headers;
	conn->events = stream;
	conn->protocol = &events_protocol;
	http_exchange_defer(exchange, false);
	run_later(stream);
	return stream;
}

/*
 * Give up.
 */
void
event_stream_no_memory(EventStream *stream)
{
	refuse_with(stream, 503, "Out of memory");
}

/*
 * Make the settings of a join.  An id that is no cursor is one that cannot be
 * recovered.  False without memory.
 */
static bool
make_settings(PhxJoin *settings, bool is_private, const Slice *last_event_id)
{
	Cursor		cursor;

	memset(settings, 0, sizeof(*settings));
	settings->is_private = is_private;
	if (last_event_id == NULL)
		return true;
	bytes_append_byte(&json, '"');
	if (cursor_parse(*last_event_id, &cursor))
		bytes_append_slice(&json, *last_event_id);
	settings->resume = slice_make(json.data, json.len + 1);
	return bytes_append_byte(&json, '"');
}

/*
 * Make a channel; NULL without memory.
 */
static Channel *
make_channel(EventStream *stream, Slice name, uint32 hash, const PhxJoin *settings)
{
	Topic	   *topic = topics_get(settings->is_private, name, hash);
	Channel    *channel;

	if (topic == NULL)
		return NULL;
	channel = channel_new(stream->conn, topic, identity_ref(stream->conn->identity),
						  NO_REF, NO_REF);
	/* settings that we make have no other reason to be refused */
	return channel != NULL && catch_up_open(channel, settings) == NULL ? channel : NULL;
}

/*
 * Add a topic.
 */
void
event_stream_add(EventStream *stream, Slice topic, bool is_private, const Slice *last_event_id)
{
	uint32		hash = topics_hash(topic);
	PhxJoin		settings;
	Channel    *channel;

	if (stream->status != 0 || channel_find(stream->conn, topic, hash) != NULL)
		return;
	stream->resumes = last_event_id != NULL;
	if (make_settings(&settings, is_private, last_event_id) &&
		(channel = make_channel(stream, topic, hash, &settings)) != NULL)
		join_authorise(channel, &settings);
	else
		event_stream_no_memory(stream);
	scratch_reset(&json);
}

/*
 * Free it.
 */
static void
free_stream(EventStream *stream)
{
	if (stream->listed)
		dlist_delete(&stream->node);
	if (stream->exchange != NULL)
		http_exchange_drop(stream->exchange);
	free(stream);
}

/*
 * Send what was encoded into `block`.
 */
static void
send_block(Conn *conn)
{
	if (block.failed || json.failed)
		reply_no_memory(conn);
	else
		conn_write(conn, block.data, block.len);
	scratch_reset(&block);
	scratch_reset(&json);
}

/*
 * Put the names of all topics, in the order of the request, into `json`.
 */
static void
list_topics(const Conn *conn)
{
	const Channel *channel = conn->channels.first;

	/* the newest one is first */
	while (channel != NULL && channel->next != NULL)
		channel = channel->next;
	bytes_append_byte(&json, '[');
	for (; channel != NULL; channel = channel->prev)
	{
		jslice_append_string(&json, topic_name(channel->topic));
		if (channel->prev != NULL)
			bytes_append_byte(&json, ',');
	}
	bytes_append_byte(&json, ']');
}

/*
 * Encode what there is to say of a topic.
 */
static bool
encode_news(Bytes *out, const char *event, Slice topic, const char *reason)
{
	bool		good;

	scratch_reset(&json);
	bytes_append_byte(&json, '{');
	if (topic.data != NULL)
	{
		bytes_append_cstr(&json, "\"topic\":");
		jslice_append_string(&json, topic);
	}
	if (reason != NULL)
	{
		bytes_append_cstr(&json, topic.data != NULL ? ",\"reason\":" : "\"reason\":");
		jslice_append_string(&json, slice_make(reason, strlen(reason)));
	}
	good = bytes_append_byte(&json, '}') &&
		sse_encode_event(out, event, slice_make(NULL, 0), bytes_slice(&json));
	scratch_reset(&json);
	return good;
}

/*
 * Tell the client something about a topic.
 */
static void
tell(const Channel *channel, const char *event, const char *reason)
{
	if (!encode_news(&block, event, topic_name(channel->topic), reason))
		block.failed = true;
	send_block(channel->conn);
}

/*
 * May be heard: but do all others?
 */
static bool
allow_channel(Channel *channel, uint8 rights)
{
	EventStream *stream = channel->conn->events;

	if (stream->state != STREAM_DECIDING)
		return true;
	channel->rights = rights;
	run_later(stream);
	return false;
}

/*
 * One topic less.
 */
static void
end_channel(Channel *channel, const char *reason, ChannelEnd end)
{
	EventStream *stream = channel->conn->events;

	tell(channel, "close", reason);
	channel_free(channel);
	run_later(stream);
}

/*
 * May not, and then none of them does.  Once the stream has begun it goes on
 * without.
 */
static void
refuse_channel(Channel *channel, const char *reason)
{
	EventStream *stream = channel->conn->events;

	if (stream->state != STREAM_DECIDING)
	{
		end_channel(channel, reason, END_FOR_GOOD);
		return;
	}
	refuse_with(stream, refusal_status(reason), reason);
	channel_free(channel);
}

/*
 * The past of a topic can be told, or cannot.
 */
static void
answer_channel(Channel *channel, const JoinNews *news)
{
	if (news->recovery == RECOVERY_DONE)
		tell(channel, "recovered", NULL);
	else if (news->recovery == RECOVERY_FAILED)
		tell(channel, "lost", news->reason);
	run_later(channel->conn->events);
}

/*
 * One that has caught up.
 */
static void
note_caught_up(Channel *channel)
{
	run_later(channel->conn->events);
}

/*
 * A stream has been silent: what is between it and its client must not take it
 * for dead, and we want to hear if the client is.
 */
static void
break_silence(Conn *conn)
{
	conn_told(conn);
	if (conn->out.count == 0)
		conn_write(conn, SSE_KEEP_ALIVE, strlen(SSE_KEEP_ALIVE));
}

/*
 * Say goodbye.
 */
static void
write_last_event(Conn *conn, int code, const char *reason)
{
	Bytes		event;

	bytes_init(&event);
	if (encode_news(&event, "close", slice_make(NULL, 0), reason))
		conn_write(conn, event.data, event.len);
	bytes_free(&event);
}

/*
 * The connection is being freed.
 */
static void
free_of_conn(Conn *conn)
{
	free_stream(conn->events);
}

const Protocol events_protocol = {
	.clock = TIMER_EVENTS,
	.out_of_time = break_silence,
	.goodbye = write_last_event,
	.free = free_of_conn,
	.allow = allow_channel,
	.answer = answer_channel,
	.refuse = refuse_channel,
	.end = end_channel,
	.caught_up = note_caught_up
};

/*
 * Answer a request that is refused.  The connection may send another one.
 */
static void
refuse(EventStream *stream)
{
	Conn	   *conn = stream->conn;
	HttpExchange *exchange = stream->exchange;
	Slice		reason = slice_make(stream->reason.text, strlen(stream->reason.text));
	int			status = stream->status;
	Bytes		body;

	bytes_init(&body);
	bytes_append_cstr(&body, "{\"message\":");
	jslice_append_string(&body, reason);
	bytes_append_byte(&body, '}');
	channels_free(conn);
	identity_unref(conn->identity);
	request_headers_unref(conn->headers);
	conn->identity = NULL;
	conn->headers = NULL;
	conn->events = NULL;
	conn->protocol = NULL;
	stream->exchange = NULL;
	free_stream(stream);
	STAT_INC(BUS_STAT_REFUSED);
	http_exchange_answer(exchange, status, bytes_slice(&body),
						 status == 429 || status == 503 ? RETRY_HEADER : NULL);
	bytes_free(&body);
}

/*
 * May all topics be heard?
 */
static bool
all_allowed(Conn *conn)
{
	bool		good = true;

	for (Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
	{
		if (channel->rights == 0)
			return false;
	}
	/* names may have become bad while others were looked at */
	for (Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
	{
		AgentCheck	check = agent_channel_check(channel);

		if (check == AGENT_NAME_GOOD)
			continue;
		channel->rights = 0;
		good = false;
		if (check == AGENT_NAME_NO_MEMORY)
			event_stream_no_memory(conn->events);
	}
	return good;
}

/*
 * Does anything that was right at the request stand against it by now?
 */
static void
judge_again(EventStream *stream)
{
	Conn	   *conn = stream->conn;
	const char *error;

	if (conn->identity->revoked)
		refuse_with(stream, 401, "The token is not accepted any more");
	else if (gw_settings.private_only && !conn->channels.first->topic->is_private)
		refuse_with(stream, 403, "PrivateOnly: This project only allows private channels");
	else if (conn_open_count() >= gw_settings.max_connections)
	{
		STAT_INC(BUS_STAT_CONNECTIONS_LIMITED);
		refuse_with(stream, 503, "Too many connected users");
	}
	else if ((error = admission_stream()) != NULL)
		refuse_with(stream, 429, error);
}

/*
 * Say what the client listens to.
 */
static void
send_start(Conn *conn)
{
	static uint32 nth;

	list_topics(conn);
	(void) sse_encode_start(&block, RETRY_MS + nth++ * 97 % RETRY_SPREAD_MS, bytes_slice(&json));
	send_block(conn);
}

/*
 * Begin the stream, and have its channels join.
 */
static void
begin(EventStream *stream)
{
	Conn	   *conn = stream->conn;
	HttpExchange *exchange = stream->exchange;
	Channel    *next;

	stream->state = STREAM_OPEN;
	stream->exchange = NULL;
	http_exchange_stream(exchange, MEDIA_TYPE, STREAM_HEADERS);
	if (conn->state != CONN_HTTP)
		return;
	conn_begin(conn, &events_protocol, stream->resumes && conn->channels.count > 1 ?
			   DIALECT_EVENTS_BARE : DIALECT_EVENTS);
	admission_user(conn);
	conn_input_resume(conn);
	send_start(conn);
	for (Channel *channel = conn->channels.first; channel != NULL; channel = next)
	{
		next = channel->next;
		join_allow(channel, channel->rights);
	}
}

/*
 * Are all channels at the present?
 */
static bool
all_caught_up(const Conn *conn)
{
	for (const Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
	{
		if (channel->state != CHANNEL_JOINED || channel->catch_up != NULL)
			return false;
	}
	return true;
}

/*
 * All that has come is queued, of every topic: this is a place to come back
 * with.
 */
static void
go_live(EventStream *stream)
{
	Conn	   *conn = stream->conn;
	char		cursor[CURSOR_TEXT_BYTES];

	if (conn->version == DIALECT_EVENTS_BARE && !channels_change_dialect(conn, DIALECT_EVENTS))
	{
		reply_no_memory(conn);
		return;
	}
	stream->state = STREAM_LIVE;
	place_write_cursor(place_now(), cursor);
	bytes_append_cstr(&json, "{\"topics\":");
	list_topics(conn);
	bytes_append_byte(&json, '}');
	(void) sse_encode_event(&block, "ready", slice_make(cursor, sizeof(cursor)),
							bytes_slice(&json));
	send_block(conn);
}

/*
 * Take the next step.
 */
static void
run(EventStream *stream)
{
	Conn	   *conn = stream->conn;

	if (conn->state > CONN_OPEN)
		return;
	if (stream->state == STREAM_DECIDING)
	{
		bool		allowed = stream->status == 0 && all_allowed(conn);

		if (allowed)
			judge_again(stream);
		if (stream->status != 0)
			refuse(stream);
		else if (allowed)
			begin(stream);
	}
	else if (conn->channels.count == 0)
		conn_finish(conn);
	else if (stream->state == STREAM_OPEN && all_caught_up(conn))
		go_live(stream);
}

/*
 * Look at all of which something is new.  A step that leads to the next one
 * puts its stream at the end of the list.
 */
void
event_streams_run(void)
{
	while (!dlist_is_empty(&to_run))
	{
		EventStream *stream = dlist_container(EventStream, node, dlist_pop_head_node(&to_run));

		stream->listed = false;
		run(stream);
	}
}

/*
 * What was noted since they were looked at, must not wait.
 */
int64
event_streams_deadline(void)
{
	return dlist_is_empty(&to_run) ? LOOP_NEVER : loop_now;
}
