/*-------------------------------------------------------------------------
 *
 * jslice_validate.c
 *	  Is this text JSON, and JSON that jsonb will take?
 *
 * One pass without recursion; the brackets that are open are bits of one word,
 * so a client's nesting costs no stack.  The text may be anything at all: its
 * UTF-8 is checked on the way.
 *
 * Beyond RFC 8259 it refuses what jsonb would refuse later, in the database,
 * where a client would get no good answer: \u0000, half a surrogate pair, and
 * numbers that numeric can not hold.
 *
 * src/proto/jslice_validate.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jslice.h"

#include "proto/jslice_scan.h"
#include "proto/utf8.h"

StaticAssertDecl(JSLICE_MAX_DEPTH <= 64, "open brackets must fit one word");

/*
 * numeric's limits: decimal digits before and after the point.  We count them
 * generously, leading zeros and the exponent of a zero included, which refuses
 * nothing that anybody sends.
 */
#define NUMBER_MAX_WHOLE 131072
#define NUMBER_MAX_FRACTION 16383

/* The state of a validation: where it reads, and why it stopped. */
typedef struct Check
{
	const char *p;				/* next byte */
	const char *end;
	const char *error;			/* a constant string, once it failed */
	Slice	   *items;			/* elements of the outermost array go here */
	int			max_items;		/* as many as these */
	int			nitems;			/* so many so far */
} Check;

/* The verdict "no", with its reason. */
static bool
refuse(Check *ck, const char *error)
{
	ck->error = error;
	return false;
}

/* Is there a byte, and is it this one? */
static inline bool
at(const Check *ck, char c)
{
	return ck->p < ck->end && *ck->p == c;
}

/* Check the escape sequence at p. */
static bool
check_escape(Check *ck)
{
	int32		c;

	if (ck->end - ck->p < 2)
		return refuse(ck, "unterminated string");
	switch (ck->p[1])
	{
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			ck->p += 2;
			return true;
		case 'u':
			c = jscan_unicode_escape(&ck->p, ck->end);
			if (c < 0)
				return refuse(ck, "invalid \\u escape");
			if (c == 0)
				return refuse(ck, "\\u0000 is not supported");
			return true;
		default:
			return refuse(ck, "invalid escape sequence");
	}
}

/* Check the run of bytes beyond ASCII at p; it holds whole characters. */
static bool
check_high_run(Check *ck)
{
	const char *start = ck->p;

	while (ck->p < ck->end && (uint8) *ck->p >= 0x80)
		ck->p++;
	if (!utf8_valid(start, ck->p - start))
		return refuse(ck, "invalid UTF-8");
	return true;
}

/* Check the string whose opening quote is at p. */
static bool
check_string(Check *ck)
{
	ck->p++;
	for (;;)
	{
		ck->p = jscan_plain(ck->p, ck->end);
		if (ck->p >= ck->end)
			return refuse(ck, "unterminated string");
		if (*ck->p == '"')
		{
			ck->p++;
			return true;
		}
		if (*ck->p == '\\')
		{
			if (!check_escape(ck))
				return false;
		}
		else if ((uint8) *ck->p >= 0x80)
		{
			if (!check_high_run(ck))
				return false;
		}
		else
			return refuse(ck, "control character in a string");
	}
}

/* Skip digits and return how many there were. */
static size_t
skip_digits(Check *ck)
{
	const char *start = ck->p;

	while (ck->p < ck->end && *ck->p >= '0' && *ck->p <= '9')
		ck->p++;
	return ck->p - start;
}

/*
 * Check the exponent after 'e' or 'E', and leave its value, negated for a
 * minus, in *exponent; one that is too large for any use saturates.
 */
static bool
check_exponent(Check *ck, int *exponent)
{
	bool		negative = at(ck, '-');
	int			value = 0;
	const char *digit;

	if (negative || at(ck, '+'))
		ck->p++;
	digit = ck->p;
	if (skip_digits(ck) == 0)
		return refuse(ck, "invalid number");
	for (; digit < ck->p && value <= NUMBER_MAX_WHOLE; digit++)
		value = value * 10 + (*digit - '0');
	*exponent = negative ? -value : value;
	return true;
}

/* Check the number that starts at p. */
static bool
check_number(Check *ck)
{
	size_t		whole;
	size_t		fraction = 0;
	int			exponent = 0;

	if (*ck->p == '-')
		ck->p++;
	if (at(ck, '0'))
	{
		ck->p++;				/* and no digit may follow */
		whole = 1;
	}
	else
		whole = skip_digits(ck);
	if (whole == 0)
		return refuse(ck, "invalid number");

	if (at(ck, '.'))
	{
		ck->p++;
		fraction = skip_digits(ck);
		if (fraction == 0)
			return refuse(ck, "invalid number");
	}
	if (at(ck, 'e') || at(ck, 'E'))
	{
		ck->p++;
		if (!check_exponent(ck, &exponent))
			return false;
	}

	if (whole + Max(exponent, 0) > NUMBER_MAX_WHOLE ||
		fraction + Max(-exponent, 0) > NUMBER_MAX_FRACTION)
		return refuse(ck, "number out of range");
	return true;
}

/* Check for a literal. */
static bool
check_literal(Check *ck, const char *word, size_t len)
{
	if (ck->end - ck->p < len || memcmp(ck->p, word, len) != 0)
		return refuse(ck, "invalid literal");
	ck->p += len;
	return true;
}

/* Check for a member's name and colon, white space before each allowed. */
static bool
check_key(Check *ck)
{
	ck->p = jscan_space(ck->p, ck->end);
	if (!at(ck, '"'))
		return refuse(ck, "expected a string as member name");
	if (!check_string(ck))
		return false;
	ck->p = jscan_space(ck->p, ck->end);
	if (!at(ck, ':'))
		return refuse(ck, "expected a colon");
	ck->p++;
	return true;
}

/* Check the value at p, which is neither array nor object. */
static bool
check_scalar(Check *ck)
{
	switch (*ck->p)
	{
		case '"':
			return check_string(ck);
		case 't':
			return check_literal(ck, "true", 4);
		case 'f':
			return check_literal(ck, "false", 5);
		case 'n':
			return check_literal(ck, "null", 4);
		case '-':
		case '0':
		case '1':
		case '2':
		case '3':
		case '4':
		case '5':
		case '6':
		case '7':
		case '8':
		case '9':
			return check_number(ck);
		default:
			return refuse(ck, "expected a value");
	}
}

/*
 * Check the one value of the text.
 *
 * `objects` has a bit for each open bracket, the innermost lowest: 1 is an
 * object, 0 an array.
 */
static bool
check_text(Check *ck)
{
	uint64		objects = 0;
	int			depth = 0;

	for (;;)
	{
		/* A value has to start here. */
		ck->p = jscan_space(ck->p, ck->end);
		if (ck->p >= ck->end)
			return refuse(ck, "unexpected end");
		/* Depth 1 and no object: an element of the outermost array. */
		if (depth == 1 && objects == 0 && ck->nitems < ck->max_items)
			ck->items[ck->nitems].data = ck->p;
		if (*ck->p == '{' || *ck->p == '[')
		{
			bool		is_object = *ck->p == '{';

			if (depth == JSLICE_MAX_DEPTH)
				return refuse(ck, "nested too deeply");
			ck->p = jscan_space(ck->p + 1, ck->end);
			if (!at(ck, is_object ? '}' : ']'))
			{
				depth++;
				objects = objects << 1 | is_object;
				if (is_object && !check_key(ck))
					return false;
				continue;
			}
			ck->p++;			/* empty: it ends as it began */
		}
		else if (!check_scalar(ck))
			return false;

		/* A value has ended: close what ends with it, until one is due. */
		for (;;)
		{
			bool		is_object = (objects & 1) != 0;

			if (depth == 1 && objects == 0 && ck->nitems < ck->max_items)
			{
				Slice	   *item = &ck->items[ck->nitems++];

				item->len = ck->p - item->data;
			}
			ck->p = jscan_space(ck->p, ck->end);
			if (depth == 0)
				return ck->p == ck->end || refuse(ck, "text after the value");
			if (ck->p >= ck->end)
				return refuse(ck, "unexpected end");
			if (*ck->p == ',')
			{
				ck->p++;
				if (is_object && !check_key(ck))
					return false;
				break;
			}
			if (*ck->p != (is_object ? '}' : ']'))
				return refuse(ck, "expected a comma or a closing bracket");
			ck->p++;
			depth--;
			objects >>= 1;
		}
	}
}

/* True if text[0..len) is one JSON value; see jslice.h. */
bool
jslice_validate(const char *text, size_t len, const char **error)
{
	return jslice_validate_array(text, len, NULL, 0, NULL, error);
}

/* The same, and the first elements of an array on the way; see jslice.h. */
bool
jslice_validate_array(const char *text, size_t len, Slice *items, int max_items,
					  int *nitems, const char **error)
{
	Check		ck = {0};

	ck.p = text;
	ck.end = slice_end(slice_make(text, len));
	ck.items = items;
	ck.max_items = max_items;
	if (!check_text(&ck))
	{
		if (error)
			*error = ck.error;
		return false;
	}
	if (nitems)
		*nitems = ck.nitems;
	return true;
}
