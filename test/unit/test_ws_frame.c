/*-------------------------------------------------------------------------
 *
 * test_ws_frame.c
 *	  WebSocket frame headers, masks and close codes (RFC 6455 5.2, 7.4).
 *
 * test/unit/test_ws_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/ws_frame.h"

#define NO_LIMIT PG_UINT64_MAX
#define MASK "\x37\xfa\x21\x3d"

/* A header and its verdict: bytes of the header, or minus a close code. */
typedef struct Vector
{
	const char *name;
	Slice		bytes;
	uint64		max_payload;
	int			verdict;
	size_t		decided_at;		/* bytes needed for the verdict */
	uint64		payload_len;
} Vector;

static const Vector vectors[] = {
	/* RFC 6455 5.7 */
	{"masked Hello", {"\x81\x85" MASK, 6}, NO_LIMIT, 6, 6, 5},
	{"empty binary", {"\x82\x80" MASK, 6}, NO_LIMIT, 6, 6, 0},
	{"first fragment", {"\x01\x83" MASK, 6}, NO_LIMIT, 6, 6, 3},
	{"continuation", {"\x80\x82" MASK, 6}, NO_LIMIT, 6, 6, 2},
	{"ping", {"\x89\x85" MASK, 6}, NO_LIMIT, 6, 6, 5},
	{"pong of 125", {"\x8a\xfd" MASK, 6}, NO_LIMIT, 6, 6, 125},
	{"close", {"\x88\x82" MASK, 6}, NO_LIMIT, 6, 6, 2},
	{"125 bytes", {"\x82\xfd" MASK, 6}, NO_LIMIT, 6, 6, 125},
	{"126 bytes", {"\x82\xfe\x00\x7e" MASK, 8}, NO_LIMIT, 8, 8, 126},
	{"256 bytes", {"\x82\xfe\x01\x00" MASK, 8}, NO_LIMIT, 8, 8, 256},
	{"65535 bytes", {"\x82\xfe\xff\xff" MASK, 8}, NO_LIMIT, 8, 8, 65535},
	{"65536 bytes", {"\x82\xff\0\0\0\0\0\x01\0\0" MASK, 14}, NO_LIMIT, 14, 14, 65536},
	{"2^63 - 1 bytes", {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK, 14}, NO_LIMIT, 14, 14, PG_INT64_MAX},

	/* reserved bits (Autobahn 3), one at a time and all */
	{"RSV1", {"\xc1\x85" MASK, 6}, NO_LIMIT, -1002, 1},
	{"RSV2", {"\xa1\x85" MASK, 6}, NO_LIMIT, -1002, 1},
	{"RSV3", {"\x91\x85" MASK, 6}, NO_LIMIT, -1002, 1},
	{"all RSV on a ping", {"\xf9\x80" MASK, 6}, NO_LIMIT, -1002, 1},

	/* reserved opcodes (Autobahn 4) */
	{"opcode 3", {"\x83\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 4", {"\x84\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 5", {"\x85\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 6", {"\x86\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 7", {"\x87\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 11", {"\x8b\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 12", {"\x8c\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 13", {"\x8d\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 14", {"\x8e\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"opcode 15", {"\x8f\x80" MASK, 6}, NO_LIMIT, -1002, 1},

	/* control frames (5.5) */
	{"ping in fragments", {"\x09\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"close in fragments", {"\x08\x80" MASK, 6}, NO_LIMIT, -1002, 1},
	{"ping of 126 bytes", {"\x89\xfe\x00\x7e" MASK, 8}, NO_LIMIT, -1002, 2},
	{"close with 64-bit length", {"\x88\xff", 2}, NO_LIMIT, -1002, 2},

	/* mask and length (5.2) */
	{"no mask", {"\x81\x05Hello", 7}, NO_LIMIT, -1002, 2},
	{"no mask on a close", {"\x88\x00", 2}, NO_LIMIT, -1002, 2},
	{"125 in 16 bits", {"\x82\xfe\x00\x7d" MASK, 8}, NO_LIMIT, -1002, 4},
	{"0 in 16 bits", {"\x82\xfe\x00\x00" MASK, 8}, NO_LIMIT, -1002, 4},
	{"65535 in 64 bits", {"\x82\xff\0\0\0\0\0\0\xff\xff" MASK, 14}, NO_LIMIT, -1002, 10},
	{"5 in 64 bits", {"\x82\xff\0\0\0\0\0\0\0\x05" MASK, 14}, NO_LIMIT, -1002, 10},
	{"2^63 + 1 bytes (A4)", {"\x82\xff\x80\0\0\0\0\0\0\x01" MASK, 14}, NO_LIMIT, -1002, 10},
	{"2^64 - 1 bytes", {"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" MASK, 14}, NO_LIMIT, -1002, 10},

	/* limits, from the header alone (A4, A6) */
	{"2^63 - 1 bytes (A4)", {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10}, 5000000, -1009, 10},
	{"4 GiB + 2 (A4)", {"\x82\xff\0\0\0\x01\0\0\0\x02", 10}, 5000000, -1009, 10},
	{"the limit", {"\x82\xfe\x01\x00" MASK, 8}, 256, 8, 8, 256},
	{"the limit + 1", {"\x82\xfe\x01\x01" MASK, 8}, 256, -1009, 4},
	{"1 byte where none may be", {"\x82\x81" MASK, 6}, 0, -1009, 2},
	{"no byte where none may be", {"\x82\x80" MASK, 6}, 0, 6, 6, 0},
	{"a ping above the limit of messages", {"\x89\xfd" MASK, 6}, 10, 6, 6, 125},
};

/* One vector: nothing is said before the deciding byte, all of it from there. */
static void
test_vector(const Vector *v)
{
	bool		good = true;
	WsFrameHeader header;

	for (size_t len = 0; len <= v->bytes.len; len++)
	{
		Slice		bytes = exact(slice_make(v->bytes.data, len));
		int			got = ws_frame_decode(bytes.data, len, v->max_payload, &header);
		int			want = len < v->decided_at ? 0 : v->verdict;

		if (got != want)
		{
			diag("%zu bytes: got %d, wanted %d", len, got, want);
			good = false;
		}
		release(bytes);
	}
	if (v->verdict > 0)
		good = good && header.payload_len == v->payload_len &&
			memcmp(header.mask, MASK, 4) == 0 &&
			header.fin == (((uint8) v->bytes.data[0] & 0x80) != 0) &&
			header.opcode == (v->bytes.data[0] & 0x0F);
	ok(good, "%s", v->name);
}

/* Every length, place and alignment against the definition of 5.3. */
static void
test_unmask(void)
{
	static const uint8 mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	Slice		hello = exact(B("\x7f\x9f\x4d\x51\x58"));
	int			wrong = 0;

	ws_frame_unmask(unconstify(char *, hello.data), 5, mask, 0);
	is_text(hello, "Hello", "RFC 6455 5.7: Hello unmasked");
	release(hello);

	for (size_t len = 0; len <= 100; len++)
	{
		for (size_t offset = 0; offset < 9; offset++)
		{
			for (size_t shift = 0; shift < 8; shift++)
			{
				char	   *data = malloc(len + shift);

				for (size_t i = 0; i < len + shift; i++)
					data[i] = (char) (i * 7);
				ws_frame_unmask(data + shift, len, mask, offset);
				for (size_t i = 0; i < len + shift; i++)
				{
					uint8		want = (uint8) (i * 7);

					if (i >= shift)
						want ^= mask[(offset + i - shift) % 4];
					wrong += (uint8) data[i] != want;
				}
				free(data);
			}
		}
	}
	is_int(wrong, 0, "unmasked at every length, offset and alignment");
}

/* Headers that we write, read back by their definition. */
static void
test_header(void)
{
	static const struct
	{
		uint64		len;
		Slice		want;
	}			cases[] = {
		{0, {"\x81\x00", 2}},
		{5, {"\x81\x05", 2}},
		{125, {"\x81\x7d", 2}},
		{126, {"\x81\x7e\x00\x7e", 4}},
		{65535, {"\x81\x7e\xff\xff", 4}},
		{65536, {"\x81\x7f\0\0\0\0\0\x01\0\0", 10}},
		{UINT64CONST(0x123456789abcdef), {"\x81\x7f\x01\x23\x45\x67\x89\xab\xcd\xef", 10}},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		char		name[64];
		char	   *dst = malloc(cases[i].want.len);
		int			size = ws_frame_header(dst, WS_OP_TEXT, cases[i].len);

		snprintf(name, sizeof(name), "header for " UINT64_FORMAT " bytes", cases[i].len);
		is_bytes(slice_make(dst, size), cases[i].want, name);
		ok(ws_frame_header_size(cases[i].len) == size, "%s: its size", name);
		free(dst);
	}
}

/* Close codes (Autobahn 7.7 and 7.9, IANA registry). */
static void
test_close_codes(void)
{
	int			wrong = 0;

	for (int code = -1; code <= 66000; code++)
	{
		bool		want = (code >= 1000 && code <= 1014 && code != 1004 &&
							code != 1005 && code != 1006) ||
			(code >= 3000 && code <= 4999);

		wrong += ws_close_code_valid(code) != want;
	}
	is_int(wrong, 0, "which close codes may come");
}

int
main(void)
{
	for (int i = 0; i < lengthof(vectors); i++)
		test_vector(&vectors[i]);
	test_unmask();
	test_header();
	test_close_codes();
	return done_testing();
}
