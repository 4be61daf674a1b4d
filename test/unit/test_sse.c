/*-------------------------------------------------------------------------
 *
 * test_sse.c
 *	  Server-sent events: what the standard's parser makes of ours.
 *
 * test/unit/test_sse.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/jslice.h"
#include "proto/sse.h"

static Bytes out;				/* what was encoded last */

/* Empty it. */
static void
begin(void)
{
	bytes_free(&out);
	bytes_append_cstr(&out, "before\n\n");
}

/* What was encoded is just this. */
static void
encoded(bool good, const char *want, const char *name)
{
	ok(good, "%s: memory suffices", name);
	is_text(slice_make(out.data + 8, out.len - 8), want, name);
}

static void
test_broadcasts(void)
{
	begin();
	encoded(sse_encode_broadcast(&out, B("c1"), B("room:1"), B("greeting"), false,
								 B("{\"text\": \"hello\"}"), B("{\"id\":\"x\"}")),
			"id: c1\ndata: {\"topic\":\"room:1\",\"event\":\"greeting\","
			"\"payload\":{\"text\": \"hello\"},\"meta\":{\"id\":\"x\"}}\n\n", "a message");
	begin();
	encoded(sse_encode_broadcast(&out, B(""), B("room:1"), B(""), false, B("null"), B("")),
			"data: {\"topic\":\"room:1\",\"event\":\"\",\"payload\":null}\n\n",
			"without id, event and meta");
	begin();
	encoded(sse_encode_broadcast(&out, B("c"), B("a\n\"\r\xc3\xa9"), B("\nid: x"), false,
								 B("[\n1,\r\n\t\"\\n\"\r]"), B("{\n}")),
			"id: c\ndata: {\"topic\":\"a\\n\\\"\\r\xc3\xa9\",\"event\":\"\\nid: x\","
			"\"payload\":[ 1,  \t\"\\n\" ],\"meta\":{ }}\n\n",
			"one line, whatever stands in topic, event and JSON");
}

static void
test_base64(void)
{
	static const struct
	{
		Slice		bytes;
		const char *text;
	}			cases[] = {		/* RFC 4648 10, and the last two digits */
		{P(""), ""},
		{P("f"), "Zg=="},
		{P("fo"), "Zm8="},
		{P("foo"), "Zm9v"},
		{P("foob"), "Zm9vYg=="},
		{P("fooba"), "Zm9vYmE="},
		{P("foobar"), "Zm9vYmFy"},
		{P("\0\n\xff"), "AAr/"},
		{P("\xfb\xff\xbf"), "+/+/"},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		bytes = exact(cases[i].bytes);
		char		want[100];

		begin();
		snprintf(want, sizeof(want), "data: {\"topic\":\"t\",\"event\":\"e\",\"payload_base64\":\"%s\"}\n\n",
				 cases[i].text);
		encoded(sse_encode_broadcast(&out, B(""), B("t"), B("e"), true, bytes, B("")),
				want, "bytes");
		release(bytes);
	}
}

static void
test_whole(void)
{
	begin();
	encoded(sse_encode_whole(&out, B(""), B("t"),
							 B("{\"type\":\"broadcast\",\n\"event\":\"a\\u0062\",\"payload\":{\"x\":\n1}}"), B("")),
			"data: {\"topic\":\"t\",\"event\":\"a\\u0062\",\"payload\":{\"x\": 1}}\n\n",
			"what a client says");
	begin();
	encoded(sse_encode_whole(&out, B("c"), B("t"), B("{\"event\":{\"a\":1}}"), B("{}")),
			"id: c\ndata: {\"topic\":\"t\",\"event\":\"\",\"meta\":{}}\n\n", "without what it should have");
	begin();
	encoded(sse_encode_whole(&out, B(""), B("t"), B("{}"), B("")),
			"data: {\"topic\":\"t\",\"event\":\"\"}\n\n", "nothing at all");
}

static void
test_others(void)
{
	begin();
	encoded(sse_encode_event(&out, "ready", B("c1"), B("{\"topics\":[\n\"a\"]}")),
			"event: ready\nid: c1\ndata: {\"topics\":[ \"a\"]}\n\n", "an event with a name");
	begin();
	encoded(sse_encode_event(&out, "close", B(""), B("{}")),
			"event: close\ndata: {}\n\n", "without id");
	begin();
	encoded(sse_encode_start(&out, 1500, B("[\"a\\n\"]\n")),
			": [\"a\\n\"] \nretry: 1500\n\n", "the start");
	is_text(B(SSE_KEEP_ALIVE), ":\n\n", "a sign of life");
}

/* Random JSON white space never breaks a line. */
static void
test_lines(void)
{
	static const char *const pieces[] = {"\n", "\r", " ", "\t", "1", ",", "\"\\r\\n\""};
	bool		good = true;

	for (int round = 0; round < 2000; round++)
	{
		Bytes		text;
		Slice		json;
		int			ends = 0;

		bytes_init(&text);
		for (size_t n = tap_below(40); n > 0; n--)
			bytes_append_cstr(&text, pieces[tap_below(lengthof(pieces))]);
		json = exact(bytes_slice(&text));
		begin();
		good = good && sse_encode_broadcast(&out, B("c"), B("t"), B("e"), false, json, json);
		for (size_t i = 8; i < out.len; i++)
			ends += out.data[i] == '\n' || out.data[i] == '\r';
		good = good && ends == 3;
		release(json);
		bytes_free(&text);
	}
	ok(good, "three line ends, whatever the payload has");
}

/* Without memory nothing is left behind. */
static void
test_no_memory(void)
{
	begin();
	out.failed = true;
	ok(!sse_encode_broadcast(&out, B("c"), B("t"), B("e"), true, B("x"), B("{}")) && out.len == 8,
	   "a message that finds no memory");
	ok(!sse_encode_whole(&out, B("c"), B("t"), B("{\"event\":\"e\"}"), B("")) && out.len == 8,
	   "another");
	ok(!sse_encode_event(&out, "ready", B("c"), B("{}")) && out.len == 8, "an event");
	ok(!sse_encode_start(&out, 1, B("[]")) && out.len == 8, "a start");
	bytes_free(&out);
}

int
main(void)
{
	test_broadcasts();
	test_base64();
	test_whole();
	test_others();
	test_lines();
	test_no_memory();
	return done_testing();
}
