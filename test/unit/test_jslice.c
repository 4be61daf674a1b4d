/*-------------------------------------------------------------------------
 *
 * test_jslice.c
 *	  JSON: what is accepted, and what comes out of it.
 *
 * test/unit/test_jslice.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/jslice.h"
#include "proto/utf8.h"

#define DEPTH_BOMB 1000000

static const Slice accepted[] = {
	{"{}", 2}, {"[]", 2}, {"null", 4}, {"true", 4}, {"false", 5}, {"\"\"", 2}, {"0", 1},
	{" \t\r\n{ } \n", 9},
	{"[ ]", 3},
	{"[1]", 3},
	{"[ 1 , 2 ]", 9},
	{"{\"a\":1}", 7},
	{"{ \"a\" : 1 , \"b\" : [ { } , [ ] ] }", 33},
	{"{\"a\":1,\"a\":2}", 13},
	{"{\"\":0}", 6},
	{"[null,true,false,\"x\",1,{},[]]", 29},
	{"-0", 2}, {"-1", 2}, {"1.5", 3}, {"0.0", 3}, {"1e5", 3}, {"1E+5", 4}, {"1e-5", 4}, {"-0.1e00", 7},
	{"1e400", 5}, {"0e0", 3}, {"123456789012345678901234567890", 30},
	{"1e131071", 8}, {"1e-16383", 8},
	{"\"plain text of more than eight bytes\"", 37},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 18},
	{"\"\\u0041\\u00e9\\u20AC\\uD83D\\uDE00\"", 32},
	{"\"\\u0001\"", 8}, {"\"\\ufffe\"", 8}, {"\"\\uffff\"", 8},
	{"\"\x7f\"", 3},
	{"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", 11},
	{"{\"\xc3\xa9\":\"\xc3\xa9 and more\"}", 20},
	{"{\"__proto__\":{}}", 16},
};

static const struct
{
	Slice		text;
	const char *error;
}			refused[] = {
	{{"", 0}, "unexpected end"},
	{{"   ", 3}, "unexpected end"},
	{{"\xef\xbb\xbf{}", 5}, "expected a value"},
	{{"{", 1}, "expected a string as member name"},
	{{"[", 1}, "unexpected end"},
	{{"}", 1}, "expected a value"},
	{{"]", 1}, "expected a value"},
	{{"[1", 2}, "unexpected end"},
	{{"[1}", 3}, "expected a comma or a closing bracket"},
	{{"{\"a\":1]", 7}, "expected a comma or a closing bracket"},
	{{"[1,]", 4}, "expected a value"},
	{{"[,1]", 4}, "expected a value"},
	{{"[1 2]", 5}, "expected a comma or a closing bracket"},
	{{"[1,,2]", 6}, "expected a value"},
	{{"{\"a\"}", 5}, "expected a colon"},
	{{"{\"a\":}", 6}, "expected a value"},
	{{"{\"a\":1,}", 8}, "expected a string as member name"},
	{{"{,\"a\":1}", 8}, "expected a string as member name"},
	{{"{a:1}", 5}, "expected a string as member name"},
	{{"{'a':1}", 7}, "expected a string as member name"},
	{{"{1:1}", 5}, "expected a string as member name"},
	{{"{\"a\" 1}", 7}, "expected a colon"},
	{{"{\"a\":1:2}", 9}, "expected a comma or a closing bracket"},
	{{"{}{}", 4}, "text after the value"},
	{{"1 2", 3}, "text after the value"},
	{{"{} x", 4}, "text after the value"},
	{{"{}\0", 3}, "text after the value"},
	{{"nul", 3}, "invalid literal"},
	{{"nulL", 4}, "invalid literal"},
	{{"tru", 3}, "invalid literal"},
	{{"truex", 5}, "text after the value"},
	{{"True", 4}, "expected a value"},
	{{"NaN", 3}, "expected a value"},
	{{"Infinity", 8}, "expected a value"},
	{{"-Infinity", 9}, "invalid number"},
	{{"undefined", 9}, "expected a value"},
	{{"-", 1}, "invalid number"},
	{{"+1", 2}, "expected a value"},
	{{"01", 2}, "text after the value"},
	{{"-01", 3}, "text after the value"},
	{{"1.", 2}, "invalid number"},
	{{".5", 2}, "expected a value"},
	{{"1.e5", 4}, "invalid number"},
	{{"1e", 2}, "invalid number"},
	{{"1e+", 3}, "invalid number"},
	{{"1.5.5", 5}, "text after the value"},
	{{"0x10", 4}, "text after the value"},
	{{"1_000", 5}, "text after the value"},
	{{"1e131072", 8}, "number out of range"},
	{{"1e-16384", 8}, "number out of range"},
	{{"0.1e-16383", 10}, "number out of range"},
	{{"1e99999999999999999999", 22}, "number out of range"},
	{{"1e-99999999999999999999", 23}, "number out of range"},
	{{"\"", 1}, "unterminated string"},
	{{"\"abc", 4}, "unterminated string"},
	{{"\"abcdefgh", 9}, "unterminated string"},
	{{"\"\\", 2}, "unterminated string"},
	{{"\"\\\"", 3}, "unterminated string"},
	{{"\"\\x\"", 4}, "invalid escape sequence"},
	{{"\"\\'\"", 4}, "invalid escape sequence"},
	{{"\"\\0\"", 4}, "invalid escape sequence"},
	{{"\"\\U0041\"", 8}, "invalid escape sequence"},
	{{"\"\\u\"", 4}, "invalid \\u escape"},
	{{"\"\\u004\"", 7}, "invalid \\u escape"},
	{{"\"\\u00g0\"", 8}, "invalid \\u escape"},
	{{"\"\\u-001\"", 8}, "invalid \\u escape"},
	{{"\"\\u0000\"", 8}, "\\u0000 is not supported"},
	{{"\"\\ud800\"", 8}, "invalid \\u escape"},
	{{"\"\\udc00\"", 8}, "invalid \\u escape"},
	{{"\"\\ud800\\u0041\"", 14}, "invalid \\u escape"},
	{{"\"\\ud800\\ud800\"", 14}, "invalid \\u escape"},
	{{"\"\\ud800 \\udc00\"", 15}, "invalid \\u escape"},
	{{"\"\\udc00\\ud800\"", 14}, "invalid \\u escape"},
	{{"\"a\nb\"", 5}, "control character in a string"},
	{{"\"a\tb\"", 5}, "control character in a string"},
	{{"\"\0\"", 3}, "control character in a string"},
	{{"\"1234567\x1f\"", 10}, "control character in a string"},
	{{"{\"a\x01\":1}", 8}, "control character in a string"},
	{{"\"\xff\xfe\"", 4}, "invalid UTF-8"},
	{{"\"\xc0\xaf\"", 4}, "invalid UTF-8"},
	{{"\"\xed\xa0\x80\"", 5}, "invalid UTF-8"},
	{{"\"\xf0\x9f\x98\"", 5}, "invalid UTF-8"},
	{{"{\"a\":\"\xf0\",\"b\":1}", 15}, "invalid UTF-8"},
	{{"\"\xc3\x28\"", 4}, "invalid UTF-8"},
	{{"\"\xc3", 2}, "invalid UTF-8"},
	{{"{\"\x80\":1}", 7}, "invalid UTF-8"},
	{{"[\xc3\xa9]", 4}, "expected a value"},
	{{"[1]\xc2\xa0", 5}, "text after the value"},
	{{"// comment\n1", 12}, "expected a value"},
	{{"/**/1", 5}, "expected a value"},
};

/* Validate a copy that ends exactly. */
static bool
valid(Slice text, const char **error)
{
	Slice		copy = exact(text);
	const char *ignored;
	bool		result = jslice_validate(copy.data, copy.len, error ? error : &ignored);

	release(copy);
	return result;
}

/* The two tables above. */
static void
test_verdicts(void)
{
	for (int i = 0; i < lengthof(accepted); i++)
	{
		if (!ok(valid(accepted[i], NULL), "accepted %d", i))
			diag_bytes("text", accepted[i]);
	}
	for (int i = 0; i < lengthof(refused); i++)
	{
		const char *error = "none";
		bool		result = valid(refused[i].text, &error);

		if (!ok(!result && strcmp(error, refused[i].error) == 0,
				"refused %d: %s", i, refused[i].error))
		{
			diag_bytes("text", refused[i].text);
			diag("error: %s", error);
		}
	}
	ok(!jslice_validate("x", 1, NULL), "nobody has to ask for the reason");
}

/* Every proper prefix of a container is refused; every byte destroyed, too. */
static void
test_damage(void)
{
	Slice		text = B("[\"6\",\"6\",\"realtime:r\xc3\xb6om\",\"e\\u00e9\\ud83d\\ude00\\n\","
						 "{\"a\":[1.5e-3,-0,true,null],\"b\":{\"c\":false}}]");
	Slice		copy = exact(text);
	bool		good = true;

	ok(valid(text, NULL), "a message");
	for (size_t len = 0; len < text.len; len++)
		good = good && !valid(slice_make(text.data, len), NULL);
	ok(good, "no prefix of it is valid");

	for (size_t i = 0; i < text.len; i++)
	{
		char	   *p = unconstify(char *, copy.data) + i;

		for (int c = 0; c < 32; c++)
		{
			*p = (char) c;
			if (c != '\t' && c != '\n' && c != '\r')
				good = good && !jslice_validate(copy.data, copy.len, NULL);
		}
		*p = (char) 0xFF;
		good = good && !jslice_validate(copy.data, copy.len, NULL);
		*p = text.data[i];
	}
	ok(good, "no control character and no FF in any place is valid");
	release(copy);
}

/* Nest n deep: open, inside and close repeated. */
static bool
nested(size_t n, const char *open, const char *inside, const char *close,
	   const char **error)
{
	Bytes		text;
	bool		result;

	bytes_init(&text);
	for (size_t i = 0; i < n; i++)
		bytes_append_cstr(&text, open);
	bytes_append_cstr(&text, inside);
	for (size_t i = 0; i < n; i++)
		bytes_append_cstr(&text, close);
	result = valid(bytes_slice(&text), error);
	bytes_free(&text);
	return result;
}

/* The limit of depth, and far beyond it. */
static void
test_depth(void)
{
	const char *error = "";

	ok(nested(JSLICE_MAX_DEPTH, "[", "", "]", &error), "64 arrays");
	ok(nested(JSLICE_MAX_DEPTH, "{\"a\":", "1", "}", &error), "64 objects");
	ok(nested(JSLICE_MAX_DEPTH / 2, "[{\"a\":", "1", "}]", &error), "64 of both");
	ok(!nested(JSLICE_MAX_DEPTH + 1, "[", "", "]", &error), "65 arrays");
	is_text(slice_make(error, strlen(error)), "nested too deeply", "and why");
	ok(!nested(JSLICE_MAX_DEPTH + 1, "{\"a\":", "{}", "}", &error), "65 objects");
	ok(!nested(DEPTH_BOMB, "[", "", "]", &error), "1,000,000 arrays");
	ok(!nested(DEPTH_BOMB, "{\"a\":", "1", "}", &error), "1,000,000 objects");
	ok(!nested(DEPTH_BOMB, "[", "", "", &error), "1,000,000 opening brackets");
	ok(valid(B("[[],[],{},{\"a\":[]},[[]]]"), &error), "closing gives depth back");
}

/* Numbers with as many digits as numeric holds, and one more. */
static void
test_long_numbers(void)
{
	Bytes		text;
	const char *error;

	bytes_init(&text);
	for (int i = 0; i < 131072; i++)
		bytes_append_byte(&text, '9');
	ok(valid(bytes_slice(&text), &error), "131,072 digits");
	bytes_append_byte(&text, '9');
	ok(!valid(bytes_slice(&text), &error), "131,073 digits");

	text.len = 0;
	bytes_append_cstr(&text, "0.");
	for (int i = 0; i < 16383; i++)
		bytes_append_byte(&text, '9');
	ok(valid(bytes_slice(&text), &error), "16,383 digits behind the point");
	bytes_append_byte(&text, '9');
	ok(!valid(bytes_slice(&text), &error), "16,384 digits behind the point");
	bytes_free(&text);
}

/* Types and trimming. */
static void
test_types(void)
{
	static const struct
	{
		const char *text;
		JsliceType	type;
		const char *trimmed;
	}			cases[] = {
		{"", JSLICE_NONE, ""}, {"  ", JSLICE_NONE, ""},
		{"null", JSLICE_NULL, "null"}, {" true ", JSLICE_TRUE, "true"},
		{"\tfalse\r\n", JSLICE_FALSE, "false"}, {"-1", JSLICE_NUMBER, "-1"},
		{" 7 ", JSLICE_NUMBER, "7"}, {" \" x \" ", JSLICE_STRING, "\" x \""},
		{" [1 ]", JSLICE_ARRAY, "[1 ]"}, {"{ } ", JSLICE_OBJECT, "{ }"},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		text = exact(slice_make(cases[i].text, strlen(cases[i].text)));

		is_int(jslice_type(text), cases[i].type, cases[i].text);
		is_text(jslice_trim(text), cases[i].trimmed, "trimmed");
		release(text);
	}
	is_int(jslice_type(slice_make(NULL, 0)), JSLICE_NONE, "no value at all");
	is_int(jslice_trim(slice_make(NULL, 0)).len, 0, "trimmed");
}

/* Join the members of a value as key=item;... */
static void
walk(Slice value, Bytes *out)
{
	JsliceIter	it;
	Slice		key;
	Slice		item;

	jslice_iter_init(&it, value);
	while (jslice_iter_next(&it, &key, &item))
	{
		bytes_append_slice(out, key);
		bytes_append_byte(out, '=');
		bytes_append_slice(out, item);
		bytes_append_byte(out, ';');
	}
}

/* Members in order, as they stand. */
static void
test_iter(void)
{
	static const struct
	{
		const char *text;
		const char *members;
	}			cases[] = {
		{"[]", ""}, {"{}", ""}, {" [ ] ", ""}, {"{ \n}", ""},
		{"[1]", "=1;"},
		{"[ 1 ,\"a,]\" , [2,[3]] ,{\"x\":[1,2]}, null ]", "=1;=\"a,]\";=[2,[3]];={\"x\":[1,2]};=null;"},
		{"{\"a\":1,\"b\" : \"}\\\"\" ,\"a\":{\"]\":\"[\"}}", "\"a\"=1;\"b\"=\"}\\\"\";\"a\"={\"]\":\"[\"};"},
		{"[\"\\\\\",\"\\\\\\\"\",1]", "=\"\\\\\";=\"\\\\\\\"\";=1;"},
		{"[\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\",2]", "=\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\";=2;"},
		{"[-1.5e+3,true,false]", "=-1.5e+3;=true;=false;"},
		{"1", ""}, {"\"[1]\"", ""}, {"null", ""},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		text = exact(slice_make(cases[i].text, strlen(cases[i].text)));
		Bytes		out;

		bytes_init(&out);
		ok(jslice_validate(text.data, text.len, NULL), "%s is valid", cases[i].text);
		walk(text, &out);
		is_text(bytes_slice(&out), cases[i].members, "its members");
		bytes_free(&out);
		release(text);
	}
}

/* Elements that the validator hands out on its way are those of the walk. */
static void
test_validate_array(void)
{
	static const char *const texts[] = {
		"[]", " [ ] ", "[1]", " [ 1 ,\"a,]\" , [2,[3]] ,{\"x\":[1,2]}, null ,6,7] ", "[[[]],[]]",
		"[{},[1,2,3],{}]", "{\"a\":[1,2]}", "1", "\"[1]\"", "{}", "[\"\xc3\xa9\",-1.5e3]",
	};
	Slice		items[5];
	int			nitems = -1;

	for (int i = 0; i < lengthof(texts); i++)
	{
		Slice		text = exact(slice_make(texts[i], strlen(texts[i])));
		bool		good;
		int			n = 0;

		good = jslice_validate_array(text.data, text.len, items, lengthof(items), &nitems, NULL);
		for (; good && n < nitems; n++)
		{
			Slice		item = jslice_at(text, n);

			good = item.data == items[n].data && item.len == items[n].len;
		}
		ok(good && (n == lengthof(items) || jslice_at(text, n).len == 0),
		   "%d elements of %s", n, texts[i]);
		release(text);
	}
	nitems = -1;
	ok(!jslice_validate_array("[1,2", 4, items, 5, &nitems, NULL) && nitems == -1,
	   "none of a broken one");
}

/* Members by name and by number. */
static void
test_get(void)
{
	Slice		object = B(" {\"a\":1,\"b\":{\"c\":[true]},\"\\u0061\":2,\"\xc3\xa9\":3,\"e\\n\":4,\"\":5} ");
	Slice		array = B("[0,[1,2],\"x\"]");

	is_text(jslice_get(object, "a"), "2", "the last of equal names, after unescaping");
	is_text(jslice_get(object, "b"), "{\"c\":[true]}", "an object");
	is_text(jslice_get(jslice_get(object, "b"), "c"), "[true]", "a member of a member");
	is_text(jslice_get(object, "\xc3\xa9"), "3", "not ASCII");
	is_text(jslice_get(object, "e\n"), "4", "an escape");
	is_text(jslice_get(object, ""), "5", "the empty name");
	is_int(jslice_get(object, "c").len, 0, "not there");
	is_int(jslice_get(array, "").len, 0, "not an object");
	is_int(jslice_get(slice_make(NULL, 0), "a").len, 0, "nothing");
	is_text(jslice_at(array, 1), "[1,2]", "an element");
	is_text(jslice_at(jslice_at(array, 1), 1), "2", "an element of an element");
	is_int(jslice_at(array, 3).len, 0, "behind the last");
	is_int(jslice_at(array, -1).len, 0, "before the first");
	is_int(jslice_at(object, 0).len, 0, "not an array");
}

/* Strings decoded, and compared without decoding. */
static void
test_strings(void)
{
	static const struct
	{
		Slice		raw;
		Slice		decoded;
	}			cases[] = {
		{{"\"\"", 2}, {"", 0}},
		{{" \"abc\" ", 7}, {"abc", 3}},
		{{"\"a\\\"b\\\\c\\/d\"", 12}, {"a\"b\\c/d", 7}},
		{{"\"\\b\\f\\n\\r\\t\"", 12}, {"\b\f\n\r\t", 5}},
		{{"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", 32}, {"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10}},
		{{"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\uDBFF\\uDFFF\"", 44}, {"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf", 15}},
		{{"\"\xc3\xa9\\u00e9\"", 10}, {"\xc3\xa9\xc3\xa9", 4}},
	};
	Bytes		out;

	bytes_init(&out);
	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		raw = exact(cases[i].raw);
		Slice		longer;

		ok(jslice_validate(raw.data, raw.len, NULL), "string %d is valid", i);
		out.len = 0;
		bytes_append_cstr(&out, ">");
		ok(jslice_unescape(raw, &out), "string %d decodes", i);
		is_bytes(slice_make(out.data + 1, out.len - 1), cases[i].decoded, "to");
		ok(jslice_string_equals(raw, cases[i].decoded), "and equals it");
		bytes_append_cstr(&out, "x");
		longer = slice_make(out.data + 1, out.len - 1);
		ok(!jslice_string_equals(raw, longer), "but nothing longer");
		if (cases[i].decoded.len > 0)
			ok(!jslice_string_equals(raw, slice_make(longer.data, longer.len - 2)),
			   "nor shorter");
		release(raw);
	}
	out.len = 0;
	ok(!jslice_unescape(B("12"), &out) && !jslice_unescape(B("null"), &out) &&
	   !jslice_unescape(slice_make(NULL, 0), &out) && out.len == 0,
	   "what is no string does not decode");
	ok(!jslice_string_equals(B("12"), B("12")), "nor equals");
	ok(!jslice_string_equals(B("\"a\\\\b\""), B("a\\\\b")), "a backslash is not itself");
	bytes_free(&out);
}

/* Flexible booleans. */
static void
test_bool(void)
{
	static const struct
	{
		const char *text;
		int			value;		/* -1 = the default */
	}			cases[] = {
		{"true", 1}, {"false", 0}, {"\"true\"", 1}, {"\"True\"", 1}, {"\"TRUE\"", 1},
		{"\"false\"", 0}, {"\"FALSE\"", 0}, {" true ", 1}, {"\"yes\"", -1}, {"1", -1},
		{"0", -1}, {"null", -1}, {"\"\"", -1}, {"\" true\"", -1}, {"{}", -1}, {"", -1},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		text = exact(slice_make(cases[i].text, strlen(cases[i].text)));

		ok(jslice_bool(text, false) == (cases[i].value == 1) &&
		   jslice_bool(text, true) == (cases[i].value != 0),
		   "boolean %s", cases[i].text);
		release(text);
	}
}

/* A random text of characters from all over Unicode, escapes among them. */
static void
random_text(Bytes *out)
{
	static const char *const pieces[] = {
		"a", "Z", "plain text", "\"", "\\", "/", "\b", "\f", "\n", "\r", "\t", "\x01", "\x1f",
		"\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "{", "]", ",", "\xe2\x80\xa8"
	};
	size_t		n = tap_below(30);

	for (size_t i = 0; i < n; i++)
		bytes_append_cstr(out, pieces[tap_below(lengthof(pieces))]);
}

/* Text to JSON and back again. */
static void
test_append_string(void)
{
	Bytes		out;
	Bytes		back;
	int			wrong = 0;

	bytes_init(&out);
	bytes_init(&back);
	ok(jslice_append_string(&out, B("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9")), "appended");
	is_text(bytes_slice(&out), "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"", "escapes");
	ok(jslice_append_string(&out, slice_make(NULL, 0)), "nothing appended");
	is_text(slice_make(out.data + out.len - 2, 2), "\"\"", "is a string");

	for (int round = 0; round < 5000; round++)
	{
		Bytes		text;
		Slice		source;

		bytes_init(&text);
		random_text(&text);
		source = exact(bytes_slice(&text));
		out.len = back.len = 0;
		if (!jslice_append_string(&out, source) || !valid(bytes_slice(&out), NULL) ||
			!jslice_unescape(bytes_slice(&out), &back) ||
			!slice_equals(bytes_slice(&back), source) ||
			!jslice_string_equals(bytes_slice(&out), source))
			wrong++;
		release(source);
		bytes_free(&text);
	}
	is_int(wrong, 0, "5,000 texts to JSON and back");
	bytes_free(&out);
	bytes_free(&back);
}

/*
 * Bytes of JSON's alphabet in random order: whatever the verdict is, nobody
 * reads past the end or stands still, and what is valid has valid members.
 */
static void
test_garbage(void)
{
	static const char *const pieces[] = {
		"{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\", "\\u", "d800", "1", "-", ".5", "e9",
		"true", "null", " ", "\n", "\xc3\xa9", "\xff", "\"key\":", "[1,2]", "{\"a\":1}"
	};
	int			accepted_ones = 0;
	int			wrong = 0;

	for (int round = 0; round < 100000; round++)
	{
		Bytes		text;
		Bytes		out;
		Slice		copy;
		size_t		n = 1 + tap_below(12);
		JsliceIter	it;
		Slice		key;
		Slice		item;
		int			steps = 0;

		bytes_init(&text);
		bytes_init(&out);
		for (size_t i = 0; i < n; i++)
			bytes_append_cstr(&text, pieces[tap_below(lengthof(pieces))]);
		copy = exact(bytes_slice(&text));
		jslice_iter_init(&it, copy);
		if (jslice_validate(copy.data, copy.len, NULL))
		{
			accepted_ones++;
			while (jslice_iter_next(&it, &key, &item))
			{
				wrong += !jslice_validate(item.data, item.len, NULL);
				wrong += it.is_object != (jslice_type(key) == JSLICE_STRING);
			}
		}
		else
		{
			while (jslice_iter_next(&it, &key, &item) && steps <= copy.len)
				steps++;
			wrong += steps > copy.len;
			wrong += jslice_unescape(copy, &out) && jslice_trim(copy).data[0] != '"';
			(void) jslice_get(copy, "a");
			(void) jslice_string_equals(copy, B("aa"));
		}
		bytes_free(&text);
		bytes_free(&out);
		release(copy);
	}
	is_int(wrong, 0, "100,000 texts of JSON's alphabet");
	ok(accepted_ones > 500, "%d of them valid", accepted_ones);
}

int
main(void)
{
	test_verdicts();
	test_damage();
	test_depth();
	test_long_numbers();
	test_types();
	test_iter();
	test_validate_array();
	test_get();
	test_strings();
	test_bool();
	test_append_string();
	test_garbage();
	return done_testing();
}
