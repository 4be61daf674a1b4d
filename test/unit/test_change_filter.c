/*-------------------------------------------------------------------------
 *
 * test_change_filter.c
 *	  Filters of those who follow a table, and what they mean to values.
 *
 * What PostgreSQL says of the same comparisons is in the comments of those
 * that one could doubt.
 *
 * test/unit/test_change_filter.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/change_compare.h"

#define PREFIX "Error parsing `filter` params: "

/*
 * Parse a text whose memory ends where it ends; the caller frees *copy.
 */
static FilterParse
parse(const char *text, Slice *copy, ChangeFilter *filter, Bytes *error)
{
	*copy = exact(slice_make(text, strlen(text)));
	bytes_init(error);
	return filter_parse(*copy, filter, error);
}

static const struct
{
	const char *text;
	const char *shown;
}			good[] = {
	{"", "[]"},
	{" \t", "[]"},
	{"id=eq.1", "[{\"id\", \"eq\", \"1\", false}]"},
	{" id=eq.1 ", "[{\"id\", \"eq\", \"1\", false}]"},
	{"id=eq.", "[{\"id\", \"eq\", \"\", false}]"},
	{"=eq.", "[{\"\", \"eq\", \"\", false}]"},
	{"a=neq.1,b=lt.2,c=lte.3,d=gt.4,e=gte.5",
	"[{\"a\", \"neq\", \"1\", false}, {\"b\", \"lt\", \"2\", false}, {\"c\", \"lte\", \"3\", false}, "
	"{\"d\", \"gt\", \"4\", false}, {\"e\", \"gte\", \"5\", false}]"},
	{"a=like.%x_,b=ilike.y%,c=is.null,d=match.^z,e=imatch.z$,f=isdistinct.1",
	"[{\"a\", \"like\", \"%x_\", false}, {\"b\", \"ilike\", \"y%\", false}, {\"c\", \"is\", \"null\", false}, "
	"{\"d\", \"match\", \"^z\", false}, {\"e\", \"imatch\", \"z$\", false}, {\"f\", \"isdistinct\", \"1\", false}]"},
	{"a=not.eq.1", "[{\"a\", \"eq\", \"1\", true}]"},
	{"a=not.is.null , b=not.in.(1,2)",
	"[{\"a\", \"is\", \"null\", true}, {\"b\", \"in\", \"{1,2}\", true}]"},
	{"id=in.(1, 2,3)", "[{\"id\", \"in\", \"{1, 2,3}\", false}]"},
	{"id=in.()", "[{\"id\", \"in\", \"{}\", false}]"},
	{"t=eq.a=b.c", "[{\"t\", \"eq\", \"a=b.c\", false}]"},
	{"t=eq.(a,b)", "[{\"t\", \"eq\", \"(a,b)\", false}]"},
	{"t=eq.\"a, b\"", "[{\"t\", \"eq\", \"a, b\", false}]"},
	{"t=eq.\"a \\\" \\\\ b\"", "[{\"t\", \"eq\", \"a \\\" \\\\ b\", false}]"},
	{"t=eq.a\"b", "[{\"t\", \"eq\", \"a\\\"b\", false}]"},
	{"t=eq.\"a\"b", "[{\"t\", \"eq\", \"\\\"a\\\"b\", false}]"},
	{"t=in.(\"x,y\",z)", "[{\"t\", \"in\", \"{\\\"x,y\\\",z}\", false}]"},
	{"t=eq.#{x}\n", "[{\"t\", \"eq\", \"\\#{x}\", false}]"},
	{"Caf\xc3\xa9=eq.\xf0\x9f\x8c\x8d", "[{\"Caf\xc3\xa9\", \"eq\", \"\xf0\x9f\x8c\x8d\", false}]"},
};

static const struct
{
	const char *text;
	const char *error;
}			wrong[] = {
	{"undefined", PREFIX "[\"undefined\"]"},
	{"id=foo.hey", PREFIX "[\"foo\", \"hey\"]"},
	{"id=not.foo.hey", PREFIX "[\"foo\", \"hey\"]"},
	{"id=EQ.1", PREFIX "[\"EQ\", \"1\"]"},
	{"id=eq", PREFIX "[\"eq\"]"},
	{"id=", PREFIX "[\"\"]"},
	{"id=eq.1,x", PREFIX "[\"x\"]"},
	{"id=a\"b.c\\", PREFIX "[\"a\\\"b\", \"c\\\\\"]"},
	{",", PREFIX "filter must not contain empty segments (check for extra commas)"},
	{"id=eq.1,", PREFIX "filter must not contain empty segments (check for extra commas)"},
	{"id=eq.1, ,b=eq.2", PREFIX "filter must not contain empty segments (check for extra commas)"},
	{"id=in.1", PREFIX "`in` filter value must be wrapped by parentheses"},
	{"id=in.(1", PREFIX "`in` filter value must be wrapped by parentheses"},
	{"id=in.(", PREFIX "`in` filter value must be wrapped by parentheses"},
	{"id=in.", PREFIX "`in` filter value must be wrapped by parentheses"},
	{"id=in.1)", PREFIX "`in` filter value must be wrapped by parentheses"},
};

/* What parses, and how it is shown. */
static void
test_good(void)
{
	for (int i = 0; i < lengthof(good); i++)
	{
		ChangeFilter filter;
		Bytes		error;
		Bytes		shown;
		Slice		copy;

		bytes_init(&shown);
		if (!ok(parse(good[i].text, &copy, &filter, &error) == FILTER_PARSED,
				"%s parses", good[i].text))
		{
			diag_bytes("error", bytes_slice(&error));
			continue;
		}
		filter_inspect(&shown, &filter);
		is_text(bytes_slice(&shown), good[i].shown, "it is shown");
		filter_free(&filter);
		bytes_free(&shown);
		bytes_free(&error);
		release(copy);
	}
}

/* What does not, and why. */
static void
test_wrong(void)
{
	for (int i = 0; i < lengthof(wrong); i++)
	{
		ChangeFilter filter;
		Bytes		error;
		Slice		copy;

		is_int(parse(wrong[i].text, &copy, &filter, &error), FILTER_BAD, wrong[i].text);
		is_text(bytes_slice(&error), wrong[i].error, "why");
		bytes_free(&error);
		release(copy);
	}
}

/* Operands without quotes and escapes. */
static void
test_operands(void)
{
	ChangeFilter filter;
	Bytes		error;
	Slice		copy;
	FilterOperand *list;

	if (!ok(parse("a=eq.\"x\\\"y\",b=in.( 1 ,\"a,\\\\\",null,\"null\",NULL, \"(q\"),c=eq.z", &copy,
				  &filter, &error) == FILTER_PARSED, "a filter with quotes"))
		return;
	is_int(filter.nconditions, 3, "three conditions");
	is_text(filter.conditions[0].operands[0].text, "x\"y", "a quoted scalar");
	list = filter.conditions[1].operands;
	is_int(filter.conditions[1].noperands, 6, "six in the list");
	is_text(list[0].text, "1", "blanks are cut off");
	is_text(list[1].text, "a,\\", "a comma and a backslash");
	ok(list[2].is_null && list[4].is_null, "null in any case");
	ok(!list[3].is_null, "but not in quotes");
	is_text(list[3].text, "null", "which is a word");
	is_text(list[5].text, "(q", "a parenthesis in quotes");
	is_text(filter.conditions[2].operands[0].text, "z", "and the next condition");
	filter_free(&filter);
	release(copy);

	ok(parse("b=in.()", &copy, &filter, &error) == FILTER_PARSED, "an empty list");
	is_int(filter.conditions[0].noperands, 0, "has nothing");
	filter_free(&filter);
	release(copy);
	ok(parse("b=in.(a,)", &copy, &filter, &error) == FILTER_PARSED, "a list with a comma too many");
	is_int(filter.conditions[0].noperands, 2, "has an empty text");
	filter_free(&filter);
	release(copy);
}

/* As many conditions as there may be, and one more. */
static void
test_many(void)
{
	ChangeFilter filter;
	Bytes		error = {0};
	Bytes		text = {0};

	for (int i = 0; i < FILTER_MAX_CONDITIONS; i++)
		bytes_printf(&text, "%sc%d=in.(1,2,3)", i > 0 ? "," : "", i);
	ok(filter_parse(bytes_slice(&text), &filter, &error) == FILTER_PARSED, "32 conditions");
	is_int(filter.noperands, 96, "with three values each");
	is_text(filter.conditions[31].operands[2].text, "3", "up to the last");
	filter_free(&filter);
	bytes_append_cstr(&text, ",d=eq.1");
	ok(filter_parse(bytes_slice(&text), &filter, &error) == FILTER_BAD, "33 conditions");
	bytes_free(&text);
	bytes_free(&error);
}

/* Noise: nothing is read behind its end, and all is freed. */
static void
test_noise(void)
{
	static const char alphabet[] = "a=.,()\"\\ einot";
	int			parsed = 0;

	for (int i = 0; i < 200000; i++)
	{
		char		text[24];
		size_t		len = tap_below(sizeof(text));
		ChangeFilter filter;
		Bytes		error = {0};
		Bytes		shown = {0};
		Slice		copy;

		for (size_t j = 0; j < len; j++)
			text[j] = alphabet[tap_below(sizeof(alphabet) - 1)];
		copy = exact(slice_make(text, len));
		if (filter_parse(copy, &filter, &error) == FILTER_PARSED)
		{
			filter_inspect(&shown, &filter);
			filter_free(&filter);
			parsed++;
		}
		bytes_free(&error);
		bytes_free(&shown);
		release(copy);
	}
	ok(true, "noise (%d of it parsed)", parsed);
}

/*
 * What a filter says of a value; NULL is null.
 */
static FilterVerdict
verdict(FilterClass class, const char *text, const char *value)
{
	ChangeFilter filter;
	Bytes		error;
	Slice		copy;
	FilterOperand operand = {{NULL, 0}, value == NULL};
	FilterVerdict result;

	if (parse(text, &copy, &filter, &error) != FILTER_PARSED)
		return -1;
	if (value != NULL)
		operand.text = exact(slice_make(value, strlen(value)));
	result = filter_test(class, &filter.conditions[0], &operand);
	release(operand.text);
	filter_free(&filter);
	release(copy);
	return result;
}

static const struct
{
	FilterClass class;
	const char *filter;			/* of the column c */
	const char *value;
	FilterVerdict want;
}			cases[] = {
	/* numbers */
	{FILTER_AS_NUMBER, "c=eq.1", "1", FILTER_YES},
	{FILTER_AS_NUMBER, "c=eq.1", "2", FILTER_NO},
	{FILTER_AS_NUMBER, "c=eq.1", "1.000", FILTER_YES},
	{FILTER_AS_NUMBER, "c=eq.100", "1e+02", FILTER_YES},
	{FILTER_AS_NUMBER, "c=eq.0.05", "5e-02", FILTER_YES},
	{FILTER_AS_NUMBER, "c=eq.-0", "0", FILTER_YES},
	{FILTER_AS_NUMBER, "c=eq.0.000", "0", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lt.9223372036854775807", "9223372036854775806", FILTER_YES},
	{FILTER_AS_NUMBER, "c=gt.9223372036854775806", "9223372036854775807", FILTER_YES},
	{FILTER_AS_NUMBER, "c=gt.9223372036854775807", "9223372036854775807", FILTER_NO},
	{FILTER_AS_NUMBER, "c=lt.10", "9", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lt.-10", "-9", FILTER_NO},
	{FILTER_AS_NUMBER, "c=lt.-9", "-10", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lt.0", "-0.0001", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lt.1.25", "1.2499999999999999999999999999", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lt.1.2", "1.25", FILTER_NO},
	{FILTER_AS_NUMBER, "c=gte.1.20", "1.2", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lte.0.1", "0.09", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lt.1e+22", "9.999e+21", FILTER_YES},
	{FILTER_AS_NUMBER, "c=neq.5", "6", FILTER_YES},
	{FILTER_AS_NUMBER, "c=neq.5", NULL, FILTER_NO},
	{FILTER_AS_NUMBER, "c=not.eq.5", NULL, FILTER_NO},
	{FILTER_AS_NUMBER, "c=not.lt.5", "5", FILTER_YES},
	{FILTER_AS_NUMBER, "c=eq.NaN", "NaN", FILTER_YES},
	{FILTER_AS_NUMBER, "c=gt.Infinity", "NaN", FILTER_YES},
	{FILTER_AS_NUMBER, "c=lt.Infinity", "1e+308", FILTER_YES},
	{FILTER_AS_NUMBER, "c=gt.-Infinity", "-1e+308", FILTER_YES},
	{FILTER_AS_NUMBER, "c=eq.x", "1", FILTER_UNSURE},
	{FILTER_AS_NUMBER, "c=eq.1", "", FILTER_UNSURE},
	{FILTER_AS_NUMBER, "c=eq..", "1", FILTER_UNSURE},
	{FILTER_AS_NUMBER, "c=not.eq.x", "1", FILTER_UNSURE},
	{FILTER_AS_NUMBER, "c=in.(1,2,3)", "3.0", FILTER_YES},
	{FILTER_AS_NUMBER, "c=in.(1,2,3)", "4", FILTER_NO},
	{FILTER_AS_NUMBER, "c=in.()", "4", FILTER_NO},
	{FILTER_AS_NUMBER, "c=not.in.(1,2)", "3", FILTER_YES},
	{FILTER_AS_NUMBER, "c=not.in.(1,2)", "2", FILTER_NO},
	{FILTER_AS_NUMBER, "c=not.in.(1,null)", "3", FILTER_NO},
	{FILTER_AS_NUMBER, "c=in.(1,null)", "1", FILTER_YES},
	{FILTER_AS_NUMBER, "c=not.in.(1)", NULL, FILTER_NO},
	{FILTER_AS_NUMBER, "c=not.in.()", NULL, FILTER_YES},	/* NULL <> ALL ('{}') */
	{FILTER_AS_NUMBER, "c=isdistinct.1", "1.0", FILTER_NO},
	{FILTER_AS_NUMBER, "c=isdistinct.1", "2", FILTER_YES},
	{FILTER_AS_NUMBER, "c=isdistinct.1", NULL, FILTER_YES},
	{FILTER_AS_NUMBER, "c=not.isdistinct.1", NULL, FILTER_NO},
	{FILTER_AS_NUMBER, "c=not.isdistinct.1", "1", FILTER_YES},
	{FILTER_AS_NUMBER, "c=like.1%", "1", FILTER_UNSURE},

	/* is */
	{FILTER_AS_SQL, "c=is.null", NULL, FILTER_YES},
	{FILTER_AS_SQL, "c=is.null", "x", FILTER_NO},
	{FILTER_AS_SQL, "c=not.is.null", "x", FILTER_YES},
	{FILTER_AS_SQL, "c=not.is.null", NULL, FILTER_NO},
	{FILTER_AS_ORDERED_TEXT, "c=is.true", "true", FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=is.TRUE", "true", FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=is.true", "false", FILTER_NO},
	{FILTER_AS_ORDERED_TEXT, "c=is.true", NULL, FILTER_NO},
	{FILTER_AS_ORDERED_TEXT, "c=not.is.true", NULL, FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=is.false", "false", FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=is.unknown", NULL, FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=is.unknown", "true", FILTER_NO},

	/* text */
	{FILTER_AS_TEXT, "c=eq.abc", "abc", FILTER_YES},
	{FILTER_AS_TEXT, "c=eq.abc", "abC", FILTER_NO},
	{FILTER_AS_TEXT, "c=eq.", "", FILTER_YES},
	{FILTER_AS_TEXT, "c=neq.abc", "abcd", FILTER_YES},
	{FILTER_AS_TEXT, "c=lt.b", "a", FILTER_UNSURE},
	{FILTER_AS_ORDERED_TEXT, "c=lt.b", "a", FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=lt.a", "ab", FILTER_NO},
	{FILTER_AS_ORDERED_TEXT, "c=gt.a", "ab", FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=gt.false", "true", FILTER_YES},
	{FILTER_AS_ORDERED_TEXT, "c=gt.z", "\xc3\xa9", FILTER_YES},
	{FILTER_AS_SQL, "c=eq.x", "x", FILTER_UNSURE},
	{FILTER_AS_SQL, "c=eq.x", NULL, FILTER_NO},
	{FILTER_AS_TEXT, "c=match.^x", "x", FILTER_UNSURE},
	{FILTER_AS_TEXT, "c=imatch.^x", NULL, FILTER_NO},

	/* patterns */
	{FILTER_AS_TEXT, "c=like.abc", "abc", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.a%c", "abbbc", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.a%c", "abbb", FILTER_NO},
	{FILTER_AS_TEXT, "c=like.%", "", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.%a", "", FILTER_NO},
	{FILTER_AS_TEXT, "c=like._", "", FILTER_NO},
	{FILTER_AS_TEXT, "c=like.", "", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.", "a", FILTER_NO},
	{FILTER_AS_TEXT, "c=like._b_", "abc", FILTER_YES},
	{FILTER_AS_TEXT, "c=like._", "\xc3\xa9", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.__", "\xc3\xa9", FILTER_NO},
	{FILTER_AS_TEXT, "c=like.%_%", "\xf0\x9f\x8c\x8d", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.%ab%ab%", "abxaab", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.%aab", "aaaaab", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.%aab", "aaaaaba", FILTER_NO},
	{FILTER_AS_TEXT, "c=like.100\\%", "100%", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.100\\%", "1000", FILTER_NO},
	{FILTER_AS_TEXT, "c=like.%\\_x", "a_x", FILTER_YES},
	{FILTER_AS_TEXT, "c=like.%\\_x", "abx", FILTER_NO},
	{FILTER_AS_TEXT, "c=like.a\\", "a", FILTER_UNSURE},
	{FILTER_AS_TEXT, "c=like.A%", "abc", FILTER_NO},
	{FILTER_AS_TEXT, "c=ilike.A%C", "abc", FILTER_YES},
	{FILTER_AS_TEXT, "c=ilike.a%c", "ABC", FILTER_YES},
	{FILTER_AS_TEXT, "c=ilike.a%", "\xc3\xa9", FILTER_UNSURE},
	{FILTER_AS_TEXT, "c=not.like.a%", "b", FILTER_YES},
	{FILTER_AS_TEXT, "c=not.like.a%", NULL, FILTER_NO},

	/* times */
	{FILTER_AS_TIME, "c=eq.2026-01-02", "2026-01-02", FILTER_YES},
	{FILTER_AS_TIME, "c=lt.2026-01-02", "2025-12-31", FILTER_YES},
	{FILTER_AS_TIME, "c=lt.10000-01-01", "9999-12-31", FILTER_YES},
	{FILTER_AS_TIME, "c=lt.0001-01-01", "0044-03-15 BC", FILTER_YES},
	{FILTER_AS_TIME, "c=lt.0043-03-15 BC", "0044-03-15 BC", FILTER_YES},
	{FILTER_AS_TIME, "c=gt.2026-01-02", "infinity", FILTER_YES},
	{FILTER_AS_TIME, "c=lt.0044-03-15 BC", "-infinity", FILTER_YES},
	{FILTER_AS_TIME, "c=eq.infinity", "infinity", FILTER_YES},
	{FILTER_AS_TIME, "c=eq.2026-01-02T03:04:05", "2026-01-02T03:04:05.000", FILTER_YES},
	{FILTER_AS_TIME, "c=lt.2026-01-02T03:04:05.1", "2026-01-02T03:04:05.09", FILTER_YES},
	{FILTER_AS_TIME, "c=eq.2026-01-02T03:04:05+00:00", "2026-01-02T05:04:05+02:00", FILTER_YES},
	{FILTER_AS_TIME, "c=eq.2026-01-01T23:30:00+00:00", "2026-01-02T05:00:00+05:30", FILTER_YES},
	{FILTER_AS_TIME, "c=eq.2026-01-02T01:30:00+00:00", "2026-01-01T20:00:00-05:30", FILTER_YES},
	{FILTER_AS_TIME, "c=eq.0001-12-31T00:00:00+00:00 BC", "0001-12-31T00:00:00+00:00 BC", FILTER_YES},
	{FILTER_AS_TIME, "c=gte.2024-02-29", "2024-03-01", FILTER_YES},
	{FILTER_AS_TIME, "c=eq.2026-01-02", "yesterday", FILTER_UNSURE},
	{FILTER_AS_TIME, "c=eq.2026-01-02", "2026-13-02", FILTER_UNSURE},
	{FILTER_AS_TIME, "c=eq.2026-01-02", "2026-01-02x", FILTER_UNSURE},
	{FILTER_AS_TIME, "c=in.(2026-01-02,2026-01-03)", "2026-01-03", FILTER_YES},
};

/* Filters held against values. */
static void
test_values(void)
{
	for (int i = 0; i < lengthof(cases); i++)
	{
		FilterVerdict got = verdict(cases[i].class, cases[i].filter, cases[i].value);

		if (!ok(got == cases[i].want, "%s of %s", cases[i].filter,
				cases[i].value == NULL ? "null" : cases[i].value))
			diag("got %d, wanted %d", got, cases[i].want);
	}
}

/* Days follow each other through all the calendar. */
static void
test_calendar(void)
{
	static const int months[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	char		before[32] = "1895-12-31";
	bool		good_days = true;

	for (int year = 1896; year <= 2104; year++)
	{
		bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

		for (int month = 1; month <= 12; month++)
		{
			int			days = months[month - 1] + (month == 2 && leap);

			for (int day = 1; day <= days; day++)
			{
				char		now[32];
				char		filter[96];

				snprintf(now, sizeof(now), "%04d-%02d-%02d", year, month, day);
				snprintf(filter, sizeof(filter), "c=eq.%sT00:00:00+00:00", now);
				strlcat(before, "T23:00:00-01:00", sizeof(before));
				good_days = good_days && verdict(FILTER_AS_TIME, filter, before) == FILTER_YES;
				strlcpy(before, now, sizeof(before));
			}
		}
	}
	ok(good_days, "the end of a day is the beginning of the next one");
}

/* Values with one key are those that are equal. */
static void
test_keys(void)
{
	static const char *const numbers[] = {
		"0", "-0", "0.00", "1", "1.0", "1e+00", "10", "1e+01", "0.1", "1e-01", "-1", "-1.50",
		"-1.5", "NaN", "Infinity", "-Infinity", "100", "101", "12345678901234567890.5"
	};
	bool		good_keys = true;

	for (int i = 0; i < lengthof(numbers); i++)
	{
		for (int j = 0; j < lengthof(numbers); j++)
		{
			Bytes		a = {0};
			Bytes		b = {0};
			char		filter[64];
			bool		equal;

			snprintf(filter, sizeof(filter), "c=eq.%s", numbers[i]);
			equal = verdict(FILTER_AS_NUMBER, filter, numbers[j]) == FILTER_YES;
			if (!filter_key(FILTER_AS_NUMBER, slice_make(numbers[i], strlen(numbers[i])), &a) ||
				!filter_key(FILTER_AS_NUMBER, slice_make(numbers[j], strlen(numbers[j])), &b) ||
				slice_equals(bytes_slice(&a), bytes_slice(&b)) != equal)
			{
				good_keys = false;
				diag("%s and %s", numbers[i], numbers[j]);
			}
			bytes_free(&a);
			bytes_free(&b);
		}
	}
	ok(good_keys, "keys of numbers");
}

/* A pattern that would take long is not tried. */
static void
test_work(void)
{
	Bytes		filter = {0};
	Bytes		value = {0};

	bytes_append_cstr(&filter, "c=like.");
	for (int i = 0; i < 2000; i++)
		bytes_append_cstr(&filter, "%a");
	bytes_append_byte(&filter, '\0');
	for (int i = 0; i < 2000; i++)
		bytes_append_cstr(&value, "ab");
	bytes_append_byte(&value, '\0');
	is_int(verdict(FILTER_AS_TEXT, filter.data, value.data), FILTER_UNSURE, "a long pattern");
	bytes_free(&filter);
	bytes_free(&value);
}

/* Numbers and times of noise: nothing is read behind its end. */
static void
test_value_noise(void)
{
	static const char alphabet[] = "0123456789.-+eET: BC";
	int			sure = 0;

	for (int i = 0; i < 200000; i++)
	{
		char		text[24];
		size_t		len = tap_below(sizeof(text) - 1);
		FilterClass class = i % 2 == 0 ? FILTER_AS_NUMBER : FILTER_AS_TIME;

		for (size_t j = 0; j < len; j++)
			text[j] = alphabet[tap_below(sizeof(alphabet) - 1)];
		text[len] = '\0';
		sure += verdict(class, class == FILTER_AS_NUMBER ? "c=lt.5.5" : "c=lt.2026-01-02",
						text) != FILTER_UNSURE;
	}
	ok(true, "noise (%d of it were values)", sure);
}

int
main(void)
{
	test_good();
	test_wrong();
	test_operands();
	test_many();
	test_noise();
	test_values();
	test_calendar();
	test_keys();
	test_work();
	test_value_noise();
	return done_testing();
}
