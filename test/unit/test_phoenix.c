/*-------------------------------------------------------------------------
 *
 * test_phoenix.c
 *	  Phoenix messages: what realtime-js sends, and what it has to receive.
 *
 * The golden ones were recorded from supabase-js 2.119.0.
 *
 * test/unit/test_phoenix.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/phoenix.h"
#include "proto/ws_frame.h"

#define NONE slice_make(NULL, 0)

/* Decode a copy that ends exactly, and leave a drawing of it in *out. */
static bool
decode_text(PhxVersion version, const char *text, Bytes *out, const char **error)
{
	Slice		copy = exact(slice_make(text, strlen(text)));
	PhxMessage	msg;
	bool		result = phx_decode_text(version, copy, &msg, error);

	out->len = 0;
	if (result)
		bytes_printf(out, SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "%s",
					 SLICE_ARG(msg.join_ref), SLICE_ARG(msg.ref), SLICE_ARG(msg.topic),
					 SLICE_ARG(msg.event), SLICE_ARG(msg.payload), msg.is_push ? "|push" : "");
	release(copy);
	return result;
}

/* Which versions are served (supabase.md 1.3). */
static void
test_version(void)
{
	static const struct
	{
		const char *vsn;
		int			version;	/* -1 = none */
	}			cases[] = {
		{NULL, PHX_V1}, {"1.0.0", PHX_V1}, {"2.0.0", PHX_V2}, {"1.0.7", PHX_V1}, {"2.0.10", PHX_V2},
		{"2.0.123456789", PHX_V2},
		{"", -1}, {"1", -1}, {"1.0", -1}, {"2.0", -1}, {"1.0.", -1}, {"2.0.x", -1}, {"1.1.0", -1},
		{"2.1.0", -1}, {"3.0.0", -1}, {"9.9.9", -1}, {"0.9.0", -1}, {"2.0.0.0", -1}, {"2.0.0 ", -1},
		{" 2.0.0", -1}, {"2.0.00", -1}, {"2.0.-1", -1}, {"2.0.0-rc", -1}, {"02.0.0", -1},
		{"2.0.12345678901234567890", -1},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		PhxVersion	version = PHX_V1;
		bool		good = phx_version_parse(cases[i].vsn, &version);

		ok(good == (cases[i].version >= 0) && (!good || version == (PhxVersion) cases[i].version),
		   "vsn %s", cases[i].vsn ? cases[i].vsn : "absent");
	}
}

/* Text messages of both versions. */
static void
test_decode_text(void)
{
	static const struct
	{
		PhxVersion	version;
		const char *text;
		const char *drawing;
	}			good[] = {
		/* recorded */
		{PHX_V2, "[\"6\",\"6\",\"realtime:room\",\"phx_join\",{\"config\":{\"private\":false}}]",
		"\"6\"|\"6\"|\"realtime:room\"|\"phx_join\"|{\"config\":{\"private\":false}}"},
		{PHX_V2, "[null,\"12\",\"phoenix\",\"heartbeat\",{}]", "|\"12\"|\"phoenix\"|\"heartbeat\"|{}"},
		{PHX_V1, "{\"topic\":\"realtime:room\",\"event\":\"broadcast\",\"payload\":{\"type\":\"broadcast\","
			"\"event\":\"e\",\"payload\":{\"a\":\"\xc3\xa9\"},\"extra\":1},\"ref\":\"7\",\"join_ref\":\"6\"}",
		"\"6\"|\"7\"|\"realtime:room\"|\"broadcast\"|{\"type\":\"broadcast\",\"event\":\"e\","
		"\"payload\":{\"a\":\"\xc3\xa9\"},\"extra\":1}"},
		{PHX_V1, "{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":\"12\"}",
		"|\"12\"|\"phoenix\"|\"heartbeat\"|{}"},

		/* refs are whatever they are */
		{PHX_V2, "[1, 2.50 ,\"t\",\"e\",{}]", "1|2.50|\"t\"|\"e\"|{}"},
		{PHX_V2, "[{\"a\":1},[],\"t\",\"e\",{}]", "{\"a\":1}|[]|\"t\"|\"e\"|{}"},
		{PHX_V2, "[0,18446744073709551616,\"t\",\"e\",{}]", "0|18446744073709551616|\"t\"|\"e\"|{}"},
		{PHX_V1, "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{},\"ref\":null}", "||\"t\"|\"e\"|{}"},
		{PHX_V1, "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{},\"ref\":1,\"join_ref\":null}", "|1|\"t\"|\"e\"|{}"},

		/* payloads, too */
		{PHX_V2, "[null,null,\"t\",\"e\",null]", "||\"t\"|\"e\"|null"},
		{PHX_V2, "[null,null,\"t\",\"e\",[1]]", "||\"t\"|\"e\"|[1]"},
		{PHX_V2, "[null,null,\"t\",\"e\",1e400]", "||\"t\"|\"e\"|1e400"},
		{PHX_V2, "[null,null,\"\",\"\",{},6,[7]]", "||\"\"|\"\"|{}"},
		{PHX_V1, "{\"topic\":\"t\",\"topic\":\"u\",\"event\":\"e\",\"\\u0070ayload\":1,\"ref\":1,\"x\":[]}", "|1|\"u\"|\"e\"|1"},
	};
	static const struct
	{
		PhxVersion	version;
		const char *text;
		const char *error;
	}			bad[] = {
		{PHX_V2, "", "unexpected end"},
		{PHX_V2, "garbage", "expected a value"},
		{PHX_V2, "[1,2,3", "unexpected end"},
		{PHX_V2, "{}", "not an array"},
		{PHX_V2, "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{},\"ref\":\"1\"}", "not an array"},
		{PHX_V2, "\"x\"", "not an array"},
		{PHX_V2, "[]", "fewer than five elements"},
		{PHX_V2, "[null,null,\"t\",\"e\"]", "fewer than five elements"},
		{PHX_V2, "[null,null,1,\"e\",{}]", "topic is not a string"},
		{PHX_V2, "[null,null,null,\"e\",{}]", "topic is not a string"},
		{PHX_V2, "[null,null,\"t\",7,{}]", "event is not a string"},
		{PHX_V2, "[null,null,\"t\\u0000\",\"e\",{}]", "\\u0000 is not supported"},
		{PHX_V2, "[null,null,\"\\ud800\",\"e\",{}]", "invalid \\u escape"},
		{PHX_V2, "[null,null,\"\xff\",\"e\",{}]", "invalid UTF-8"},
		{PHX_V1, "[null,\"1\",\"t\",\"e\",{}]", "not an object"},
		{PHX_V1, "{}", "no ref"},
		{PHX_V1, "{\"topic\":\"t\",\"event\":\"e\",\"payload\":{}}", "no ref"},
		{PHX_V1, "{\"topic\":\"t\",\"event\":\"e\",\"ref\":\"1\"}", "no payload"},
		{PHX_V1, "{\"topic\":\"t\",\"payload\":{},\"ref\":\"1\"}", "event is not a string"},
		{PHX_V1, "{\"event\":\"e\",\"payload\":{},\"ref\":\"1\"}", "topic is not a string"},
		{PHX_V1, "{\"topic\":{},\"event\":\"e\",\"payload\":{},\"ref\":\"1\"}", "topic is not a string"},
	};
	Bytes		out;
	const char *error;

	bytes_init(&out);
	for (int i = 0; i < lengthof(good); i++)
	{
		error = "";
		ok(decode_text(good[i].version, good[i].text, &out, &error), "%s", good[i].text);
		is_text(bytes_slice(&out), good[i].drawing, "its parts");
	}
	for (int i = 0; i < lengthof(bad); i++)
	{
		error = "";
		ok(!decode_text(bad[i].version, bad[i].text, &out, &error) &&
		   strcmp(error, bad[i].error) == 0, "%s: %s", bad[i].text, bad[i].error);
	}
	bytes_free(&out);
}

/* Turn hex digits into bytes. */
static void
from_hex(const char *hex, Bytes *out)
{
	out->len = 0;
	for (; hex[0] != '\0'; hex += 2)
	{
		const char	pair[3] = {hex[0], hex[1], '\0'};

		bytes_append_byte(out, (uint8) strtol(pair, NULL, 16));
	}
}

/* Decode a copy of a binary message that ends exactly. */
static bool
decode_binary(Slice data, Bytes *out, const char **error)
{
	Slice		copy = exact(data);
	PhxMessage	msg;
	bool		result = phx_decode_binary(copy, &msg, error);

	out->len = 0;
	if (result)
		bytes_printf(out, SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|%d|" SLICE_FMT "%s",
					 SLICE_ARG(msg.join_ref), SLICE_ARG(msg.ref), SLICE_ARG(msg.topic),
					 SLICE_ARG(msg.event), SLICE_ARG(msg.metadata), msg.encoding,
					 SLICE_ARG(msg.payload), msg.is_push ? "" : "|no push");
	release(copy);
	return result;
}

/* Binary messages. */
static void
test_decode_binary(void)
{
	static const struct
	{
		Slice		data;
		const char *drawing;
	}			good[] = {
		{P("\3\1\1\3\1\0\1" "67abce1"), "6|7|abc|e||1|1"},
		{P("\3\0\0\0\0\0\0"), "|||||0|"},
		{P("\3\0\0\1\1\x12\1" "te{\"persist\": true }[]"), "||t|e|{\"persist\": true }|1|[]"},
		{P("\3\0\0\2\2\0\0\xc3\xa9\xc3\xa8"), "||\xc3\xa9|\xc3\xa8||0|"},
		{P("\3\0\0\1\1\0\1te null "), "||t|e||1| null "},
	};
	static const struct
	{
		Slice		data;
		const char *error;
	}			bad[] = {
		{P(""), "unknown kind of binary message"},
		{P("\0\0\0\1\1te"), "unknown kind of binary message"},
		{P("\1\0\0\1\1te"), "unknown kind of binary message"},
		{P("\4\1\1\0\1te{}"), "unknown kind of binary message"},
		{P("\xff"), "unknown kind of binary message"},
		{P("\3"), "short header"},
		{P("\3\0\0\1\1\0"), "short header"},
		{P("\3\0\0\1\1\0\1t"), "lengths past the end"},
		{P("\3\xff\xff\xff\xff\xff\0"), "lengths past the end"},
		{P("\3\0\0\0\0\1\0"), "lengths past the end"},
		{P("\3\0\0\1\1\0\2te{}"), "unknown encoding"},
		{P("\3\0\0\1\1\0\1te"), "unexpected end"},
		{P("\3\0\0\1\1\0\1te{"), "expected a string as member name"},
		{P("\3\0\0\1\1\0\1te\"\xff\""), "invalid UTF-8"},
		{P("\3\0\0\1\1\0\0\xe9" "e"), "header field is not text"},
		{P("\3\0\0\1\1\0\0\xc3\xa9"), "header field is not text"},
		{P("\3\1\0\1\1\0\0\xfft" "e"), "header field is not text"},
		{P("\3\0\0\1\1\0\0t\0"), "header field is not text"},
		{P("\3\0\0\1\1\2\0te[]"), "metadata is not a JSON object"},
		{P("\3\0\0\1\1\1\0te{"), "metadata is not a JSON object"},
	};
	Bytes		golden;
	Bytes		out;
	const char *error = "";
	bool		cuts = true;

	bytes_init(&golden);
	bytes_init(&out);

	/* recorded */
	from_hex("0301010d01000136377265616c74696d653a726f6f6d657b2261223a22c3a9227d", &golden);
	ok(decode_binary(bytes_slice(&golden), &out, &error), "a recorded push, JSON");
	is_text(bytes_slice(&out), "6|7|realtime:room|e||1|{\"a\":\"\xc3\xa9\"}", "its parts");
	for (size_t len = 0; len < golden.len; len++)
		cuts = cuts && !decode_binary(slice_make(golden.data, len), &out, &error);
	ok(cuts, "refused when cut anywhere");
	from_hex("0301010d01000036387265616c74696d653a726f6f6d62010203", &golden);
	ok(decode_binary(bytes_slice(&golden), &out, &error), "a recorded push, binary");
	is_bytes(bytes_slice(&out), B("6|8|realtime:room|b||0|\1\2\3"), "its parts");

	for (int i = 0; i < lengthof(good); i++)
	{
		ok(decode_binary(good[i].data, &out, &error), "good push %d", i);
		is_text(bytes_slice(&out), good[i].drawing, "its parts");
	}
	for (int i = 0; i < lengthof(bad); i++)
	{
		error = "";
		ok(!decode_binary(bad[i].data, &out, &error) && strcmp(error, bad[i].error) == 0,
		   "bad push %d: %s", i, bad[i].error);
	}
	bytes_free(&golden);
	bytes_free(&out);
}

/* Join payloads (supabase.md 3.1). */
static void
test_join(void)
{
	static const struct
	{
		const char *payload;
		bool		valid;
		const char *drawing;	/* private ack self ready presence|key|changes|token|broadcast */
	}			cases[] = {
		/* recorded */
		{"{\"config\":{\"broadcast\":{\"ack\":true,\"self\":true},\"presence\":{\"key\":\"k\",\"enabled\":true},"
			"\"postgres_changes\":[{\"event\":\"*\"}],\"private\":false}}", true,
		"01101|\"k\"|[{\"event\":\"*\"}]||{\"ack\":true,\"self\":true}"},
		{"{\"config\":{\"broadcast\":{\"ack\":false,\"self\":false,\"replay\":{\"since\":1,\"limit\":10},\"replication_ready\":true},"
			"\"presence\":{\"key\":\"\",\"enabled\":false},\"postgres_changes\":[],\"private\":true},"
			"\"access_token\":\"a.b.c\",\"version\":\"realtime-js/2.119.0\"}", true,
		"10010||[]|\"a.b.c\"|{\"ack\":false,\"self\":false,\"replay\":{\"since\":1,\"limit\":10},\"replication_ready\":true}"},

		{"{}", true, "00000||||"},
		{"{\"config\":{}}", true, "00000||||"},
		{"{\"config\":null,\"access_token\":null}", true, "00000||||"},
		{"{\"config\":{\"broadcast\":{\"ack\":true}}}", true, "01000||||{\"ack\":true}"},
		{"{\"config\":{\"private\":\"True\",\"presence\":{\"key\":7,\"enabled\":\"true\"}}}", true, "10001|7|||"},
		{"{\"config\":{\"private\":\"FALSE\",\"presence\":{\"key\":null}}}", true, "00000||||"},
		{"{\"config\":{\"private\":true,\"private\":false}}", true, "00000||||"},

		{"[]", false, "00000||||"},
		{"null", false, "00000||||"},
		{"\"x\"", false, "00000||||"},
		{"{\"config\":[]}", false, "00000||||"},
		{"{\"config\":{\"private\":1,\"broadcast\":{\"ack\":true}}}", false, "01000||||{\"ack\":true}"},
		{"{\"config\":{\"private\":\"yes\"}}", false, "00000||||"},
		{"{\"config\":{\"broadcast\":true,\"private\":true}}", false, "10000||||"},
		{"{\"config\":{\"presence\":{\"key\":{},\"enabled\":true}}}", false, "00001||||"},
		{"{\"config\":{\"postgres_changes\":{}}}", false, "00000||||"},
		{"{\"access_token\":5,\"config\":{\"private\":true}}", false, "10000||||"},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		payload = exact(slice_make(cases[i].payload, strlen(cases[i].payload)));
		PhxJoin		join;
		Bytes		out;

		bytes_init(&out);
		is_int(phx_join_parse(payload, &join), cases[i].valid, cases[i].payload);
		bytes_printf(&out, "%d%d%d%d%d|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT "|" SLICE_FMT,
					 join.is_private, join.broadcast_ack, join.broadcast_self,
					 join.replication_ready, join.presence_enabled,
					 SLICE_ARG(join.presence_key), SLICE_ARG(join.postgres_changes),
					 SLICE_ARG(join.access_token), SLICE_ARG(join.broadcast));
		is_text(bytes_slice(&out), cases[i].drawing, "settled");
		bytes_free(&out);
		release(payload);
	}
}

/*
 * The payload of the one frame in out from `start` on, read by the definition
 * of RFC 6455 5.2; the frame has to be final, unmasked and minimal.
 */
static Slice
frame_payload(const Bytes *out, size_t start, uint8 opcode)
{
	const uint8 *p = (const uint8 *) out->data + start;
	size_t		head = 2;
	uint64		len = p[1];

	if (len >= 126)
	{
		int			n = len == 126 ? 2 : 8;

		len = 0;
		for (int i = 0; i < n; i++)
			len = len << 8 | p[2 + i];
		head += n;
	}
	ok(p[0] == (0x80 | opcode) && head == ws_frame_header_size(len) &&
	   out->len - start == head + len, "one whole frame");
	return slice_make(out->data + start + head, len);
}

/* Text messages in both versions. */
static void
test_encode_text(void)
{
	Bytes		out;
	Slice		topic = B("realtime:room");

	bytes_init(&out);
	bytes_append_cstr(&out, "before");

	/* recorded */
	ok(phx_encode_reply(&out, PHX_V2, NONE, B("\"12\""), B("phoenix"), "ok", B("{}")), "a reply");
	is_text(frame_payload(&out, 6, WS_OP_TEXT),
			"[null,\"12\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]", "v2");
	out.len = 6;
	ok(phx_encode_text(&out, PHX_V2, B("\"6\""), B("\"6\""), topic, "phx_close", B("{}")), "a close");
	is_text(frame_payload(&out, 6, WS_OP_TEXT), "[\"6\",\"6\",\"realtime:room\",\"phx_close\",{}]", "v2");
	out.len = 6;
	ok(phx_encode_text(&out, PHX_V2, B("\"6\""), NONE, topic, "presence_state", B("{}")), "a state");
	is_text(frame_payload(&out, 6, WS_OP_TEXT), "[\"6\",null,\"realtime:room\",\"presence_state\",{}]", "v2");

	out.len = 6;
	ok(phx_encode_reply(&out, PHX_V1, B("\"6\""), B("\"7\""), topic, "ok", B("{\"postgres_changes\":[]}")), "a reply");
	is_text(frame_payload(&out, 6, WS_OP_TEXT), "{\"topic\":\"realtime:room\",\"event\":\"phx_reply\","
			"\"payload\":{\"status\":\"ok\",\"response\":{\"postgres_changes\":[]}},\"ref\":\"7\"}", "v1, no join_ref");
	out.len = 6;
	ok(phx_encode_text(&out, PHX_V1, NONE, NONE, topic, "system", B("{\"a\":1}")), "an event");
	is_text(frame_payload(&out, 6, WS_OP_TEXT),
			"{\"topic\":\"realtime:room\",\"event\":\"system\",\"payload\":{\"a\":1},\"ref\":null}", "v1");

	out.len = 6;
	ok(phx_encode_error(&out, PHX_V2, B("1"), B("2"), B("realtime:\"\n\xc3\xa9"), "Code: \"why\""), "an error");
	is_text(frame_payload(&out, 6, WS_OP_TEXT), "[1,2,\"realtime:\\\"\\n\xc3\xa9\",\"phx_reply\","
			"{\"status\":\"error\",\"response\":{\"reason\":\"Code: \\\"why\\\"\"}}]", "escaped");
	is_text(slice_make(out.data, 6), "before", "what was there before stays");
	bytes_free(&out);
}

/*
 * The guess of a frame's header is wrong around 126 and 65,536 bytes, and
 * when a topic is all escapes.
 */
static void
test_header_sizes(void)
{
	static const int around[] = {126, 65536};
	char	   *payload = malloc(66000);
	char		topic[40];

	memset(payload, '1', 66000);
	for (int i = 0; i < lengthof(around); i++)
	{
		for (int len = around[i] - 124; len < around[i] + 10; len++)
		{
			PhxVersion	version = len % 2 == 0 ? PHX_V1 : PHX_V2;
			int			topic_len = len % lengthof(topic);
			Bytes		out;
			Slice		got;
			PhxMessage	msg;

			memset(topic, len % 3 == 0 ? '\1' : 't', topic_len);
			bytes_init(&out);
			if (!phx_encode_text(&out, version, NONE, NONE, slice_make(topic, topic_len), "e",
								 slice_make(payload, len)))
				ok(false, "no memory");
			got = frame_payload(&out, 0, WS_OP_TEXT);
			ok(phx_decode_text(version, got, &msg, NULL) && msg.payload.len == len &&
			   jslice_string_equals(msg.topic, slice_make(topic, topic_len)),
			   "a payload of %d bytes", len);
			bytes_free(&out);
		}
	}
	free(payload);
}

/* Broadcasts (supabase.md 2.2, 2.3). */
static void
test_broadcast(void)
{
	static char long_name[300];
	Slice		topic = B("realtime:room");
	Slice		meta = B("{\"id\":\"x\"}");
	Bytes		out;

	bytes_init(&out);
	memset(long_name, 'n', sizeof(long_name));

	ok(phx_encode_broadcast(&out, PHX_V2, topic, B("e"), false, B("{\"a\":1}"), meta), "JSON, v2");
	is_bytes(frame_payload(&out, 0, WS_OP_BINARY),
			 B("\4\x0d\1\x0a\1realtime:roome{\"id\":\"x\"}{\"a\":1}"), "kind 4, encoding 1");
	is_int(out.cap, Max(out.len, 64), "and no byte of memory more than that");
	out.len = 0;
	ok(phx_encode_broadcast(&out, PHX_V2, topic, B("e"), true, B("\0\1\xff"), NONE), "bytes, v2");
	is_bytes(frame_payload(&out, 0, WS_OP_BINARY), B("\4\x0d\1\0\0realtime:roome\0\1\xff"), "kind 4, encoding 0");
	out.len = 0;
	ok(phx_encode_broadcast(&out, PHX_V2, topic, B("e"), true, NONE, NONE), "no bytes, v2");
	is_bytes(frame_payload(&out, 0, WS_OP_BINARY), B("\4\x0d\1\0\0realtime:roome"), "kind 4, empty");

	out.len = 0;
	ok(phx_encode_broadcast(&out, PHX_V1, topic, B("e\""), false, B("{\"a\":1}"), meta), "JSON, v1");
	is_text(frame_payload(&out, 0, WS_OP_TEXT), "{\"topic\":\"realtime:room\",\"event\":\"broadcast\","
			"\"payload\":{\"event\":\"e\\\"\",\"payload\":{\"a\":1},\"type\":\"broadcast\",\"meta\":{\"id\":\"x\"}},"
			"\"ref\":null}", "text");
	out.len = 0;
	ok(phx_encode_broadcast(&out, PHX_V1, topic, B("e"), false, B("[]"), NONE), "JSON without meta, v1");
	is_text(frame_payload(&out, 0, WS_OP_TEXT), "{\"topic\":\"realtime:room\",\"event\":\"broadcast\","
			"\"payload\":{\"event\":\"e\",\"payload\":[],\"type\":\"broadcast\"},\"ref\":null}", "text");
	out.len = 0;
	ok(phx_encode_broadcast(&out, PHX_V1, topic, B("e"), true, B("\1"), meta) && out.len == 0,
	   "bytes can not be told to v1");

	ok(phx_encode_broadcast(&out, PHX_V2, slice_make(long_name, 255), slice_make(long_name, 255),
							false, B("{}"), NONE), "names of 255 bytes");
	is_int(frame_payload(&out, 0, WS_OP_BINARY).len, 5 + 255 + 255 + 2, "kind 4");
	out.len = 0;
	ok(phx_encode_broadcast(&out, PHX_V2, topic, slice_make(long_name, 256), false, B("{}"), NONE),
	   "an event of 256 bytes");
	ok(slice_has_prefix(frame_payload(&out, 0, WS_OP_TEXT),
						B("[null,null,\"realtime:room\",\"broadcast\",{\"event\":\"nnn")), "goes as text");
	out.len = 0;
	ok(phx_encode_broadcast(&out, PHX_V2, topic, slice_make(long_name, 256), true, B("{}"), NONE) &&
	   out.len == 0, "with bytes it can not be told");
	bytes_free(&out);
}

int
main(void)
{
	test_version();
	test_decode_text();
	test_decode_binary();
	test_join();
	test_encode_text();
	test_header_sizes();
	test_broadcast();
	return done_testing();
}
