/*-------------------------------------------------------------------------
 *
 * jwt_json.c
 *	  JSON of tokens and keys, read more strictly than JSON itself asks for.
 *
 * A name that stands twice is read differently by different parsers, which is
 * how a token comes to mean one thing to who checks it and another to who uses
 * it (RFC 8725 2.4); RFC 7515 4, 7517 4 and 7519 4 let a reader refuse it.
 * Only the outermost names decide anything here, so only these are compared.
 *
 * src/proto/jwt_json.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jwt_json.h"

/*
 * The decoded bytes of a name: what is between its quotes, or a copy in
 * *unescaped, which has room for it.
 */
static Slice
name_bytes(Slice name, Bytes *unescaped)
{
	size_t		before = unescaped->len;

	if (memchr(name.data, '\\', name.len) == NULL)
		return slice_make(name.data + 1, name.len - 2);
	if (!jslice_unescape(name, unescaped))
		return slice_make(NULL, 0);
	return slice_make(unescaped->data + before, unescaped->len - before);
}

/*
 * Is every name another one?  *unescaped has room for all of them.
 */
static bool
names_differ(Slice object, Bytes *unescaped)
{
	Slice		names[JWT_JSON_MAX_MEMBERS];
	int			n = 0;
	JsliceIter	it;
	Slice		name;
	Slice		item;

	jslice_iter_init(&it, object);
	while (jslice_iter_next(&it, &name, &item))
	{
		if (n == JWT_JSON_MAX_MEMBERS)
			return false;
		names[n] = name_bytes(name, unescaped);
		for (int i = 0; i < n; i++)
		{
			if (slice_equals(names[i], names[n]))
				return false;
		}
		n++;
	}
	return true;
}

/*
 * Judge an object by its names.
 */
JwtVerdict
jwt_json_object(Slice value)
{
	Bytes		unescaped;
	JwtVerdict	verdict = JWT_MALFORMED;

	if (jslice_type(value) != JSLICE_OBJECT)
		return JWT_MALFORMED;

	/* names point into this: it must not grow while they are gathered */
	bytes_init(&unescaped);
	if (memchr(value.data, '\\', value.len) != NULL &&
		!bytes_reserve(&unescaped, value.len))
		verdict = JWT_NO_MEMORY;
	else if (names_differ(value, &unescaped))
		verdict = JWT_OK;
	bytes_free(&unescaped);
	return verdict;
}

/*
 * A number's text: its digits, and how many of them are before the point when
 * the exponent has moved it.
 */
typedef struct Decimal
{
	Slice		digits;			/* as written, with the point among them */
	int64		whole;			/* may be negative, or more than there are */
} Decimal;

/*
 * Take a validated number without a sign apart.
 */
static Decimal
decimal_parts(Slice number)
{
	Decimal		parts;
	const char *end = slice_end(number);
	const char *p = number.data;
	int64		exponent = 0;
	bool		negative;

	while (p < end && *p != '.' && *p != 'e' && *p != 'E')
		p++;
	parts.whole = p - number.data;
	while (p < end && *p != 'e' && *p != 'E')
		p++;
	parts.digits = slice_make(number.data, p - number.data);
	if (p == end)
		return parts;

	p++;
	negative = *p == '-';
	if (negative || *p == '+')
		p++;
	/* leading zeros aside, jslice_validate() lets no more than 6 digits pass */
	for (; p < end && exponent < JWT_JSON_TIME_LIMIT; p++)
		exponent = exponent * 10 + (*p - '0');
	parts.whole += negative ? -exponent : exponent;
	return parts;
}

/*
 * Read a time without floating point, which would round, and without
 * strtod(), whose decimal point is the locale's.
 */
bool
jwt_json_time(Slice value, int64 *seconds)
{
	Slice		number = jslice_trim(value);
	Decimal		parts;
	int64		result = 0;
	int64		place = 0;

	if (jslice_type(number) != JSLICE_NUMBER || number.data[0] == '-')
		return false;

	parts = decimal_parts(number);
	for (size_t i = 0; i < parts.digits.len && place < parts.whole; i++)
	{
		if (parts.digits.data[i] == '.')
			continue;
		result = result * 10 + (parts.digits.data[i] - '0');
		if (result >= JWT_JSON_TIME_LIMIT)
			return false;
		place++;
	}
	/* what the exponent adds behind the last digit */
	for (; result > 0 && place < parts.whole; place++)
	{
		result *= 10;
		if (result >= JWT_JSON_TIME_LIMIT)
			return false;
	}
	*seconds = result;
	return true;
}
