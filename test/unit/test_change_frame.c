/*-------------------------------------------------------------------------
 *
 * test_change_frame.c
 *	  What clients are told of a change.
 *
 * test/unit/test_change_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/change_frame.h"
#include "proto/jslice.h"

#define USECS_PER_DAY INT64CONST(86400000000)

/* A value that is given as JSON, NULL = none. */
static ChangeValue
value_of(ValueForm form, const char *json)
{
	ChangeValue value = {0};

	value.form = form;
	if (json != NULL)
		value.json = slice_make(json, strlen(json));
	return value;
}

/* Append a column. */
static void
add_column(Bytes *columns, ChangeRecord *record, uint8 flags, const char *name,
		   const char *type, ChangeValue value, ChangeValue old_value)
{
	ChangeColumn column = {0};

	column.attnum = ++record->ncolumns;
	column.flags = flags;
	column.name = slice_make(name, strlen(name));
	column.type = slice_make(type, strlen(type));
	column.value = record->op == CHANGE_DELETE ? value_of(VALUE_ABSENT, NULL) : value;
	if (record->op == CHANGE_INSERT ||
		(record->op == CHANGE_UPDATE && (flags & CHANGE_IDENTITY) == 0))
		column.old_value = value_of(VALUE_ABSENT, NULL);
	else
		column.old_value = old_value;
	change_append_column(columns, &column);
}

/*
 * A change of a table with a key, a text and an array; the caller frees *bytes.
 */
static void
make_change(uint8 op, uint8 flags, Bytes *bytes, ChangeRecord *record)
{
	Bytes		columns = {0};
	ValueForm	long_form = (flags & CHANGE_OVERSIZE) != 0 ? VALUE_LEFT_OUT : VALUE_STRING;

	bytes_init(bytes);
	memset(record, 0, sizeof(*record));
	record->relid = 16400;
	record->op = op;
	record->flags = flags | CHANGE_HAS_KEY;
	record->schema = SLICE_LIT("public");
	record->table = SLICE_LIT("t\"t");
	add_column(&columns, record, CHANGE_KEY | CHANGE_IDENTITY, "id", "int8",
			   value_of(VALUE_VERBATIM, "7"), value_of(VALUE_VERBATIM, "6"));
	add_column(&columns, record, 0, "note", "text",
			   value_of(long_form, long_form == VALUE_STRING ? "\"a\\nb\"" : NULL),
			   value_of(VALUE_STRING, "\"old\""));
	add_column(&columns, record, CHANGE_IDENTITY, "tags", "_text",
			   value_of(VALUE_NULL, NULL), value_of(VALUE_VERBATIM, "[\"x\"]"));
	change_append_head(bytes, record);
	bytes_append_slice(bytes, bytes_slice(&columns));
	bytes_free(&columns);
	if (!change_decode(bytes_slice(bytes), record))
		ok(false, "the record decodes");
}

/* Encode and compare. */
static void
is_data(uint8 op, uint8 flags, const ChangeColumns *columns, ChangeFault fault,
		const char *want, const char *name)
{
	Bytes		bytes;
	Bytes		out = {0};
	ChangeRecord record;

	make_change(op, flags, &bytes, &record);
	ok(change_encode_data(&out, &record, columns, 123456, fault), "%s is encoded", name);
	is_text(bytes_slice(&out), want, name);
	ok(jslice_validate(out.data, out.len, NULL), "it is JSON");
	bytes_free(&out);
	bytes_free(&bytes);
}

#define HEAD(type) "{\"schema\":\"public\",\"table\":\"t\\\"t\",\"type\":\"" type "\","
#define TIME "\"commit_timestamp\":\"2000-01-01T00:00:00.123Z\","
#define COLUMNS "\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"note\",\"type\":\"text\"}," \
	"{\"name\":\"tags\",\"type\":\"_text\"}],"

/* The three operations, with all columns. */
static void
test_operations(void)
{
	static const ChangeColumns all = {.all = true};

	is_data(CHANGE_INSERT, 0, &all, CHANGE_FINE,
			HEAD("INSERT") TIME COLUMNS
			"\"record\":{\"id\":7,\"note\":\"a\\nb\",\"tags\":null},\"errors\":null}", "an INSERT");
	is_data(CHANGE_UPDATE, 0, &all, CHANGE_FINE,
			HEAD("UPDATE") TIME COLUMNS
			"\"record\":{\"id\":7,\"note\":\"a\\nb\",\"tags\":null},"
			"\"old_record\":{\"id\":6,\"tags\":[\"x\"]},\"errors\":null}", "an UPDATE");
	is_data(CHANGE_DELETE, 0, &all, CHANGE_FINE,
			HEAD("DELETE") TIME COLUMNS
			"\"old_record\":{\"id\":6,\"tags\":[\"x\"]},\"errors\":null}", "a DELETE");
}

/* Some columns only. */
static void
test_columns(void)
{
	static const uint16 numbers[] = {1, 3};
	static const Slice wanted[] = {P("note")};
	ChangeColumns some = {.attnums = {(const char *) numbers, sizeof(numbers)}};
	ChangeColumns chosen = {.all = true, .wanted = wanted, .nwanted = 1};

	is_data(CHANGE_UPDATE, 0, &some, CHANGE_FINE,
			HEAD("UPDATE") TIME
			"\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"tags\",\"type\":\"_text\"}],"
			"\"record\":{\"id\":7,\"tags\":null},"
			"\"old_record\":{\"id\":6,\"tags\":[\"x\"]},\"errors\":null}", "columns that may be seen");
	is_data(CHANGE_DELETE, 0, &chosen, CHANGE_FINE,
			HEAD("DELETE") TIME
			"\"columns\":[{\"name\":\"id\",\"type\":\"int8\"},{\"name\":\"note\",\"type\":\"text\"}],"
			"\"old_record\":{\"id\":6},\"errors\":null}", "columns that are wanted, and the key");
}

/* Errors. */
static void
test_errors(void)
{
	static const ChangeColumns all = {.all = true};
	static const uint16 numbers[] = {2};
	ChangeColumns keyless = {.attnums = {(const char *) numbers, sizeof(numbers)}};
	Bytes		bytes;
	ChangeRecord record;

	is_data(CHANGE_INSERT, CHANGE_OVERSIZE, &all, CHANGE_FINE,
			HEAD("INSERT") TIME COLUMNS
			"\"record\":{\"id\":7,\"tags\":null},\"errors\":[\"Error 413: Payload Too Large\"]}",
			"a row that is too large");
	is_data(CHANGE_UPDATE, 0, &all, CHANGE_UNAUTHORISED,
			HEAD("UPDATE") "\"commit_timestamp\":null,\"columns\":[],\"record\":{},\"old_record\":{},"
			"\"errors\":[\"Error 401: Unauthorized\"]}", "a key that may not be seen");
	is_data(CHANGE_INSERT, 0, &all, CHANGE_POLICY_FAILED,
			HEAD("INSERT") "\"commit_timestamp\":null,\"columns\":[],\"record\":{},"
			"\"errors\":[\"Error 500: Internal Server Error, RLS policy evaluation failed\"]}",
			"a policy that failed");
	make_change(CHANGE_INSERT, 0, &bytes, &record);
	is_int(change_fault(&record, &keyless), CHANGE_UNAUTHORISED, "without the key");
	is_int(change_fault(&record, &all), CHANGE_FINE, "with it");
	bytes_free(&bytes);
	make_change(CHANGE_DELETE, 0, &bytes, &record);
	is_int(change_fault(&record, &keyless), CHANGE_FINE, "a DELETE does without");
	bytes_free(&bytes);
}

/* Times of commit. */
static void
test_times(void)
{
	static const struct
	{
		int64		usecs;
		const char *text;
	}			times[] = {
		{0, "\"2000-01-01T00:00:00.000Z\""},
		{-1, "\"1999-12-31T23:59:59.999Z\""},
		{999999, "\"2000-01-01T00:00:00.999Z\""},
		{59 * USECS_PER_DAY, "\"2000-02-29T00:00:00.000Z\""},
		{60 * USECS_PER_DAY - 1, "\"2000-02-29T23:59:59.999Z\""},
		{60 * USECS_PER_DAY, "\"2000-03-01T00:00:00.000Z\""},
		{9497 * USECS_PER_DAY + INT64CONST(11045678901), "\"2026-01-01T03:04:05.678Z\""},
	};
	static const ChangeColumns none = {0};

	for (int i = 0; i < lengthof(times); i++)
	{
		Bytes		bytes;
		Bytes		out = {0};
		ChangeRecord record;
		Slice		time;

		make_change(CHANGE_DELETE, 0, &bytes, &record);
		if (!change_encode_data(&out, &record, &none, times[i].usecs, CHANGE_FINE))
			ok(false, "encoded");
		time = jslice_get(bytes_slice(&out), "commit_timestamp");
		is_text(time, times[i].text, times[i].text);
		bytes_free(&out);
		bytes_free(&bytes);
	}
}

int
main(void)
{
	test_operations();
	test_columns();
	test_errors();
	test_times();
	return done_testing();
}
