/*-------------------------------------------------------------------------
 *
 * test_engine_io.c
 *	  Engine.IO packets, byte for byte.
 *
 * test/unit/test_engine_io.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/engine_io.h"

static void
test_decode(void)
{
	static const char good[] = "0123456";
	EngineType	type;
	Slice		data;
	bool		all = true;

	for (const char *p = good; *p != '\0'; p++)
	{
		char		text[3] = {*p, 'x', 'y'};

		all = all && engine_decode(slice_make(text, 3), &type, &data) &&
			(char) type == *p && slice_equals_cstr(data, "xy");
	}
	ok(all, "seven types of packets");
	all = true;
	for (int c = 0; c < 256; c++)
	{
		char		text[1] = {(char) c};

		all = all && engine_decode(slice_make(text, 1), &type, &data) == (c >= '0' && c <= '6');
	}
	ok(all, "and no others");
	ok(!engine_decode(B(""), &type, &data), "an empty text is none");
}

static void
test_encode(void)
{
	EngineHandshake handshake = {
		.sid = "abcdefghijklmnopqrst",
		.ping_interval = 25000,
		.ping_timeout = 20000,
		.max_payload = 1000000
	};
	Bytes		out;

	bytes_init(&out);
	ok(engine_encode(&out, ENGINE_PING), "a ping");
	is_bytes(bytes_slice(&out), B("\x81\x01" "2"), "is a frame of one character");
	out.len = 0;
	ok(engine_encode_open(&out, &handshake), "a handshake");
	is_bytes(bytes_slice(&out),
			 B("\x81\x6b" "0{\"sid\":\"abcdefghijklmnopqrst\",\"upgrades\":[],"
			   "\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"),
			 "names the session and its rules");
	handshake.can_upgrade = true;
	out.len = 0;
	ok(engine_encode_open(&out, &handshake), "a handshake of polling");
	ok(memmem(out.data, out.len, "\"upgrades\":[\"websocket\"],", 25) != NULL,
	   "names the WebSocket");
	out.len = 0;
	out.failed = true;
	ok(!engine_encode(&out, ENGINE_PING) && !engine_encode_open(&out, &handshake) && out.len == 0,
	   "without memory nothing is left behind");
	bytes_free(&out);
}

int
main(void)
{
	test_decode();
	test_encode();
	return done_testing();
}
