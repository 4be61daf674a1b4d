/*-------------------------------------------------------------------------
 *
 * change_row.c
 *	  The row that a change is about, as filters look at it.
 *
 * Most changes are about tables without filters, so the record is taken apart
 * when the first value is asked for.  Thousands of subscriptions may ask for
 * the same column one after the other: the last value is remembered.
 *
 * src/gateway/change_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/change_row.h"
#include "gateway/replies.h"

static const ChangeRecord *row;
static ChangeColumn columns[CHANGE_MAX_COLUMNS];
static uint32 ncolumns;
static bool decoded;			/* columns[] are those of `row` */
static uint16 last_attnum;		/* 0 = none */
static RowValue last_state;
static FilterOperand last_value;
static Bytes plain;				/* of the last value, if it had to be decoded */

/*
 * Begin with another change.
 */
void
change_row_begin(const ChangeRecord *record)
{
	row = record;
	decoded = false;
	last_attnum = 0;
}

/*
 * Take the record apart.
 */
static void
decode(void)
{
	Slice		rest = row->columns;

	ncolumns = 0;
	while (ncolumns < CHANGE_MAX_COLUMNS && change_next_column(&rest, &columns[ncolumns]))
		ncolumns++;
	decoded = true;
}

/*
 * The column of that number; NULL if the table has none.
 */
static const ChangeColumn *
find_column(uint16 attnum)
{
	uint32		low = 0;
	uint32		high;

	if (!decoded)
		decode();
	high = ncolumns;
	while (low < high)
	{
		uint32		middle = (low + high) / 2;

		if (columns[middle].attnum == attnum)
			return &columns[middle];
		if (columns[middle].attnum < attnum)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/*
 * The text of a value; where it stands in the record as it is, there is no
 * need for a copy.
 */
static RowValue
read_value(const ChangeValue *value)
{
	switch (value->form)
	{
		case VALUE_ABSENT:
			return ROW_ABSENT;
		case VALUE_LEFT_OUT:
			return ROW_LEFT_OUT;
		case VALUE_NULL:
			last_value.is_null = true;
			return ROW_VALUE;
		case VALUE_VERBATIM:
			last_value.text = value->json;
			return ROW_VALUE;
		case VALUE_WITH_TEXT:
			last_value.text = value->text;
			return ROW_VALUE;
		case VALUE_STRING:
			if (memchr(value->json.data, '\\', value->json.len) == NULL)
			{
				last_value.text = slice_make(value->json.data + 1, value->json.len - 2);
				return ROW_VALUE;
			}
			break;
		default:
			break;
	}
	scratch_reset(&plain);
	if (!change_value_text(value, &plain))
		return ROW_LEFT_OUT;
	last_value.text = bytes_slice(&plain);
	return ROW_VALUE;
}

/*
 * Look a value up.
 */
static RowValue
find_value(uint16 attnum)
{
	const ChangeColumn *column = find_column(attnum);

	memset(&last_value, 0, sizeof(last_value));
	if (column == NULL)
		return ROW_ABSENT;
	if (row->op == CHANGE_DELETE && (column->flags & CHANGE_IDENTITY) == 0)
		return ROW_ABSENT;
	return read_value(change_row_value(row, column));
}

/*
 * The value of a column.
 */
RowValue
change_row_value_of(uint16 attnum, FilterOperand *value)
{
	if (last_attnum != attnum)
	{
		last_state = find_value(attnum);
		last_attnum = attnum;
	}
	*value = last_value;
	return last_state;
}
