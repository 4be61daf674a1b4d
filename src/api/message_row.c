/*-------------------------------------------------------------------------
 *
 * message_row.c
 *	  A row of realtime.messages on its way to being a message.
 *
 * Every message passes message_from_row(), whichever way its row came about,
 * so what it refuses can never reach the WAL.  It has no side effect: callers
 * ask it before they store anything.
 *
 * src/api/message_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "api/json_text.h"
#include "api/message_row.h"
#include "api/utf8_text.h"
#include "guc.h"

#define WARNING_PREFIX "WarnSendingBroadcastMessage: "

static const struct
{
	const char *name;
	Oid			type;
	MessageColumn source;		/* of a generated one */
}			columns[MESSAGE_COLUMNS + 1] = {
	[MESSAGE_TOPIC] = {"topic", TEXTOID},
	[MESSAGE_EXTENSION] = {"extension", TEXTOID},
	[MESSAGE_PAYLOAD] = {"payload", JSONBOID},
	[MESSAGE_EVENT] = {"event", TEXTOID},
	[MESSAGE_PRIVATE] = {"private", BOOLOID},
	[MESSAGE_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
	[MESSAGE_INSERTED_AT] = {"inserted_at", TIMESTAMPTZOID},
	[MESSAGE_ID] = {"id", UUIDOID},
	[MESSAGE_BINARY_PAYLOAD] = {"binary_payload", BYTEAOID},
	[MESSAGE_SKIP_BROADCAST] = {"skip_broadcast", BOOLOID},
	[MESSAGE_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID},
	[MESSAGE_XID] = {"xid", XID8OID},
	[MESSAGE_NUMBER] = {"number", INT4OID},
	[MESSAGE_CHANNEL_ID] = {"channel_id", UUIDOID},
	[MESSAGE_SENDER_TYPE] = {"sender_type", TEXTOID},
	[MESSAGE_SENDER_ID] = {"sender_id", UUIDOID},
	[MESSAGE_CHANNEL_NAME] = {"channel_name", TEXTOID, MESSAGE_TOPIC},
	[MESSAGE_EVENT_NAME] = {"event_name", TEXTOID, MESSAGE_EVENT},
	[MESSAGE_CREATED_AT] = {"created_at", TIMESTAMPTZOID, MESSAGE_INSERTED_AT},
	[MESSAGE_TYPE] = {"type", TEXTOID},
};

/*
 * Fill *fault and return false, so that a check can end with it.
 */
static bool
refuse(MessageFault *fault, int sqlstate, const char *message, const char *hint)
{
	fault->sqlstate = sqlstate;
	fault->message = message;
	fault->hint = hint;
	return false;
}

/*
 * Check that everything a message needs is there.
 */
static bool
check_present(const MessageRow *row, MessageFault *fault)
{
	if (row->topic == NULL)
		return refuse(fault, ERRCODE_NULL_VALUE_NOT_ALLOWED, "topic must not be null",
					  "Name the channel that shall receive the message.");
	if (row->event == NULL)
		return refuse(fault, ERRCODE_NULL_VALUE_NOT_ALLOWED, "event must not be null",
					  "Clients subscribe to events by name.");
	if (row->private_is_null)
		return refuse(fault, ERRCODE_NULL_VALUE_NOT_ALLOWED, "private must not be null",
					  "Use true for private channels, false for public ones.");
	if (row->payload == NULL && row->binary_payload == NULL)
		return refuse(fault, ERRCODE_NULL_VALUE_NOT_ALLOWED, "payload must not be null",
					  "Use an empty object, '{}', where there is nothing to say.");
	if (row->payload != NULL && row->binary_payload != NULL)
		return refuse(fault, ERRCODE_INVALID_PARAMETER_VALUE,
					  "payload and binary_payload must not both be set", NULL);
	return true;
}

/*
 * Check the length of a name that travels in one byte's worth of length.
 */
static bool
check_name(const char *what, Slice name, size_t max, MessageFault *fault)
{
	if (name.len == 0)
		return refuse(fault, ERRCODE_INVALID_PARAMETER_VALUE,
					  psprintf("%s must not be empty", what), NULL);
	if (name.len > max)
		return refuse(fault, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
					  psprintf("%s is too long: %zu bytes", what, name.len),
					  psprintf("Use at most %zu bytes of UTF-8.", max));
	return true;
}

/*
 * Refuse a payload that is too long; what is known of its length is text.
 */
static bool
refuse_payload(MessageFault *fault, const char *length, int max)
{
	return refuse(fault, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
				  psprintf("payload is too large: %s bytes", length),
				  psprintf("realtime.max_message_size is %d kB.", max));
}

/*
 * The payload as clients receive it: JSON text, or the bytes themselves.  False
 * if it has more than `max` kB.
 */
static bool
payload_bytes(const MessageRow *row, int max, Slice *payload, MessageFault *fault)
{
	size_t		max_bytes = (size_t) max * 1024;
	StringInfoData json;

	if (row->binary_payload != NULL)
		*payload = slice_make(VARDATA_ANY(row->binary_payload),
							  VARSIZE_ANY_EXHDR(row->binary_payload));
	else
	{
		initStringInfo(&json);
		if (!json_text_append(&json, row->payload, max_bytes))
			return refuse_payload(fault, psprintf("more than %zu", max_bytes), max);
		*payload = utf8_string(json.data, json.len);
	}
	if (payload->len > max_bytes)
		return refuse_payload(fault, psprintf("%zu", payload->len), max);
	return true;
}

/*
 * The flags of a message.
 */
static uint8
message_flags(const MessageRow *row)
{
	uint8		flags = 0;

	if (row->is_private)
		flags |= WAL_MESSAGE_PRIVATE;
	if (row->binary_payload != NULL)
		flags |= WAL_MESSAGE_BINARY;
	if (row->has_channel)
		flags |= WAL_MESSAGE_CHANNEL;
	if (row->by_user)
		flags |= WAL_MESSAGE_USER;
	if (row->has_sender)
		flags |= WAL_MESSAGE_SENDER;
	if (row->is_broadcast)
		flags |= WAL_MESSAGE_TYPE_BROADCAST;
	if (row->is_unstored)
		flags |= WAL_MESSAGE_UNSTORED;
	return flags;
}

/*
 * Turn a row into a message whose payload has at most `max` kB.
 */
static bool
make_message(const MessageRow *row, int max, WalMessage *msg, MessageFault *fault)
{
	if (!check_present(row, fault))
		return false;

	memset(msg, 0, sizeof(*msg));
	msg->kind = WAL_MESSAGE_BROADCAST;
	msg->flags = message_flags(row);
	msg->inserted_at = row->inserted_at;
	msg->number = (uint32) row->number;
	memcpy(msg->id, row->id.data, MESSAGE_ID_BYTES);
	if (row->has_sender)
		memcpy(msg->sender, row->sender_id.data, MESSAGE_SENDER_BYTES);

	msg->topic = utf8_text(row->topic);
	msg->event = utf8_text(row->event);
	if (!check_name("topic", msg->topic, TOPIC_MAX_BYTES, fault) ||
		!check_name("event", msg->event, EVENT_MAX_BYTES, fault))
		return false;

	return payload_bytes(row, max, &msg->payload, fault);
}

/*
 * Turn a row into a message.
 */
bool
message_from_row(const MessageRow *row, WalMessage *msg, MessageFault *fault)
{
	return make_message(row, realtime_max_message_size, msg, fault);
}

/*
 * The same for one that may be as large as any setting lets it be.
 */
bool
message_from_stored_row(const MessageRow *row, WalMessage *msg, MessageFault *fault)
{
	return make_message(row, MAX_MESSAGE_SIZE_MAX, msg, fault);
}

/*
 * Raise a fault as an error.
 */
void
message_fault_raise(const MessageFault *fault)
{
	ereport(ERROR,
			(errcode(fault->sqlstate),
			 errmsg_internal("%s", fault->message),
			 fault->hint ? errhint("%s", fault->hint) : 0));
	pg_unreachable();
}

/*
 * Report a fault as a warning, in upstream's words.
 */
void
message_fault_warn(const MessageFault *fault)
{
	ereport(WARNING,
			(errcode(fault->sqlstate),
			 errmsg_internal(WARNING_PREFIX "%s", fault->message),
			 fault->hint ? errhint("%s", fault->hint) : 0));
}

/*
 * Name of a column.
 */
const char *
message_column_name(MessageColumn column)
{
	return columns[column].name;
}

/*
 * Type of a column.
 */
Oid
message_column_type(MessageColumn column)
{
	return columns[column].type;
}

/*
 * What a generated column repeats.
 */
MessageColumn
message_column_source(MessageColumn column)
{
	return columns[column].source;
}

/*
 * Is attribute attnum of desc this column?
 */
static bool
is_column(TupleDesc desc, AttrNumber attnum, MessageColumn column)
{
	Form_pg_attribute att = TupleDescAttr(desc, attnum - 1);

	return !att->attisdropped &&
		att->atttypid == columns[column].type &&
		strcmp(NameStr(att->attname), columns[column].name) == 0;
}

/*
 * Find one column: where the script puts it, or elsewhere.
 */
static AttrNumber
find_column(TupleDesc desc, MessageColumn column)
{
	if (desc->natts >= (int) column && is_column(desc, (AttrNumber) column, column))
		return (AttrNumber) column;
	for (int attnum = 1; attnum <= desc->natts; attnum++)
	{
		if (is_column(desc, (AttrNumber) attnum, column))
			return (AttrNumber) attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of type %s does not exist in realtime.messages",
					columns[column].name, format_type_be(columns[column].type)),
			 errhint("The table belongs to the extension; undo the change made to it.")));
	return InvalidAttrNumber;
}

/*
 * Find all columns in a partition.
 */
void
message_attnums(TupleDesc desc, MessageAttnums *attnums)
{
	for (int column = 1; column <= MESSAGE_COLUMNS; column++)
		attnums->of[column] = find_column(desc, (MessageColumn) column);
}

/*
 * Put a row into the arrays of a tuple.
 */
void
message_row_values(const MessageRow *row, FullTransactionId xid,
				   const MessageAttnums *attnums, Datum *values, bool *isnull)
{
#define SET_VALUE(column, datum, absent) \
	(values[attnums->of[column] - 1] = (datum), \
	 isnull[attnums->of[column] - 1] = (absent))
#define SET_POINTER(column, pointer) \
	SET_VALUE(column, PointerGetDatum(pointer), (pointer) == NULL)

	SET_POINTER(MESSAGE_TOPIC, row->topic);
	SET_VALUE(MESSAGE_EXTENSION, CStringGetTextDatum(EXTENSION_BROADCAST), false);
	SET_POINTER(MESSAGE_PAYLOAD, row->payload);
	SET_POINTER(MESSAGE_EVENT, row->event);
	SET_VALUE(MESSAGE_PRIVATE, BoolGetDatum(row->is_private), row->private_is_null);
	SET_VALUE(MESSAGE_UPDATED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()), false);
	SET_VALUE(MESSAGE_INSERTED_AT, TimestampTzGetDatum(row->inserted_at), false);
	SET_VALUE(MESSAGE_ID, UUIDPGetDatum(&row->id), false);
	SET_POINTER(MESSAGE_BINARY_PAYLOAD, row->binary_payload);
	SET_VALUE(MESSAGE_SKIP_BROADCAST, BoolGetDatum(false), false);
	SET_VALUE(MESSAGE_EXPIRES_AT, (Datum) 0, true);
	SET_VALUE(MESSAGE_XID, FullTransactionIdGetDatum(xid), false);
	SET_VALUE(MESSAGE_NUMBER, Int32GetDatum(row->number), false);
	SET_VALUE(MESSAGE_CHANNEL_ID, UUIDPGetDatum(&row->channel_id), !row->has_channel);
	SET_VALUE(MESSAGE_SENDER_TYPE,
			  CStringGetTextDatum(row->by_user ? SENDER_USER : SENDER_SYSTEM), false);
	SET_VALUE(MESSAGE_SENDER_ID, UUIDPGetDatum(&row->sender_id), !row->has_sender);
	SET_POINTER(MESSAGE_CHANNEL_NAME, row->topic);
	SET_POINTER(MESSAGE_EVENT_NAME, row->event);
	SET_VALUE(MESSAGE_CREATED_AT, TimestampTzGetDatum(row->inserted_at), false);
	SET_VALUE(MESSAGE_TYPE,
			  row->is_broadcast ? CStringGetTextDatum(TYPE_BROADCAST) : (Datum) 0,
			  !row->is_broadcast);

#undef SET_VALUE
#undef SET_POINTER
}
