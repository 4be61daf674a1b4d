/*-------------------------------------------------------------------------
 *
 * change_compare.c
 *	  Filters of those who follow a table: what they mean to a value.
 *
 * Numbers are compared as decimals of any length, because numeric has any
 * length and int8 more digits than a double; floating point values come with
 * as many digits as tell them apart, so their decimals have their order, too.
 * Times are compared as days and microseconds, which serves dates beyond the
 * range of a timestamp.
 *
 * Where a text is not what its class promises, the answer is UNSURE, never a
 * guess: SQL decides then.
 *
 * src/proto/change_compare.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/change_compare.h"

#define USECS_PER_DAY INT64CONST(86400000000)
#define LIKE_MAX_WORK (1024 * 1024) /* bytes of text times bytes of pattern */
#define EXPONENT_MAX 1000000	/* beyond all that the server prints */

/* Where a value stands among the special ones of its type. */
typedef enum Rank
{
	RANK_BELOW = -1,			/* -Infinity */
	RANK_FINITE = 0,
	RANK_ABOVE = 1,				/* Infinity */
	RANK_NAN = 2				/* equal to itself, above all others */
} Rank;

/*
 * A number: 0.digits * 10^exponent, where digits neither begin nor end with
 * zeros; none at all is the number zero.  The dot may be among them.
 */
typedef struct Decimal
{
	Rank		rank;
	bool		negative;
	Slice		digits;
	int64		exponent;
} Decimal;

typedef struct Moment
{
	Rank		rank;
	int64		days;			/* since 2000-01-01 */
	int64		usecs;			/* of that day, in UTC */
} Moment;

/*
 * Can an operator be decided without SQL?
 */
bool
filter_class_serves(FilterClass class, FilterOp op)
{
	switch (op)
	{
		case FILTER_IS:
			return true;
		case FILTER_EQ:
		case FILTER_NEQ:
		case FILTER_IN:
		case FILTER_ISDISTINCT:
			return class != FILTER_AS_SQL;
		case FILTER_LT:
		case FILTER_LTE:
		case FILTER_GT:
		case FILTER_GTE:
			return class >= FILTER_AS_ORDERED_TEXT;
		case FILTER_LIKE:
		case FILTER_ILIKE:
			return class == FILTER_AS_TEXT || class == FILTER_AS_ORDERED_TEXT;
		default:
			return false;
	}
}

/*
 * Take the byte `c` off *text; false if it begins with another one.
 */
static bool
take_byte(Slice *text, char c)
{
	if (text->len == 0 || text->data[0] != c)
		return false;
	*text = slice_make(text->data + 1, text->len - 1);
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Take a decimal number of at least min and at most max digits off *text.
 */
static bool
take_number(Slice *text, int min, int max, int64 *number)
{
	int			n = 0;

	*number = 0;
	while (n < max && n < text->len && is_digit(text->data[n]))
		*number = *number * 10 + (text->data[n++] - '0');
	*text = slice_make(text->data + n, text->len - n);
	return n >= min;
}

/*
 * Is it one of the special numbers?
 */
static bool
special_number(Slice text, Rank *rank)
{
	if (slice_equals_cstr(text, "NaN"))
		*rank = RANK_NAN;
	else if (slice_equals_cstr(text, "Infinity"))
		*rank = RANK_ABOVE;
	else if (slice_equals_cstr(text, "-Infinity"))
		*rank = RANK_BELOW;
	else
		return false;
	return true;
}

/*
 * Read the digits of a number, with a dot somewhere, off *text.
 */
static bool
take_digits(Slice *text, Decimal *number)
{
	const char *p = text->data;
	size_t		n = 0;
	size_t		dot = SIZE_MAX;

	while (n < text->len && (is_digit(p[n]) || (p[n] == '.' && dot == SIZE_MAX)))
	{
		if (p[n] == '.')
			dot = n;
		n++;
	}
	*text = slice_make(p + n, text->len - n);
	if (n == 0 || (n == 1 && dot == 0))
		return false;
	number->exponent = (int64) Min(dot, n);
	number->digits = slice_make(p, n);
	return true;
}

/*
 * Cut zeros off both ends of the digits, and the dot where it comes to light.
 */
static void
strip_zeros(Decimal *number)
{
	const char *p = number->digits.data;
	const char *end = p + number->digits.len;

	while (p < end && (*p == '0' || *p == '.'))
		number->exponent -= *p++ == '0';
	while (end > p && (end[-1] == '0' || end[-1] == '.'))
		end--;
	number->digits = slice_make(p, end - p);
	if (p == end)
	{
		number->negative = false;
		number->exponent = 0;
	}
}

/*
 * Read a number as the server prints it.
 */
static bool
read_decimal(Slice text, Decimal *number)
{
	int64		exponent = 0;
	bool		negative;

	memset(number, 0, sizeof(*number));
	if (special_number(text, &number->rank))
		return true;
	number->negative = take_byte(&text, '-');
	if (!take_digits(&text, number))
		return false;
	if (take_byte(&text, 'e') || take_byte(&text, 'E'))
	{
		negative = take_byte(&text, '-');
		if (!negative)
			(void) take_byte(&text, '+');
		if (!take_number(&text, 1, 9, &exponent) || exponent > EXPONENT_MAX)
			return false;
		number->exponent += negative ? -exponent : exponent;
	}
	strip_zeros(number);
	return text.len == 0;
}

/*
 * The next digit of a number at *at, past a dot; -1 at the end.
 */
static int
next_digit(Slice digits, size_t *at)
{
	if (*at < digits.len && digits.data[*at] == '.')
		(*at)++;
	return *at < digits.len ? digits.data[(*at)++] - '0' : -1;
}

static int
sign(int64 n)
{
	return (n > 0) - (n < 0);
}

/*
 * Compare two numbers without their signs, neither of which is zero.
 */
static int
compare_magnitude(const Decimal *a, const Decimal *b)
{
	size_t		i = 0;
	size_t		j = 0;
	int			x;
	int			y;

	if (a->exponent != b->exponent)
		return sign(a->exponent - b->exponent);
	do
	{
		x = next_digit(a->digits, &i);
		y = next_digit(b->digits, &j);
	} while (x == y && x >= 0);
	return sign(x - y);
}

/*
 * Compare two numbers.
 */
static int
compare_decimals(const Decimal *a, const Decimal *b)
{
	int			sa = a->digits.len == 0 ? 0 : a->negative ? -1 : 1;
	int			sb = b->digits.len == 0 ? 0 : b->negative ? -1 : 1;

	if (a->rank != b->rank || a->rank != RANK_FINITE)
		return sign(a->rank - b->rank);
	if (sa != sb)
		return sign(sa - sb);
	return sa == 0 ? 0 : sa * compare_magnitude(a, b);
}

/*
 * Days from 2000-01-01 to a date of the Gregorian calendar; year 0 is 1 BC.
 */
static int64
days_of_date(int64 year, int64 month, int64 day)
{
	int64		era;
	int64		of_era;

	/* years that begin in March: the leap day is their last */
	if (month <= 2)
		year--;
	era = (year >= 0 ? year : year - 399) / 400;
	of_era = year - era * 400;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
		(153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1 - 730425;
}

/*
 * Read hh:mm:ss with up to six decimals.
 */
static bool
take_clock(Slice *text, int64 *usecs)
{
	int64		hour;
	int64		minute;
	int64		second;
	int64		fraction = 0;

	if (!take_number(text, 2, 2, &hour) || !take_byte(text, ':') ||
		!take_number(text, 2, 2, &minute) || !take_byte(text, ':') ||
		!take_number(text, 2, 2, &second))
		return false;
	if (take_byte(text, '.'))
	{
		size_t		before = text->len;

		if (!take_number(text, 1, 6, &fraction))
			return false;
		for (size_t n = before - text->len; n < 6; n++)
			fraction *= 10;
	}
	*usecs = ((hour * 60 + minute) * 60 + second) * 1000000 + fraction;
	return true;
}

/*
 * Read a time zone as an offset, if there is one.
 */
static bool
take_zone(Slice *text, int64 *usecs)
{
	int64		hours;
	int64		minutes = 0;
	int64		seconds = 0;
	bool		west;

	*usecs = 0;
	if (text->len == 0 || text->data[0] == ' ')
		return true;
	west = take_byte(text, '-');
	if (!west && !take_byte(text, '+'))
		return false;
	if (!take_number(text, 2, 2, &hours) ||
		(take_byte(text, ':') && !take_number(text, 2, 2, &minutes)) ||
		(take_byte(text, ':') && !take_number(text, 2, 2, &seconds)))
		return false;
	*usecs = ((hours * 60 + minutes) * 60 + seconds) * (west ? -1000000 : 1000000);
	return true;
}

/*
 * Read a date, or a date and a time, as to_jsonb() shows them.
 */
static bool
read_moment(Slice text, Moment *moment)
{
	int64		year;
	int64		month;
	int64		day;
	int64		usecs = 0;
	int64		zone = 0;

	memset(moment, 0, sizeof(*moment));
	if (slice_equals_cstr(text, "infinity"))
		moment->rank = RANK_ABOVE;
	else if (slice_equals_cstr(text, "-infinity"))
		moment->rank = RANK_BELOW;
	if (moment->rank != RANK_FINITE)
		return true;
	if (!take_number(&text, 4, 7, &year) || !take_byte(&text, '-') ||
		!take_number(&text, 2, 2, &month) || !take_byte(&text, '-') ||
		!take_number(&text, 2, 2, &day) || month < 1 || month > 12)
		return false;
	if (take_byte(&text, 'T') && (!take_clock(&text, &usecs) || !take_zone(&text, &zone)))
		return false;
	if (slice_equals_cstr(text, " BC"))
		year = 1 - year;
	else if (text.len > 0)
		return false;
	usecs -= zone;
	moment->days = days_of_date(year, month, day);
	while (usecs < 0)
	{
		usecs += USECS_PER_DAY;
		moment->days--;
	}
	moment->days += usecs / USECS_PER_DAY;
	moment->usecs = usecs % USECS_PER_DAY;
	return true;
}

/*
 * Compare two moments.
 */
static int
compare_moments(const Moment *a, const Moment *b)
{
	if (a->rank != b->rank)
		return sign(a->rank - b->rank);
	if (a->days != b->days)
		return sign(a->days - b->days);
	return sign(a->usecs - b->usecs);
}

/*
 * Compare bytes, and what is longer comes behind.
 */
static int
compare_bytes(Slice a, Slice b)
{
	size_t		common = Min(a.len, b.len);
	int			order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	return order != 0 ? sign(order) : (a.len > b.len) - (a.len < b.len);
}

/*
 * Compare two values; false if that cannot be told.
 */
static bool
compare(FilterClass class, Slice a, Slice b, int *order)
{
	Decimal		x;
	Decimal		y;
	Moment		s;
	Moment		t;

	switch (class)
	{
		case FILTER_AS_TEXT:
		case FILTER_AS_ORDERED_TEXT:
			*order = compare_bytes(a, b);
			return true;
		case FILTER_AS_NUMBER:
			if (!read_decimal(a, &x) || !read_decimal(b, &y))
				return false;
			*order = compare_decimals(&x, &y);
			return true;
		case FILTER_AS_TIME:
			if (!read_moment(a, &s) || !read_moment(b, &t))
				return false;
			*order = compare_moments(&s, &t);
			return true;
		default:
			return false;
	}
}

/*
 * Bytes of the UTF-8 character at p.
 */
static size_t
char_len(const char *p)
{
	uint8		c = (uint8) *p;

	return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/*
 * An ASCII letter in lower case, if case does not matter.
 */
static char
fold(char c, bool folds)
{
	return folds && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/*
 * LIKE.  When a piece does not match, it is tried a character further behind
 * the last %, which has never to be looked behind of.
 */
static FilterVerdict
like(Slice text, Slice pattern, bool folds)
{
	size_t		t = 0;
	size_t		p = 0;
	size_t		star = SIZE_MAX;	/* behind the last % */
	size_t		retry = 0;		/* in text, for the piece behind it */

	while (t < text.len || p < pattern.len)
	{
		bool		matches = false;

		if (p < pattern.len && pattern.data[p] == '%')
		{
			star = ++p;
			retry = t;
			continue;
		}
		if (p < pattern.len && t < text.len)
		{
			if (pattern.data[p] == '_')
			{
				t += Min(char_len(text.data + t), text.len - t);
				p++;
				continue;
			}
			/* an error of the pattern, where it gets as far */
			if (pattern.data[p] == '\\' && ++p == pattern.len)
				return FILTER_UNSURE;
			matches = fold(pattern.data[p], folds) == fold(text.data[t], folds);
		}
		if (matches)
		{
			p++;
			t++;
		}
		else if (star == SIZE_MAX || retry >= text.len)
			return FILTER_NO;
		else
		{
			retry += Min(char_len(text.data + retry), text.len - retry);
			t = retry;
			p = star;
		}
	}
	return FILTER_YES;
}

/*
 * Is it all ASCII?
 */
static bool
is_ascii(Slice text)
{
	for (size_t i = 0; i < text.len; i++)
	{
		if ((uint8) text.data[i] >= 0x80)
			return false;
	}
	return true;
}

/*
 * LIKE and ILIKE, as far as they need no locale and little time.
 */
static FilterVerdict
match_pattern(Slice text, Slice pattern, bool folds)
{
	if (folds && !(is_ascii(text) && is_ascii(pattern)))
		return FILTER_UNSURE;
	/* the one error that a pattern can have, whether it is found or not */
	if (pattern.len > 0 && pattern.data[pattern.len - 1] == '\\')
		return FILTER_UNSURE;
	if (pattern.len > 0 && text.len > LIKE_MAX_WORK / pattern.len)
		return FILTER_UNSURE;
	return like(text, pattern, folds);
}

static FilterVerdict
verdict_of(bool holds)
{
	return holds ? FILTER_YES : FILTER_NO;
}

/*
 * IS NULL, TRUE, FALSE, UNKNOWN.
 */
static FilterVerdict
test_is(Slice what, const FilterOperand *value)
{
	bool		wants_null = what.len != 4 || pg_strncasecmp(what.data, "true", 4) != 0;

	wants_null = wants_null && (what.len != 5 || pg_strncasecmp(what.data, "false", 5) != 0);
	if (wants_null || value->is_null)
		return verdict_of(wants_null && value->is_null);
	return verdict_of(value->text.len == what.len &&
					  pg_strncasecmp(value->text.data, what.data, what.len) == 0);
}

/*
 * Is the value one of the list?  A null in it leaves open what is not found.
 */
static FilterVerdict
test_in(FilterClass class, const FilterCondition *condition, Slice value, bool *is_null)
{
	int			order;

	for (uint32 i = 0; i < condition->noperands; i++)
	{
		const FilterOperand *operand = &condition->operands[i];

		if (operand->is_null)
			*is_null = true;
		else if (!compare(class, value, operand->text, &order))
			return FILTER_UNSURE;
		else if (order == 0)
		{
			*is_null = false;
			return FILTER_YES;
		}
	}
	return FILTER_NO;
}

/*
 * The operators that compare.
 */
static FilterVerdict
test_order(FilterClass class, FilterOp op, Slice value, Slice operand)
{
	int			order;

	if (!compare(class, value, operand, &order))
		return FILTER_UNSURE;
	switch (op)
	{
		case FILTER_EQ:
			return verdict_of(order == 0);
		case FILTER_NEQ:
		case FILTER_ISDISTINCT:
			return verdict_of(order != 0);
		case FILTER_LT:
			return verdict_of(order < 0);
		case FILTER_LTE:
			return verdict_of(order <= 0);
		case FILTER_GT:
			return verdict_of(order > 0);
		default:
			Assert(op == FILTER_GTE);
			return verdict_of(order >= 0);
	}
}

/*
 * A condition without its "not".
 */
static FilterVerdict
test(FilterClass class, const FilterCondition *condition, const FilterOperand *value,
	 bool *is_null)
{
	const FilterOperand *operand = condition->operands;

	if (condition->op == FILTER_IS)
		return test_is(operand->text, value);
	if (condition->op == FILTER_ISDISTINCT && value->is_null)
		return FILTER_YES;
	/* the list may be empty, and then it is false even for null */
	*is_null = value->is_null && (condition->op != FILTER_IN || condition->noperands > 0);
	if (value->is_null)
		return FILTER_NO;
	if (!filter_class_serves(class, condition->op))
		return FILTER_UNSURE;
	switch (condition->op)
	{
		case FILTER_IN:
			return test_in(class, condition, value->text, is_null);
		case FILTER_LIKE:
			return match_pattern(value->text, operand->text, false);
		case FILTER_ILIKE:
			return match_pattern(value->text, operand->text, true);
		default:
			return test_order(class, condition->op, value->text, operand->text);
	}
}

/*
 * Hold a condition against a value.  What is null is so with "not", too.
 */
FilterVerdict
filter_test(FilterClass class, const FilterCondition *condition, const FilterOperand *value)
{
	bool		is_null = false;
	FilterVerdict verdict = test(class, condition, value, &is_null);

	if (is_null)
		return FILTER_NO;
	if (!condition->negated || verdict == FILTER_UNSURE)
		return verdict;
	return verdict_of(verdict == FILTER_NO);
}

/*
 * Append a number so that equal ones look the same.
 */
static bool
append_decimal(const Decimal *number, Bytes *out)
{
	size_t		at = 0;
	int			digit;

	if (number->rank != RANK_FINITE)
		return bytes_append_byte(out, (uint8) number->rank);
	bytes_append_byte(out, number->negative ? '-' : '+');
	bytes_append(out, &number->exponent, sizeof(number->exponent));
	while ((digit = next_digit(number->digits, &at)) >= 0)
		bytes_append_byte(out, (uint8) digit);
	return !out->failed;
}

/*
 * What a value is found by.
 */
bool
filter_key(FilterClass class, Slice text, Bytes *out)
{
	Decimal		number;
	Moment		moment;

	switch (class)
	{
		case FILTER_AS_TEXT:
		case FILTER_AS_ORDERED_TEXT:
			return bytes_append_slice(out, text);
		case FILTER_AS_NUMBER:
			return read_decimal(text, &number) && append_decimal(&number, out);
		case FILTER_AS_TIME:
			if (!read_moment(text, &moment))
				return false;
			bytes_append_byte(out, (uint8) moment.rank);
			bytes_append(out, &moment.days, sizeof(moment.days));
			return bytes_append(out, &moment.usecs, sizeof(moment.usecs));
		default:
			return false;
	}
}
