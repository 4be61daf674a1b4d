/*-------------------------------------------------------------------------
 *
 * change_record.c
 *	  One change of a row of a followed table, as bytes.
 *
 * src/proto/change_record.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/change_record.h"

#include "proto/jslice.h"
#include "proto/pieces.h"

/*
 * Append the head.
 */
bool
change_append_head(Bytes *out, const ChangeRecord *record)
{
	return put_u32(out, record->relid) &&
		put_u8(out, record->op) &&
		put_u8(out, record->flags) &&
		put_u16(out, record->ncolumns) &&
		put_text(out, record->schema) &&
		put_text(out, record->table);
}

/*
 * Append a value.
 */
static bool
append_value(Bytes *out, const ChangeValue *value)
{
	return put_u8(out, value->form) &&
		(!VALUE_HAS_JSON(value->form) || put_text(out, value->json)) &&
		(value->form != VALUE_WITH_TEXT || put_text(out, value->text));
}

/*
 * Append a column.
 */
bool
change_append_column(Bytes *out, const ChangeColumn *column)
{
	return put_u16(out, column->attnum) &&
		put_u8(out, column->flags) &&
		put_text(out, column->name) &&
		put_text(out, column->type) &&
		append_value(out, &column->value) &&
		append_value(out, &column->old_value);
}

/*
 * Take a value off *rest.
 */
static bool
take_value(Slice *rest, ChangeValue *value)
{
	memset(value, 0, sizeof(*value));
	if (!take_u8(rest, &value->form) || !VALUE_FORM_VALID(value->form))
		return false;
	if (VALUE_HAS_JSON(value->form) &&
		(!take_text(rest, SIZE_MAX, &value->json) || value->json.len == 0))
		return false;
	return value->form != VALUE_WITH_TEXT || take_text(rest, SIZE_MAX, &value->text);
}

/*
 * Take a name off *rest; none is empty.
 */
static bool
take_name(Slice *rest, Slice *name)
{
	return take_text(rest, CHANGE_MAX_NAME, name) && name->len > 0;
}

/*
 * Take the next column.
 */
bool
change_next_column(Slice *columns, ChangeColumn *column)
{
	return columns->len > 0 &&
		take_u16(columns, &column->attnum) &&
		take_u8(columns, &column->flags) &&
		take_name(columns, &column->name) &&
		take_name(columns, &column->type) &&
		take_value(columns, &column->value) &&
		take_value(columns, &column->old_value);
}

/*
 * Are this column's values those that a change of that kind has?
 */
static bool
values_fit(uint8 op, const ChangeColumn *column)
{
	bool		has_new = column->value.form != VALUE_ABSENT;
	bool		has_old = column->old_value.form != VALUE_ABSENT;

	switch (op)
	{
		case CHANGE_INSERT:
			return has_new && !has_old;
		case CHANGE_UPDATE:
			return has_new && has_old == ((column->flags & CHANGE_IDENTITY) != 0);
		default:
			return !has_new && has_old;
	}
}

/*
 * Are the columns as they should be, and as many?
 */
static bool
columns_fit(const ChangeRecord *record)
{
	Slice		rest = record->columns;
	ChangeColumn column;
	uint16		last = 0;

	for (int i = 0; i < record->ncolumns; i++)
	{
		if (!change_next_column(&rest, &column) ||
			column.attnum <= last || column.attnum > CHANGE_MAX_COLUMNS ||
			(column.flags & ~(CHANGE_KEY | CHANGE_IDENTITY)) != 0 ||
			!values_fit(record->op, &column))
			return false;
		last = column.attnum;
	}
	return rest.len == 0;
}

/*
 * Take a record apart.
 */
bool
change_decode(Slice data, ChangeRecord *record)
{
	if (!take_u32(&data, &record->relid) || record->relid == 0 ||
		!take_u8(&data, &record->op) || !CHANGE_OP_VALID(record->op) ||
		!take_u8(&data, &record->flags) ||
		(record->flags & ~(CHANGE_OVERSIZE | CHANGE_HAS_KEY)) != 0 ||
		!take_u16(&data, &record->ncolumns) ||
		!take_name(&data, &record->schema) ||
		!take_name(&data, &record->table))
		return false;
	record->columns = data;
	return columns_fit(record);
}

/*
 * Which table is it about?
 */
uint32
change_peek_relid(Slice data)
{
	uint32		relid;

	return take_u32(&data, &relid) ? relid : 0;
}

/*
 * Append what a JSON string says; nobody has seen yet that it is one.
 */
static bool
append_string(Bytes *out, Slice json)
{
	return jslice_validate(json.data, json.len, NULL) && jslice_unescape(json, out);
}

/*
 * Append the text of a value.
 */
bool
change_value_text(const ChangeValue *value, Bytes *out)
{
	switch (value->form)
	{
		case VALUE_VERBATIM:
			return bytes_append_slice(out, value->json);
		case VALUE_STRING:
			return append_string(out, value->json);
		case VALUE_HEX:
			return bytes_append_cstr(out, "\\x") && append_string(out, value->json);
		case VALUE_WITH_TEXT:
			return bytes_append_slice(out, value->text);
		default:
			return false;
	}
}
