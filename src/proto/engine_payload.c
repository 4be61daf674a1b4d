/*-------------------------------------------------------------------------
 *
 * engine_payload.c
 *	  Engine.IO packets as bodies of requests that poll.
 *
 * OpenSSL, which both builds link, encodes base64.
 *
 * src/proto/engine_payload.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/engine_payload.h"

#include <openssl/evp.h>

#include "proto/base64.h"

#define SEPARATOR '\x1e'
#define BINARY 'b'
#define CLOSE_PACKET '1'
#define BASE64_PIECE 3			/* bytes that make 4 characters */

/*
 * Begin another packet.
 */
static void
begin_packet(EnginePayload *payload)
{
	if (payload->packets.len > 0)
		bytes_append_byte(&payload->packets, SEPARATOR);
}

/*
 * Bytes of the header of a server's frame, which is final and not masked, as far
 * as its beginning tells.
 */
static size_t
head_size(const EnginePayload *payload)
{
	uint8		length = payload->head_len < 2 ? 0 : (uint8) payload->head[1];

	return length < 126 ? 2 : length == 126 ? 4 : 10;
}

/*
 * A header is complete: a packet begins.
 */
static void
begin_frame(EnginePayload *payload)
{
	uint8		opcode = payload->head[0] & 0x0F;
	uint64		length = 0;

	for (int i = Min(payload->head_len - 1, 2); i < payload->head_len; i++)
		length = length << 8 | (uint8) payload->head[i];
	payload->head_len = 0;
	payload->in_frame = true;
	payload->left = length;
	payload->is_binary = opcode == WS_OP_BINARY;
	payload->closed = opcode == WS_OP_CLOSE;
	payload->before = payload->packets.len;
	begin_packet(payload);
	if (payload->closed)
		bytes_append_byte(&payload->packets, CLOSE_PACKET);
	else if (payload->is_binary)
		bytes_append_byte(&payload->packets, BINARY);
}

/*
 * Take more of a header; returns the bytes taken.
 */
static size_t
take_head(EnginePayload *payload, const char *data, size_t len)
{
	size_t		taken = 0;

	while (taken < len && payload->head_len < head_size(payload))
		payload->head[payload->head_len++] = data[taken++];
	payload->taken += taken;
	if (payload->head_len == head_size(payload))
		begin_frame(payload);
	return taken;
}

/*
 * Append bytes as base64.
 */
static void
append_base64(Bytes *out, const char *data, size_t len)
{
	size_t		length = (len + 2) / 3 * 4;

	/* OpenSSL adds a NUL */
	if (len == 0 || !bytes_reserve(out, length + 1))
		return;
	(void) EVP_EncodeBlock((unsigned char *) out->data + out->len,
						   (const unsigned char *) data, (int) len);
	out->len += length;
}

/*
 * Append more of a binary packet: whole pieces, and the rest at its end.
 */
static void
add_binary(EnginePayload *payload, const char *data, size_t len, bool is_end)
{
	while (payload->carried > 0 && payload->carried < BASE64_PIECE && len > 0)
	{
		payload->carry[payload->carried++] = *data++;
		len--;
	}
	if (payload->carried == BASE64_PIECE || is_end)
	{
		append_base64(&payload->packets, payload->carry, payload->carried);
		payload->carried = 0;
	}
	if (payload->carried > 0)
		return;
	if (!is_end)
	{
		payload->carried = (uint8) (len % BASE64_PIECE);
		len -= payload->carried;
		memcpy(payload->carry, data + len, payload->carried);
	}
	append_base64(&payload->packets, data, len);
}

/*
 * Take more of the frame at hand; returns the bytes taken.
 */
static size_t
take_data(EnginePayload *payload, const char *data, size_t len)
{
	size_t		n = Min(payload->left, len);

	payload->left -= n;
	payload->in_frame = payload->left > 0;
	payload->taken = payload->in_frame ? payload->taken + n : 0;
	/* of a close frame, code and reason are for WebSockets alone */
	if (payload->is_binary)
		add_binary(payload, data, n, !payload->in_frame);
	else if (!payload->closed)
		bytes_append(&payload->packets, data, n);
	return n;
}

/*
 * Add packets.
 */
size_t
engine_payload_add(EnginePayload *payload, const char *frames, size_t len, size_t max)
{
	size_t		done = 0;

	for (;;)
	{
		if (payload->in_frame)
		{
			if (done == len && payload->left > 0)
				return done;
			done += take_data(payload, frames + done, len - done);
		}
		else if (done == len ||
				 (payload->head_len == 0 && (payload->closed || payload->packets.len >= max)))
			return done;
		else
			done += take_head(payload, frames + done, len - done);
	}
}

/*
 * Give back what is not whole.
 */
size_t
engine_payload_cut(EnginePayload *payload)
{
	size_t		taken = payload->taken;

	if (payload->in_frame)
	{
		payload->packets.len = payload->before;
		payload->closed = false;
	}
	payload->in_frame = false;
	payload->head_len = 0;
	payload->carried = 0;
	payload->taken = 0;
	return taken;
}

/*
 * Add a packet without data.
 */
void
engine_payload_add_type(EnginePayload *payload, char type)
{
	begin_packet(payload);
	bytes_append_byte(&payload->packets, (uint8) type);
}

/*
 * Take the next packet off.
 */
Slice
engine_payload_next(Slice *body)
{
	const char *end = body->len > 0 ? memchr(body->data, SEPARATOR, body->len) : NULL;
	Slice		packet = slice_make(body->data, end != NULL ? end - body->data : body->len);

	*body = end != NULL ? slice_make(end + 1, body->len - packet.len - 1) :
		slice_make(slice_end(*body), 0);
	return packet;
}

/*
 * Is it binary?
 */
bool
engine_payload_is_binary(Slice packet)
{
	return packet.len > 0 && packet.data[0] == BINARY;
}

/*
 * Decode a binary packet.
 */
bool
engine_payload_decode(Slice packet, Bytes *out)
{
	Assert(engine_payload_is_binary(packet));
	return base64_decode(slice_make(packet.data + 1, packet.len - 1), out);
}
