/*-------------------------------------------------------------------------
 *
 * change_row.c
 *	  The row that a change is about, as a value of its table's row type.
 *
 * It is made of texts, by the types' input functions, under the settings that
 * the texts were written under.  A domain's checks are left out, as the value has
 * passed them before, and they may call anything.
 *
 * src/exec/change_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/lsyscache.h"

#include "api/change_value.h"
#include "api/utf8_text.h"
#include "exec/change_row.h"

typedef struct ColumnReader
{
	bool		known;			/* the rest is filled in */
	Oid			parameter;
	int32		typmod;
	FmgrInfo	input;
} ColumnReader;

/*
 * Set up.
 */
void
row_reader_init(RowReader *reader, Relation table)
{
	reader->table = table;
	reader->columns = palloc0(Max(RelationGetNumberOfAttributes(table), 1) * sizeof(ColumnReader));
}

/*
 * How a column is read.
 */
static ColumnReader *
column_reader(RowReader *reader, Form_pg_attribute attribute)
{
	ColumnReader *column = &reader->columns[attribute->attnum - 1];
	Oid			type;
	Oid			input;

	if (column->known)
		return column;
	column->typmod = attribute->atttypmod;
	type = getBaseTypeAndTypmod(attribute->atttypid, &column->typmod);
	getTypeInputInfo(type, &input, &column->parameter);
	fmgr_info(input, &column->input);
	column->known = true;
	return column;
}

/*
 * Read a value that is there.
 */
static Datum
read_value(RowReader *reader, Form_pg_attribute attribute, const ChangeValue *value)
{
	ColumnReader *column = column_reader(reader, attribute);
	Bytes		text;
	char	   *copy;

	bytes_init(&text);
	if (!change_value_text(value, &text) ||
		memchr(text.data ? text.data : "", '\0', text.len) != NULL)
	{
		bytes_free(&text);
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("a value of a change is malformed")));
	}
	copy = MemoryContextAllocExtended(CurrentMemoryContext, text.len + 1, MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
	{
		if (text.data != NULL)
			memcpy(copy, text.data, text.len);
		copy[text.len] = '\0';
	}
	bytes_free(&text);
	if (copy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return InputFunctionCall(&column->input, utf8_to_server(slice_make(copy, strlen(copy))),
							 column->parameter, column->typmod);
}

/*
 * The values that all columns of a table have in a row without any.
 */
static void
missing_values(TupleDesc desc, Datum *values, bool *nulls)
{
	for (int i = 0; i < desc->natts; i++)
	{
		nulls[i] = true;
		values[i] = (Datum) 0;
		if (!TupleDescAttr(desc, i)->attisdropped)
			values[i] = getmissingattr(desc, i + 1, &nulls[i]);
	}
}

/*
 * Make a row.
 */
Datum
row_reader_row(RowReader *reader, const ChangeRecord *change, Bitmapset **left_out)
{
	TupleDesc	desc = RelationGetDescr(reader->table);
	Datum	   *values = palloc(Max(desc->natts, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(desc->natts, 1) * sizeof(bool));
	Slice		rest = change->columns;
	ChangeColumn column;
	int			level = value_settings_enter();

	*left_out = NULL;
	missing_values(desc, values, nulls);
	while (change_next_column(&rest, &column))
	{
		const ChangeValue *value = change_row_value(change, &column);
		int			place = column.attnum - 1;

		if (place >= desc->natts || TupleDescAttr(desc, place)->attisdropped)
			continue;			/* it was dropped since */
		nulls[place] = !VALUE_HAS_JSON(value->form);
		if (value->form == VALUE_LEFT_OUT)
			*left_out = bms_add_member(*left_out, column.attnum);
		else if (!nulls[place])
			values[place] = read_value(reader, TupleDescAttr(desc, place), value);
	}
	value_settings_leave(level);
	return heap_copy_tuple_as_datum(heap_form_tuple(desc, values, nulls), desc);
}
