/*-------------------------------------------------------------------------
 *
 * replies.c
 *	  What the gateway says to one client, in Phoenix messages.
 *
 * src/gateway/replies.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_output.h"
#include "gateway/replies.h"
#include "proto/ws_frame.h"

#define EMPTY_OBJECT SLICE_LIT("{}")

static Bytes frames;			/* being encoded for one client */
static Bytes json;				/* a payload being put together */

/*
 * Give up a connection for want of memory.
 */
void
reply_no_memory(Conn *conn)
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
		reply_no_memory(conn);
	else
		conn_write(conn, frames.data, frames.len);
	scratch_reset(&frames);
}

/*
 * Reply with ok.
 */
void
reply_ok(Conn *conn, Slice join_ref, Slice ref, Slice topic)
{
	(void) phx_encode_reply(&frames, conn->version, join_ref, ref, topic,
							"ok", EMPTY_OBJECT);
	send_frames(conn);
}

/*
 * Reply with a response of one text, which needs no escapes.
 */
static void
reply_text(Conn *conn, Slice join_ref, Slice ref, Slice topic, const char *status,
		   const char *key, const char *value)
{
	scratch_reset(&json);
	bytes_printf(&json, "{\"%s\":\"%s\"}", key, value);
	if (json.failed)
		frames.failed = true;
	(void) phx_encode_reply(&frames, conn->version, join_ref, ref, topic,
							status, bytes_slice(&json));
	send_frames(conn);
}

/*
 * Reply with ok and an id.
 */
void
reply_id(Conn *conn, Slice join_ref, Slice ref, Slice topic, const char *id)
{
	reply_text(conn, join_ref, ref, topic, "ok", "id", id);
}

/*
 * Reply with an error.
 */
void
reply_error(Conn *conn, Slice join_ref, Slice ref, Slice topic, const char *reason)
{
	(void) phx_encode_error(&frames, conn->version, join_ref, ref, topic, reason);
	send_frames(conn);
}

/*
 * Reply with an error code.
 */
void
reply_failure(Conn *conn, Slice join_ref, Slice ref, Slice topic, const char *code)
{
	reply_text(conn, join_ref, ref, topic, "error", "error", code);
}

/*
 * Reply with an error and nothing else.
 */
void
reply_refusal(Conn *conn, Slice join_ref, Slice ref, Slice topic)
{
	(void) phx_encode_reply(&frames, conn->version, join_ref, ref, topic,
							"error", EMPTY_OBJECT);
	send_frames(conn);
}

/*
 * Append a system message.
 */
bool
reply_encode_system(Bytes *out, PhxVersion version, Slice join_ref,
					const Topic *topic, const SystemMessage *message)
{
	scratch_reset(&json);
	bytes_printf(&json, "{\"extension\":\"%s\",\"status\":\"%s\",\"message\":",
				 message->extension, message->status);
	jslice_append_string(&json, slice_make(message->message, strlen(message->message)));
	if (message->names_channel)
	{
		bytes_append_cstr(&json, ",\"channel\":");
		jslice_append_string(&json, topic_name(topic));
	}
	if (!bytes_append_byte(&json, '}'))
		out->failed = true;
	return phx_encode_text(out, version, join_ref, NO_REF, topic_full_name(topic),
						   "system", bytes_slice(&json));
}

/*
 * Send a system message.
 */
void
reply_system(Channel *channel, const SystemMessage *message)
{
	(void) reply_encode_system(&frames, channel->conn->version, channel_join_ref(channel),
							   channel->topic, message);
	send_frames(channel->conn);
}

/*
 * Send a system message of status ok.
 */
void
reply_system_ok(Channel *channel, const char *message)
{
	SystemMessage system = {"system", "ok", message, false};

	reply_system(channel, &system);
}

/*
 * End a channel.  What ends it carries its join ref as ref, by which a client
 * tells an old channel from a new one of that topic.
 */
void
reply_end_channel(Channel *channel, const char *message, ChannelEnd end)
{
	Conn	   *conn = channel->conn;
	Slice		join_ref = channel_join_ref(channel);

	if (message != NULL)
	{
		SystemMessage system = {"system", "error", message, true};

		(void) reply_encode_system(&frames, conn->version, join_ref, channel->topic, &system);
	}
	(void) phx_encode_text(&frames, conn->version, join_ref, join_ref,
						   topic_full_name(channel->topic),
						   end == END_FOR_GOOD ? "phx_close" : "phx_error", EMPTY_OBJECT);
	channel_free(channel);
	send_frames(conn);
}
