/*-------------------------------------------------------------------------
 *
 * socket_io.c
 *	  Socket.IO, protocol 5: what clients say.
 *
 * What is malformed is what socket.io's own parser takes for malformed; both
 * close the connection.
 *
 * src/proto/socket_io.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/socket_io.h"

#include "proto/jslice_scan.h"

#define RESERVED_MAX 14			/* bytes of the longest reserved name */

/* Where decoding stands. */
typedef struct Reader
{
	const char *p;
	const char *end;
} Reader;

/* What clients take for events of their own connection. */
bool
socket_io_is_reserved(Slice name)
{
	static const char *const reserved[] = {
		"connect", "connect_error", "disconnect", "disconnecting", "newListener",
		"removeListener"
	};

	for (int i = 0; i < lengthof(reserved); i++)
	{
		if (slice_equals_cstr(name, reserved[i]))
			return true;
	}
	return false;
}

/* The same of a JSON string. */
static bool
is_reserved_string(Slice string)
{
	Slice		inside = slice_make(string.data + 1, string.len - 2);
	Bytes		plain;
	bool		reserved;

	if (memchr(inside.data, '\\', inside.len) == NULL)
		return socket_io_is_reserved(inside);
	/* an escape makes six bytes of one */
	if (inside.len > 6 * RESERVED_MAX)
		return false;
	bytes_init(&plain);
	/* without memory it is refused */
	reserved = !jslice_unescape(string, &plain) || socket_io_is_reserved(bytes_slice(&plain));
	bytes_free(&plain);
	return reserved;
}

/* Take the digits at hand. */
static Slice
take_digits(Reader *r)
{
	const char *start = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return slice_make(start, r->p - start);
}

/* The number of attachments and a hyphen. */
static bool
take_attachments(Reader *r, uint32 *n, const char **error)
{
	Slice		digits = take_digits(r);

	*n = 0;
	*error = "illegal number of attachments";
	if (digits.len > 9 || r->p >= r->end || *r->p++ != '-')
		return false;
	for (size_t i = 0; i < digits.len; i++)
		*n = *n * 10 + (uint32) (digits.data[i] - '0');
	*error = "too many attachments";
	return *n <= SOCKET_IO_MAX_ATTACHMENTS;
}

/* A namespace, up to the comma or the end. */
static Slice
take_space(Reader *r)
{
	const char *start = r->p;
	const char *comma;
	Slice		space;

	if (r->p >= r->end || *r->p != '/')
		return SLICE_LIT("/");
	comma = memchr(start, ',', r->end - start);
	space = slice_make(start, (comma != NULL ? comma : r->end) - start);
	r->p = comma != NULL ? comma + 1 : r->end;
	return space;
}

/* An event is an array that begins with a name. */
static bool
check_event(SocketIoPacket *packet, const Slice *items, int n)
{
	if (n < 1)
		return false;
	packet->name = items[0];
	packet->argument = n > 1 ? items[1] : slice_make(NULL, 0);
	switch (jslice_type(packet->name))
	{
		case JSLICE_NUMBER:
			return true;
		case JSLICE_STRING:
			return !is_reserved_string(packet->name);
		default:
			return false;
	}
}

/* Has the data, which is valid JSON or empty, the shape of its type? */
static bool
check_shape(SocketIoPacket *packet, const Slice *items, int n)
{
	JsliceType	type = jslice_type(packet->data);

	switch (packet->type)
	{
		case SOCKET_IO_CONNECT:
			return type == JSLICE_NONE || type == JSLICE_OBJECT;
		case SOCKET_IO_DISCONNECT:
			return type == JSLICE_NONE;
		case SOCKET_IO_EVENT:
		case SOCKET_IO_BINARY_EVENT:
			return check_event(packet, items, n);
		case SOCKET_IO_ACK:
		case SOCKET_IO_BINARY_ACK:
			return type == JSLICE_ARRAY;
		case SOCKET_IO_CONNECT_ERROR:
			return type == JSLICE_STRING || type == JSLICE_OBJECT;
	}
	return false;
}

/* Decode a packet. */
bool
socket_io_decode(Slice text, SocketIoPacket *packet, const char **error)
{
	Reader		r = {text.data, slice_end(text)};
	Slice		items[2];
	int			n = 0;

	memset(packet, 0, sizeof(*packet));
	*error = "unknown packet type";
	if (text.len == 0 || *r.p < SOCKET_IO_CONNECT || *r.p > SOCKET_IO_BINARY_ACK)
		return false;
	packet->type = (SocketIoType) *r.p++;
	if ((packet->type == SOCKET_IO_BINARY_EVENT || packet->type == SOCKET_IO_BINARY_ACK) &&
		!take_attachments(&r, &packet->attachments, error))
		return false;
	packet->space = take_space(&r);
	packet->ack = take_digits(&r);
	*error = "ack id too long";
	if (packet->ack.len > SOCKET_IO_MAX_ACK)
		return false;
	packet->data = slice_make(r.p, r.end - r.p);
	if (packet->data.len > 0 &&
		!jslice_validate_array(packet->data.data, packet->data.len, items, lengthof(items),
							   &n, error))
		return false;
	*error = "invalid payload";
	return check_shape(packet, items, n);
}

/* Take a word and the white space behind it. */
static bool
take_word(Reader *r, const char *word)
{
	size_t		len = strlen(word);

	if ((size_t) (r->end - r->p) < len || memcmp(r->p, word, len) != 0)
		return false;
	r->p = jscan_space(r->p + len, r->end);
	return true;
}

/* Take a member of a placeholder that says which one. */
static bool
take_num(Reader *r, uint32 *num)
{
	Slice		digits;

	if (!take_word(r, "\"num\"") || !take_word(r, ":"))
		return false;
	digits = take_digits(r);
	if (digits.len < 1 || digits.len > 9)
		return false;
	*num = 0;
	for (size_t i = 0; i < digits.len; i++)
		*num = *num * 10 + (uint32) (digits.data[i] - '0');
	r->p = jscan_space(r->p, r->end);
	return true;
}

/* And the one that says that it is a placeholder. */
static bool
take_mark(Reader *r)
{
	return take_word(r, "\"_placeholder\"") && take_word(r, ":") && take_word(r, "true");
}

/*
 * Is a placeholder at hand?  Its two members come in either order, and there are
 * no others; *r is behind it then, and else where it was.
 */
static bool
take_placeholder(Reader *r, uint32 *num)
{
	Reader		ahead = *r;
	bool		good;

	if (!take_word(&ahead, "{"))
		return false;
	if (take_mark(&ahead))
		good = take_word(&ahead, ",") && take_num(&ahead, num);
	else
		good = take_num(&ahead, num) && take_word(&ahead, ",") && take_mark(&ahead);
	if (!good || ahead.p >= ahead.end || *ahead.p != '}')
		return false;
	r->p = ahead.p + 1;
	return true;
}

/* Append the JSON form of some bytes. */
static void
put_buffer(Bytes *out, Slice bytes)
{
	char	   *dst;

	bytes_append_cstr(out, "{\"type\":\"Buffer\",\"data\":[");
	if (bytes.len > 0 && bytes_reserve(out, bytes.len * 4))
	{
		dst = out->data + out->len;
		for (size_t i = 0; i < bytes.len; i++)
		{
			uint8		byte = (uint8) bytes.data[i];

			if (byte >= 100)
				*dst++ = (char) ('0' + byte / 100);
			if (byte >= 10)
				*dst++ = (char) ('0' + byte / 10 % 10);
			*dst++ = (char) ('0' + byte % 10);
			*dst++ = ',';
		}
		out->len = dst - out->data - 1;
	}
	bytes_append_cstr(out, "]}");
}

/* First byte behind the string that begins at p. */
static const char *
string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
	{
		if (*p == '\\')
			p++;
	}
	return Min(p + 1, end);
}

/*
 * Fill in the attachments: what is between two placeholders is copied as it
 * is, in one pass.
 */
bool
socket_io_fill(Slice data, const Slice *attachments, uint32 n, Bytes *out)
{
	Reader		r = {data.data, slice_end(data)};
	const char *copied = data.data;

	while (r.p < r.end)
	{
		const char *before = r.p;
		uint32		num;

		if (*r.p == '"')
			r.p = string_end(r.p, r.end);
		else if (*r.p != '{' || !take_placeholder(&r, &num))
			r.p++;
		else if (num >= n)
			return false;
		else
		{
			bytes_append(out, copied, before - copied);
			put_buffer(out, attachments[num]);
			copied = r.p;
		}
	}
	bytes_append(out, copied, r.end - copied);
	return !out->failed;
}
