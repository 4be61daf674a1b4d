/*-------------------------------------------------------------------------
 *
 * test_ws_message.c
 *	  From byte streams to messages: fragments, control frames, UTF-8, limits.
 *
 * A scenario is a list of frames and the transcript of events that it must
 * give, the same whole, a byte at a time, cut at every place and in random
 * pieces.  The numbers in the names are those of the Autobahn test suite.
 *
 * test/unit/test_ws_message.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/ws_message.h"

#define MAX_FRAMES 12
#define FIN 0x80
#define TEXT (FIN | WS_OP_TEXT)
#define BINARY (FIN | WS_OP_BINARY)
#define CLOSE (FIN | WS_OP_CLOSE)
#define PING (FIN | WS_OP_PING)
#define PONG (FIN | WS_OP_PONG)
#define TEXT_BEGIN WS_OP_TEXT
#define BINARY_BEGIN WS_OP_BINARY
#define MORE WS_OP_CONTINUATION
#define END (FIN | WS_OP_CONTINUATION)

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define N125 FIFTY FIFTY TEN TEN "01234"

#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

typedef struct Scenario
{
	const char *name;
	const char *transcript;		/* events, each ended by '|' */
	struct
	{
		int			first;		/* first byte of the header */
		Slice		payload;	/* NULL data = end of the list */
	}			frames[MAX_FRAMES];
	uint64		max_message;	/* 0 = 1000 */
} Scenario;

static const Scenario scenarios[] = {
	/* 1: framing */
	{"1.1.1 empty text", "text:|", {{TEXT, P("")}}},
	{"1.1.2 text of 125", "text:" N125 "|", {{TEXT, P(N125)}}},
	{"1.1.3 text of 126", "text:" N125 "x|", {{TEXT, P(N125 "x")}}},
	{"1.1.4 text of 127", "text:" N125 "xy|", {{TEXT, P(N125 "xy")}}},
	{"1.2 binary, any bytes", "binary:\\x00\\xff\\xfe|", {{BINARY, P("\x00\xff\xfe")}}},
	{"two messages", "text:a|binary:b|", {{TEXT, P("a")}, {BINARY, P("b")}}},

	/* 2: pings and pongs */
	{"2.1 empty ping", "ping:|", {{PING, P("")}}},
	{"2.3 ping with bytes", "ping:\\x00\\xff|", {{PING, P("\x00\xff")}}},
	{"2.4 ping of 125", "ping:" N125 "|", {{PING, P(N125)}}},
	{"2.5 ping of 126", "fail:1002|", {{PING, P(N125 "x")}}},
	{"2.7 unasked pong, then ping", "pong:p|ping:|", {{PONG, P("p")}, {PING, P("")}}},
	{"2.10 ten pings", "ping:0|ping:1|ping:2|ping:3|ping:4|ping:5|ping:6|ping:7|ping:8|ping:9|",
		{{PING, P("0")}, {PING, P("1")}, {PING, P("2")}, {PING, P("3")}, {PING, P("4")},
		{PING, P("5")}, {PING, P("6")}, {PING, P("7")}, {PING, P("8")}, {PING, P("9")}}},

	/* 3: reserved bits */
	{"3.2 text, then RSV2, then ping", "text:a|fail:1002|", {{TEXT, P("a")}, {TEXT | 0x20, P("b")}, {PING, P("")}}},
	{"3.7 close with RSV", "fail:1002|", {{CLOSE | 0x70, P("")}}},

	/* 4: reserved opcodes */
	{"4.1.3 text, then opcode 5", "text:a|fail:1002|", {{TEXT, P("a")}, {FIN | 5, P("")}}},
	{"4.2.4 text, then opcode 14", "text:a|fail:1002|", {{TEXT, P("a")}, {FIN | 14, P("b")}}},

	/* 5: fragmentation */
	{"5.1 ping in two fragments", "fail:1002|", {{WS_OP_PING, P("a")}, {END, P("b")}}},
	{"5.3 text in two fragments", "text:ab|", {{TEXT_BEGIN, P("a")}, {END, P("b")}}},
	{"5.6 ping between fragments", "ping:p|text:ab|", {{TEXT_BEGIN, P("a")}, {PING, P("p")}, {END, P("b")}}},
	{"ping of 125 between fragments of more", "ping:" N125 "|text:" N125 "zy" N125 "|",
		{{TEXT_BEGIN, P(N125 "z")}, {PING, P(N125)}, {END, P("y" N125)}}},
	{"5.9 continuation of nothing", "fail:1002|", {{END, P("a")}}},
	{"5.10 ... after a message", "text:a|fail:1002|", {{TEXT, P("a")}, {END, P("b")}}},
	{"5.13 open continuation of nothing", "fail:1002|", {{MORE, P("a")}, {TEXT, P("b")}}},
	{"5.15 message, continuation, message", "text:ab|fail:1002|",
		{{TEXT_BEGIN, P("a")}, {END, P("b")}, {MORE, P("c")}, {TEXT, P("d")}}},
	{"5.17 text inside text", "fail:1002|", {{TEXT_BEGIN, P("a")}, {TEXT, P("b")}, {END, P("c")}}},
	{"5.18 binary inside text", "fail:1002|", {{TEXT_BEGIN, P("a")}, {BINARY, P("b")}}},
	{"5.19 five fragments, pings between", "ping:p1|ping:p2|text:fragment1fragment2fragment3fragment4fragment5|",
		{{TEXT_BEGIN, P("fragment1")}, {MORE, P("fragment2")}, {PING, P("p1")}, {MORE, P("fragment3")},
		{MORE, P("fragment4")}, {PING, P("p2")}, {END, P("fragment5")}}},
	{"empty fragments", "text:ab|", {{TEXT_BEGIN, P("")}, {MORE, P("a")}, {MORE, P("")}, {MORE, P("b")}, {END, P("")}}},
	{"all fragments empty", "binary:|text:x|", {{BINARY_BEGIN, P("")}, {MORE, P("")}, {END, P("")}, {TEXT, P("x")}}},
	{"fragments, then whole ones", "binary:abc|text:d|text:e|",
		{{BINARY_BEGIN, P("a")}, {MORE, P("b")}, {END, P("c")}, {TEXT, P("d")}, {TEXT, P("e")}}},
	{"pong between fragments", "pong:|binary:ab|", {{BINARY_BEGIN, P("a")}, {PONG, P("")}, {END, P("b")}}},
	{"close between fragments", "close:1000:|", {{TEXT_BEGIN, P("a")}, {CLOSE, P("\x03\xe8")}}},

	/* 6: UTF-8 */
	{"6.2.1 valid text", "text:Hello-\\xc2\\xb5@\\xc3\\x9f|", {{TEXT, P("Hello-\xc2\xb5@\xc3\x9f")}}},
	{"6.2.3 a character over fragments", "text:\\xce\\xba\\xe1\\xbd\\xb9\\xcf\\x83\\xce\\xbc\\xce\\xb5|",
		{{TEXT_BEGIN, P("\xce")}, {MORE, P("\xba\xe1")}, {MORE, P("\xbd")}, {END, P("\xb9\xcf\x83\xce\xbc\xce\xb5")}}},
	{"6.3.1 surrogate", "fail:1007|", {{TEXT, P(KOSME "\xed\xa0\x80" "edited")}}},
	{"6.3.2 surrogate in fragments", "fail:1007|", {{TEXT_BEGIN, P(KOSME "\xed")}, {MORE, P("\xa0\x80")}, {END, P("edited")}}},
	{"6.4.1 beyond U+10FFFF in the second of three", "fail:1007|",
		{{TEXT_BEGIN, P(KOSME)}, {MORE, P("\xf4\x90\x80\x80")}, {END, P("edited")}}},
	{"6.6 cut off at the end", "fail:1007|", {{TEXT, P("\xce\xba\xe1\xbd")}}},
	{"cut off, ended by an empty fragment", "fail:1007|", {{TEXT_BEGIN, P("\xce")}, {END, P("")}}},
	{"a new message starts between characters", "text:\\xc3\\xa9|text:a|", {{TEXT, P("\xc3\xa9")}, {TEXT, P("a")}}},
	{"binary need not be UTF-8, over fragments", "binary:\\xff\\xc3|text:ok|", {{BINARY_BEGIN, P("\xff")}, {END, P("\xc3")}, {TEXT, P("ok")}}},

	/* 7: close */
	{"7.1 close without a code", "close:1000:|", {{CLOSE, P("")}}},
	{"7.1.2 nothing after close", "close:1000:|", {{CLOSE, P("")}, {TEXT, P("a")}}},
	{"7.3.2 close of one byte", "fail:1002|", {{CLOSE, P("\x03")}}},
	{"7.3.4 code and reason", "close:1000:Hello World!|", {{CLOSE, P("\x03\xe8" "Hello World!")}}},
	{"7.3.5 reason of 123", "close:1001:" FIFTY FIFTY TEN TEN "012|", {{CLOSE, P("\x03\xe9" FIFTY FIFTY TEN TEN "012")}}},
	{"7.3.6 reason of 124", "fail:1002|", {{CLOSE, P("\x03\xe8" FIFTY FIFTY TEN TEN "0123")}}},
	{"7.5.1 reason is no UTF-8", "fail:1007|", {{CLOSE, P("\x03\xe8\xce\xba\xe1\xbd\xed\xa0\x80")}}},
	{"reason cut off", "fail:1007|", {{CLOSE, P("\x03\xe8\xc3")}}},
	{"7.7 code 1007", "close:1007:|", {{CLOSE, P("\x03\xef")}}},
	{"7.7 code 3000", "close:3000:|", {{CLOSE, P("\x0b\xb8")}}},
	{"7.7 code 4999", "close:4999:|", {{CLOSE, P("\x13\x87")}}},
	{"7.9 code 0", "fail:1002|", {{CLOSE, P("\x00\x00")}}},
	{"7.9 code 999", "fail:1002|", {{CLOSE, P("\x03\xe7")}}},
	{"7.9 code 1004", "fail:1002|", {{CLOSE, P("\x03\xec")}}},
	{"7.9 code 1005", "fail:1002|", {{CLOSE, P("\x03\xed")}}},
	{"7.9 code 1006", "fail:1002|", {{CLOSE, P("\x03\xee")}}},
	{"7.9 code 1016", "fail:1002|", {{CLOSE, P("\x03\xf8")}}},
	{"7.9 code 1100", "fail:1002|", {{CLOSE, P("\x04\x4c")}}},
	{"7.9 code 2999", "fail:1002|", {{CLOSE, P("\x0b\xb7")}}},
	{"7.13 code 5000", "fail:1002|", {{CLOSE, P("\x13\x88")}}},
	{"7.13 code 65535", "fail:1002|", {{CLOSE, P("\xff\xff")}}},

	/* 9, A6: limits */
	{"A6 the limit", "binary:0123456789|", {{BINARY, P(TEN)}}, 10},
	{"A6 the limit + 1", "fail:1009|", {{BINARY, P(TEN "x")}}, 10},
	{"A6 fragments to the limit", "binary:0123456789|text:" TEN "|", {{BINARY_BEGIN, P("01234")}, {MORE, P("567")}, {END, P("89")}, {TEXT, P(TEN)}}, 10},
	{"A6 fragments to the limit + 1", "fail:1009|", {{BINARY_BEGIN, P("01234")}, {MORE, P("567")}, {END, P("89x")}}, 10},
	{"A6 a control frame does not count", "ping:" TEN TEN "|binary:0123456789|",
		{{BINARY_BEGIN, P("01234")}, {PING, P(TEN TEN)}, {END, P("56789")}}, 10},
	{"A6 an empty fragment behind the limit", "binary:0123456789|", {{BINARY_BEGIN, P(TEN)}, {END, P("")}}, 10},
};

/* Append a masked frame of a client to *out. */
static void
put_frame(Bytes *out, int first, Slice payload)
{
	static const uint8 mask[4] = {0xa1, 0x5b, 0x00, 0xff};

	bytes_append_byte(out, (uint8) first);
	if (payload.len < 126)
		bytes_append_byte(out, 0x80 | (uint8) payload.len);
	else
	{
		bytes_append_byte(out, 0x80 | 126);
		bytes_append_byte(out, (uint8) (payload.len >> 8));
		bytes_append_byte(out, (uint8) payload.len);
	}
	bytes_append(out, mask, 4);
	for (size_t i = 0; i < payload.len; i++)
		bytes_append_byte(out, (uint8) payload.data[i] ^ mask[i % 4]);
}

/* A receiver: the state, its buffer, and what came out so far. */
typedef struct Receiver
{
	WsMessageState state;
	char	   *buf;			/* always of exactly len bytes */
	size_t		len;
	size_t		want;			/* the last hint */
	bool		over;			/* after WS_CLOSE or WS_FAIL */
	Bytes		transcript;
} Receiver;

/* Start a receiver. */
static void
receiver_init(Receiver *r, uint64 max_message)
{
	memset(r, 0, sizeof(*r));
	ws_message_init(&r->state, max_message);
	bytes_init(&r->transcript);
}

/* Give its memory back. */
static void
receiver_free(Receiver *r)
{
	free(r->buf);
	bytes_free(&r->transcript);
}

/* Note an event and its payload in the transcript, unprintable bytes in hex. */
static void
note(Receiver *r, const char *event, Slice payload)
{
	bytes_printf(&r->transcript, "%s:", event);
	for (size_t i = 0; i < payload.len; i++)
	{
		uint8		c = (uint8) payload.data[i];

		bytes_printf(&r->transcript, c >= 0x20 && c < 0x7F ? "%c" : "\\x%02x", c);
	}
	bytes_append_cstr(&r->transcript, "|");
}

/* Take all events that are in the buffer. */
static void
drain(Receiver *r)
{
	Slice		payload;
	int			code = 0;
	char		name[32];

	while (!r->over)
	{
		WsEvent		event = ws_message_next(&r->state, r->buf, &r->len, &payload,
											&code, &r->want);

		switch (event)
		{
			case WS_NEED_MORE:
				return;
			case WS_TEXT:
				note(r, "text", payload);
				break;
			case WS_BINARY:
				note(r, "binary", payload);
				break;
			case WS_PING:
				note(r, "ping", payload);
				break;
			case WS_PONG:
				note(r, "pong", payload);
				break;
			case WS_CLOSE:
				snprintf(name, sizeof(name), "close:%d", code);
				note(r, name, payload);
				r->over = true;
				break;
			case WS_FAIL:
				bytes_printf(&r->transcript, "fail:%d|", code);
				r->over = true;
				break;
		}
	}
}

/* Receive some bytes: the buffer is a new allocation without slack. */
static void
receive(Receiver *r, Slice bytes)
{
	char	   *buf = malloc(r->len + bytes.len);

	if (r->len > 0)
		memcpy(buf, r->buf, r->len);
	if (bytes.len > 0)
		memcpy(buf + r->len, bytes.data, bytes.len);
	free(r->buf);
	r->buf = buf;
	r->len += bytes.len;
	drain(r);
}

/* How a stream is cut for one run. */
typedef enum Cutting
{
	CUT_NONE,
	CUT_ONCE,					/* at `at` */
	CUT_BYTES,
	CUT_RANDOM
} Cutting;

/* Run a stream; true if the transcript is as wanted. */
static bool
run(Slice stream, uint64 max_message, const char *want, Cutting cutting, size_t at)
{
	Receiver	r;
	size_t		done = 0;
	bool		good;

	receiver_init(&r, max_message);
	while (done < stream.len && !r.over)
	{
		size_t		n = stream.len - done;

		if (cutting == CUT_BYTES)
			n = 1;
		else if (cutting == CUT_RANDOM)
			n = 1 + tap_below(Min(n, 20));
		else if (cutting == CUT_ONCE && done == 0 && at > 0)
			n = at;
		receive(&r, slice_make(stream.data + done, n));
		done += n;
	}
	good = slice_equals_cstr(bytes_slice(&r.transcript), want);
	if (!good)
	{
		diag("wanted %s", want);
		diag("got    " SLICE_FMT, SLICE_ARG(bytes_slice(&r.transcript)));
	}
	/* What is over is gone: an idle connection needs no buffer. */
	if (!r.over && r.len == 0)
		good = good && r.want == 0;
	receiver_free(&r);
	return good;
}

/* One scenario in all ways to cut it. */
static void
test_scenario(const Scenario *s)
{
	Bytes		stream;
	Slice		all;
	uint64		max_message = s->max_message > 0 ? s->max_message : 1000;
	bool		good = true;

	bytes_init(&stream);
	for (int i = 0; i < MAX_FRAMES && s->frames[i].payload.data; i++)
		put_frame(&stream, s->frames[i].first, s->frames[i].payload);
	all = bytes_slice(&stream);

	ok(run(all, max_message, s->transcript, CUT_NONE, 0), "%s: whole", s->name);
	ok(run(all, max_message, s->transcript, CUT_BYTES, 0), "%s: a byte at a time", s->name);
	for (size_t at = 1; at < all.len && good; at++)
		good = run(all, max_message, s->transcript, CUT_ONCE, at);
	for (int i = 0; i < 20 && good; i++)
		good = run(all, max_message, s->transcript, CUT_RANDOM, 0);
	ok(good, "%s: cut anywhere", s->name);
	bytes_free(&stream);
}

/*
 * Autobahn 6.4.3: a text frame of which only a part has come is refused at its
 * first impossible byte, and not before.
 */
static void
test_fail_fast_in_a_frame(void)
{
	Bytes		stream;
	Receiver	r;
	size_t		bad;

	bytes_init(&stream);
	put_frame(&stream, TEXT, B(KOSME "\xf4\x90\x80\x80" "and much more that never comes"));
	bad = 6 + 11 + 1;			/* header, kosme, F4 */

	receiver_init(&r, 1000);
	receive(&r, slice_make(stream.data, bad));
	ok(!r.over, "6.4.3: F4 may still become a character");
	receive(&r, slice_make(stream.data + bad, 1));
	is_text(bytes_slice(&r.transcript), "fail:1007|", "6.4.3: F4 90 in the middle of a frame");
	receiver_free(&r);
	bytes_free(&stream);
}

/* A4: a declared length is judged without any payload. */
static void
test_declared_lengths(void)
{
	static const struct
	{
		const char *name;
		Slice		header;
		const char *want;
	}			cases[] = {
		{"A4 2^63 - 1", {"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10}, "fail:1009|"},
		{"A4 2^63 + 1", {"\x82\xff\x80\0\0\0\0\0\0\x01", 10}, "fail:1002|"},
		{"A4 4 GiB + 2", {"\x82\xff\0\0\0\x01\0\0\0\x02", 10}, "fail:1009|"},
		{"A4 one byte too much", {"\x82\xff\0\0\0\0\0\x4c\x4b\x41", 10}, "fail:1009|"},
	};
	Receiver	r;

	for (int i = 0; i < lengthof(cases); i++)
		ok(run(cases[i].header, 5000000, cases[i].want, CUT_BYTES, 0), "%s", cases[i].name);

	/* 2^63 - 1 behind a fragment: the sum must not wrap around */
	ok(run(B("\x02\x81\0\0\0\0x\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), 5000000,
		   "fail:1009|", CUT_NONE, 0), "A4 2^63 - 1 behind a fragment");

	receiver_init(&r, 5000000);
	receive(&r, B("\x82\xff\0\0\0\0\0\x4c\x4b\x40" "mask"));
	is_int(r.want, 5000000, "the limit itself is taken, and the hint says so");
	is_int(r.len, 0, "its header takes no room");
	receive(&r, B("1234"));
	is_int(r.want, 5000000, "the hint covers what came and what is missing");
	is_int(r.len, 4, "what came is kept");
	receiver_free(&r);
}

/* A5: many fragments of nothing, and a message of as many as are allowed. */
static void
test_many_fragments(void)
{
	Bytes		stream;
	Receiver	r;

	bytes_init(&stream);
	put_frame(&stream, BINARY_BEGIN, B(""));
	for (int i = 0; i < 200000; i++)
		put_frame(&stream, MORE, B(""));
	ok(run(bytes_slice(&stream), 1000, "fail:1008|", CUT_NONE, 0),
	   "A5: 200,000 empty fragments");

	receiver_init(&r, 1000);
	for (int i = 0; i < WS_MAX_FRAGMENTS && !r.over; i++)
	{
		receive(&r, slice_make(stream.data + i * 6, 6));
		if (r.len != 0)
			break;
	}
	ok(!r.over && r.len == 0, "A5: fragments of nothing take no memory");
	receive(&r, slice_make(stream.data, 0));
	ok(!r.over, "A5: as many fragments as allowed");
	receive(&r, slice_make(stream.data + 6, 6));
	is_text(bytes_slice(&r.transcript), "fail:1008|", "A5: one fragment more");
	receiver_free(&r);

	stream.len = 0;
	put_frame(&stream, BINARY_BEGIN, B("x"));
	for (int i = 0; i < WS_MAX_FRAGMENTS - 2; i++)
		put_frame(&stream, MORE, B("y"));
	put_frame(&stream, END, B("z"));
	receiver_init(&r, WS_MAX_FRAGMENTS);
	receive(&r, bytes_slice(&stream));
	is_int(r.transcript.len, strlen("binary:|") + WS_MAX_FRAGMENTS,
		   "a message of as many fragments as are allowed");
	receiver_free(&r);
	bytes_free(&stream);
}

/*
 * A buffer full of tiny frames costs time in proportion to its length: what
 * was handed out is not dropped one by one.
 */
static void
test_tiny_frames(void)
{
	enum
	{
		FRAMES = 300000
	};
	Bytes		stream;
	WsMessageState state;
	Slice		payload;
	size_t		len;
	size_t		want;
	int			code;
	int			n = 0;

	bytes_init(&stream);
	for (int i = 0; i < FRAMES; i++)
		put_frame(&stream, TEXT, B("x"));
	len = stream.len;
	ws_message_init(&state, 10);
	while (ws_message_next(&state, stream.data, &len, &payload, &code, &want) == WS_TEXT)
		n++;
	is_int(n, FRAMES, "300,000 frames in one buffer (minutes, were it quadratic)");
	is_int(len, 0, "and the buffer is empty");
	bytes_free(&stream);
}

/*
 * Append a message of random fragments, pings between them, to *stream and
 * what must come of it to the transcript of *want.
 */
static void
put_random_message(Bytes *stream, Receiver *want)
{
	char		text[600];
	size_t		len = tap_below(sizeof(text));
	bool		binary = tap_below(2) == 0;
	int			opcode = binary ? WS_OP_BINARY : WS_OP_TEXT;
	size_t		done = 0;
	bool		fin;

	for (size_t i = 0; i < len; i++)
		text[i] = (char) ('a' + tap_below(26));
	do
	{
		size_t		n = tap_below(len - done + 1);

		if (tap_below(3) == 0)
		{
			put_frame(stream, PING, slice_make(text, n % 126));
			note(want, "ping", slice_make(text, n % 126));
		}
		fin = tap_below(4) == 0;
		if (fin)
			n = len - done;
		put_frame(stream, opcode | (fin ? FIN : 0), slice_make(text + done, n));
		done += n;
		opcode = WS_OP_CONTINUATION;
	} while (!fin);
	note(want, binary ? "binary" : "text", slice_make(text, len));
}

/* Random streams, cut at random. */
static void
test_randomly(void)
{
	bool		good = true;

	for (int round = 0; round < 500 && good; round++)
	{
		Bytes		stream;
		Receiver	want;

		bytes_init(&stream);
		receiver_init(&want, 0);
		for (int i = 0; i < 5; i++)
			put_random_message(&stream, &want);
		bytes_append_byte(&want.transcript, '\0');
		good = run(bytes_slice(&stream), 1000, want.transcript.data, CUT_RANDOM, 0);
		bytes_free(&stream);
		receiver_free(&want);
	}
	ok(good, "500 random streams, cut at random");
}

int
main(void)
{
	for (int i = 0; i < lengthof(scenarios); i++)
		test_scenario(&scenarios[i]);
	test_fail_fast_in_a_frame();
	test_declared_lengths();
	test_many_fragments();
	test_tiny_frames();
	test_randomly();
	return done_testing();
}
