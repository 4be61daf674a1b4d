/*-------------------------------------------------------------------------
 *
 * test_change_record.c
 *	  A change of a row: there and back, and nothing else.
 *
 * test/unit/test_change_record.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/change_record.h"

static const ChangeValue absent = {VALUE_ABSENT};
static const ChangeValue null = {VALUE_NULL};

/* A value of some form. */
static ChangeValue
value_of(ValueForm form, Slice json, Slice text)
{
	ChangeValue value = {(uint8) form, json, text};

	return value;
}

/* A column; of an UPDATE. */
static ChangeColumn
column_of(uint16 attnum, uint8 flags, Slice name, ChangeValue value, ChangeValue old)
{
	ChangeColumn column = {attnum, flags, name, B("some_type"), value, old};

	return column;
}

/* Encode a change into memory that ends exactly; release() it. */
static Slice
encode(ChangeOp op, uint8 flags, const ChangeColumn *columns, int ncolumns)
{
	ChangeRecord record = {4711, (uint8) op, flags, (uint16) ncolumns, B("public"), B("t\xc3\xa9")};
	Bytes		out;
	Slice		data;

	bytes_init(&out);
	(void) change_append_head(&out, &record);
	for (int i = 0; i < ncolumns; i++)
		(void) change_append_column(&out, &columns[i]);
	data = exact(bytes_slice(&out));
	bytes_free(&out);
	return data;
}

/* Is this a change that decodes? */
static bool
decodes(ChangeOp op, uint8 flags, const ChangeColumn *columns, int ncolumns)
{
	Slice		data = encode(op, flags, columns, ncolumns);
	ChangeRecord record;
	bool		result = change_decode(data, &record);

	release(data);
	return result;
}

/* Two values are the same. */
static bool
same_value(const ChangeValue *a, const ChangeValue *b)
{
	return a->form == b->form && slice_equals(a->json, b->json) && slice_equals(a->text, b->text);
}

/* An UPDATE with a value of every form. */
static int
sample(ChangeColumn *columns)
{
	ChangeValue number = value_of(VALUE_VERBATIM, B("-12.50"), B(""));
	ChangeValue string = value_of(VALUE_STRING, B("\"a \\\"b\\\" \\u00e9\""), B(""));
	ChangeValue hex = value_of(VALUE_HEX, B("\"0001ff\""), B(""));
	ChangeValue array = value_of(VALUE_WITH_TEXT, B("[1,null]"), B("{1,NULL}"));
	ChangeValue empty = value_of(VALUE_WITH_TEXT, B("[]"), B(""));
	ChangeValue left_out = value_of(VALUE_LEFT_OUT, B(""), B(""));

	columns[0] = column_of(1, CHANGE_KEY | CHANGE_IDENTITY, B("id"), number, number);
	columns[1] = column_of(2, 0, B("a \"b\""), string, absent);
	columns[2] = column_of(5, CHANGE_IDENTITY, B("c"), null, hex);
	columns[3] = column_of(6, CHANGE_IDENTITY, B("d"), array, left_out);
	columns[4] = column_of(CHANGE_MAX_COLUMNS, 0, B("e"), empty, absent);
	return 5;
}

/* All fields come back, with slices inside the record. */
static void
test_round_trip(void)
{
	ChangeColumn columns[5];
	int			n = sample(columns);
	Slice		data = encode(CHANGE_UPDATE, CHANGE_OVERSIZE | CHANGE_HAS_KEY, columns, n);
	ChangeRecord record;
	ChangeColumn column;
	Slice		rest;
	bool		good = true;

	if (!ok(change_decode(data, &record), "a change decodes"))
		return;
	ok(record.relid == 4711 && record.op == CHANGE_UPDATE &&
	   record.flags == (CHANGE_OVERSIZE | CHANGE_HAS_KEY) && record.ncolumns == n, "head");
	is_text(record.schema, "public", "schema");
	is_text(record.table, "t\xc3\xa9", "table");
	rest = record.columns;
	for (int i = 0; i < n; i++)
	{
		good = good && change_next_column(&rest, &column) &&
			column.attnum == columns[i].attnum && column.flags == columns[i].flags &&
			slice_equals(column.name, columns[i].name) &&
			slice_equals(column.type, columns[i].type) &&
			same_value(&column.value, &columns[i].value) &&
			same_value(&column.old_value, &columns[i].old_value);
	}
	ok(good, "columns");
	ok(!change_next_column(&rest, &column), "and no more");
	release(data);
}

/* What is cut off, or longer, or has another byte somewhere, is read within its bounds. */
static void
test_damage(void)
{
	ChangeColumn columns[5];
	int			n = sample(columns);
	Slice		data = encode(CHANGE_UPDATE, 0, columns, n);
	ChangeRecord record;
	int			decoded = 0;
	bool		good = true;

	for (size_t len = 0; len < data.len; len++)
	{
		Slice		part = exact(slice_make(data.data, len));

		good = good && !change_decode(part, &record);
		release(part);
	}
	ok(good, "cut at every place");
	for (size_t at = 0; at < data.len; at++)
	{
		for (int byte = 0; byte < 256; byte += 5)
		{
			Slice		copy = exact(data);

			unconstify(char *, copy.data)[at] ^= (char) (byte + 1);
			decoded += change_decode(copy, &record) ? 1 : 0;
			release(copy);
		}
	}
	ok(decoded > 0 && decoded < data.len * 52, "other bytes everywhere: %d of them decode", decoded);
	release(data);
}

/* What no change of its kind has. */
static void
test_rules(void)
{
	ChangeValue one = value_of(VALUE_VERBATIM, B("1"), B(""));
	ChangeValue empty = value_of(VALUE_STRING, B(""), B(""));
	ChangeColumn columns[2];

	columns[0] = column_of(1, CHANGE_IDENTITY, B("a"), one, one);
	ok(decodes(CHANGE_UPDATE, 0, columns, 1), "an UPDATE with both values");
	ok(!decodes(CHANGE_INSERT, 0, columns, 1), "an INSERT with an old value");
	ok(!decodes(CHANGE_DELETE, 0, columns, 1), "a DELETE with a new one");
	ok(!decodes(4, 0, columns, 1), "another operation");
	ok(!decodes(CHANGE_UPDATE, 0x80, columns, 1), "unknown flags");
	columns[0].flags = 0;
	ok(!decodes(CHANGE_UPDATE, 0, columns, 1), "an old value outside of the identity");
	columns[0].flags = 0x10;
	ok(!decodes(CHANGE_UPDATE, 0, columns, 1), "unknown flags of a column");
	columns[0] = column_of(1, 0, B("a"), absent, one);
	ok(decodes(CHANGE_DELETE, 0, columns, 1), "a DELETE has the whole row");
	columns[0] = column_of(1, 0, B("a"), one, absent);
	ok(decodes(CHANGE_INSERT, 0, columns, 1), "an INSERT");
	columns[1] = columns[0];
	ok(!decodes(CHANGE_INSERT, 0, columns, 2), "a column twice");
	columns[0].attnum = 0;
	ok(!decodes(CHANGE_INSERT, 0, columns, 1), "column 0");
	columns[0].attnum = CHANGE_MAX_COLUMNS + 1;
	ok(!decodes(CHANGE_INSERT, 0, columns, 1), "more columns than there can be");
	columns[0] = column_of(1, 0, B(""), one, absent);
	ok(!decodes(CHANGE_INSERT, 0, columns, 1), "a column without name");
	columns[0] = column_of(1, 0, B("a"), empty, absent);
	ok(!decodes(CHANGE_INSERT, 0, columns, 1), "no JSON where some should be");
	columns[0].value.form = VALUE_LEFT_OUT + 1;
	ok(!decodes(CHANGE_INSERT, 0, columns, 1), "an unknown form");
	ok(decodes(CHANGE_INSERT, 0, columns, 0), "a table without columns");
}

/* The text of a value. */
static void
test_texts(void)
{
	static const struct
	{
		ChangeValue value;
		const char *text;		/* NULL = it has none */
	}			cases[] = {
		{{VALUE_VERBATIM, P("1e5")}, "1e5"},
		{{VALUE_STRING, P("\"a\\n\\u00e9\"")}, "a\n\xc3\xa9"},
		{{VALUE_STRING, P("\"\"")}, ""},
		{{VALUE_STRING, P("\"\\u0000\"")}, NULL},
		{{VALUE_STRING, P("\"cut")}, NULL},
		{{VALUE_STRING, P("1")}, NULL},
		{{VALUE_HEX, P("\"00ff\"")}, "\\x00ff"},
		{{VALUE_WITH_TEXT, P("[1]"), P("{1}")}, "{1}"},
		{{VALUE_NULL}, NULL},
		{{VALUE_ABSENT}, NULL},
		{{VALUE_LEFT_OUT}, NULL},
	};
	Bytes		out;

	for (int i = 0; i < lengthof(cases); i++)
	{
		ChangeValue value = cases[i].value;
		bool		got;

		value.json = exact(value.json);
		bytes_init(&out);
		got = change_value_text(&value, &out);
		if (cases[i].text == NULL)
			ok(!got, "value %d has no text", i);
		else if (ok(got, "value %d has one", i))
			is_text(bytes_slice(&out), cases[i].text, "namely");
		bytes_free(&out);
		release(value.json);
	}
}

int
main(void)
{
	test_round_trip();
	test_damage();
	test_rules();
	test_texts();
	return done_testing();
}
