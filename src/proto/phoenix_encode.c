/*-------------------------------------------------------------------------
 *
 * phoenix_encode.c
 *	  Phoenix channel messages, serializers 1.0.0 and 2.0.0: what we say.
 *
 * Each encoder appends a whole WebSocket frame to a Bytes.  The length of a
 * text message is known only when it is written, because a topic may need
 * escapes (ws_writer.h).
 *
 * A failed encoder leaves the buffer's contents as they were.
 *
 * src/proto/phoenix_encode.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/phoenix.h"

#include "proto/ws_frame.h"
#include "proto/ws_writer.h"

/* Bytes of JSON around the variable parts, generously. */
#define ENVELOPE_BYTES 96

#define BROADCAST_HEADER_BYTES 5	/* kind, three lengths, encoding */

/* Append a string literal. */
#define put_lit(out, lit) bytes_append(out, lit, sizeof(lit) - 1)

/* Append a raw JSON value, null for an empty one. */
static void
put_ref(Bytes *out, Slice ref)
{
	if (ref.len > 0)
		bytes_append_slice(out, ref);
	else
		put_lit(out, "null");
}

/*
 * Begin a text message of either version; the payload has to follow.  `extra`
 * is about how long it will be.
 */
static void
message_begin(WsWriter *w, Bytes *out, PhxVersion version, Slice join_ref,
			  Slice ref, Slice topic, const char *event, size_t extra)
{
	Slice		name = slice_make(event, strlen(event));

	ws_writer_begin(w, out, ENVELOPE_BYTES + join_ref.len + ref.len + topic.len +
					name.len + extra);
	if (version == PHX_V2)
	{
		put_lit(out, "[");
		put_ref(out, join_ref);
		put_lit(out, ",");
		put_ref(out, ref);
		put_lit(out, ",");
		jslice_append_string(out, topic);
		put_lit(out, ",");
		jslice_append_string(out, name);
		put_lit(out, ",");
	}
	else
	{
		put_lit(out, "{\"topic\":");
		jslice_append_string(out, topic);
		put_lit(out, ",\"event\":");
		jslice_append_string(out, name);
		put_lit(out, ",\"payload\":");
	}
}

/* End a text message, its payload written. */
static bool
message_end(WsWriter *w, PhxVersion version, Slice ref)
{
	if (version == PHX_V2)
		put_lit(w->out, "]");
	else
	{
		put_lit(w->out, ",\"ref\":");
		put_ref(w->out, ref);
		put_lit(w->out, "}");
	}
	return ws_writer_end(w, WS_OP_TEXT);
}

/* Any text message. */
bool
phx_encode_text(Bytes *out, PhxVersion version, Slice join_ref, Slice ref,
				Slice topic, const char *event, Slice payload)
{
	WsWriter w;

	message_begin(&w, out, version, join_ref, ref, topic, event, payload.len);
	bytes_append_slice(out, payload);
	return message_end(&w, version, ref);
}

/* phx_reply with {"status":status,"response":response}. */
bool
phx_encode_reply(Bytes *out, PhxVersion version, Slice join_ref, Slice ref,
				 Slice topic, const char *status, Slice response)
{
	WsWriter w;

	message_begin(&w, out, version, join_ref, ref, topic, "phx_reply", response.len);
	put_lit(out, "{\"status\":\"");
	bytes_append_cstr(out, status);
	put_lit(out, "\",\"response\":");
	bytes_append_slice(out, response);
	put_lit(out, "}");
	return message_end(&w, version, ref);
}

/*
 * An error reply with a reason, and nothing beside it: the client shows all
 * values of the response joined by commas (supabase.md 3.3).
 */
bool
phx_encode_error(Bytes *out, PhxVersion version, Slice join_ref, Slice ref,
				 Slice topic, const char *reason)
{
	WsWriter w;
	Slice		text = slice_make(reason, strlen(reason));

	message_begin(&w, out, version, join_ref, ref, topic, "phx_reply", text.len);
	put_lit(out, "{\"status\":\"error\",\"response\":{\"reason\":");
	jslice_append_string(out, text);
	put_lit(out, "}}");
	return message_end(&w, version, ref);
}

/*
 * A broadcast as kind 4.  Runs for every stored message, so its size is
 * computed once and all parts are copied behind each other.
 */
static bool
encode_kind4(Bytes *out, Slice topic, Slice event, uint8 encoding, Slice payload,
			 Slice meta)
{
	const Slice parts[] = {topic, event, meta, payload};
	size_t		body = BROADCAST_HEADER_BYTES + topic.len + event.len + meta.len + payload.len;
	char	   *dst;

	if (!bytes_reserve(out, ws_frame_header_size(body) + body))
		return false;
	dst = out->data + out->len;
	dst += ws_frame_header(dst, WS_OP_BINARY, body);
	*dst++ = PHX_KIND_USER_BROADCAST;
	*dst++ = (char) topic.len;
	*dst++ = (char) event.len;
	*dst++ = (char) meta.len;
	*dst++ = (char) encoding;
	for (int i = 0; i < lengthof(parts); i++)
	{
		if (parts[i].len > 0)
			memcpy(dst, parts[i].data, parts[i].len);
		dst += parts[i].len;
	}
	out->len = dst - out->data;
	return true;
}

/* A broadcast as text: event "broadcast" with all of it in the payload. */
static bool
encode_text_broadcast(Bytes *out, PhxVersion version, Slice topic, Slice event,
					  Slice payload, Slice meta)
{
	WsWriter w;
	Slice		none = {NULL, 0};

	message_begin(&w, out, version, none, none, topic, "broadcast",
				  event.len + payload.len + meta.len);
	put_lit(out, "{\"event\":");
	jslice_append_string(out, event);
	put_lit(out, ",\"payload\":");
	bytes_append_slice(out, payload);
	put_lit(out, ",\"type\":\"broadcast\"");
	if (meta.len > 0)
	{
		put_lit(out, ",\"meta\":");
		bytes_append_slice(out, meta);
	}
	put_lit(out, "}");
	return message_end(&w, version, none);
}

/*
 * A stored message for the members of a topic; see phoenix.h.
 *
 * Kind 4 counts topic, event and metadata in a byte each.  What is longer goes
 * as text, which a client can not tell from kind 4 (supabase.md 2.3); only a
 * binary payload has no such way out.
 */
bool
phx_encode_broadcast(Bytes *out, PhxVersion version, Slice topic, Slice event,
					 bool binary, Slice payload, Slice meta)
{
	bool		fits = topic.len <= PG_UINT8_MAX && event.len <= PG_UINT8_MAX &&
		meta.len <= PG_UINT8_MAX;

	if (version == PHX_V2 && fits)
		return encode_kind4(out, topic, event,
							binary ? PHX_ENCODING_BINARY : PHX_ENCODING_JSON,
							payload, meta);
	if (binary)
		return true;
	return encode_text_broadcast(out, version, topic, event, payload, meta);
}
