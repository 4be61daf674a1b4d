/*-------------------------------------------------------------------------
 *
 * change_entry.c
 *	  What a join asks for of tables: the entries of postgres_changes.
 *
 * Names become plain text in one buffer that has room for all of the JSON from
 * the beginning, so that it never moves under those who point into it.
 *
 * src/proto/change_entry.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/change_entry.h"

#include "proto/change_filter.h"

#define SORTED_KEYS 32			/* up to here Elixir's maps have their keys in
								 * order */
#define NO_PARAMS \
	"No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: "
#define BAD_SELECT \
	"Error parsing `select` params: expected a list of column name strings, e.g. select: [\"col1\", \"col2\"]"
#define WILDCARD_SELECT \
	"Column selection is not supported for wildcard subscriptions. Provide an explicit schema and table name."
#define TOO_MANY "Too many postgres_changes entries. Maximum 64 per channel"

StaticAssertDecl(CHANGE_MAX_ENTRIES == 64, "the error above names the limit");

static const struct
{
	const char *name;
	uint8		events;
}			event_names[] = {
	{"INSERT", CHANGE_ON(CHANGE_INSERT)},
	{"UPDATE", CHANGE_ON(CHANGE_UPDATE)},
	{"DELETE", CHANGE_ON(CHANGE_DELETE)},
	{"*", CHANGE_ON_ALL},
};

static void inspect(Bytes *out, Slice value);

/*
 * Name of an event.
 */
const char *
change_event_name(uint8 events)
{
	int			i = 0;

	while (event_names[i].events != CHANGE_ON_ALL && event_names[i].events != events)
		i++;
	return event_names[i].name;
}

/*
 * The events of a name in any case; what is not known stands for all.
 */
static uint8
events_of(Slice name)
{
	for (int i = 0; i < lengthof(event_names); i++)
	{
		if (name.len == strlen(event_names[i].name) &&
			pg_strncasecmp(name.data, event_names[i].name, name.len) == 0)
			return event_names[i].events;
	}
	return CHANGE_ON_ALL;
}

/*
 * Append a JSON string as Elixir shows it.
 */
static void
inspect_string(Bytes *out, Slice string)
{
	Bytes		plain = {0};

	if (!jslice_unescape(string, &plain))
		out->failed = true;
	filter_inspect_text(out, bytes_slice(&plain));
	bytes_free(&plain);
}

/*
 * Bytes of a before b?
 */
static bool
is_before(Slice a, Slice b)
{
	int			order = memcmp(a.data, b.data, Min(a.len, b.len));

	return order != 0 ? order < 0 : a.len < b.len;
}

/*
 * Find the member with the least key behind `after`; false if there is none.
 * Of members with one key the last one counts.
 */
static bool
next_in_order(Slice object, Slice after, Slice *least, Slice *its_value)
{
	JsliceIter	it;
	Slice		key;
	Slice		value;
	bool		found = false;

	jslice_iter_init(&it, object);
	while (jslice_iter_next(&it, &key, &value))
	{
		if ((after.len > 0 && !is_before(after, key)) || (found && is_before(*least, key)))
			continue;
		*least = key;
		*its_value = value;
		found = true;
	}
	return found;
}

/*
 * Append one member of a map.
 */
static void
inspect_member(Bytes *out, bool first, Slice key, Slice value)
{
	if (!first)
		bytes_append_cstr(out, ", ");
	if (key.len > 0)
	{
		inspect_string(out, key);
		bytes_append_cstr(out, " => ");
	}
	inspect(out, value);
}

/*
 * Append the members of an object or array.
 */
static void
inspect_members(Bytes *out, Slice value)
{
	JsliceIter	it;
	Slice		key;
	Slice		item;
	int			n = 0;

	jslice_iter_init(&it, value);
	while (jslice_iter_next(&it, &key, &item))
		n++;
	if (jslice_type(value) == JSLICE_OBJECT && n <= SORTED_KEYS)
	{
		Slice		after = {NULL, 0};

		for (n = 0; next_in_order(value, after, &key, &item); n++)
		{
			inspect_member(out, n == 0, key, item);
			after = key;
		}
		return;
	}
	n = 0;
	jslice_iter_init(&it, value);
	while (jslice_iter_next(&it, &key, &item))
		inspect_member(out, n++ == 0, key, item);
}

/*
 * Append a JSON value as Elixir's inspect() shows it.  Its depth is that of
 * valid JSON, at most JSLICE_MAX_DEPTH.
 */
static void
inspect(Bytes *out, Slice value)
{
	switch (jslice_type(value))
	{
		case JSLICE_OBJECT:
			bytes_append_cstr(out, "%{");
			inspect_members(out, value);
			bytes_append_byte(out, '}');
			break;
		case JSLICE_ARRAY:
			bytes_append_byte(out, '[');
			inspect_members(out, value);
			bytes_append_byte(out, ']');
			break;
		case JSLICE_STRING:
			inspect_string(out, jslice_trim(value));
			break;
		case JSLICE_NULL:
			bytes_append_cstr(out, "nil");
			break;
		default:
			bytes_append_slice(out, jslice_trim(value));
	}
}

/*
 * An error message is complete.
 */
static EntryParse
bad(Bytes *error, const char *message)
{
	return bytes_append_cstr(error, message) ? ENTRIES_BAD : ENTRIES_NO_MEMORY;
}

/*
 * The entry says neither schema nor table, or a filter that is none.
 */
static EntryParse
bad_params(Bytes *error, Slice raw)
{
	bytes_append_cstr(error, NO_PARAMS);
	inspect(error, raw);
	return error->failed ? ENTRIES_NO_MEMORY : ENTRIES_BAD;
}

/*
 * The text of a JSON string.  There is room for it.
 */
static Slice
plain_text(ChangeEntries *entries, Slice string)
{
	size_t		start = entries->text.len;

	if (!jslice_unescape(string, &entries->text))
		return slice_make(NULL, 0);
	return slice_make(entries->text.data + start, entries->text.len - start);
}

/*
 * Is the member there, and not null?
 */
static bool
is_given(Slice value)
{
	return jslice_type(value) != JSLICE_NONE && jslice_type(value) != JSLICE_NULL;
}

/*
 * Can a filter be parsed?  What it means is looked at later, by an executor.
 */
static EntryParse
check_filter(Slice text, Bytes *error)
{
	ChangeFilter filter;

	switch (filter_parse(text, &filter, error))
	{
		case FILTER_PARSED:
			filter_free(&filter);
			return ENTRIES_PARSED;
		case FILTER_BAD:
			return ENTRIES_BAD;
		default:
			return ENTRIES_NO_MEMORY;
	}
}

/*
 * Add a column of `select`.  Entries find theirs when all are there, because
 * the array moves.
 */
static bool
add_name(ChangeEntries *entries, Slice string)
{
	if (entries->nnames == entries->max_names)
	{
		uint32		max = Max(entries->max_names * 2, 8);
		Slice	   *moved = realloc(entries->names, max * sizeof(Slice));

		if (moved == NULL)
			return false;
		entries->names = moved;
		entries->max_names = max;
	}
	entries->names[entries->nnames++] = plain_text(entries, string);
	return true;
}

/*
 * Read `select` of an entry: what is no string in the list is left out.
 */
static EntryParse
parse_select(Slice select, ChangeEntries *entries, ChangeEntry *entry, Bytes *error)
{
	JsliceIter	it;
	Slice		key;
	Slice		item;

	if (jslice_type(select) != JSLICE_ARRAY)
		return bad(error, BAD_SELECT);
	jslice_iter_init(&it, select);
	while (jslice_iter_next(&it, &key, &item))
	{
		if (jslice_type(item) != JSLICE_STRING)
			continue;
		if (!add_name(entries, item))
			return ENTRIES_NO_MEMORY;
		entry->nnames++;
	}
	if (entry->nnames > 0 && (slice_equals_cstr(entry->schema, "*") ||
							  slice_equals_cstr(entry->table, "*")))
		return bad(error, WILDCARD_SELECT);
	return ENTRIES_PARSED;
}

/*
 * Schema and table; one of them is enough.
 */
static bool
parse_place(Slice raw, ChangeEntries *entries, ChangeEntry *entry)
{
	Slice		schema = jslice_get(raw, "schema");
	Slice		table = jslice_get(raw, "table");

	if ((is_given(schema) && jslice_type(schema) != JSLICE_STRING) ||
		(is_given(table) && jslice_type(table) != JSLICE_STRING) ||
		(!is_given(schema) && !is_given(table)))
		return false;
	entry->schema = is_given(schema) ? plain_text(entries, schema) : SLICE_LIT("public");
	entry->table = is_given(table) ? plain_text(entries, table) : SLICE_LIT("*");
	return jslice_type(jslice_get(raw, "filter")) == JSLICE_NONE ||
		(is_given(schema) && is_given(table));
}

/*
 * Read one entry into the next place.
 */
static EntryParse
parse_entry(Slice raw, ChangeEntries *entries, Bytes *error)
{
	ChangeEntry *entry = &entries->entries[entries->count];
	Slice		filter = jslice_get(raw, "filter");
	Slice		event = jslice_get(raw, "event");
	Slice		select = jslice_get(raw, "select");
	EntryParse	verdict = ENTRIES_PARSED;

	memset(entry, 0, sizeof(*entry));
	if (jslice_type(raw) != JSLICE_OBJECT || !parse_place(raw, entries, entry))
		return bad_params(error, raw);
	entry->events = CHANGE_ON_ALL;
	if (jslice_type(event) == JSLICE_STRING)
		entry->events = events_of(plain_text(entries, event));
	if (jslice_type(filter) != JSLICE_NONE)
	{
		if (jslice_type(filter) != JSLICE_STRING)
			return bad_params(error, raw);
		entry->filter = filter_trim(plain_text(entries, filter));
		verdict = check_filter(entry->filter, error);
	}
	if (verdict == ENTRIES_PARSED && is_given(select))
		verdict = parse_select(select, entries, entry, error);
	entries->count++;
	return verdict;
}

/*
 * Begin with no entries, and room for that many bytes of text.
 */
static bool
begin(ChangeEntries *entries, size_t room)
{
	entries->count = 0;
	entries->names = NULL;
	entries->nnames = 0;
	entries->max_names = 0;
	bytes_init(&entries->text);
	return bytes_reserve(&entries->text, room);
}

/*
 * Let the entries find the columns of their `select`, or free all.
 */
static EntryParse
finish(EntryParse verdict, ChangeEntries *entries)
{
	const Slice *next = entries->names;

	if (verdict == ENTRIES_PARSED && entries->text.failed)
		verdict = ENTRIES_NO_MEMORY;
	if (verdict != ENTRIES_PARSED)
	{
		change_entries_free(entries);
		return verdict;
	}
	for (uint32 i = 0; i < entries->count; i++)
	{
		entries->entries[i].names = next;
		next += entries->entries[i].nnames;
	}
	return ENTRIES_PARSED;
}

/*
 * Read all entries of a join.
 */
EntryParse
change_entries_parse(Slice array, ChangeEntries *entries, Bytes *error)
{
	EntryParse	verdict = ENTRIES_PARSED;
	JsliceIter	it;
	Slice		key;
	Slice		raw;

	if (!begin(entries, array.len))
		return ENTRIES_NO_MEMORY;
	jslice_iter_init(&it, array);
	while (verdict == ENTRIES_PARSED && jslice_iter_next(&it, &key, &raw))
	{
		if (jslice_type(raw) == JSLICE_NULL)
			continue;
		if (entries->count == CHANGE_MAX_ENTRIES)
			verdict = bad(error, TOO_MANY);
		else
			verdict = parse_entry(raw, entries, error);
	}
	return finish(verdict, entries);
}

/*
 * Take what stands before the next colon off *rest.
 */
static Slice
take_part(Slice *rest)
{
	const char *colon = rest->len > 0 ? memchr(rest->data, ':', rest->len) : NULL;
	Slice		part = *rest;

	if (colon == NULL)
		*rest = slice_make(NULL, 0);
	else
	{
		part.len = colon - rest->data;
		*rest = slice_make(colon + 1, rest->len - part.len - 1);
	}
	return part;
}

/*
 * Read the name of a topic as an entry.
 */
EntryParse
change_entries_of_name(Slice name, ChangeEntries *entries, Bytes *error)
{
	ChangeEntry *entry = &entries->entries[0];
	EntryParse	verdict;
	Slice		copy;

	if (!begin(entries, name.len))
		return ENTRIES_NO_MEMORY;
	bytes_append_slice(&entries->text, name);
	copy = bytes_slice(&entries->text);
	memset(entry, 0, sizeof(*entry));
	entry->events = CHANGE_ON_ALL;
	entry->schema = take_part(&copy);
	entry->table = take_part(&copy);
	entry->filter = filter_trim(copy);
	if (entry->table.len == 0)
		entry->table = SLICE_LIT("*");
	verdict = check_filter(entry->filter, error);
	entries->count = 1;
	return finish(verdict, entries);
}

/*
 * Give the memory back.
 */
void
change_entries_free(ChangeEntries *entries)
{
	free(entries->names);
	entries->names = NULL;
	bytes_free(&entries->text);
}
