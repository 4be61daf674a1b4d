/*-------------------------------------------------------------------------
 *
 * test_change_entry.c
 *	  Entries of postgres_changes, and what is wrong with some.
 *
 * test/unit/test_change_entry.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/change_entry.h"

#define NO_PARAMS \
	"No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: "

/*
 * Show what was parsed: event schema.table filter (columns).
 */
static void
show(Bytes *out, const ChangeEntries *entries)
{
	for (uint32 i = 0; i < entries->count; i++)
	{
		const ChangeEntry *entry = &entries->entries[i];

		bytes_printf(out, "%s%s " SLICE_FMT "." SLICE_FMT, i > 0 ? "; " : "",
					 change_event_name(entry->events), SLICE_ARG(entry->schema),
					 SLICE_ARG(entry->table));
		if (entry->filter.len > 0)
			bytes_printf(out, " " SLICE_FMT, SLICE_ARG(entry->filter));
		for (uint32 j = 0; j < entry->nnames; j++)
			bytes_printf(out, "%s" SLICE_FMT "%s", j == 0 ? " (" : ",", SLICE_ARG(entry->names[j]),
						 j + 1 == entry->nnames ? ")" : "");
	}
}

static const struct
{
	const char *json;
	EntryParse	verdict;
	const char *text;			/* of the entries, or the error */
}			cases[] = {
	{"[]", ENTRIES_PARSED, ""},
	{"[null]", ENTRIES_PARSED, ""},
	{"[{\"event\":\"INSERT\",\"schema\":\"public\",\"table\":\"t\"}]", ENTRIES_PARSED, "INSERT public.t"},
	{"[{\"event\":\"update\",\"schema\":\"s\",\"table\":\"t\",\"filter\":\" id=eq.1 \"}]", ENTRIES_PARSED,
	"UPDATE s.t id=eq.1"},
	{"[{\"event\":\"Delete\",\"table\":\"t\"},null,{\"schema\":\"s\"}]", ENTRIES_PARSED, "DELETE public.t; * s.*"},
	{"[{\"event\":\"TRUNCATE\",\"schema\":\"*\",\"table\":\"*\"}]", ENTRIES_PARSED, "* *.*"},
	{"[{\"event\":7,\"table\":\"t\",\"schema\":null}]", ENTRIES_PARSED, "* public.t"},
	{"[{\"schema\":\"a\\u0062\",\"table\":\"t\\\"\",\"filter\":\"\"}]", ENTRIES_PARSED, "* ab.t\""},
	{"[{\"schema\":\"s\",\"table\":\"t\",\"select\":[\"a\",1,\"b\",null]},{\"table\":\"u\",\"select\":[]},"
		"{\"table\":\"v\",\"select\":[\"c\"]}]", ENTRIES_PARSED,
	"* s.t (a,b); * public.u; * public.v (c)"},
	{"[{\"schema\":\"*\",\"select\":[]}]", ENTRIES_PARSED, "* *.*"},

	{"[{}]", ENTRIES_BAD, NO_PARAMS "%{}"},
	{"[{\"event\":\"*\"}]", ENTRIES_BAD, NO_PARAMS "%{\"event\" => \"*\"}"},
	{"[{\"schema\":\"s\",\"table\":\"t\",\"filter\":null,\"event\":\"INSERT\"}]", ENTRIES_BAD,
	NO_PARAMS "%{\"event\" => \"INSERT\", \"filter\" => nil, \"schema\" => \"s\", \"table\" => \"t\"}"},
	{"[{\"table\":\"t\",\"filter\":\"id=eq.1\"}]", ENTRIES_BAD,
	NO_PARAMS "%{\"filter\" => \"id=eq.1\", \"table\" => \"t\"}"},
	{"[{\"schema\":1.5,\"x\":[true,{\"y\":\"a\\\"b\"}]}]", ENTRIES_BAD,
	NO_PARAMS "%{\"schema\" => 1.5, \"x\" => [true, %{\"y\" => \"a\\\"b\"}]}"},
	{"[\"t\"]", ENTRIES_BAD, NO_PARAMS "\"t\""},
	{"[{\"b\":1,\"a\":2,\"b\":3}]", ENTRIES_BAD, NO_PARAMS "%{\"a\" => 2, \"b\" => 3}"},
	{"[{\"table\":\"t\"},{\"schema\":\"s\",\"table\":\"t\",\"filter\":\"id=foo.hey\"}]", ENTRIES_BAD,
	"Error parsing `filter` params: [\"foo\", \"hey\"]"},
	{"[{\"schema\":\"s\",\"table\":\"t\",\"select\":\"a\"}]", ENTRIES_BAD,
		"Error parsing `select` params: expected a list of column name strings, "
	"e.g. select: [\"col1\", \"col2\"]"},
	{"[{\"schema\":\"s\",\"table\":\"*\",\"select\":[\"a\"]}]", ENTRIES_BAD,
		"Column selection is not supported for wildcard subscriptions. "
	"Provide an explicit schema and table name."},
};

/* Each case of the table. */
static void
test_cases(void)
{
	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		json = exact(slice_make(cases[i].json, strlen(cases[i].json)));
		ChangeEntries entries;
		Bytes		text = {0};
		EntryParse	verdict;

		if (!jslice_validate(json.data, json.len, NULL))
			ok(false, "%s is no JSON", cases[i].json);
		verdict = change_entries_parse(json, &entries, &text);
		is_int(verdict, cases[i].verdict, cases[i].json);
		if (verdict == ENTRIES_PARSED)
		{
			show(&text, &entries);
			change_entries_free(&entries);
		}
		is_text(bytes_slice(&text), cases[i].text, "what it says");
		bytes_free(&text);
		release(json);
	}
}

/* As many entries as there may be, and one more. */
static void
test_many(void)
{
	ChangeEntries entries;
	Bytes		json = {0};
	Bytes		error = {0};

	bytes_append_byte(&json, '[');
	for (int i = 0; i < CHANGE_MAX_ENTRIES; i++)
		bytes_printf(&json, "%s{\"table\":\"t%d\",\"select\":[\"a\"]}", i > 0 ? "," : "", i);
	bytes_append_byte(&json, ']');
	is_int(change_entries_parse(bytes_slice(&json), &entries, &error), ENTRIES_PARSED, "64 entries");
	is_int(entries.count, CHANGE_MAX_ENTRIES, "are all there");
	is_text(entries.entries[63].names[0], "a", "with their columns");
	change_entries_free(&entries);
	json.data[json.len - 1] = ',';
	bytes_append_cstr(&json, "{\"table\":\"x\"}]");
	is_int(change_entries_parse(bytes_slice(&json), &entries, &error), ENTRIES_BAD, "65 entries");
	is_text(bytes_slice(&error), "Too many postgres_changes entries. Maximum 64 per channel", "why");
	bytes_free(&json);
	bytes_free(&error);
}

/* A map with more keys than Elixir sorts. */
static void
test_large_map(void)
{
	ChangeEntries entries;
	Bytes		json = {0};
	Bytes		error = {0};

	bytes_append_cstr(&json, "[{");
	for (int i = 0; i < 40; i++)
		bytes_printf(&json, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
	bytes_append_cstr(&json, "}]");
	is_int(change_entries_parse(bytes_slice(&json), &entries, &error), ENTRIES_BAD, "40 members");
	ok(strstr(error.data, "\"k39\" => 39}") != NULL, "all are shown");
	bytes_free(&json);
	bytes_free(&error);
}

/* Names of topics. */
static void
test_names(void)
{
	static const char *const names[][2] = {
		{"*", "* *.*"},
		{"public", "* public.*"},
		{"public:t", "* public.t"},
		{"public:t:id=eq.a:b", "* public.t id=eq.a:b"},
		{"public:*", "* public.*"},
	};

	for (int i = 0; i < lengthof(names); i++)
	{
		Slice		name = exact(slice_make(names[i][0], strlen(names[i][0])));
		ChangeEntries entries;
		Bytes		text = {0};

		is_int(change_entries_of_name(name, &entries, &text), ENTRIES_PARSED, names[i][0]);
		release(name);
		show(&text, &entries);
		is_text(bytes_slice(&text), names[i][1], "what it says");
		change_entries_free(&entries);
		bytes_free(&text);
	}
}

int
main(void)
{
	test_cases();
	test_many();
	test_large_map();
	test_names();
	return done_testing();
}
