/*-------------------------------------------------------------------------
 *
 * change_record.h
 *	  One change of a row of a followed table, as it travels from the backend
 *	  that makes it to the gateways, and on to executors.
 *
 * It is the payload of a WAL record of kind WAL_MESSAGE_CHANGE.  Values are the
 * JSON text that clients get in record and old_record, so that who forwards
 * them copies bytes.  The text of a value, which filters and policies are about,
 * follows from the JSON, but for the few types of which it does not.
 *
 * All columns are there, in the order of their numbers, with the whole row that
 * the change is about: the new one, or of a DELETE the old one.  Which of the
 * old values clients may be shown is another question (CHANGE_IDENTITY).
 *
 *	  head     relid u32 | op u8 | flags u8 | ncolumns u16 | schema | table
 *	  column   attnum u16 | flags u8 | name | type | new value | old value
 *	  value    form u8 [ | json [ | text ] ]
 *
 * Names, JSON and texts are as in pieces.h.
 *
 * src/proto/change_record.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_RECORD_H
#define REALTIME_CHANGE_RECORD_H

#include "proto/bytes.h"

#define CHANGE_MAX_COLUMNS 1600
#define CHANGE_MAX_NAME 1024	/* bytes of a name in UTF-8 */

typedef enum ChangeOp
{
	CHANGE_INSERT = 1,
	CHANGE_UPDATE = 2,
	CHANGE_DELETE = 3
} ChangeOp;

#define CHANGE_OP_VALID(op) ((op) >= CHANGE_INSERT && (op) <= CHANGE_DELETE)

/* Flags of a change. */
#define CHANGE_OVERSIZE 0x01	/* values are left out: see VALUE_LEFT_OUT */
#define CHANGE_HAS_KEY 0x02		/* the table has a primary key */

/* Flags of a column. */
#define CHANGE_KEY 0x01			/* part of the primary key */
#define CHANGE_IDENTITY 0x02	/* part of the replica identity: its old value
								 * belongs into old_record */

typedef enum ValueForm
{
	VALUE_ABSENT = 0,			/* the change has no such row */
	VALUE_NULL = 1,
	VALUE_VERBATIM = 2,			/* number, boolean, json, jsonb: the text is the
								 * JSON itself */
	VALUE_STRING = 3,			/* a JSON string; the text is what it says */
	VALUE_HEX = 4,				/* bytea, a JSON string of hexadecimal digits;
								 * the text is \x and them */
	VALUE_WITH_TEXT = 5,		/* the text stands behind the JSON */
	VALUE_LEFT_OUT = 6			/* too long for a change that is too large */
} ValueForm;

#define VALUE_FORM_VALID(form) ((form) <= VALUE_LEFT_OUT)
#define VALUE_HAS_JSON(form) ((form) >= VALUE_VERBATIM && (form) <= VALUE_WITH_TEXT)

typedef struct ChangeValue
{
	uint8		form;			/* ValueForm */
	Slice		json;			/* where VALUE_HAS_JSON; not empty then */
	Slice		text;			/* of VALUE_WITH_TEXT */
} ChangeValue;

typedef struct ChangeColumn
{
	uint16		attnum;			/* 1..CHANGE_MAX_COLUMNS, ascending */
	uint8		flags;			/* CHANGE_KEY, CHANGE_IDENTITY */
	Slice		name;
	Slice		type;			/* pg_type.typname */
	ChangeValue value;			/* new; of a DELETE absent */
	ChangeValue old_value;		/* of an INSERT absent; of an UPDATE absent
								 * without CHANGE_IDENTITY */
} ChangeColumn;

typedef struct ChangeRecord
{
	uint32		relid;			/* of the table as which it is followed */
	uint8		op;				/* ChangeOp */
	uint8		flags;			/* CHANGE_OVERSIZE, CHANGE_HAS_KEY */
	uint16		ncolumns;
	Slice		schema;
	Slice		table;
	Slice		columns;		/* for change_next_column() */
} ChangeRecord;

/*
 * Append the head of a record, then as many columns as it says; `columns` is
 * not looked at.  False for want of memory.
 */
extern bool change_append_head(Bytes *out, const ChangeRecord *record);
extern bool change_append_column(Bytes *out, const ChangeColumn *column);

/*
 * Take a record apart; it points into data.  False if anything in it, columns
 * included, is not as above; the contents of JSON and texts are not looked at.
 */
extern bool change_decode(Slice data, ChangeRecord *record) RT_MUSTCHECK;

/* The relid of what may be a record; 0 if it is none. */
extern uint32 change_peek_relid(Slice data);

/*
 * Take the next column off *columns, a copy of record.columns; false after the
 * last one.
 */
extern bool change_next_column(Slice *columns, ChangeColumn *column);

/* The value of the row that the change is about. */
static inline const ChangeValue *
change_row_value(const ChangeRecord *record, const ChangeColumn *column)
{
	return record->op == CHANGE_DELETE ? &column->old_value : &column->value;
}

/*
 * Append the text of a value that has one, as PostgreSQL would read it.  False
 * if it has none, or no memory.
 */
extern bool change_value_text(const ChangeValue *value, Bytes *out) RT_MUSTCHECK;

#endif							/* REALTIME_CHANGE_RECORD_H */
