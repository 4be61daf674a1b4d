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

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "api/message_row.h"
#include "api/utf8_text.h"
#include "guc.h"

#define WARNING_PREFIX "WarnSendingBroadcastMessage: "

static const struct
{
	const char *name;
	Oid			type;
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
 * The payload as clients receive it: JSON text, or the bytes themselves.
 */
static Slice
payload_bytes(const MessageRow *row)
{
	StringInfoData json;

	if (row->binary_payload != NULL)
		return slice_make(VARDATA_ANY(row->binary_payload),
						  VARSIZE_ANY_EXHDR(row->binary_payload));

	initStringInfo(&json);
	(void) JsonbToCString(&json, &row->payload->root, VARSIZE(row->payload));
	return utf8_string(json.data, json.len);
}

/*
 * Turn a row into a message, however large.
 */
bool
message_from_stored_row(const MessageRow *row, WalMessage *msg, MessageFault *fault)
{
	if (!check_present(row, fault))
		return false;

	memset(msg, 0, sizeof(*msg));
	msg->kind = WAL_MESSAGE_BROADCAST;
	if (row->is_private)
		msg->flags |= WAL_MESSAGE_PRIVATE;
	if (row->binary_payload != NULL)
		msg->flags |= WAL_MESSAGE_BINARY;
	msg->inserted_at = row->inserted_at;
	msg->number = (uint32) row->number;
	memcpy(msg->id, row->id.data, MESSAGE_ID_BYTES);

	msg->topic = utf8_text(row->topic);
	msg->event = utf8_text(row->event);
	if (!check_name("topic", msg->topic, TOPIC_MAX_BYTES, fault) ||
		!check_name("event", msg->event, EVENT_MAX_BYTES, fault))
		return false;

	msg->payload = payload_bytes(row);
	return true;
}

/*
 * Turn a row into a message.
 */
bool
message_from_row(const MessageRow *row, WalMessage *msg, MessageFault *fault)
{
	size_t		max_payload = (size_t) realtime_max_message_size * 1024;

	if (!message_from_stored_row(row, msg, fault))
		return false;
	if (msg->payload.len > max_payload)
		return refuse(fault, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
					  psprintf("payload is too large: %zu bytes", msg->payload.len),
					  psprintf("realtime.max_message_size is %d kB.", realtime_max_message_size));
	return true;
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
	for (AttrNumber attnum = 1; attnum <= desc->natts; attnum++)
	{
		if (is_column(desc, attnum, column))
			return attnum;
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
