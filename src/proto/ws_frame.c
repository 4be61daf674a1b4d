/*-------------------------------------------------------------------------
 *
 * ws_frame.c
 *	  WebSocket frames: RFC 6455 section 5.2.
 *
 * One frame, nothing about what came before it: whether a continuation is in
 * place, or a message too long over all its fragments, is ws_message.c's
 * question.
 *
 * src/proto/ws_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/ws_frame.h"

#define FIN_BIT 0x80
#define RSV_BITS 0x70
#define OPCODE_BITS 0x0F
#define MASK_BIT 0x80
#define LENGTH_BITS 0x7F
#define LENGTH_16 126			/* 16 bits of length follow */
#define LENGTH_64 127			/* 64 bits of length follow */
#define OPCODE_CONTROL 0x8		/* set in all control opcodes */

/* Read n bytes, most significant first. */
static uint64
read_big_endian(const char *buf, int n)
{
	uint64		value = 0;

	for (int i = 0; i < n; i++)
		value = value << 8 | (uint8) buf[i];
	return value;
}

/* Write value into n bytes, most significant first. */
static void
write_big_endian(char *dst, uint64 value, int n)
{
	while (n > 0)
	{
		dst[--n] = (char) (value & 0xFF);
		value >>= 8;
	}
}

/* Is this an opcode that RFC 6455 defines? */
static bool
opcode_known(uint8 opcode)
{
	return opcode <= WS_OP_BINARY ||
		(opcode >= WS_OP_CLOSE && opcode <= WS_OP_PONG);
}

/*
 * Decode the header at buf; see ws_frame.h for the verdicts.
 *
 * Every byte is judged as soon as it is there, and the length before the mask
 * has come, so that nobody waits or allocates for a frame that will be refused.
 */
int
ws_frame_decode(const char *buf, size_t len, uint64 max_payload,
				WsFrameHeader *header)
{
	uint8		first;
	uint8		second;
	int			length_bytes = 0;

	if (len < 1)
		return 0;
	first = (uint8) buf[0];
	header->fin = (first & FIN_BIT) != 0;
	header->opcode = first & OPCODE_BITS;
	if ((first & RSV_BITS) != 0 || !opcode_known(header->opcode))
		return -WS_CLOSE_PROTOCOL_ERROR;
	if ((header->opcode & OPCODE_CONTROL) != 0 && !header->fin)
		return -WS_CLOSE_PROTOCOL_ERROR;

	if (len < 2)
		return 0;
	second = (uint8) buf[1];
	if ((second & MASK_BIT) == 0)
		return -WS_CLOSE_PROTOCOL_ERROR;
	header->payload_len = second & LENGTH_BITS;
	if ((header->opcode & OPCODE_CONTROL) != 0)
	{
		if (header->payload_len > WS_MAX_CONTROL)
			return -WS_CLOSE_PROTOCOL_ERROR;
	}
	else
	{
		if (header->payload_len == LENGTH_16)
			length_bytes = 2;
		else if (header->payload_len == LENGTH_64)
			length_bytes = 8;
		if (len < 2 + length_bytes)
			return 0;
		if (length_bytes > 0)
			header->payload_len = read_big_endian(buf + 2, length_bytes);
		/* RFC 6455 5.2: the minimal number of bytes, and no top bit */
		if ((length_bytes == 2 && header->payload_len < LENGTH_16) ||
			(length_bytes == 8 && header->payload_len <= PG_UINT16_MAX) ||
			header->payload_len > PG_INT64_MAX)
			return -WS_CLOSE_PROTOCOL_ERROR;
		if (header->payload_len > max_payload)
			return -WS_CLOSE_TOO_BIG;
	}

	if (len < 2 + length_bytes + sizeof(header->mask))
		return 0;
	memcpy(header->mask, buf + 2 + length_bytes, sizeof(header->mask));
	return 2 + length_bytes + sizeof(header->mask);
}

/*
 * Unmask in place.  The mask is turned so that it starts at this piece's
 * place in the payload, then applied a word at a time; memcpy, because
 * neither end is aligned to anything.
 */
void
ws_frame_unmask(char *data, size_t len, const uint8 mask[4], uint64 offset)
{
	uint8		turned[8];
	uint64		word;
	size_t		i = 0;

	for (int k = 0; k < 8; k++)
		turned[k] = mask[(offset + k) & 3];
	memcpy(&word, turned, sizeof(word));

	/* Four words a turn: the compiler makes vector operations of them. */
	for (; len - i >= 32; i += 32)
	{
		uint64		block[4];

		memcpy(block, data + i, sizeof(block));
		block[0] ^= word;
		block[1] ^= word;
		block[2] ^= word;
		block[3] ^= word;
		memcpy(data + i, block, sizeof(block));
	}
	for (; len - i >= 8; i += 8)
	{
		uint64		block;

		memcpy(&block, data + i, sizeof(block));
		block ^= word;
		memcpy(data + i, &block, sizeof(block));
	}
	for (; i < len; i++)
		data[i] ^= turned[i & 7];
}

/* Bytes that the header of a server's frame takes. */
int
ws_frame_header_size(uint64 payload_len)
{
	if (payload_len < LENGTH_16)
		return 2;
	return payload_len <= PG_UINT16_MAX ? 4 : 10;
}

/* Write the header of a final, unmasked frame and return its size. */
int
ws_frame_header(char *dst, uint8 opcode, uint64 payload_len)
{
	int			size = ws_frame_header_size(payload_len);

	dst[0] = (char) (FIN_BIT | opcode);
	if (size == 2)
		dst[1] = (char) payload_len;
	else
	{
		dst[1] = size == 4 ? LENGTH_16 : LENGTH_64;
		write_big_endian(dst + 2, payload_len, size - 2);
	}
	return size;
}

/*
 * May this code stand in a client's close frame?  1004 is reserved, 1005,
 * 1006 and 1015 are never on the wire; 1012 to 1014 were registered at IANA
 * after the RFC; 3000 to 4999 are for libraries and applications.
 */
bool
ws_close_code_valid(int code)
{
	return (code >= 1000 && code <= 1003) ||
		(code >= 1007 && code <= 1014) ||
		(code >= 3000 && code <= 4999);
}
