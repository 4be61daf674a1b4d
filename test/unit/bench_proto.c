/*-------------------------------------------------------------------------
 *
 * bench_proto.c
 *	  Nanoseconds per call of what runs for every message.
 *
 * Each line is the best of several rounds, because whatever else runs on the
 * machine can only make a round slower.  Not a test: nothing passes or fails.
 *
 * test/unit/bench_proto.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <time.h>

#include "proto/jslice.h"
#include "proto/phoenix.h"
#include "proto/utf8.h"
#include "proto/ws_frame.h"
#include "proto/ws_message.h"

#define ROUNDS 15
#define ROUND_NS 20000000		/* about how long a round takes */
#define FRAME_BYTES 4096

/* A broadcast of 200 bytes as clients of version 1 or by hand send it. */
static const char message[] =
"[\"6\",\"7\",\"realtime:room:42\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"cursor\","
"\"payload\":{\"x\":1042.5,\"y\":-17,\"user\":\"7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01\","
"\"name\":\"Ren\xc3\xa9\",\"t\":1732162000123,\"b\":0}}]";

static const char payload[] =
"{\"id\": \"7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01\", \"body\": \"a message that a row holds, of about the usual "
"length\", \"room\": 42, \"table\": \"messages\", \"schema\": \"public\", \"operation\": \"INSERT\"}";

static char frame[FRAME_BYTES];
static char chinese[201];
static char wire[FRAME_BYTES];
static size_t wire_len;
static volatile uint64 sink;	/* keeps results alive */

/* One call of each subject. */
static void
run_validate(void)
{
	sink += jslice_validate(message, sizeof(message) - 1, NULL);
}

/* ... */
static void
run_utf8_ascii(void)
{
	sink += utf8_valid(payload, 200);
}

/* ... */
static void
run_utf8_chinese(void)
{
	sink += utf8_valid(chinese, 201);
}

/* ... */
static void
run_unmask(void)
{
	static const uint8 mask[4] = {1, 2, 3, 4};

	ws_frame_unmask(frame, sizeof(frame), mask, sink & 3);
	sink += (uint8) frame[0];
}

/* ... */
static void
run_broadcast(void)
{
	Bytes		out;

	bytes_init(&out);
	sink += phx_encode_broadcast(&out, PHX_V2, SLICE_LIT("realtime:room:42"), SLICE_LIT("INSERT"),
								 false, slice_make(payload, sizeof(payload) - 1),
								 SLICE_LIT("{\"id\":\"7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01\"}"));
	bytes_free(&out);
}

/* ... */
static void
run_decode(void)
{
	PhxMessage	msg;

	sink += phx_decode_text(PHX_V2, slice_make(message, sizeof(message) - 1), &msg, NULL);
	sink += msg.payload.len;
}

/* ... */
static void
run_reply(void)
{
	static Bytes out;

	out.len = 0;
	sink += phx_encode_reply(&out, PHX_V2, SLICE_LIT("\"6\""), SLICE_LIT("\"7\""),
							 SLICE_LIT("realtime:room:42"), "ok", SLICE_LIT("{}"));
}

/* The whole way of one message: copied from the wire, framed, unmasked. */
static void
run_receive(void)
{
	static char buf[FRAME_BYTES];
	WsMessageState state;
	Slice		text;
	size_t		len = wire_len;
	size_t		want;
	int			code;

	memcpy(buf, wire, wire_len);
	ws_message_init(&state, 1000000);
	sink += ws_message_next(&state, buf, &len, &text, &code, &want);
}

/* Nanoseconds of a clock that only goes forward. */
static uint64
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Measure one subject and print its line. */
static void
measure(const char *name, void (*run) (void))
{
	double		best = 0;
	int			calls = 1000;

	for (int round = 0; round < ROUNDS; round++)
	{
		uint64		start = now_ns();
		uint64		taken;

		for (int i = 0; i < calls; i++)
			run();
		taken = Max(now_ns() - start, 1);
		if (round > 0 && (best == 0 || (double) taken / calls < best))
			best = (double) taken / calls;
		/* the first round only finds out how many calls make a round */
		if (round == 0)
			calls = (int) Max((double) calls * ROUND_NS / taken, 1);
	}
	printf("%-40s %8.1f ns\n", name, best);
}

int
main(void)
{
	uint8		mask[4] = {9, 8, 7, 6};

	for (int i = 0; i < 201; i += 3)
		memcpy(chinese + i, "\xe4\xb8\xad", 3);
	wire[0] = (char) 0x81;
	wire[1] = (char) 0xFE;
	wire[2] = 0;
	wire[3] = (char) (sizeof(message) - 1);
	memcpy(wire + 4, mask, 4);
	memcpy(wire + 8, message, sizeof(message) - 1);
	ws_frame_unmask(wire + 8, sizeof(message) - 1, mask, 0);
	wire_len = 8 + sizeof(message) - 1;

	printf("message of %zu bytes, payload of %zu\n", sizeof(message) - 1, sizeof(payload) - 1);
	measure("jslice_validate, message", run_validate);
	measure("phx_decode_text, message", run_decode);
	measure("ws_message_next, message in one frame", run_receive);
	measure("utf8_valid, 200 bytes of ASCII", run_utf8_ascii);
	measure("utf8_valid, 201 bytes of Chinese", run_utf8_chinese);
	measure("ws_frame_unmask, 4096 bytes", run_unmask);
	measure("phx_encode_broadcast, v2, with malloc", run_broadcast);
	measure("phx_encode_reply, v2", run_reply);
	return 0;
}
