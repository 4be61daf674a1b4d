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

#include "access/transam.h"
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
	MESSAGE_NUMBER,
	MESSAGE_CHANNEL_ID,
	MESSAGE_SENDER_TYPE,
	MESSAGE_SENDER_ID,
	/* generated: what it is of, message_column_source() says */
	MESSAGE_CHANNEL_NAME,
	MESSAGE_EVENT_NAME,
	MESSAGE_CREATED_AT,
	MESSAGE_TYPE
} MessageColumn;

#define MESSAGE_COLUMNS MESSAGE_TYPE

/* Values of the columns sender_type and type. */
#define SENDER_SYSTEM "system"
#define SENDER_USER "user"
#define TYPE_MESSAGE "message"
#define TYPE_BROADCAST "broadcast"

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
	bool		has_channel;	/* channel_id holds */
	bool		by_user;		/* sender_type is SENDER_USER, else SENDER_SYSTEM */
	bool		has_sender;		/* sender_id holds */
	bool		is_broadcast;	/* type is TYPE_BROADCAST, else null or
								 * TYPE_MESSAGE */
	bool		is_unstored;	/* there is to be no row */
	bool		has_webhooks;	/* the channel has, and they are to be called */
	pg_uuid_t	channel_id;
	pg_uuid_t	sender_id;
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

/* The column that a generated one repeats; 0 for one that is not generated. */
extern MessageColumn message_column_source(MessageColumn column);

/*
 * Find the columns in a partition.  Errors out if one is missing, which only
 * a superuser's tampering with the extension's table can bring about.
 */
extern void message_attnums(TupleDesc desc, MessageAttnums *attnums);

/*
 * Put a row into the arrays of a tuple, by attribute number from 1 on, with the
 * same defaults as the table's for all that a MessageRow has not; columns of
 * others are left alone.  xid is the transaction that the row shall name.  Values
 * may point into the row.
 */
extern void message_row_values(const MessageRow *row, FullTransactionId xid,
							   const MessageAttnums *attnums,
							   Datum *values, bool *isnull);

#endif							/* REALTIME_MESSAGE_ROW_H */
