/*-------------------------------------------------------------------------
 *
 * socket_io_encode.c
 *	  Socket.IO, protocol 5: what we say.
 *
 * A failed encoder leaves the buffer's contents as they were.
 *
 * src/proto/socket_io_encode.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/socket_io.h"

#include "proto/engine_io.h"
#include "proto/ws_frame.h"
#include "proto/ws_writer.h"

#define ENVELOPE_BYTES 48		/* around the variable parts, generously */

#define put_lit(out, lit) bytes_append(out, lit, sizeof(lit) - 1)

/* Begin a packet of about this many bytes. */
static void
packet_begin(WsWriter *w, Bytes *out, SocketIoType type, size_t estimate)
{
	ws_writer_begin(w, out, ENVELOPE_BYTES + estimate);
	bytes_append_byte(out, ENGINE_MESSAGE);
	bytes_append_byte(out, (uint8) type);
}

/* End it. */
static bool
packet_end(WsWriter *w)
{
	return ws_writer_end(w, WS_OP_TEXT);
}

/* Connected. */
bool
socket_io_encode_connect(Bytes *out, Slice sid)
{
	WsWriter	w;

	packet_begin(&w, out, SOCKET_IO_CONNECT, sid.len);
	put_lit(out, "{\"sid\":");
	jslice_append_string(out, sid);
	put_lit(out, "}");
	return packet_end(&w);
}

/* Not connected. */
bool
socket_io_encode_connect_error(Bytes *out, Slice space, const char *message, Slice data)
{
	Slice		text = slice_make(message, strlen(message));
	WsWriter	w;

	packet_begin(&w, out, SOCKET_IO_CONNECT_ERROR, space.len + text.len + data.len);
	if (!slice_equals_cstr(space, "/"))
	{
		bytes_append_slice(out, space);
		put_lit(out, ",");
	}
	put_lit(out, "{\"message\":");
	jslice_append_string(out, text);
	if (data.len > 0)
	{
		put_lit(out, ",\"data\":");
		bytes_append_slice(out, data);
	}
	put_lit(out, "}");
	return packet_end(&w);
}

/* An event. */
bool
socket_io_encode_event(Bytes *out, const char *name, Slice argument)
{
	Slice		text = slice_make(name, strlen(name));
	WsWriter	w;

	packet_begin(&w, out, SOCKET_IO_EVENT, text.len + argument.len);
	put_lit(out, "[");
	jslice_append_string(out, text);
	put_lit(out, ",");
	bytes_append_slice(out, argument);
	put_lit(out, "]");
	return packet_end(&w);
}

/* An answer. */
bool
socket_io_encode_ack(Bytes *out, Slice ack, Slice argument)
{
	WsWriter	w;

	packet_begin(&w, out, SOCKET_IO_ACK, ack.len + argument.len);
	bytes_append_slice(out, ack);
	put_lit(out, "[");
	bytes_append_slice(out, argument);
	put_lit(out, "]");
	return packet_end(&w);
}

/* The first part of one. */
bool
socket_io_encode_ack_head(Bytes *out, Slice ack, Slice head, size_t rest)
{
	size_t		len = 3 + ack.len + head.len;
	char	   *dst;

	if (!bytes_reserve(out, WS_MAX_SERVER_HEADER + len))
		return false;
	dst = out->data + out->len;
	dst += ws_frame_header(dst, WS_OP_TEXT, len + rest);
	*dst++ = ENGINE_MESSAGE;
	*dst++ = SOCKET_IO_ACK;
	memcpy(dst, ack.data, ack.len);
	dst += ack.len;
	*dst++ = '[';
	memcpy(dst, head.data, head.len);
	out->len = dst + head.len - out->data;
	return true;
}

/*
 * May an object have a member called "meta"?  If it has, it spells the name
 * somewhere, if not with escapes.
 */
static bool
may_have_meta(Slice object)
{
	return memmem(object.data, object.len, "meta", 4) != NULL ||
		memmem(object.data, object.len, "\\u00", 4) != NULL;
}

/* Append the members of an object, each with a comma behind it, but for "meta". */
static void
put_members_but_meta(Bytes *out, Slice object)
{
	JsliceIter	it;
	Slice		key;
	Slice		value;

	jslice_iter_init(&it, object);
	while (jslice_iter_next(&it, &key, &value))
	{
		if (jslice_string_equals(key, SLICE_LIT("meta")))
			continue;
		bytes_append_slice(out, key);
		put_lit(out, ":");
		bytes_append_slice(out, value);
		put_lit(out, ",");
	}
}

/* Append an object's members, with a comma behind them if there are any. */
static void
put_members(Bytes *out, Slice object)
{
	Slice		inside;

	object = jslice_trim(object);
	if (may_have_meta(object))
	{
		put_members_but_meta(out, object);
		return;
	}
	inside = jslice_trim(slice_make(object.data + 1, object.len - 2));
	if (inside.len == 0)
		return;
	bytes_append_slice(out, inside);
	put_lit(out, ",");
}

/* Append what a message says about itself: its payload is not the argument. */
static void
put_wrapped_meta(Bytes *out, Slice meta)
{
	Slice		inside;

	meta = jslice_trim(meta);
	inside = jslice_trim(slice_make(meta.data + 1, meta.len - 2));
	put_lit(out, "\"meta\":{\"wrapped\":true");
	if (inside.len > 0)
		put_lit(out, ",");
	bytes_append_slice(out, inside);
	put_lit(out, "}");
}

/* A message whose payload is bytes: a packet, and then they themselves. */
static bool
encode_binary(Bytes *out, const SocketIoMessage *message)
{
	size_t		start = out->len;
	WsWriter	w;
	char	   *dst;

	packet_begin(&w, out, SOCKET_IO_BINARY_EVENT, message->event.len + message->meta.len + 64);
	put_lit(out, "1-[");
	jslice_append_string(out, message->event);
	put_lit(out, ",{\"payload\":{\"_placeholder\":true,\"num\":0},");
	put_wrapped_meta(out, message->meta);
	put_lit(out, "}]");
	if (!packet_end(&w) ||
		!bytes_reserve(out, WS_MAX_SERVER_HEADER + message->payload.len))
	{
		out->len = start;
		return false;
	}
	dst = out->data + out->len;
	out->len += ws_frame_header(dst, WS_OP_BINARY, message->payload.len);
	return bytes_append_slice(out, message->payload);
}

/* What is published on a channel. */
bool
socket_io_encode_message(Bytes *out, const SocketIoMessage *message)
{
	WsWriter	w;

	if (message->is_binary)
		return encode_binary(out, message);
	packet_begin(&w, out, SOCKET_IO_EVENT,
				 message->event.len + message->payload.len + message->meta.len);
	put_lit(out, "[");
	jslice_append_string(out, message->event);
	put_lit(out, ",{");
	if (jslice_type(message->payload) == JSLICE_OBJECT)
	{
		put_members(out, message->payload);
		put_lit(out, "\"meta\":");
		bytes_append_slice(out, message->meta);
	}
	else
	{
		put_lit(out, "\"payload\":");
		bytes_append_slice(out, message->payload);
		put_lit(out, ",");
		put_wrapped_meta(out, message->meta);
	}
	put_lit(out, "}]");
	return packet_end(&w);
}
