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
 * Lay bytes down; returns where the next ones go.
 */
static char *
lay_bytes(char *to, const void *data, size_t len)
{
	if (len > 0)
		memcpy(to, data, len);
	return to + len;
}

/*
 * Lay a text down.
 */
static char *
lay_text(char *to, Slice text)
{
	uint32		len = (uint32) text.len;

	to = lay_bytes(to, &len, sizeof(len));
	return lay_bytes(to, text.data, text.len);
}

/*
 * Bytes of a text.
 */
static size_t
text_bytes(Slice text)
{
	return sizeof(uint32) + text.len;
}

/*
 * Lay a value down.
 */
static char *
lay_value(char *to, const ChangeValue *value)
{
	to = lay_bytes(to, &value->form, sizeof(value->form));
	if (VALUE_HAS_JSON(value->form))
		to = lay_text(to, value->json);
	if (value->form == VALUE_WITH_TEXT)
		to = lay_text(to, value->text);
	return to;
}

/*
 * Bytes of a value.
 */
static size_t
value_bytes(const ChangeValue *value)
{
	return sizeof(value->form) +
		(VALUE_HAS_JSON(value->form) ? text_bytes(value->json) : 0) +
		(value->form == VALUE_WITH_TEXT ? text_bytes(value->text) : 0);
}

/*
 * Append a column.  Writers do this for each column of each row; so room is made
 * once.
 */
bool
change_append_column(Bytes *out, const ChangeColumn *column)
{
	size_t		bytes = sizeof(column->attnum) + sizeof(column->flags) +
		text_bytes(column->name) + text_bytes(column->type) +
		value_bytes(&column->value) + value_bytes(&column->old_value);
	char	   *to;

	if (!bytes_reserve(out, bytes))
		return false;
	to = out->data + out->len;
	to = lay_bytes(to, &column->attnum, sizeof(column->attnum));
	to = lay_bytes(to, &column->flags, sizeof(column->flags));
	to = lay_text(to, column->name);
	to = lay_text(to, column->type);
	to = lay_value(to, &column->value);
	(void) lay_value(to, &column->old_value);
	out->len += bytes;
	return true;
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
