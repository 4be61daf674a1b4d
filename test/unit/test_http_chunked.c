/*-------------------------------------------------------------------------
 *
 * test_http_chunked.c
 *	  Chunked bodies: whole, a byte at a time, cut everywhere, and broken.
 *
 * test/unit/test_http_chunked.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/http_chunked.h"

#define MAX_BODY 1000

/* What came of decoding a text. */
typedef struct Result
{
	ChunkedVerdict verdict;
	size_t		consumed;
	Bytes		body;
} Result;

/* Decode text in pieces that end at first, then every step bytes. */
static Result
decode(Slice input, size_t first, size_t step, uint64 max_body)
{
	Result		result = {CHUNKED_MORE};
	HttpChunked state;
	size_t		end = first;

	http_chunked_init(&state, max_body);
	bytes_init(&result.body);
	while (result.verdict == CHUNKED_MORE && result.consumed < input.len)
	{
		Slice		piece;
		size_t		taken;

		end = Min(end, input.len);
		piece = exact(slice_make(input.data + result.consumed, end - result.consumed));
		result.verdict = http_chunked_decode(&state, piece.data, piece.len, &result.body, &taken);
		if (taken > piece.len || (result.verdict == CHUNKED_MORE && taken != piece.len))
			ok(false, "%zu bytes of %zu were taken", taken, piece.len);
		result.consumed += taken;
		release(piece);
		end += step;
	}
	return result;
}

/* The same outcome however the text is cut. */
static bool
same_if_cut(Slice input, uint64 max_body, const Result *want)
{
	bool		good = true;

	for (size_t first = 1; first <= input.len; first++)
	{
		for (int bytewise = 0; bytewise <= 1; bytewise++)
		{
			Result		got = decode(input, first, bytewise ? 1 : input.len, max_body);

			good = good && got.verdict == want->verdict && got.consumed == want->consumed &&
				slice_equals(bytes_slice(&got.body), bytes_slice(&want->body));
			bytes_free(&got.body);
		}
	}
	return good;
}

/* Bodies that are good. */
static void
test_good(void)
{
	static const struct
	{
		Slice		input;
		Slice		body;
		size_t		rest;		/* bytes that are not part of it */
	}			cases[] = {
		{P("0\r\n\r\n"), P(""), 0},
		{P("000\r\n\r\nGET /"), P(""), 5},
		{P("4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n"), P("Wikipedia in \r\nchunks."), 0},
		{P("4\r\nWiki\r\n0\r\n\r\n0\r\n\r\n"), P("Wiki"), 5},
		{P("00000000000000aA\r\n0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "\r\n0\r\n\r\n"),
			P("0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789" "0123456789"),
		0},
		{P("2;a\r\n\0\xff\r\n1;b=c;d=\"\x80 \t\"\r\n\n\r\n0;e\r\n\r\n"), P("\0\xff\n"), 0},
		{P("1;\r\nx\r\n0\r\n\r\n"), P("x"), 0},
		{P("1\r\nx\r\n0\r\nTrailer: value\r\nAnother:\r\n\r\n\r\n"), P("x"), 2},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Result		whole = decode(cases[i].input, cases[i].input.len, 1, MAX_BODY);

		ok(whole.verdict == CHUNKED_DONE, "body %d", i);
		is_bytes(bytes_slice(&whole.body), cases[i].body, "its data");
		is_int(cases[i].input.len - whole.consumed, cases[i].rest, "what follows is left");
		ok(same_if_cut(cases[i].input, MAX_BODY, &whole), "however it is cut");
		for (size_t len = 0; len + cases[i].rest < cases[i].input.len; len++)
		{
			Result		part = decode(slice_make(cases[i].input.data, len), len, 1, MAX_BODY);

			if (part.verdict != CHUNKED_MORE || part.consumed != len)
				ok(false, "the first %zu bytes", len);
			bytes_free(&part.body);
		}
		bytes_free(&whole.body);
	}
}

/* What is refused, and how far it was read until then. */
static void
test_bad(void)
{
	static const struct
	{
		Slice		input;
		ChunkedVerdict verdict;
		size_t		consumed;
	}			cases[] = {
		{P("\r\n\r\n"), CHUNKED_MALFORMED, 1},
		{P("\n"), CHUNKED_MALFORMED, 1},
		{P(";x\r\n"), CHUNKED_MALFORMED, 1},
		{P(" 1\r\nx"), CHUNKED_MALFORMED, 1},
		{P("1 \r\nx"), CHUNKED_MALFORMED, 2},
		{P("1 ;x\r\nx"), CHUNKED_MALFORMED, 2},
		{P("0x1\r\nx"), CHUNKED_MALFORMED, 2},
		{P("+1\r\nx"), CHUNKED_MALFORMED, 1},
		{P("-1\r\nx"), CHUNKED_MALFORMED, 1},
		{P("1_0\r\nx"), CHUNKED_MALFORMED, 2},
		{P("g\r\n"), CHUNKED_MALFORMED, 1},
		{P("1\nx"), CHUNKED_MALFORMED, 2},
		{P("1\r\r\nx"), CHUNKED_MALFORMED, 3},
		{P("1\rx"), CHUNKED_MALFORMED, 3},
		{P("1\0\r\nx"), CHUNKED_MALFORMED, 2},
		{P("1;\n"), CHUNKED_MALFORMED, 3},
		{P("1;\0"), CHUNKED_MALFORMED, 3},
		{P("1;a\x7f"), CHUNKED_MALFORMED, 4},
		{P("1;a\rb\r\n"), CHUNKED_MALFORMED, 5},
		{P("00000000000000001\r\n"), CHUNKED_MALFORMED, 17},
		{P("1\r\nxy"), CHUNKED_MALFORMED, 5},
		{P("1\r\nx\n"), CHUNKED_MALFORMED, 5},
		{P("1\r\nx\rx"), CHUNKED_MALFORMED, 6},
		{P("1\r\nx\r\n\r\n"), CHUNKED_MALFORMED, 7},
		{P("0\r\n\n"), CHUNKED_MALFORMED, 4},
		{P("0\r\n\r\r"), CHUNKED_MALFORMED, 5},
		{P("0\r\n folded: x\r\n\r\n"), CHUNKED_MALFORMED, 4},
		{P("0\r\nA: b\r\n folded\r\n\r\n"), CHUNKED_MALFORMED, 10},
		{P("0\r\nA: b\n\r\n"), CHUNKED_MALFORMED, 8},
		{P("0\r\nA: \0\r\n\r\n"), CHUNKED_MALFORMED, 7},
		{P("0\r\nA: b\rc\r\n\r\n"), CHUNKED_MALFORMED, 9},
		{P("3E9\r\n"), CHUNKED_TOO_LARGE, 5},
		{P("FFFFFFFFFFFFFFFF\r\n"), CHUNKED_TOO_LARGE, 18},
		{P("8000000000000000\r\n"), CHUNKED_TOO_LARGE, 18},
		{P("2\r\nxx\r\n3E7\r\n"), CHUNKED_TOO_LARGE, 12},
		{P("2\r\nxx\r\nFFFFFFFFFFFFFFFE\r\n"), CHUNKED_TOO_LARGE, 25},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Result		whole = decode(cases[i].input, cases[i].input.len, 1, MAX_BODY);

		if (!ok(whole.verdict == cases[i].verdict && whole.consumed == cases[i].consumed,
				"refused: " SLICE_FMT, SLICE_ARG(cases[i].input)))
			diag("verdict %d after %zu", whole.verdict, whole.consumed);
		ok(same_if_cut(cases[i].input, MAX_BODY, &whole), "however it is cut");
		bytes_free(&whole.body);
	}
}

/* Sizes at their limits. */
static void
test_limits(void)
{
	Bytes		input;
	Result		got;

	bytes_init(&input);
	bytes_append_cstr(&input, "3E8\r\n");
	for (int i = 0; i < MAX_BODY; i++)
		bytes_append_byte(&input, 'x');
	bytes_append_cstr(&input, "\r\n0\r\n\r\n");
	got = decode(bytes_slice(&input), input.len, 1, MAX_BODY);
	ok(got.verdict == CHUNKED_DONE && got.body.len == MAX_BODY, "the longest body");
	bytes_free(&got.body);
	got = decode(bytes_slice(&input), input.len, 1, MAX_BODY - 1);
	ok(got.verdict == CHUNKED_TOO_LARGE && got.body.cap == 0, "a longer one costs no memory");
	bytes_free(&got.body);
	got = decode(B("1\r\n"), 3, 1, 0);
	ok(got.verdict == CHUNKED_TOO_LARGE, "where none is allowed");
	got = decode(B("FFFFFFFFFFFFFFFF\r\nx"), 19, 1, UINT64_MAX);
	ok(got.verdict == CHUNKED_MORE && got.body.len == 1, "where any is");
	bytes_free(&got.body);

	for (int over = 0; over <= 1; over++)
	{
		/* a bit of it in every chunk */
		input.len = 0;
		for (int i = 0; i < CHUNKED_MAX_EXTENSIONS + over; i++)
			bytes_append_cstr(&input, "1;e\r\nx\r\n");
		bytes_append_cstr(&input, "0\r\n\r\n");
		got = decode(bytes_slice(&input), input.len, 1, MAX_BODY);
		is_int(got.verdict, over ? CHUNKED_MALFORMED : CHUNKED_DONE, "extensions");
		bytes_free(&got.body);

		input.len = 0;
		bytes_append_cstr(&input, "0\r\n");
		for (int i = 0; i < CHUNKED_MAX_TRAILER / 4 + over; i++)
			bytes_append_cstr(&input, "A: b\r\n");
		bytes_append_cstr(&input, "\r\n");
		got = decode(bytes_slice(&input), input.len, 1, MAX_BODY);
		is_int(got.verdict, over ? CHUNKED_MALFORMED : CHUNKED_DONE, "trailer fields");
		bytes_free(&got.body);
	}
	bytes_free(&input);
}

/* Noise of the right alphabet: one outcome, however it is cut. */
static void
test_noise(void)
{
	static const char alphabet[] = "0123aF;\r\n\r\n\r\nx: ";
	bool		good = true;

	for (int round = 0; round < 2000; round++)
	{
		char		noise[40];
		Slice		input = slice_make(noise, tap_below(sizeof(noise)));
		Result		whole;

		for (size_t i = 0; i < input.len; i++)
			noise[i] = alphabet[tap_below(sizeof(alphabet) - 1)];
		whole = decode(input, input.len, 1, MAX_BODY);
		good = good && same_if_cut(input, MAX_BODY, &whole);
		bytes_free(&whole.body);
	}
	ok(good, "noise");
}

int
main(void)
{
	test_good();
	test_bad();
	test_limits();
	test_noise();
	return done_testing();
}
