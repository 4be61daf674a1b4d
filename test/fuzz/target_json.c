/*-------------------------------------------------------------------------
 *
 * target_json.c
 *	  JSON and UTF-8: our verdicts, those of a second reader, and those of
 *	  PostgreSQL.
 *
 *	  input   kind | cuts | text
 *
 * What we accept PostgreSQL accepts, and sees the same in it.  What it accepts
 * and we do not is nested too deeply or a number out of the range of numeric.
 *
 * test/fuzz/target_json.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "judge.h"
#include "proto/jslice.h"
#include "proto/utf8.h"
#include "reference.h"

#define JUDGE_MAX_DEPTH 1000	/* of what it is asked about */
#define ITEMS 3

/* Brackets that open: at least as many as it is nested deep. */
static int
brackets(Slice chars)
{
	int			n = 0;

	for (size_t i = 0; i < chars.len; i++)
		n += chars.data[i] == '[' || chars.data[i] == '{';
	return n;
}

/* Log what our walkers see, as judge_json() does. */
static void
walk(Slice value, Bytes *log)
{
	JsliceType	type = jslice_type(value);
	JsliceIter	it;
	Slice		key;
	Slice		item;
	Bytes	   *plain = fuzz_bytes();

	switch (type)
	{
		case JSLICE_STRING:
			must(jslice_unescape(value, plain));
			judge_log_text(log, 's', bytes_slice(plain));
			break;
		case JSLICE_OBJECT:
		case JSLICE_ARRAY:
			bytes_append_byte(log, type == JSLICE_OBJECT ? '{' : '[');
			jslice_iter_init(&it, value);
			while (jslice_iter_next(&it, &key, &item))
			{
				must(lies_in(item, value) && lies_in(key, value));
				if (type == JSLICE_OBJECT)
				{
					plain->len = 0;
					must(jslice_unescape(key, plain));
					judge_log_text(log, 'k', bytes_slice(plain));
				}
				walk(item, log);
			}
			bytes_append_byte(log, type == JSLICE_OBJECT ? '}' : ']');
			break;
		default:
			judge_log_text(log, 'v', jslice_trim(value));
	}
}

/* Strings compare, and are written, as what they say. */
static void
check_string(Slice string)
{
	Bytes	   *plain = fuzz_bytes();
	Bytes	   *again = fuzz_bytes();
	Bytes	   *plain_again = fuzz_bytes();
	Slice		said;

	must(jslice_unescape(string, plain));
	said = exact_bytes(plain);
	must(plain->len + 2 <= string.len && judge_utf8(said));
	must(jslice_string_equals(string, said));
	if (said.len > 0)
		must(!jslice_string_equals(string, slice_make(said.data, said.len - 1)));
	must(jslice_append_string(again, said) && ref_json(exact_bytes(again)));
	must(jslice_unescape(exact_bytes(again), plain_again));
	must(slice_equals(bytes_slice(plain_again), said));
}

/* Members are found by name and by place. */
static void
check_members(Slice value)
{
	JsliceType	type = jslice_type(value);
	JsliceIter	it;
	Slice		key;
	Slice		item;
	int			n = 0;

	jslice_iter_init(&it, value);
	while (jslice_iter_next(&it, &key, &item))
	{
		Bytes	   *name = fuzz_bytes();
		JsliceIter	others = it;
		Slice		other_key;
		Slice		other_item;
		Slice		last = item;

		if (type == JSLICE_ARRAY)
		{
			must(slice_equals(jslice_at(value, n++), item));
			continue;
		}
		check_string(key);
		must(jslice_unescape(key, name));
		while (jslice_iter_next(&others, &other_key, &other_item))
		{
			if (jslice_string_equals(other_key, bytes_slice(name)))
				last = other_item;
		}
		item = jslice_get(value, fuzz_cstr(bytes_slice(name)));
		must(item.data == last.data && item.len == last.len);
		must(jslice_at(value, 0).len == 0);
	}
	must(jslice_at(value, n).len == 0);
	if (type == JSLICE_STRING)
		check_string(jslice_trim(value));
	if (type != JSLICE_STRING && type != JSLICE_TRUE && type != JSLICE_FALSE)
		must(jslice_bool(value, true) && !jslice_bool(value, false));
}

/* The elements that validation finds are those that a walk finds. */
static void
check_items(Slice chars)
{
	Slice		items[ITEMS];
	int			n = -1;
	const char *error = NULL;

	must(jslice_validate_array(chars.data, chars.len, items, ITEMS, &n, &error));
	must(n >= 0 && n <= ITEMS && (jslice_type(chars) == JSLICE_ARRAY || n == 0));
	for (int i = 0; i < ITEMS; i++)
		must(slice_equals(jslice_at(chars, i), i < n ? items[i] : slice_make(NULL, 0)));
}

/* The verdicts. */
static void
check_json(Slice chars)
{
	const char *error = NULL;
	bool		good = jslice_validate(chars.data, chars.len, &error);
	Bytes	   *log = fuzz_bytes();
	Bytes	   *judged = fuzz_bytes();
	bool		judge_takes = false;

	must(good == ref_json(chars) && (good || error != NULL));
	if (brackets(chars) <= JUDGE_MAX_DEPTH)
	{
		fuzz_pause_faults();
		judge_takes = judge_json(chars, judged) && judge_utf8(chars);
		fuzz_resume_faults();
	}
	if (!good)
	{
		if (judge_takes)
			must(strcmp(error, "nested too deeply") == 0 ||
				 strcmp(error, "number out of range") == 0);
		return;
	}
	must(judge_takes || brackets(chars) > JUDGE_MAX_DEPTH);
	walk(chars, log);
	must(!log->failed);
	if (judge_takes)
		must(slice_equals(bytes_slice(log), bytes_slice(judged)));
	check_members(chars);
	check_items(chars);
}

/* Is this text UTF-8, whole and in pieces? */
static void
check_utf8(Slice chars, Cuts cuts)
{
	RefUtf8		wanted = ref_utf8(chars);
	bool		good = utf8_valid(chars.data, chars.len);
	Utf8State	state;
	bool		fed = true;
	Slice		rest = chars;
	size_t		sound = 0;

	must(good == (wanted == REF_UTF8_WHOLE));
	must((good && !has_byte(chars, '\0')) == judge_utf8(chars));

	utf8_init(&state);
	while (fed && rest.len > 0)
	{
		size_t		n = cuts_next(&cuts, rest.len);
		Slice		piece = fuzz_exact(slice_make(rest.data, n));

		fed = utf8_feed(&state, piece.data, piece.len);
		rest = slice_make(rest.data + n, rest.len - n);
		if (fed)
			sound = chars.len - rest.len;
	}
	must(fed == (wanted != REF_UTF8_BAD) && (!fed || utf8_complete(&state) == good));

	/* it fails in the piece that is bad, not later */
	must(ref_utf8(slice_make(chars.data, sound)) != REF_UTF8_BAD);
	if (!fed)
		must(ref_utf8(slice_make(chars.data, chars.len - rest.len)) == REF_UTF8_BAD);
}

/* Any text becomes a string that PostgreSQL reads as that text. */
static void
check_append(Slice chars)
{
	Bytes	   *out = fuzz_bytes();
	Bytes	   *log = fuzz_bytes();
	Bytes	   *wanted = fuzz_bytes();
	bool		judge_takes;

	if (!judge_utf8(chars))
		return;
	must(jslice_append_string(out, chars));
	judge_log_text(wanted, 's', chars);
	fuzz_pause_faults();
	judge_takes = judge_json(exact_bytes(out), log);
	fuzz_resume_faults();
	must(judge_takes && slice_equals(bytes_slice(log), bytes_slice(wanted)));
	check_string(exact_bytes(out));
}

void
fuzz_json(Slice input)
{
	uint8		kind = input_byte(&input) % 8;
	Cuts		cuts;
	Slice		chars;

	if (kind >= 2)
	{
		check_json(fuzz_exact(input));
		return;
	}
	cuts = input_cuts(&input);
	chars = fuzz_exact(input);
	check_utf8(chars, cuts);
	check_append(chars);
}
