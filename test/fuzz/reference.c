/*-------------------------------------------------------------------------
 *
 * reference.c
 *	  Second opinions of the fuzz targets.
 *
 * Nothing here calls src/proto.
 *
 * test/fuzz/reference.c
 *
 *-------------------------------------------------------------------------
 */
#include "reference.h"

#include "fuzz.h"
#include "proto/jslice.h"		/* for its limits */

/* Digits that numeric takes before and behind the point. */
#define WHOLE_DIGITS 131072
#define FRACTION_DIGITS 16383

/*
 * Decode the character at text[at]; returns its bytes, 0 if it is cut off, -1 if
 * it is none, or none that could become one.
 */
static int
decode_char(Slice chars, size_t at)
{
	static const uint32 least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8		first = (uint8) chars.data[at];
	int			len = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
	uint32		low = len == 1 ? first : first & (0xFF >> (len + 1));
	uint32		high;
	int			have = 1;

	if ((first >= 0x80 && first < 0xC0) || first >= 0xF8)
		return -1;
	while (have < len && at + have < chars.len)
	{
		uint8		next = (uint8) chars.data[at + have++];

		if ((next & 0xC0) != 0x80)
			return -1;
		low = low << 6 | (next & 0x3F);
	}
	/* what it can still become is between these two */
	low <<= 6 * (len - have);
	high = low | ((1U << (6 * (len - have))) - 1);
	if (high < least[len] || low > 0x10FFFF || (low >= 0xD800 && high <= 0xDFFF))
		return -1;
	return have == len ? len : 0;
}

RefUtf8
ref_utf8(Slice chars)
{
	size_t		at = 0;

	while (at < chars.len)
	{
		int			len = decode_char(chars, at);

		if (len <= 0)
			return len == 0 ? REF_UTF8_PREFIX : REF_UTF8_BAD;
		at += len;
	}
	return REF_UTF8_WHOLE;
}

/* The byte at hand, 0 at the end: NUL is nowhere allowed. */
static char
look(const Slice *chars)
{
	return chars->len > 0 ? *chars->data : '\0';
}

static void
skip(Slice *chars, size_t n)
{
	*chars = slice_make(chars->data + n, chars->len - n);
}

static void
skip_blanks(Slice *chars)
{
	while (look(chars) == ' ' || look(chars) == '\t' || look(chars) == '\n' || look(chars) == '\r')
		skip(chars, 1);
}

static bool
take_char(Slice *chars, char c)
{
	if (look(chars) != c || c == '\0')
		return false;
	skip(chars, 1);
	return true;
}

/* Four hex digits as a number, -1 if there are none. */
static int
take_hex4(Slice *chars)
{
	char		digits[5] = {0};
	char	   *end;
	long		value;

	if (chars->len < 4)
		return -1;
	memcpy(digits, chars->data, 4);
	for (int i = 0; i < 4; i++)
	{
		if (!isxdigit((unsigned char) digits[i]))
			return -1;
	}
	value = strtol(digits, &end, 16);
	skip(chars, 4);
	return (int) value;
}

static bool
take_escape(Slice *chars)
{
	int			unit;

	if (!take_char(chars, 'u'))
	{
		if (look(chars) == '\0' || strchr("\"\\/bfnrt", look(chars)) == NULL)
			return false;
		skip(chars, 1);
		return true;
	}
	unit = take_hex4(chars);
	if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
		return false;
	if (unit < 0xD800 || unit > 0xDBFF)
		return true;
	if (!take_char(chars, '\\') || !take_char(chars, 'u'))
		return false;
	unit = take_hex4(chars);
	return unit >= 0xDC00 && unit <= 0xDFFF;
}

static bool
take_string(Slice *chars)
{
	if (!take_char(chars, '"'))
		return false;
	while (chars->len > 0)
	{
		uint8		c = (uint8) look(chars);
		int			len;

		if (take_char(chars, '"'))
			return true;
		if (take_char(chars, '\\'))
		{
			if (!take_escape(chars))
				return false;
			continue;
		}
		len = decode_char(*chars, 0);
		if (c < 0x20 || len <= 0)
			return false;
		skip(chars, len);
	}
	return false;
}

static size_t
take_digits(Slice *chars)
{
	size_t		n = 0;

	while (look(chars) >= '0' && look(chars) <= '9')
	{
		skip(chars, 1);
		n++;
	}
	return n;
}

/*
 * A number; its limits are counted as generously as jslice_validate.c says.
 */
static bool
take_number(Slice *chars)
{
	size_t		whole;
	size_t		fraction = 0;
	long		exponent = 0;

	(void) take_char(chars, '-');
	if (take_char(chars, '0'))
		whole = 1;
	else
		whole = take_digits(chars);
	if (whole == 0)
		return false;
	if (take_char(chars, '.') && (fraction = take_digits(chars)) == 0)
		return false;
	if (take_char(chars, 'e') || take_char(chars, 'E'))
	{
		bool		negative = take_char(chars, '-');
		char		digits[16] = {0};
		Slice		rest;
		size_t		n;

		if (!negative)
			(void) take_char(chars, '+');
		rest = *chars;
		n = take_digits(chars);
		if (n == 0)
			return false;
		while (n > 1 && look(&rest) == '0')
		{
			skip(&rest, 1);
			n--;
		}
		memcpy(digits, rest.data, Min(n, 10));
		exponent = atol(digits) * (negative ? -1 : 1);
	}
	return (long) whole + Max(exponent, 0) <= WHOLE_DIGITS &&
		(long) fraction + Max(-exponent, 0) <= FRACTION_DIGITS;
}

static bool
take_word(Slice *chars, const char *word)
{
	if (!slice_has_prefix(*chars, slice_make(word, strlen(word))))
		return false;
	skip(chars, strlen(word));
	return true;
}

/* One value with blanks around it, inside of `depth` others. */
static bool
take_value(Slice *chars, int depth)
{
	char		close;
	bool		good;

	skip_blanks(chars);
	if (look(chars) == '[' || look(chars) == '{')
	{
		close = look(chars) == '[' ? ']' : '}';
		if (depth == JSLICE_MAX_DEPTH)
			return false;
		skip(chars, 1);
		skip_blanks(chars);
		good = take_char(chars, close);
		while (!good)
		{
			if (close == '}')
			{
				skip_blanks(chars);
				if (!take_string(chars))
					return false;
				skip_blanks(chars);
				if (!take_char(chars, ':'))
					return false;
			}
			if (!take_value(chars, depth + 1))
				return false;
			good = take_char(chars, close);
			if (!good && !take_char(chars, ','))
				return false;
		}
	}
	else if (look(chars) == '"')
		good = take_string(chars);
	else
		good = take_word(chars, "true") || take_word(chars, "false") ||
			take_word(chars, "null") || take_number(chars);
	skip_blanks(chars);
	return good;
}

bool
ref_json(Slice chars)
{
	return take_value(&chars, 0) && chars.len == 0;
}

bool
ref_json_object(Slice chars)
{
	Slice		value = chars;

	skip_blanks(&value);
	return look(&value) == '{' && ref_json(chars);
}

/*
 * Does the pattern from p on match the name from n on?  Whether it does is
 * remembered in `failed`, one bit a pair, so that trying everything ends.
 */
static bool
try_pattern(Slice pattern, size_t p, Slice name, size_t n, bool *failed)
{
	bool		rest;
	bool		good = false;

	if (p == pattern.len)
		return n == name.len;
	if (failed[p * (name.len + 1) + n])
		return false;
	switch (pattern.data[p])
	{
		case '%':
			for (size_t end = n; end <= name.len && !good; end++)
				good = try_pattern(pattern, p + 1, name, end, failed);
			break;
		case '*':
			rest = p + 1 == pattern.len && (p == 0 || pattern.data[p - 1] == ':');
			for (size_t end = n + 1; end <= name.len && !good; end++)
			{
				if (!rest && name.data[end - 1] == ':')
					break;
				good = try_pattern(pattern, p + 1, name, end, failed);
			}
			break;
		default:
			good = n < name.len && pattern.data[p] == name.data[n] &&
				try_pattern(pattern, p + 1, name, n + 1, failed);
	}
	failed[p * (name.len + 1) + n] = !good;
	return good;
}

bool
ref_pattern(Slice pattern, Slice name)
{
	bool	   *failed;

	if (name.len == 0 || name.len > 255)
		return false;
	for (size_t i = 0; i < name.len; i++)
	{
		if ((uint8) name.data[i] < ' ' || name.data[i] == 0x7F)
			return false;
	}
	if (slice_equals(pattern, name))
		return true;
	failed = fuzz_alloc((pattern.len + 1) * (name.len + 1));
	return try_pattern(pattern, 0, name, 0, failed);
}

/* The same for LIKE. */
static bool
try_like(Slice pattern, size_t p, Slice chars, size_t t, bool folds, bool *failed)
{
	bool		good = false;
	size_t		at = p;
	int			a;
	int			b;

	if (p == pattern.len)
		return t == chars.len;
	if (failed[p * (chars.len + 1) + t])
		return false;
	if (pattern.data[p] == '%')
	{
		/* the end of a run is the beginning of a character */
		for (size_t end = t; end <= chars.len && !good; end++)
		{
			if (end == chars.len || ((uint8) chars.data[end] & 0xC0) != 0x80)
				good = try_like(pattern, p + 1, chars, end, folds, failed);
		}
	}
	else if (pattern.data[p] == '_')
		good = t < chars.len &&
			try_like(pattern, p + 1, chars, t + decode_char(chars, t), folds, failed);
	else
	{
		if (pattern.data[p] == '\\')
			at++;
		a = (uint8) pattern.data[at];
		b = t < chars.len ? (uint8) chars.data[t] : -1;
		good = (a == b || (folds && b >= 0 && tolower(a) == tolower(b))) &&
			try_like(pattern, at + 1, chars, t + 1, folds, failed);
	}
	failed[p * (chars.len + 1) + t] = !good;
	return good;
}

bool
ref_like(Slice chars, Slice pattern, bool folds)
{
	bool	   *failed = fuzz_alloc((pattern.len + 1) * (chars.len + 1));

	return try_like(pattern, 0, chars, 0, folds, failed);
}

bool
ref_server_frame(Slice *rest, uint8 *opcode, Slice *payload)
{
	const uint8 *head = (const uint8 *) rest->data;
	size_t		head_len = 2;
	uint64		len;

	if (rest->len < 2 || (head[0] & 0xF0) != 0x80 || (head[1] & 0x80) != 0)
		return false;
	len = head[1];
	if (len >= 126)
	{
		head_len = len == 126 ? 4 : 10;
		if (rest->len < head_len)
			return false;
		len = 0;
		for (size_t i = 2; i < head_len; i++)
			len = len << 8 | head[i];
		/* RFC 6455 5.2: the shortest form */
		if (len < 126 || (head_len == 10 && len < 65536))
			return false;
	}
	if (rest->len - head_len < len)
		return false;
	*opcode = head[0] & 0x0F;
	*payload = slice_make(rest->data + head_len, len);
	skip(rest, head_len + len);
	return true;
}

bool
ref_only_frame(Slice frame, uint8 opcode, Slice *payload)
{
	uint8		found;

	return ref_server_frame(&frame, &found, payload) && found == opcode && frame.len == 0;
}
