/*-------------------------------------------------------------------------
 *
 * change_frame.c
 *	  What clients are told of a change: the payload of postgres_changes.
 *
 * supabase.md 6.6 and 6.8.  Values are copied as the writing backend encoded
 * them.  A client that reads a record must find an object, so that even where
 * there is nothing to be seen there is an empty one.
 *
 * src/proto/change_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/change_frame.h"

#include "proto/jslice.h"

#define MSECS_PER_DAY INT64CONST(86400000)
#define DAYS_TO_2000 730425		/* from March 1 of year 0 */

/*
 * Name of an operation.
 */
const char *
change_type_name(uint8 op)
{
	switch (op)
	{
		case CHANGE_INSERT:
			return "INSERT";
		case CHANGE_UPDATE:
			return "UPDATE";
		default:
			return "DELETE";
	}
}

/*
 * May a column be seen?  Its number is among those that are listed.
 */
static bool
is_visible(const ChangeColumns *columns, uint16 attnum)
{
	size_t		low = 0;
	size_t		high = columns->attnums.len / sizeof(uint16);

	if (columns->all)
		return true;
	while (low < high)
	{
		size_t		middle = (low + high) / 2;
		uint16		found;

		memcpy(&found, columns->attnums.data + middle * sizeof(found), sizeof(found));
		if (found == attnum)
			return true;
		if (found < attnum)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/*
 * Is a column shown?
 */
static bool
is_shown(const ChangeColumns *columns, const ChangeColumn *column)
{
	if (!is_visible(columns, column->attnum))
		return false;
	if (columns->nwanted == 0 || (column->flags & CHANGE_KEY) != 0)
		return true;
	for (uint32 i = 0; i < columns->nwanted; i++)
	{
		if (slice_equals(columns->wanted[i], column->name))
			return true;
	}
	return false;
}

/*
 * Look for a part of the key that may not be seen.
 */
ChangeFault
change_fault(const ChangeRecord *record, const ChangeColumns *columns)
{
	Slice		rest = record->columns;
	ChangeColumn column;

	if (columns->all || record->op == CHANGE_DELETE)
		return CHANGE_FINE;
	while (change_next_column(&rest, &column))
	{
		if ((column.flags & CHANGE_KEY) != 0 && !is_visible(columns, column.attnum))
			return CHANGE_UNAUTHORISED;
	}
	return CHANGE_FINE;
}

/*
 * Append a time of commit, to the millisecond: "2026-01-02T03:04:05.678Z".
 */
static void
append_timestamp(Bytes *out, int64 usecs)
{
	int64		msecs = usecs / 1000 - (usecs % 1000 < 0);
	int64		days = msecs / MSECS_PER_DAY - (msecs % MSECS_PER_DAY < 0);
	int64		of_day = msecs - days * MSECS_PER_DAY;
	int64		era;
	int64		of_era;
	int64		year;
	int64		of_year;
	int64		month;			/* from March */

	days += DAYS_TO_2000;
	era = (days >= 0 ? days : days - 146096) / 146097;
	of_era = days - era * 146097;
	year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153;
	bytes_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"",
				 (int) (year + era * 400 + (month >= 10)),
				 (int) (month < 10 ? month + 3 : month - 9),
				 (int) (of_year - (153 * month + 2) / 5 + 1),
				 (int) (of_day / 3600000), (int) (of_day / 60000 % 60),
				 (int) (of_day / 1000 % 60), (int) (of_day % 1000));
}

/*
 * Append [{"name":...,"type":...},...].
 */
static void
append_columns(Bytes *out, const ChangeRecord *record, const ChangeColumns *columns)
{
	Slice		rest = record->columns;
	ChangeColumn column;
	bool		first = true;

	bytes_append_byte(out, '[');
	while (change_next_column(&rest, &column))
	{
		if (!is_shown(columns, &column))
			continue;
		bytes_append_cstr(out, first ? "{\"name\":" : ",{\"name\":");
		jslice_append_string(out, column.name);
		bytes_append_cstr(out, ",\"type\":");
		jslice_append_string(out, column.type);
		bytes_append_byte(out, '}');
		first = false;
	}
	bytes_append_byte(out, ']');
}

/*
 * Append one member of a row; what is absent or left out is no member.
 */
static bool
append_value(Bytes *out, bool first, Slice name, const ChangeValue *value)
{
	if (value->form != VALUE_NULL && !VALUE_HAS_JSON(value->form))
		return false;
	if (!first)
		bytes_append_byte(out, ',');
	jslice_append_string(out, name);
	bytes_append_byte(out, ':');
	if (value->form == VALUE_NULL)
		bytes_append_cstr(out, "null");
	else
		bytes_append_slice(out, value->json);
	return true;
}

/*
 * Append the new row.
 */
static void
append_record(Bytes *out, const ChangeRecord *record, const ChangeColumns *columns)
{
	Slice		rest = record->columns;
	ChangeColumn column;
	bool		first = true;

	bytes_append_byte(out, '{');
	while (change_next_column(&rest, &column))
	{
		if (is_shown(columns, &column) &&
			append_value(out, first, column.name, &column.value))
			first = false;
	}
	bytes_append_byte(out, '}');
}

/*
 * Append what is to be seen of the old one: its replica identity.
 */
static void
append_old_record(Bytes *out, const ChangeRecord *record, const ChangeColumns *columns)
{
	Slice		rest = record->columns;
	ChangeColumn column;
	bool		first = true;

	bytes_append_byte(out, '{');
	while (change_next_column(&rest, &column))
	{
		if ((column.flags & CHANGE_IDENTITY) != 0 && is_shown(columns, &column) &&
			append_value(out, first, column.name, &column.old_value))
			first = false;
	}
	bytes_append_byte(out, '}');
}

/*
 * The errors that come with a change.
 */
static const char *
errors_of(const ChangeRecord *record, ChangeFault fault)
{
	switch (fault)
	{
		case CHANGE_UNAUTHORISED:
			return "[\"Error 401: Unauthorized\"]";
		case CHANGE_POLICY_FAILED:
			return "[\"Error 500: Internal Server Error, RLS policy evaluation failed\"]";
		default:
			if ((record->flags & CHANGE_OVERSIZE) != 0)
				return "[\"Error 413: Payload Too Large\"]";
			return "null";
	}
}

/*
 * Append all of it.
 */
bool
change_encode_data(Bytes *out, const ChangeRecord *record, const ChangeColumns *columns,
				   int64 committed_at, ChangeFault fault)
{
	static const ChangeColumns none = {0};

	bytes_append_cstr(out, "{\"schema\":");
	jslice_append_string(out, record->schema);
	bytes_append_cstr(out, ",\"table\":");
	jslice_append_string(out, record->table);
	bytes_printf(out, ",\"type\":\"%s\",\"commit_timestamp\":", change_type_name(record->op));
	if (fault == CHANGE_FINE)
		append_timestamp(out, committed_at);
	else
	{
		bytes_append_cstr(out, "null");
		columns = &none;
	}
	bytes_append_cstr(out, ",\"columns\":");
	append_columns(out, record, columns);
	if (record->op != CHANGE_DELETE)
	{
		bytes_append_cstr(out, ",\"record\":");
		append_record(out, record, columns);
	}
	if (record->op != CHANGE_INSERT)
	{
		bytes_append_cstr(out, ",\"old_record\":");
		append_old_record(out, record, columns);
	}
	bytes_append_cstr(out, ",\"errors\":");
	bytes_append_cstr(out, errors_of(record, fault));
	return bytes_append_byte(out, '}');
}
