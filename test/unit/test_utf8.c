/*-------------------------------------------------------------------------
 *
 * test_utf8.c
 *	  UTF-8: every verdict, at the earliest byte that allows it.
 *
 * test/unit/test_utf8.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/utf8.h"

/* A text and the number of bytes after which it is lost; -1 = never. */
typedef struct Vector
{
	const char *name;
	Slice		text;
	int			fails_at;		/* index of the first impossible byte */
	bool		complete;		/* ends between characters */
} Vector;

static const Vector vectors[] = {
	{"empty", {"", 0}, -1, true},
	{"ASCII", {"Hello", 5}, -1, true},
	{"NUL", {"a\0b", 3}, -1, true},
	{"Autobahn 6.2", {"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!", 28}, -1, true},
	{"kosme (6.5)", {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", 11}, -1, true},
	{"cut inside kosme", {"\xce\xba\xe1\xbd", 4}, -1, false},
	{"kosme, surrogate, edited (6.3)", {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80" "edited", 20}, 12, false},
	{"first of 2 bytes U+0080", {"\xc2\x80", 2}, -1, true},
	{"last of 2 bytes U+07FF", {"\xdf\xbf", 2}, -1, true},
	{"first of 3 bytes U+0800", {"\xe0\xa0\x80", 3}, -1, true},
	{"U+D7FF", {"\xed\x9f\xbf", 3}, -1, true},
	{"U+E000", {"\xee\x80\x80", 3}, -1, true},
	{"U+FFFD", {"\xef\xbf\xbd", 3}, -1, true},
	{"U+FFFE, no character (6.22)", {"\xef\xbf\xbe", 3}, -1, true},
	{"U+FFFF", {"\xef\xbf\xbf", 3}, -1, true},
	{"byte order mark", {"\xef\xbb\xbf", 3}, -1, true},
	{"first of 4 bytes U+10000", {"\xf0\x90\x80\x80", 4}, -1, true},
	{"U+1F600", {"\xf0\x9f\x98\x80", 4}, -1, true},
	{"last of all U+10FFFF", {"\xf4\x8f\xbf\xbf", 4}, -1, true},
	{"beyond U+110000", {"\xf4\x90\x80\x80", 4}, 1, false},
	{"F5", {"\xf5\x80\x80\x80", 4}, 0, false},
	{"5 bytes (6.11)", {"\xf8\x88\x80\x80\x80", 5}, 0, false},
	{"6 bytes", {"\xfc\x84\x80\x80\x80\x80", 6}, 0, false},
	{"FE", {"\xfe", 1}, 0, false},
	{"FF", {"\xff", 1}, 0, false},
	{"lone continuation 80 (6.14)", {"\x80", 1}, 0, false},
	{"lone continuation BF", {"\xbf", 1}, 0, false},
	{"continuation behind a whole character", {"\xc3\xa9\xa9", 3}, 2, false},
	{"two bytes, the second missing", {"\xc3", 1}, -1, false},
	{"two bytes, then ASCII (6.15)", {"\xc3 ", 2}, 1, false},
	{"three bytes, then ASCII", {"\xe2\x82 ", 3}, 2, false},
	{"four bytes, then a lead byte", {"\xf0\x9f\x98\xc3", 4}, 3, false},
	{"overlong slash in 2 (6.18)", {"\xc0\xaf", 2}, 0, false},
	{"overlong slash in 3", {"\xe0\x80\xaf", 3}, 1, false},
	{"overlong slash in 4", {"\xf0\x80\x80\xaf", 4}, 1, false},
	{"overlong C1 BF (6.19)", {"\xc1\xbf", 2}, 0, false},
	{"overlong E0 9F BF", {"\xe0\x9f\xbf", 3}, 1, false},
	{"overlong F0 8F BF BF", {"\xf0\x8f\xbf\xbf", 4}, 1, false},
	{"overlong NUL (6.20)", {"\xc0\x80", 2}, 0, false},
	{"surrogate D800 (6.21)", {"\xed\xa0\x80", 3}, 1, false},
	{"surrogate DFFF", {"\xed\xbf\xbf", 3}, 1, false},
	{"surrogate pair as CESU-8", {"\xed\xa0\x80\xed\xb0\x80", 6}, 1, false},
	{"late error behind words of ASCII", {"0123456789abcdef0123456789abcdef\xff", 33}, 32, false},
	{"error inside a word", {"0123456789ab\xff" "cdef", 17}, 12, false},
};

/*
 * The index of the byte at which the feed says no, -1 if it does not; the text
 * comes in two pieces, cut at `cut`.
 */
static int
feed_cut(Slice text, size_t cut, bool *complete)
{
	Utf8State	state;

	utf8_init(&state);
	*complete = false;
	if (!utf8_feed(&state, text.data, cut) ||
		!utf8_feed(&state, text.data + cut, text.len - cut))
		return 1;
	*complete = utf8_complete(&state);
	return -1;
}

/* The same one byte at a time, with the exact index. */
static int
feed_bytes(Slice text, bool *complete)
{
	Utf8State	state;

	utf8_init(&state);
	*complete = false;
	for (size_t i = 0; i < text.len; i++)
	{
		Slice		one = exact(slice_make(text.data + i, 1));
		bool		good = utf8_feed(&state, one.data, 1);

		release(one);
		if (!good)
			return (int) i;
	}
	*complete = utf8_complete(&state);
	return -1;
}

/* One vector whole, byte by byte, and cut at every place. */
static void
test_vector(const Vector *v)
{
	Slice		text = exact(v->text);
	bool		complete;
	bool		cuts = true;
	int			at;

	ok(utf8_valid(text.data, text.len) == (v->fails_at < 0 && v->complete),
	   "%s: whole", v->name);

	at = feed_bytes(text, &complete);
	if (!ok(at == v->fails_at && (at >= 0 || complete == v->complete),
			"%s: refused at the first byte that can not be", v->name))
		diag("at %d, wanted %d", at, v->fails_at);

	for (size_t cut = 0; cut <= text.len; cut++)
	{
		at = feed_cut(text, cut, &complete);
		cuts = cuts && (at >= 0) == (v->fails_at >= 0) &&
			(at >= 0 || complete == v->complete);
	}
	ok(cuts, "%s: cut at every place", v->name);
	release(text);
}

/* The oracle: bits and shifts, a character at a time, no tables. */
static bool
oracle(const uint8 *s, size_t len)
{
	size_t		i = 0;

	while (i < len)
	{
		uint32		c = s[i];
		int			more;
		uint32		least;

		if (c < 0x80)
		{
			i++;
			continue;
		}
		if ((c & 0xE0) == 0xC0)
			more = 1, least = 0x80, c &= 0x1F;
		else if ((c & 0xF0) == 0xE0)
			more = 2, least = 0x800, c &= 0x0F;
		else if ((c & 0xF8) == 0xF0)
			more = 3, least = 0x10000, c &= 0x07;
		else
			return false;
		if (len - i <= more)
			return false;
		for (int k = 1; k <= more; k++)
		{
			if ((s[i + k] & 0xC0) != 0x80)
				return false;
			c = c << 6 | (s[i + k] & 0x3F);
		}
		if (c < least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
			return false;
		i += more + 1;
	}
	return true;
}

/* All sequences of two bytes, and of four from bytes at the borders. */
static void
test_exhaustively(void)
{
	static const uint8 border[] = {
		0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
		0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF
	};
	char	   *s = malloc(4);
	int			wrong = 0;

	for (int a = 0; a < 65536; a++)
	{
		s[0] = (char) (a >> 8);
		s[1] = (char) (a & 0xFF);
		wrong += utf8_valid(s, 2) != oracle((uint8 *) s, 2);
	}
	is_int(wrong, 0, "all sequences of two bytes");

	for (int a = 0; a < lengthof(border) * lengthof(border); a++)
	{
		for (int b = 0; b < lengthof(border) * lengthof(border); b++)
		{
			s[0] = (char) border[a / lengthof(border)];
			s[1] = (char) border[a % lengthof(border)];
			s[2] = (char) border[b / lengthof(border)];
			s[3] = (char) border[b % lengthof(border)];
			wrong += utf8_valid(s, 4) != oracle((uint8 *) s, 4);
		}
	}
	is_int(wrong, 0, "all sequences of four bytes at the borders");
	free(s);
}

/* Mostly ASCII of any length with one disturbance, cut anywhere. */
static void
test_randomly(void)
{
	static const char *const bits[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x80", "\xc3", "\xed\xa0\x80", "a"};
	int			wrong = 0;

	for (int round = 0; round < 20000; round++)
	{
		size_t		len = tap_below(80);
		const char *bit = bits[tap_below(lengthof(bits))];
		char	   *s = malloc(len);
		bool		complete;
		bool		want;

		memset(s, 'x', len);
		if (len >= strlen(bit))
			memcpy(s + tap_below(len - strlen(bit) + 1), bit, strlen(bit));
		want = oracle((uint8 *) s, len);
		wrong += utf8_valid(s, len) != want;
		wrong += (feed_cut(slice_make(s, len), tap_below(len + 1), &complete) < 0 &&
				  complete) != want;
		free(s);
	}
	is_int(wrong, 0, "20,000 texts, one disturbance each");
}

int
main(void)
{
	for (int i = 0; i < lengthof(vectors); i++)
		test_vector(&vectors[i]);
	test_exhaustively();
	test_randomly();
	return done_testing();
}
