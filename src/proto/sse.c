/*-------------------------------------------------------------------------
 *
 * sse.c
 *	  Server-sent events (HTML standard 9.2): what we say.
 *
 * A line ends at a line feed or a carriage return, so neither may stand in what
 * is on one.  In valid JSON they are white space between two tokens and nothing
 * else, because strings have them escaped: there they become blanks.
 *
 * src/proto/sse.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/sse.h"

#include "proto/jslice.h"

#define put_lit(out, lit) bytes_append(out, lit, sizeof(lit) - 1)

/*
 * Make all bytes of one kind blanks.
 */
static void
blank_out(char *data, size_t len, char c)
{
	char	   *end = data + len;

	while (data < end && (data = memchr(data, c, end - data)) != NULL)
		*data++ = ' ';
}

/*
 * Append JSON as part of a line.
 */
static void
put_json(Bytes *out, Slice json)
{
	size_t		start = out->len;

	if (json.len == 0 || !bytes_append_slice(out, json))
		return;
	blank_out(out->data + start, json.len, '\n');
	blank_out(out->data + start, json.len, '\r');
}

/*
 * Append bytes in base64 (RFC 4648 4), as atob() of browsers reads it.
 */
static void
put_base64(Bytes *out, Slice bytes)
{
	static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char	   *dst;

	if (!bytes_reserve(out, (bytes.len + 2) / 3 * 4))
		return;
	dst = out->data + out->len;
	for (size_t i = 0; i < bytes.len; i += 3)
	{
		size_t		n = Min(bytes.len - i, 3);
		uint32		bits = (uint32) (uint8) bytes.data[i] << 16;

		if (n > 1)
			bits |= (uint32) (uint8) bytes.data[i + 1] << 8;
		if (n > 2)
			bits |= (uint8) bytes.data[i + 2];
		*dst++ = digits[bits >> 18];
		*dst++ = digits[bits >> 12 & 63];
		*dst++ = n > 1 ? digits[bits >> 6 & 63] : '=';
		*dst++ = n > 2 ? digits[bits & 63] : '=';
	}
	out->len = dst - out->data;
}

/*
 * Append the line of an id, if there is one.
 */
static void
put_id(Bytes *out, Slice id)
{
	if (id.len == 0)
		return;
	put_lit(out, "id: ");
	bytes_append_slice(out, id);
	put_lit(out, "\n");
}

/*
 * Begin a message; what follows is its event.
 */
static void
message_begin(Bytes *out, Slice id, Slice topic)
{
	put_id(out, id);
	put_lit(out, "data: {\"topic\":");
	jslice_append_string(out, topic);
	put_lit(out, ",\"event\":");
}

/*
 * End a block that began at `start`.
 */
static bool
block_end(Bytes *out, size_t start)
{
	put_lit(out, "\n\n");
	if (out->failed)
		out->len = start;
	return !out->failed;
}

/*
 * End a message.
 */
static bool
message_end(Bytes *out, size_t start, Slice meta)
{
	if (meta.len > 0)
	{
		put_lit(out, ",\"meta\":");
		put_json(out, meta);
	}
	put_lit(out, "}");
	return block_end(out, start);
}

/*
 * A message whose parts are known.
 */
bool
sse_encode_broadcast(Bytes *out, Slice id, Slice topic, Slice event,
					 bool binary, Slice payload, Slice meta)
{
	size_t		start = out->len;

	message_begin(out, id, topic);
	jslice_append_string(out, event);
	if (binary)
	{
		put_lit(out, ",\"payload_base64\":\"");
		put_base64(out, payload);
		put_lit(out, "\"");
	}
	else
	{
		put_lit(out, ",\"payload\":");
		put_json(out, payload);
	}
	return message_end(out, start, meta);
}

/*
 * A message of a client.  It may leave out what it likes, and so do we; but
 * there is always an event.
 */
bool
sse_encode_whole(Bytes *out, Slice id, Slice topic, Slice whole, Slice meta)
{
	size_t		start = out->len;
	Slice		event = jslice_get(whole, "event");
	Slice		payload = jslice_get(whole, "payload");

	message_begin(out, id, topic);
	if (jslice_type(event) == JSLICE_STRING)
		put_json(out, event);
	else
		put_lit(out, "\"\"");
	if (payload.len > 0)
	{
		put_lit(out, ",\"payload\":");
		put_json(out, payload);
	}
	return message_end(out, start, meta);
}

/*
 * An event with a name.
 */
bool
sse_encode_event(Bytes *out, const char *name, Slice id, Slice data)
{
	size_t		start = out->len;

	put_lit(out, "event: ");
	bytes_append_cstr(out, name);
	put_lit(out, "\n");
	put_id(out, id);
	put_lit(out, "data: ");
	put_json(out, data);
	return block_end(out, start);
}

/*
 * The beginning.
 */
bool
sse_encode_start(Bytes *out, uint32 retry_ms, Slice comment)
{
	size_t		start = out->len;

	put_lit(out, ": ");
	put_json(out, comment);
	put_lit(out, "\nretry: ");
	bytes_append_u64(out, retry_ms);
	return block_end(out, start);
}
