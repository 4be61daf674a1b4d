/*-------------------------------------------------------------------------
 *
 * test_engine_payload.c
 *	  Engine.IO packets as bodies of requests.
 *
 * test/unit/test_engine_payload.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/engine_payload.h"

/* Append a frame. */
static void
put_frame(Bytes *out, uint8 opcode, Slice payload)
{
	char		head[WS_MAX_SERVER_HEADER];

	bytes_append(out, head, ws_frame_header(head, opcode, payload.len));
	bytes_append_slice(out, payload);
}

/* Frames in pieces of that size become these packets. */
static bool
becomes(Slice frames, size_t piece, Slice want)
{
	EnginePayload payload = {0};
	size_t		done = 0;
	bool		same;

	while (done < frames.len)
	{
		Slice		part = exact(slice_make(frames.data + done, Min(piece, frames.len - done)));
		size_t		n = engine_payload_add(&payload, part.data, part.len, SIZE_MAX);

		release(part);
		done += n;
		if (n == 0)
			break;
	}
	same = slice_equals(bytes_slice(&payload.packets), want);
	if (!same)
		diag_bytes("got", bytes_slice(&payload.packets));
	bytes_free(&payload.packets);
	return same;
}

/* Frames of every kind, cut everywhere. */
static void
test_frames(void)
{
	static const char binary[] = "\x00\x01\xfe\xff\x1e\x03\x07";
	Bytes		frames;
	Bytes		want;
	Bytes		text;

	bytes_init(&frames);
	bytes_init(&want);
	bytes_init(&text);
	while (text.len < 70000)
		bytes_append_cstr(&text, "4a longer text, ");
	put_frame(&frames, WS_OP_TEXT, B("0{\"sid\":\"x\"}"));
	put_frame(&frames, WS_OP_TEXT, B("2"));
	put_frame(&frames, WS_OP_TEXT, slice_make(text.data, 126));
	put_frame(&frames, WS_OP_TEXT, bytes_slice(&text));
	bytes_append_cstr(&want, "0{\"sid\":\"x\"}\x1e" "2\x1e");
	bytes_append(&want, text.data, 126);
	bytes_append_cstr(&want, "\x1e");
	bytes_append_slice(&want, bytes_slice(&text));
	for (size_t n = 0; n <= 7; n++)
	{
		static const char *const base64[] = {
			"", "AA==", "AAE=", "AAH+", "AAH+/w==", "AAH+/x4=", "AAH+/x4D", "AAH+/x4DBw=="
		};

		put_frame(&frames, WS_OP_BINARY, slice_make(binary, n));
		bytes_append_cstr(&want, "\x1e" "b");
		bytes_append_cstr(&want, base64[n]);
	}
	put_frame(&frames, WS_OP_CLOSE, B("\x03\xe8" "bye"));
	bytes_append_cstr(&want, "\x1e" "1");
	for (size_t piece = 1; piece < 40; piece++)
		ok(becomes(bytes_slice(&frames), piece, bytes_slice(&want)), "in pieces of %zu", piece);
	ok(becomes(bytes_slice(&frames), 65536, bytes_slice(&want)), "in large pieces");
	ok(becomes(bytes_slice(&frames), SIZE_MAX, bytes_slice(&want)), "in one piece");
	bytes_free(&frames);
	bytes_free(&want);
	bytes_free(&text);
}

/* Where it stops. */
static void
test_bounds(void)
{
	EnginePayload payload = {0};
	Bytes		frames;

	bytes_init(&frames);
	for (int i = 0; i < 4; i++)
		put_frame(&frames, WS_OP_TEXT, B("4abc"));
	is_int(engine_payload_add(&payload, frames.data, frames.len, 5), 12,
		   "it stops behind the packet that fills it");
	is_int(engine_payload_add(&payload, frames.data + 12, 0, 5), 0, "nothing comes of nothing");
	is_text(bytes_slice(&payload.packets), "4abc\x1e" "4abc", "whole packets");
	engine_payload_add_type(&payload, '6');
	is_text(bytes_slice(&payload.packets), "4abc\x1e" "4abc\x1e" "6", "and one of our own");
	bytes_free(&payload.packets);

	memset(&payload, 0, sizeof(payload));
	frames.len = 0;
	put_frame(&frames, WS_OP_CLOSE, B(""));
	put_frame(&frames, WS_OP_TEXT, B("4abc"));
	is_int(engine_payload_add(&payload, frames.data, frames.len, SIZE_MAX), 2,
		   "it stops where the connection ends");
	ok(payload.closed, "and says so");
	is_text(bytes_slice(&payload.packets), "1", "with a packet");
	bytes_free(&payload.packets);
	bytes_free(&frames);
}

/* A frame that is not whole yet waits until it is. */
static void
test_cut(void)
{
	Bytes		frames;
	bool		good = true;

	bytes_init(&frames);
	put_frame(&frames, WS_OP_TEXT, B("4abc"));
	put_frame(&frames, WS_OP_BINARY, B("12345"));
	put_frame(&frames, WS_OP_CLOSE, B("\x03\xe8" "bye"));
	for (size_t len = 0; len <= frames.len; len++)
	{
		EnginePayload payload = {0};
		size_t		n = engine_payload_add(&payload, frames.data, len, SIZE_MAX);

		n -= engine_payload_cut(&payload);
		good = good && n == (len < 6 ? 0 : len < 13 ? 6 : len < 20 ? 13 : 20) &&
			payload.closed == (len == 20);
		n += engine_payload_add(&payload, frames.data + n, frames.len - n, SIZE_MAX);
		good = good && n == frames.len &&
			slice_equals(bytes_slice(&payload.packets), B("4abc\x1e" "bMTIzNDU=\x1e" "1"));
		bytes_free(&payload.packets);
	}
	ok(good, "frames that are cut off are given back and taken again");
	bytes_free(&frames);
}

/* What clients send. */
static void
test_bodies(void)
{
	static const struct
	{
		const char *body;
		int			n;
		const char *packets[4];
	}			bodies[] = {
		{"", 1, {""}},
		{"4abc", 1, {"4abc"}},
		{"3\x1e" "4x\x1e" "bAQID", 3, {"3", "4x", "bAQID"}},
		{"\x1e", 1, {""}},
		{"3\x1e\x1e" "4", 3, {"3", "", "4"}},
		{"3\x1e", 1, {"3"}}
	};

	for (int i = 0; i < lengthof(bodies); i++)
	{
		Slice		body = exact(slice_make(bodies[i].body, strlen(bodies[i].body)));
		Slice		rest = body;
		int			n = 0;
		bool		good = true;

		do
		{
			Slice		packet = engine_payload_next(&rest);

			good = good && n < bodies[i].n && slice_equals_cstr(packet, bodies[i].packets[n]);
			n++;
		} while (rest.len > 0);
		ok(good && n == bodies[i].n, "body %d", i);
		release(body);
	}
}

/* Binary packets of clients. */
static void
test_binary(void)
{
	static const struct
	{
		Slice		packet;
		Slice		bytes;
		bool		good;
	}			packets[] = {
		{P("b"), P(""), true},
		{P("bAA=="), P("\x00"), true},
		{P("bAAE="), P("\x00\x01"), true},
		{P("bAAH+"), P("\x00\x01\xfe"), true},
		{P("bAAH+/x4DBw=="), P("\x00\x01\xfe\xff\x1e\x03\x07"), true},
		{P("bA"), P(""), false},
		{P("bAA"), P(""), false},
		{P("bA*=="), P(""), false},
		{P("bAA-_"), P(""), false}
	};

	for (int i = 0; i < lengthof(packets); i++)
	{
		Slice		packet = exact(packets[i].packet);
		Bytes		out;
		bool		good;

		bytes_init(&out);
		ok(engine_payload_is_binary(packet), "packet %d is binary", i);
		good = engine_payload_decode(packet, &out);
		ok(good == packets[i].good && (!good || slice_equals(bytes_slice(&out), packets[i].bytes)),
		   "and is read as it should be");
		bytes_free(&out);
		release(packet);
	}
	ok(!engine_payload_is_binary(B("")) && !engine_payload_is_binary(B("4b")), "others are not");
}

int
main(void)
{
	test_frames();
	test_bounds();
	test_cut();
	test_bodies();
	test_binary();
	return done_testing();
}
