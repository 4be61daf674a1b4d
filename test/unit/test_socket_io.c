/*-------------------------------------------------------------------------
 *
 * test_socket_io.c
 *	  Socket.IO packets: what socket.io's own parser takes and refuses, and what
 *	  we send, byte for byte.
 *
 * test/unit/test_socket_io.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/socket_io.h"

static Bytes out;				/* what was encoded last */

/* A packet that decodes, as parts joined by blanks. */
static void
decodes(Slice text, const char *want)
{
	Slice		copy = exact(text);
	SocketIoPacket packet;
	const char *error;
	Bytes		got;

	bytes_init(&got);
	if (!socket_io_decode(copy, &packet, &error))
		bytes_printf(&got, "(%s)", error);
	else
		bytes_printf(&got, "%c %u " SLICE_FMT " <" SLICE_FMT "> <" SLICE_FMT "> <" SLICE_FMT ">",
					 packet.type, packet.attachments, SLICE_ARG(packet.space),
					 SLICE_ARG(packet.ack), SLICE_ARG(packet.name), SLICE_ARG(packet.argument));
	is_text(bytes_slice(&got), want, want);
	bytes_free(&got);
	release(copy);
}

/* One that does not. */
static void
refuses(Slice text, const char *want)
{
	Slice		copy = exact(text);
	SocketIoPacket packet;
	const char *error = "";

	ok(!socket_io_decode(copy, &packet, &error), "refused: " SLICE_FMT, SLICE_ARG(text));
	is_text(slice_make(error, strlen(error)), want, "for this reason");
	release(copy);
}

static void
test_decode(void)
{
	decodes(B("0"), "0 0 / <> <> <>");
	decodes(B("0{}"), "0 0 / <> <> <>");
	decodes(B("0{\"token\":\"t\"}"), "0 0 / <> <> <>");
	decodes(B("0/base,{\"token\":\"t\"}"), "0 0 /base <> <> <>");
	decodes(B("0/base"), "0 0 /base <> <> <>");
	decodes(B("0/,{}"), "0 0 / <> <> <>");
	decodes(B("1"), "1 0 / <> <> <>");
	decodes(B("1/base,"), "1 0 /base <> <> <>");
	decodes(B("2[\"e\"]"), "2 0 / <> <\"e\"> <>");
	decodes(B("20[\"realtime:subscribe\",{\"channel\":\"a\"}]"),
			"2 0 / <0> <\"realtime:subscribe\"> <{\"channel\":\"a\"}>");
	decodes(B("2/n,123456789012345[ \"e\" , 1,2]"), "2 0 /n <123456789012345> <\"e\"> <1>");
	decodes(B("2[7,null]"), "2 0 / <> <7> <null>");
	decodes(B("312[]"), "3 0 / <12> <> <>");
	decodes(B("4\"no\""), "4 0 / <> <> <>");
	decodes(B("4{\"message\":\"no\"}"), "4 0 / <> <> <>");
	decodes(B("51-[\"e\",{\"_placeholder\":true,\"num\":0}]"),
			"5 1 / <> <\"e\"> <{\"_placeholder\":true,\"num\":0}>");
	decodes(B("516-/n,3[\"e\"]"), "5 16 /n <3> <\"e\"> <>");
	decodes(B("50-[\"e\"]"), "5 0 / <> <\"e\"> <>");
	decodes(B("61-4[1]"), "6 1 / <4> <> <>");
	decodes(B("2[\"connected\"]"), "2 0 / <> <\"connected\"> <>");
}

static void
test_malformed(void)
{
	refuses(B(""), "unknown packet type");
	refuses(B("7"), "unknown packet type");
	refuses(B("x[\"e\"]"), "unknown packet type");
	refuses(B("0[]"), "invalid payload");
	refuses(B("0\"t\""), "invalid payload");
	refuses(B("0null"), "invalid payload");
	refuses(B("1{}"), "invalid payload");
	refuses(B("2"), "invalid payload");
	refuses(B("2[]"), "invalid payload");
	refuses(B("2{}"), "invalid payload");
	refuses(B("2\"e\""), "invalid payload");
	refuses(B("2[null]"), "invalid payload");
	refuses(B("2[{},\"e\"]"), "invalid payload");
	refuses(B("3"), "invalid payload");
	refuses(B("3{}"), "invalid payload");
	refuses(B("4"), "invalid payload");
	refuses(B("2[\"e\""), "unexpected end");
	refuses(B("2[\"e\"]x"), "text after the value");
	refuses(B("5[\"e\"]"), "illegal number of attachments");
	refuses(B("5x-[\"e\"]"), "illegal number of attachments");
	refuses(B("51"), "illegal number of attachments");
	refuses(B("51000000000-[\"e\"]"), "illegal number of attachments");
	refuses(B("517-[\"e\"]"), "too many attachments");
	refuses(B("21234567890123456[\"e\"]"), "ack id too long");
	refuses(B("2[\"connect\"]"), "invalid payload");
	refuses(B("2[\"connect_error\"]"), "invalid payload");
	refuses(B("2[\"disconnect\"]"), "invalid payload");
	refuses(B("2[\"disconnecting\"]"), "invalid payload");
	refuses(B("2[\"newListener\"]"), "invalid payload");
	refuses(B("2[\"removeListener\"]"), "invalid payload");
	refuses(B("2[\"\\u0064isconnect\"]"), "invalid payload");
}

/* Every prefix of a packet is a packet or refused, and nothing is read past it. */
static void
test_prefixes(void)
{
	Slice		text = B("512-/base,42[\"realtime:publish\",{\"a\":\"\\u00e9\",\"b\":[1,true]}]");
	SocketIoPacket packet;
	const char *error;
	int			good = 0;

	for (size_t len = 0; len <= text.len; len++)
	{
		Slice		copy = exact(slice_make(text.data, len));

		good += socket_io_decode(copy, &packet, &error);
		release(copy);
	}
	is_int(good, 1, "of all prefixes only the whole is a packet");
}

/* What attachments become. */
static void
fills(Slice data, const char *want, const char *name)
{
	static const Slice attachments[] = {P("\x01\xff" "a"), P("")};
	Slice		copy = exact(data);

	bytes_free(&out);
	if (!socket_io_fill(copy, attachments, 2, &out))
		bytes_append_cstr(&out, "(no)");
	is_text(bytes_slice(&out), want, name);
	release(copy);
}

static void
test_fill(void)
{
	fills(B("{\"_placeholder\":true,\"num\":0}"),
		  "{\"type\":\"Buffer\",\"data\":[1,255,97]}", "a buffer");
	fills(B("{\"a\":[{\"_placeholder\":true,\"num\":1}, { \"num\" : 0 , \"_placeholder\" : true }],\"b\":2}"),
		  "{\"a\":[{\"type\":\"Buffer\",\"data\":[]}, {\"type\":\"Buffer\",\"data\":[1,255,97]}],\"b\":2}",
		  "two buffers, in either order of members");
	fills(B("[\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\"]"),
		  "[\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\"]", "not in a string");
	fills(B("{\"_placeholder\":true,\"num\":0,\"x\":1}"),
		  "{\"_placeholder\":true,\"num\":0,\"x\":1}", "not with another member");
	fills(B("{\"_placeholder\":false,\"num\":0}"), "{\"_placeholder\":false,\"num\":0}",
		  "not if it says that it is none");
	fills(B("{\"_placeholder\":true,\"num\":2}"), "(no)", "one that has not come");
	fills(B("{\"_placeholder\":true,\"num\":-1}"), "{\"_placeholder\":true,\"num\":-1}",
		  "not with such a number");
	fills(B("{\"num\":1}"), "{\"num\":1}", "half of one");
	fills(B("5"), "5", "none at all");
	fills(B(""), "", "nothing");
}

/* What was encoded is this text message, and maybe more. */
static void
encoded(bool good, Slice want, const char *name)
{
	ok(good, "%s: memory suffices", name);
	is_bytes(bytes_slice(&out), want, name);
	bytes_free(&out);
}

static bool
encode(Slice event, Slice payload, bool binary, Slice meta)
{
	SocketIoMessage message = {event, payload, binary, meta};

	return socket_io_encode_message(&out, &message);
}

static void
test_encode(void)
{
	encoded(socket_io_encode_connect(&out, B("s1")), B("\x81\x0e" "40{\"sid\":\"s1\"}"), "connected");
	encoded(socket_io_encode_connect_error(&out, B("/"), "no", B("")),
			B("\x81\x12" "44{\"message\":\"no\"}"), "not connected");
	encoded(socket_io_encode_connect_error(&out, B("/b"), "no", B("{}")),
			B("\x81\x1f" "44/b,{\"message\":\"no\",\"data\":{}}"), "nor to another namespace");
	encoded(socket_io_encode_event(&out, "e", B("{}")), B("\x81\x0a" "42[\"e\",{}]"), "an event");
	encoded(socket_io_encode_ack(&out, B("12"), B("{}")), B("\x81\x08" "4312[{}]"), "an answer");
	ok(socket_io_encode_ack_head(&out, B("12"), B("{\"a\":"), 3), "the head of an answer");
	bytes_append_cstr(&out, "1}]");
	encoded(true, B("\x81\x0d" "4312[{\"a\":1}]"), "is one with its rest");
}

static void
test_messages(void)
{
	encoded(encode(B("e"), B("{\"a\":1}"), false, B("{\"m\":2}")),
			B("\x81\x1e" "42[\"e\",{\"a\":1,\"meta\":{\"m\":2}}]"), "an object");
	encoded(encode(B("e\""), B(" { } "), false, B("{}")),
			B("\x81\x15" "42[\"e\\\"\",{\"meta\":{}}]"), "an empty one");
	encoded(encode(B("e"), B("{\"meta\":1, \"a\": \"meta\"}"), false, B("{}")),
			B("\x81\x1e" "42[\"e\",{\"a\":\"meta\",\"meta\":{}}]"), "a member called meta");
	encoded(encode(B("e"), B("{\"m\\u0065ta\":1}"), false, B("{}")),
			B("\x81\x13" "42[\"e\",{\"meta\":{}}]"), "one called so with escapes");
	encoded(encode(B("e"), B("{\"a\":{\"meta\":1}}"), false, B("{}")),
			B("\x81\x22" "42[\"e\",{\"a\":{\"meta\":1},\"meta\":{}}]"), "one that is deeper");
	encoded(encode(B("e"), B("[1]"), false, B("{}")),
			B("\x81\x2f" "42[\"e\",{\"payload\":[1],\"meta\":{\"wrapped\":true}}]"), "an array");
	encoded(encode(B("e"), B("null"), false, B("{\"m\":2}")),
			B("\x81\x36" "42[\"e\",{\"payload\":null,\"meta\":{\"wrapped\":true,\"m\":2}}]"), "null");
	encoded(encode(B("e"), B("null"), false, B(" { \"m\":2 } ")),
			B("\x81\x36" "42[\"e\",{\"payload\":null,\"meta\":{\"wrapped\":true,\"m\":2}}]"), "meta with blanks around it");
	encoded(encode(B("e"), B("\x00\xff"), true, B("{}")),
			B("\x81\x4b" "451-[\"e\",{\"payload\":{\"_placeholder\":true,\"num\":0},\"meta\":{\"wrapped\":true}}]"
			  "\x82\x02\x00\xff"), "bytes");
}

/* The same name, whatever reads it. */
static void
test_reserved(void)
{
	ok(socket_io_is_reserved(B("disconnect")) && socket_io_is_reserved(B("newListener")),
	   "reserved names");
	ok(!socket_io_is_reserved(B("Disconnect")) && !socket_io_is_reserved(B("connect ")) &&
	   !socket_io_is_reserved(B("")), "and none");
}

/* Without memory nothing is left behind. */
static void
test_no_memory(void)
{
	bytes_append_cstr(&out, "before");
	out.failed = true;
	ok(!socket_io_encode_connect(&out, B("s")) &&
	   !socket_io_encode_connect_error(&out, B("/"), "no", B("")) &&
	   !socket_io_encode_event(&out, "e", B("{}")) &&
	   !socket_io_encode_ack(&out, B("1"), B("{}")) &&
	   !socket_io_encode_ack_head(&out, B("1"), B("{}"), 1) &&
	   !encode(B("e"), B("{}"), false, B("{}")) &&
	   !encode(B("e"), B("x"), true, B("{}")) && out.len == 6, "no encoder finds memory");
	bytes_free(&out);
}

int
main(void)
{
	test_decode();
	test_malformed();
	test_prefixes();
	test_fill();
	test_encode();
	test_messages();
	test_reserved();
	test_no_memory();
	return done_testing();
}
