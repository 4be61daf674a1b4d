/*-------------------------------------------------------------------------
 *
 * session.c
 *	  The Phoenix conversation with one client.
 *
 * supabase.md section 3.  One function per event; what a message means depends
 * only on whether its topic is joined on this connection.  Refs are opaque
 * JSON values that go back as they came.  A message that does not decode is
 * counted and dropped, the connection stays.
 *
 * A join has its answer encoded at once, while its payload is at hand, but
 * sent only when the hub has acknowledged the interest in the topic: a client
 * that has read the answer misses nothing that commits from then on.
 *
 * src/gateway/session.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/channels.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/session.h"
#include "proto/ws_frame.h"

#define KEEP_BYTES (64 * 1024)	/* scratch memory kept between messages */
#define NO_REF slice_make(NULL, 0)
#define EMPTY_OBJECT SLICE_LIT("{}")

/*
 * A message with its topic and event decoded.
 */
typedef struct Request
{
	PhxMessage	msg;
	Slice		join_ref;		/* raw JSON in every encoding; empty = null */
	Slice		ref;
	Slice		topic;			/* plain bytes, as the client wrote it */
	Slice		event;
	Slice		name;			/* topic without prefix, or NULL data */
	uint32		hash;			/* of name */
} Request;

typedef void (*EventHandler) (Conn *conn, const Request *req, Channel *channel);

static Bytes frames;			/* being encoded for one client */
static Bytes names;				/* decoded strings of the request at hand */
static Bytes json;				/* a payload being put together */

/*
 * Empty a scratch buffer and give memory back that it does not usually need.
 */
static void
reset_scratch(Bytes *bytes)
{
	if (bytes->failed || bytes->cap > KEEP_BYTES)
		bytes_free(bytes);
	bytes->len = 0;
}

/*
 * Close a connection that we have no memory to serve.
 */
static void
close_no_memory(Conn *conn)
{
	conn_close(conn, WS_CLOSE_TRY_LATER, "out of memory");
}

/*
 * Queue what was encoded into `frames`.
 */
static void
send_frames(Conn *conn)
{
	if (frames.failed)
		close_no_memory(conn);
	else
		conn_write(conn, frames.data, frames.len);
	reset_scratch(&frames);
}

/*
 * phx_reply with status ok and an empty response.
 */
static void
reply_ok(Conn *conn, Slice join_ref, Slice ref, Slice topic)
{
	(void) phx_encode_reply(&frames, conn->version, join_ref, ref, topic,
							"ok", EMPTY_OBJECT);
	send_frames(conn);
}

/*
 * phx_reply with status error and a reason.
 */
static void
reply_error(Conn *conn, Slice join_ref, const Request *req, const char *reason)
{
	(void) phx_encode_error(&frames, conn->version, join_ref, req->ref,
							req->topic, reason);
	send_frames(conn);
}

/*
 * phx_close with the join ref of the channel, which ends with it (3.6).
 */
static void
close_channel(Channel *channel)
{
	Conn	   *conn = channel->conn;
	Slice		join_ref = channel_join_ref(channel);

	(void) phx_encode_text(&frames, conn->version, join_ref, join_ref,
						   topic_full_name(channel->topic), "phx_close", EMPTY_OBJECT);
	channel_free(channel);
	send_frames(conn);
}

/*
 * Append one requested postgres_changes entry as it came, with an id (3.4).
 * Of two members called id, the client sees the last one, ours.
 */
static void
append_change(Slice entry, uint64 id)
{
	Slice		key;
	Slice		value;
	JsliceIter	it;

	if (jslice_type(entry) != JSLICE_OBJECT)
	{
		bytes_append_slice(&json, entry);
		return;
	}
	jslice_iter_init(&it, entry);
	bytes_append(&json, entry.data, entry.len - 1);
	bytes_append_cstr(&json, jslice_iter_next(&it, &key, &value) ? ",\"id\":" : "\"id\":");
	bytes_append_u64(&json, id);
	bytes_append_byte(&json, '}');
}

/*
 * Put the response of a join into `json`; returns the number of entries.
 */
static uint64
build_join_response(const PhxJoin *join)
{
	JsliceIter	it;
	Slice		key;
	Slice		entry;
	uint64		n = 0;

	reset_scratch(&json);
	bytes_append_cstr(&json, "{\"postgres_changes\":[");
	jslice_iter_init(&it, join->postgres_changes);
	while (jslice_iter_next(&it, &key, &entry))
	{
		if (jslice_type(entry) == JSLICE_NULL)
			continue;
		if (n > 0)
			bytes_append_byte(&json, ',');
		append_change(entry, ++n);
	}
	bytes_append_cstr(&json, "]}");
	return n;
}

/*
 * Append a system event (3.5) to `frames`.
 */
static void
encode_system(Conn *conn, Slice join_ref, const Request *req, const char *extension,
			  const char *status, const char *message)
{
	reset_scratch(&json);
	bytes_printf(&json, "{\"extension\":\"%s\",\"status\":\"%s\",\"message\":\"%s\",\"channel\":",
				 extension, status, message);
	if (!jslice_append_string(&json, req->name) || !bytes_append_byte(&json, '}'))
		frames.failed = true;
	else
		(void) phx_encode_text(&frames, conn->version, join_ref, NO_REF, req->topic,
							   "system", bytes_slice(&json));
}

/*
 * Encode into `frames` all that a successful join is answered with.
 */
static void
encode_join_answer(Conn *conn, const Request *req, const PhxJoin *join)
{
	uint64		nchanges = build_join_response(join);

	if (json.failed)
		frames.failed = true;
	else
		(void) phx_encode_reply(&frames, conn->version, req->join_ref, req->ref,
								req->topic, "ok", bytes_slice(&json));
	if (nchanges > 0)
		encode_system(conn, req->join_ref, req, "postgres_changes", "error",
					  "Following tables is not available in this version");
	if (join->replication_ready)
		encode_system(conn, req->join_ref, req, "system", "ok",
					  "Replication connection established");
	reset_scratch(&json);
}

/*
 * Queue the answer that was kept; the channel hears its topic from now on.
 */
static void
answer_join(Channel *channel)
{
	FrameBuf   *answer = channel->answer;

	channel->answer = NULL;
	channel_joined(channel);
	STAT_INC(BUS_STAT_JOINS);
	conn_write(channel->conn, answer->data, answer->len);
	frame_buf_unref(answer);
}

/*
 * Make the channel and its answer; false without memory.
 */
static bool
join(Conn *conn, const Request *req, const PhxJoin *settings)
{
	Topic	   *topic;
	Channel    *channel;

	encode_join_answer(conn, req, settings);
	if (frames.failed)
		return false;
	topic = topics_get(false, req->name, req->hash);
	if (topic == NULL)
		return false;
	channel = channel_new(conn, topic, req->join_ref);
	if (channel == NULL)
		return false;
	channel->ack = settings->broadcast_ack;
	channel->answer = frame_buf_new(frames.len);
	if (channel->answer == NULL)
	{
		channel_free(channel);
		return false;
	}
	frame_buf_append(channel->answer, frames.data, frames.len);
	if (topic->interest == INTEREST_HELD)
		answer_join(channel);
	return true;
}

/*
 * Why a topic cannot be joined by anybody; NULL if it can.
 */
static const char *
bad_topic(const Request *req)
{
	if (req->name.data == NULL)
		return "unmatched topic";
	if (req->name.len == 0)
		return "TopicNameRequired: You must provide a topic name";
	if (req->name.len > TOPIC_MAX_BYTES)
		return "TopicNameTooLong: A topic name has at most 246 bytes";
	return NULL;
}

StaticAssertDecl(TOPIC_MAX_BYTES == 246, "the reason above names the limit");

/*
 * Refuse a join.
 */
static void
refuse_join(Conn *conn, Slice join_ref, const Request *req, const char *reason)
{
	STAT_INC(BUS_STAT_JOIN_ERRORS);
	reply_error(conn, join_ref, req, reason);
}

/*
 * phx_join (3.1, 3.3).  A channel that the topic has already is closed first:
 * clients join again after a timeout of theirs.
 */
static void
handle_join(Conn *conn, const Request *req, Channel *channel)
{
	const char *reason = bad_topic(req);
	char		denied[TOPIC_MAX_BYTES + 128];
	PhxJoin		settings;

	if (reason != NULL)
	{
		/* a topic that no channel serves is answered by the socket itself */
		refuse_join(conn, req->name.data == NULL ? NO_REF : req->join_ref, req, reason);
		return;
	}
	if (channel != NULL)
		close_channel(channel);
	if (conn->channels.count >= gw_settings.max_channels_per_client)
	{
		refuse_join(conn, req->join_ref, req, "ChannelRateLimitReached: Too many channels");
		return;
	}

	/* an invalid payload falls back to defaults and the join proceeds (3.1) */
	(void) phx_join_parse(req->msg.payload, &settings);
	if (settings.is_private)
	{
		snprintf(denied, sizeof(denied),
				 "Unauthorized: You do not have permissions to read from this Channel topic: " SLICE_FMT,
				 SLICE_ARG(req->name));
		refuse_join(conn, req->join_ref, req, denied);
		return;
	}
	if (!join(conn, req, &settings))
		close_no_memory(conn);
	reset_scratch(&frames);
}

/*
 * phx_leave (3.6).  A stale join ref means a channel that is gone already.
 */
static void
handle_leave(Conn *conn, const Request *req, Channel *channel)
{
	if (channel == NULL)
	{
		reply_ok(conn, req->join_ref, req->ref, req->topic);
		return;
	}
	if (req->join_ref.len > 0 &&
		!slice_equals(req->join_ref, channel_join_ref(channel)))
		return;
	reply_ok(conn, channel_join_ref(channel), req->ref, req->topic);
	close_channel(channel);
}

/*
 * heartbeat on topic "phoenix" (3.7).
 */
static void
handle_heartbeat(Conn *conn, const Request *req, Channel *channel)
{
	reply_ok(conn, NO_REF, req->ref, req->topic);
}

/*
 * A client's broadcast.  Who asked for acknowledgements learns that it went
 * nowhere; the others expect silence.
 */
static void
handle_broadcast(Conn *conn, const Request *req, Channel *channel)
{
	if (channel->ack && req->ref.len > 0)
		reply_error(conn, channel_join_ref(channel), req,
					"Broadcasts from clients are not available in this version");
}

/*
 * Any event on a topic that is not joined.
 */
static void
handle_unmatched(Conn *conn, const Request *req, Channel *channel)
{
	reply_error(conn, NO_REF, req, "unmatched topic");
}

/*
 * Events that a joined channel takes without a word: "presence" and
 * "access_token", which have nothing to act on yet, and any that is unknown.
 */
static void
handle_ignored(Conn *conn, const Request *req, Channel *channel)
{
}

/*
 * Find out who handles a message.  channel is NULL if its topic is not joined.
 */
static EventHandler
route(const Request *req, const Channel *channel)
{
	if (req->msg.is_push)
		return channel != NULL ? handle_broadcast : handle_unmatched;
	if (slice_equals_cstr(req->event, "phx_join"))
		return handle_join;
	if (slice_equals_cstr(req->event, "phx_leave"))
		return handle_leave;
	if (slice_equals_cstr(req->topic, "phoenix") &&
		slice_equals_cstr(req->event, "heartbeat"))
		return handle_heartbeat;
	if (channel == NULL)
		return handle_unmatched;
	if (slice_equals_cstr(req->event, "broadcast"))
		return handle_broadcast;
	return handle_ignored;
}

/*
 * Make *ref, plain bytes of a binary push, the JSON string that replies want.
 */
static bool
quote_ref(Slice *ref, Bytes *room)
{
	size_t		start = room->len;

	if (ref->len == 0)
		return true;
	if (!jslice_append_string(room, *ref))
		return false;
	*ref = slice_make(room->data + start, room->len - start);
	return true;
}

/*
 * Fill in the fields of a binary push.
 */
static bool
prepare_push(Request *req)
{
	/* slices into `names` must not move: a byte becomes six at most */
	if (!bytes_reserve(&names, (req->msg.join_ref.len + req->msg.ref.len) * 6 + 4))
		return false;
	req->join_ref = req->msg.join_ref;
	req->ref = req->msg.ref;
	req->topic = req->msg.topic;
	req->event = req->msg.event;
	return quote_ref(&req->join_ref, &names) && quote_ref(&req->ref, &names);
}

/*
 * Fill in the fields of a text message.
 */
static bool
prepare_text(Request *req)
{
	size_t		topic_len;

	/* unescaping never makes a string longer */
	if (!bytes_reserve(&names, req->msg.topic.len + req->msg.event.len) ||
		!jslice_unescape(req->msg.topic, &names))
		return false;
	topic_len = names.len;
	if (!jslice_unescape(req->msg.event, &names))
		return false;
	req->join_ref = req->msg.join_ref;
	req->ref = req->msg.ref;
	req->topic = slice_make(names.data, topic_len);
	req->event = slice_make(names.data + topic_len, names.len - topic_len);
	return true;
}

/*
 * Decode a message into *req; false if it is malformed.
 */
static bool
decode(const Conn *conn, Slice message, bool binary, Request *req)
{
	const char *error;

	reset_scratch(&names);
	if (binary)
	{
		if (conn->version == PHX_V1 ||
			!phx_decode_binary(message, &req->msg, &error) || !prepare_push(req))
			return false;
	}
	else if (!phx_decode_text(conn->version, message, &req->msg, &error) ||
			 !prepare_text(req))
		return false;
	/* a ref is kept with its channel and comes back in every reply */
	if (req->join_ref.len > JOIN_REF_MAX || req->ref.len > JOIN_REF_MAX)
		return false;
	req->name = NO_REF;
	req->hash = 0;
	if (slice_has_prefix(req->topic, SLICE_LIT(TOPIC_PREFIX)))
	{
		req->name = slice_make(req->topic.data + TOPIC_PREFIX_LEN,
							   req->topic.len - TOPIC_PREFIX_LEN);
		if (req->name.len <= TOPIC_MAX_BYTES)
			req->hash = topics_hash(req->name);
	}
	return true;
}

/*
 * Decode a message and hand it to whoever handles its event.
 */
void
session_message(Conn *conn, Slice message, bool binary)
{
	Request		req;
	Channel    *channel = NULL;

	STAT_INC(BUS_STAT_FRAMES_IN);
	if (!decode(conn, message, binary, &req))
	{
		STAT_INC(BUS_STAT_MALFORMED);
		return;
	}
	if (req.name.data != NULL)
		channel = channel_find(conn, req.name, req.hash);
	route(&req, channel) (conn, &req, channel);
}

/*
 * All members of the topic have been waiting for this.
 */
void
session_topic_held(Topic *topic)
{
	for (int v = 0; v < PHX_VERSIONS; v++)
	{
		Members    *members = &topic->members[v];

		for (uint32 i = 0; i < members->count; i++)
			answer_join(members_array(members)[i]);
	}
}
