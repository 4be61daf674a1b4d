/*-------------------------------------------------------------------------
 *
 * jslice.c
 *	  JSON as slices: walk a validated value without copying.
 *
 * The validator is in jslice_validate.c.  Everything here trusts that its
 * input, or the text that its input is a part of, passed it; bounds are
 * checked all the same, so that a slip in a caller is a wrong answer and not
 * a read past the end.
 *
 * src/proto/jslice.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jslice.h"

#include "proto/jslice_scan.h"

/* Type of a value by its first byte. */
JsliceType
jslice_type(Slice value)
{
	const char *end = slice_end(value);
	const char *p = jscan_space(value.data, end);

	if (p >= end)
		return JSLICE_NONE;
	switch (*p)
	{
		case 'n':
			return JSLICE_NULL;
		case 't':
			return JSLICE_TRUE;
		case 'f':
			return JSLICE_FALSE;
		case '"':
			return JSLICE_STRING;
		case '[':
			return JSLICE_ARRAY;
		case '{':
			return JSLICE_OBJECT;
		default:
			return JSLICE_NUMBER;
	}
}

/* The value without white space around it. */
Slice
jslice_trim(Slice value)
{
	const char *end = slice_end(value);
	const char *p = jscan_space(value.data, end);

	while (end > p && jscan_is_space(end[-1]))
		end--;
	return slice_make(p, end - p);
}

/* First byte after the string whose opening quote is at p. */
static const char *
skip_string(const char *p, const char *end)
{
	p++;
	for (;;)
	{
		p = jscan_plain(p, end);
		while (p < end && (uint8) *p >= 0x80)
			p++;
		if (p >= end)
			return end;
		if (*p == '"')
			return p + 1;
		/* Whatever a backslash escapes, it does not end the string. */
		if (*p == '\\' && p + 1 < end)
			p += 2;
		else if (!jscan_is_plain(*p))
			p++;
	}
}

/* First byte after the array or object whose bracket is at p. */
static const char *
skip_container(const char *p, const char *end)
{
	int			depth = 0;

	while (p < end)
	{
		char		c = *p;

		if (c == '"')
		{
			p = skip_string(p, end);
			continue;
		}
		p++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			break;
	}
	return p;
}

/* First byte after the value that starts at p. */
static const char *
skip_value(const char *p, const char *end)
{
	if (p >= end)
		return end;
	if (*p == '"')
		return skip_string(p, end);
	if (*p == '{' || *p == '[')
		return skip_container(p, end);
	/* A number or a literal goes on until something else has to come. */
	while (p < end && *p != ',' && *p != ']' && *p != '}' && !jscan_is_space(*p))
		p++;
	return p;
}

/* Start walking a value; one without members is at its end at once. */
void
jslice_iter_init(JsliceIter *it, Slice value)
{
	Slice		trimmed = jslice_trim(value);

	it->is_object = trimmed.len >= 2 && trimmed.data[0] == '{';
	if (it->is_object || (trimmed.len >= 2 && trimmed.data[0] == '['))
	{
		it->pos = trimmed.data + 1;
		it->end = trimmed.data + trimmed.len - 1;
	}
	else
		it->pos = it->end = trimmed.data;
}

/* Next member; false at the end. */
bool
jslice_iter_next(JsliceIter *it, Slice *key, Slice *item)
{
	const char *p = jscan_space(it->pos, it->end);
	const char *start;

	if (p < it->end && *p == ',')
		p = jscan_space(p + 1, it->end);
	if (p >= it->end)
		return false;

	*key = slice_make(p, 0);
	if (it->is_object)
	{
		start = p;
		p = skip_value(p, it->end);
		*key = slice_make(start, p - start);
		p = jscan_space(p, it->end);
		if (p < it->end && *p == ':')
			p = jscan_space(p + 1, it->end);
	}
	start = p;
	p = skip_value(p, it->end);
	*item = slice_make(start, p - start);
	/* A stray closing bracket is no member: never stand still. */
	if (p == start && key->len == 0)
		return false;
	it->pos = p;
	return true;
}

/* The last member of this name, or an empty slice. */
Slice
jslice_get(Slice object, const char *key)
{
	Slice		wanted = slice_make(key, strlen(key));
	Slice		found = slice_make(NULL, 0);
	Slice		name;
	Slice		item;
	JsliceIter	it;

	jslice_iter_init(&it, object);
	if (!it.is_object)
		return found;
	while (jslice_iter_next(&it, &name, &item))
	{
		if (jslice_string_equals(name, wanted))
			found = item;
	}
	return found;
}

/* n-th element of an array, or an empty slice. */
Slice
jslice_at(Slice array, int n)
{
	Slice		key;
	Slice		item;
	JsliceIter	it;

	jslice_iter_init(&it, array);
	if (!it.is_object)
	{
		while (jslice_iter_next(&it, &key, &item))
		{
			if (n-- == 0)
				return item;
		}
	}
	return slice_make(NULL, 0);
}

/*
 * What is between the quotes of a string value, still escaped.  False if it is
 * no string.
 */
static bool
string_inside(Slice string, Slice *inside)
{
	Slice		trimmed = jslice_trim(string);

	if (trimmed.len < 2 || trimmed.data[0] != '"' ||
		trimmed.data[trimmed.len - 1] != '"')
		return false;
	*inside = slice_make(trimmed.data + 1, trimmed.len - 2);
	return true;
}

/* Write a character in UTF-8; returns its bytes, 1 to 4. */
static int
put_utf8(uint32 c, char *dst)
{
	if (c < 0x80)
	{
		dst[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		dst[0] = (char) (0xC0 | c >> 6);
		dst[1] = (char) (0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000)
	{
		dst[0] = (char) (0xE0 | c >> 12);
		dst[1] = (char) (0x80 | (c >> 6 & 0x3F));
		dst[2] = (char) (0x80 | (c & 0x3F));
		return 3;
	}
	dst[0] = (char) (0xF0 | c >> 18);
	dst[1] = (char) (0x80 | (c >> 12 & 0x3F));
	dst[2] = (char) (0x80 | (c >> 6 & 0x3F));
	dst[3] = (char) (0x80 | (c & 0x3F));
	return 4;
}

/*
 * Decode the escape sequence whose backslash is at *p into dst, which has room
 * for 4 bytes, and move *p behind it.  Returns the bytes written, -1 if it is
 * cut off.
 */
static int
decode_escape(const char **p, const char *end, char *dst)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *hit;
	int32		c;

	if (end - *p < 2)
		return -1;
	if ((*p)[1] != 'u')
	{
		hit = strchr(from, (*p)[1]);
		if (hit == NULL || *hit == '\0')
			return -1;
		*dst = to[hit - from];
		*p += 2;
		return 1;
	}

	c = jscan_unicode_escape(p, end);
	return c < 0 ? -1 : put_utf8((uint32) c, dst);
}

/*
 * Append the decoded string.  A decoded string is never longer than its
 * source, so one reservation serves the whole.
 */
bool
jslice_unescape(Slice string, Bytes *out)
{
	Slice		inside;
	const char *p;
	const char *end;
	char	   *dst;

	if (!string_inside(string, &inside) || !bytes_reserve(out, inside.len))
		return false;
	if (inside.len == 0)
		return true;

	p = inside.data;
	end = p + inside.len;
	dst = out->data + out->len;
	while (p < end)
	{
		const char *escape = memchr(p, '\\', end - p);
		size_t		plain = (escape ? escape : end) - p;
		int			n;

		memcpy(dst, p, plain);
		dst += plain;
		p += plain;
		if (escape)
		{
			n = decode_escape(&p, end, dst);
			if (n < 0)
				return false;
			dst += n;
		}
	}
	out->len = dst - out->data;
	return true;
}

/* True if the value is a string that decodes to the bytes of s. */
bool
jslice_string_equals(Slice string, Slice s)
{
	Slice		inside;
	const char *p;
	const char *end;
	size_t		done = 0;

	if (!string_inside(string, &inside))
		return false;
	if (slice_equals(inside, s))
		return memchr(inside.data, '\\', inside.len) == NULL;
	if (inside.len < s.len)
		return false;			/* decoding never makes it longer */

	p = inside.data;
	end = p + inside.len;
	while (p < end)
	{
		char		decoded[4];
		int			n = 1;

		if (*p == '\\')
			n = decode_escape(&p, end, decoded);
		else
			decoded[0] = *p++;
		if (n < 0 || s.len - done < n || memcmp(s.data + done, decoded, n) != 0)
			return false;
		done += n;
	}
	return done == s.len;
}

/* A boolean, or a string that spells one in any case; else dflt. */
bool
jslice_bool(Slice value, bool dflt)
{
	Slice		word = jslice_trim(value);
	Slice		inside;

	/* Only a string may be spelled freely; JSON's own literals may not. */
	if (string_inside(word, &inside))
		word = inside;
	if (word.len == 4 && pg_strncasecmp(word.data, "true", 4) == 0)
		return true;
	if (word.len == 5 && pg_strncasecmp(word.data, "false", 5) == 0)
		return false;
	return dflt;
}

/*
 * Append one byte that may not stand in a JSON string as it is.
 */
static bool
append_escaped(Bytes *out, char c)
{
	static const char hex[] = "0123456789abcdef";
	char		escape[6] = {'\\', 'u', '0', '0', '0', '0'};

	switch (c)
	{
		case '"':
		case '\\':
			escape[1] = c;
			return bytes_append(out, escape, 2);
		case '\b':
			return bytes_append(out, "\\b", 2);
		case '\f':
			return bytes_append(out, "\\f", 2);
		case '\n':
			return bytes_append(out, "\\n", 2);
		case '\r':
			return bytes_append(out, "\\r", 2);
		case '\t':
			return bytes_append(out, "\\t", 2);
		default:
			escape[4] = hex[(uint8) c >> 4];
			escape[5] = hex[(uint8) c & 15];
			return bytes_append(out, escape, 6);
	}
}

/*
 * Append bytes as a JSON string with quotes; on failure *out is as before.
 */
bool
jslice_append_string(Bytes *out, Slice utf8)
{
	size_t		before = out->len;
	const char *p = utf8.data;
	const char *end = slice_end(utf8);

	if (!bytes_reserve(out, utf8.len + 2))
		return false;
	bytes_append_byte(out, '"');
	while (p < end)
	{
		const char *special = jscan_plain(p, end);

		/* jscan_plain() stops at other than ASCII, which needs no escape. */
		while (special < end && (uint8) *special >= 0x80)
			special++;
		bytes_append(out, p, special - p);
		p = special;
		if (p < end && ((uint8) *p < 0x20 || *p == '"' || *p == '\\'))
			append_escaped(out, *p++);
	}
	if (!bytes_append_byte(out, '"'))
	{
		out->len = before;
		return false;
	}
	return true;
}
