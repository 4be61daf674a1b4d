/*-------------------------------------------------------------------------
 *
 * change_value.h
 *	  Values of columns as clients of followed tables get them.
 *
 * src/api/change_value.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_VALUE_H
#define REALTIME_CHANGE_VALUE_H

#include "fmgr.h"

#include "proto/change_record.h"

/* How values of a type become JSON. */
typedef enum ValueKind
{
	VALUE_OF_BOOL,
	VALUE_OF_INT2,
	VALUE_OF_INT4,
	VALUE_OF_INT8,
	VALUE_OF_NUMBER,			/* other ones, by their output functions */
	VALUE_OF_TIME,				/* date, timestamp, timestamptz: ISO 8601, UTC */
	VALUE_OF_JSON,				/* json, jsonb */
	VALUE_OF_BYTEA,
	VALUE_OF_TEXT,				/* text and its kin */
	VALUE_OF_STRING,			/* what its output function says, as a string */
	VALUE_OF_STRUCTURE			/* arrays, rows and what has a cast to json */
} ValueKind;

/* Made once for a column. */
typedef struct ValueEncoder
{
	ValueKind	kind;
	Oid			base_type;		/* below domains */
	bool		follows_settings;	/* its output depends on the session's */
	bool		is_varlena;
	FmgrInfo	output;
	FmgrInfo	to_json;		/* of VALUE_OF_STRUCTURE */
} ValueEncoder;

/* Make one; what it needs is allocated in the current memory context. */
extern void value_encoder_init(ValueEncoder *encoder, Oid type);

/*
 * Encode a value that is not null, in the current memory context.  One that is
 * longer than max bytes may be left out unread.  Raises what the type's
 * functions raise, and an error for what has no form in UTF-8.
 */
extern ChangeValue value_encode(ValueEncoder *encoder, Datum value, size_t max);

/*
 * Have the session's settings be those that the output of values is defined for,
 * until value_settings_leave() or the end of the (sub)transaction.
 */
extern int	value_settings_enter(void);
extern void value_settings_leave(int level);

#endif							/* REALTIME_CHANGE_VALUE_H */
