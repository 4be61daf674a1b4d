/*-------------------------------------------------------------------------
 *
 * message_row.h
 *	  A row of realtime.messages on its way to being a message.
 *
 * src/api/message_row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_MESSAGE_ROW_H
#define REALTIME_MESSAGE_ROW_H

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "proto/wal_record.h"

#define MESSAGES_SCHEMA "realtime"
#define MESSAGES_TABLE "messages"
#define EXTENSION_BROADCAST "broadcast"

/* Columns of realtime.messages by attribute number, as the script makes them. */
typedef enum MessageColumn
{
	MESSAGE_TOPIC = 1,
	MESSAGE_EXTENSION,
	MESSAGE_PAYLOAD,
	MESSAGE_EVENT,
	MESSAGE_PRIVATE,
	MESSAGE_UPDATED_AT,
	MESSAGE_INSERTED_AT,
	MESSAGE_ID,
	MESSAGE_BINARY_PAYLOAD,
	MESSAGE_SKIP_BROADCAST,
	MESSAGE_EXPIRES_AT,
	MESSAGE_XID,
	MESSAGE_NUMBER
} MessageColumn;

#define MESSAGE_COLUMNS MESSAGE_NUMBER

/* Attribute numbers in some partition, which may have another order. */
typedef struct MessageAttnums
{
	AttrNumber	of[MESSAGE_COLUMNS + 1];	/* indexed by MessageColumn */
} MessageAttnums;

/*
 * What of a row makes the message.  NULL pointers are SQL nulls; texts are not
 * toasted.
 */
typedef struct MessageRow
{
	pg_uuid_t	id;
	TimestampTz inserted_at;
	text	   *topic;
	text	   *event;
	Jsonb	   *payload;
	bytea	   *binary_payload;
	bool		is_private;
	bool		private_is_null;
	int32		number;			/* among those of its transaction, from 1 */
} MessageRow;

/* Why a row can be no message; the caller decides whether that is an error. */
typedef struct MessageFault
{
	int			sqlstate;
	const char *message;
	const char *hint;
} MessageFault;

/*
 * Turn a row into the message that is written to the WAL; its slices point
 * into the row or into palloc'd memory.  False, with *fault filled, if the row
 * cannot be one.
 */
extern bool message_from_row(const MessageRow *row, WalMessage *msg,
							 MessageFault *fault) RT_MUSTCHECK;

/* The same for a row that was published before, when other limits may have held. */
extern bool message_from_stored_row(const MessageRow *row, WalMessage *msg,
									MessageFault *fault) RT_MUSTCHECK;

/* Raise a fault as an error. */
extern void message_fault_raise(const MessageFault *fault) __attribute__((noreturn));

/* Report a fault as the warning that upstream would give. */
extern void message_fault_warn(const MessageFault *fault);

/* Name and type of a column. */
extern const char *message_column_name(MessageColumn column);
extern Oid	message_column_type(MessageColumn column);

/*
 * Find the columns in a partition.  Errors out if one is missing, which only
 * a superuser's tampering with the extension's table can bring about.
 */
extern void message_attnums(TupleDesc desc, MessageAttnums *attnums);

#endif							/* REALTIME_MESSAGE_ROW_H */
