/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  Triggers of realtime.messages: an inserted row becomes a message.
 *
 * publish_message() is the one way by which rows that any statement inserts
 * are published: INSERT, COPY, INSERT ... SELECT.  Only realtime.send() may go
 * around it, where it does the same by itself (direct_insert.c).
 *
 * An UPDATE of inserted_at that moves a row to another partition is carried
 * out as DELETE and INSERT and fires the insert trigger there, but it is no new
 * message.  note_move() therefore remembers whom an UPDATE gives a new time,
 * and publish_message() leaves those out.  What it remembers ends with the
 * transaction; a rolled back savepoint may leave an entry behind, which matters
 * only to a row inserted later with that very id, time and xid.
 *
 * The columns xid and number tell when a message committed (realtime.commits),
 * so the triggers see to it that nobody who may write rows gives one another xid
 * than that of the transaction that inserted it, or a number of his own.
 *
 * src/api/publish.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "api/channels_table.h"
#include "api/emit.h"
#include "api/message_number.h"
#include "api/message_row.h"
#include "api/publish.h"
#include "api/sql_function.h"
#include "api/webhooks.h"
#include "guc.h"

#define MOVED_ROWS_AT_FIRST 64

SQL_FUNCTION(publish_message);
SQL_FUNCTION(note_move);

/* Primary key and transaction of a row that an UPDATE gives another time. */
typedef struct MovedRow
{
	pg_uuid_t	id;
	TimestampTz inserted_at;	/* the new one */
	uint64		xid;
	int32		number;
} MovedRow;

bool		publish_muted = false;

/* Rows moved by this transaction; NULL if none.  In TopTransactionContext. */
static HTAB *moved_rows = NULL;

/*
 * TopTransactionContext is about to go, and the table with it.
 */
static void
forget_moved_rows(void *arg)
{
	moved_rows = NULL;
}

/*
 * Make the table of moved rows.
 */
static void
create_moved_rows(void)
{
	MemoryContextCallback *callback;
	HASHCTL		ctl;

	/* first, lest a failure leave a table that nobody forgets */
	callback = MemoryContextAllocZero(TopTransactionContext, sizeof(MemoryContextCallback));
	callback->func = forget_moved_rows;
	MemoryContextRegisterResetCallback(TopTransactionContext, callback);

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(MovedRow);
	ctl.entrysize = sizeof(MovedRow);
	ctl.hcxt = TopTransactionContext;
	moved_rows = hash_create("realtime moved rows", MOVED_ROWS_AT_FIRST, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * A column of the row in slot, perhaps toasted.
 */
static Datum
column_value(TupleTableSlot *slot, const MessageAttnums *attnums,
			 MessageColumn column, bool *isnull)
{
	return slot_getattr(slot, attnums->of[column], isnull);
}

/*
 * The primary key and transaction of the row in slot.
 */
static MovedRow
row_key(TupleTableSlot *slot, const MessageAttnums *attnums)
{
	MovedRow	key;
	bool		isnull;
	Datum		value;

	memset(&key, 0, sizeof(key));
	value = column_value(slot, attnums, MESSAGE_ID, &isnull);
	if (!isnull)
		key.id = *DatumGetUUIDP(value);
	value = column_value(slot, attnums, MESSAGE_INSERTED_AT, &isnull);
	if (!isnull)
		key.inserted_at = DatumGetTimestampTz(value);
	value = column_value(slot, attnums, MESSAGE_XID, &isnull);
	if (!isnull)
		key.xid = U64FromFullTransactionId(DatumGetFullTransactionId(value));
	value = column_value(slot, attnums, MESSAGE_NUMBER, &isnull);
	if (!isnull)
		key.number = DatumGetInt32(value);
	return key;
}

/*
 * Did an UPDATE of this transaction bring the row here?  Forgets it if so.
 */
static bool
take_moved_row(TupleTableSlot *slot, const MessageAttnums *attnums)
{
	MovedRow	key;
	bool		found;

	if (moved_rows == NULL)
		return false;
	key = row_key(slot, attnums);
	(void) hash_search(moved_rows, &key, HASH_REMOVE, &found);
	return found;
}

/*
 * Raise an error unless a new row names the transaction that inserts it.
 */
static void
check_xid(TupleTableSlot *slot, const MessageAttnums *attnums)
{
	bool		isnull;
	Datum		value = column_value(slot, attnums, MESSAGE_XID, &isnull);

	if (isnull || !FullTransactionIdEquals(DatumGetFullTransactionId(value),
										   GetTopFullTransactionId()))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("xid of a message must be that of the transaction that sends it"),
				 errhint("Leave the column to its default.")));
}

/*
 * The number of a new row.  Raises an error unless the transaction has drawn it.
 */
static int32
read_number(TupleTableSlot *slot, const MessageAttnums *attnums)
{
	bool		isnull;
	Datum		value = column_value(slot, attnums, MESSAGE_NUMBER, &isnull);

	if (isnull || !message_number_is_drawn(DatumGetInt32(value)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of a message must be one that realtime.message_number() gave"),
				 errhint("Leave the column to its default.")));
	return DatumGetInt32(value);
}

/*
 * Does a column hold exactly this text?
 */
static bool
column_is(TupleTableSlot *slot, const MessageAttnums *attnums,
		  MessageColumn column, const char *wanted)
{
	bool		isnull;
	Datum		value = column_value(slot, attnums, column, &isnull);
	text	   *found;

	if (isnull)
		return false;
	found = DatumGetTextPP(value);
	return VARSIZE_ANY_EXHDR(found) == strlen(wanted) &&
		memcmp(VARDATA_ANY(found), wanted, strlen(wanted)) == 0;
}

/*
 * Is this a row to be published: extension 'broadcast' and not silenced?
 */
static bool
is_broadcast(TupleTableSlot *slot, const MessageAttnums *attnums)
{
	bool		isnull;
	Datum		silenced = column_value(slot, attnums, MESSAGE_SKIP_BROADCAST, &isnull);

	return (isnull || !DatumGetBool(silenced)) &&
		column_is(slot, attnums, MESSAGE_EXTENSION, EXTENSION_BROADCAST);
}

/*
 * Read on which channel a row was published, and by whom.
 */
static void
read_publisher(TupleTableSlot *slot, const MessageAttnums *attnums, MessageRow *row)
{
	bool		isnull;
	Datum		value;

	value = column_value(slot, attnums, MESSAGE_CHANNEL_ID, &isnull);
	row->has_channel = !isnull;
	if (!isnull)
		row->channel_id = *DatumGetUUIDP(value);
	value = column_value(slot, attnums, MESSAGE_SENDER_ID, &isnull);
	row->has_sender = !isnull;
	if (!isnull)
		row->sender_id = *DatumGetUUIDP(value);
	row->by_user = column_is(slot, attnums, MESSAGE_SENDER_TYPE, SENDER_USER);
	row->is_broadcast = column_is(slot, attnums, MESSAGE_TYPE, TYPE_BROADCAST);
}

/*
 * Read what makes the message out of a row.
 */
static void
read_row(TupleTableSlot *slot, const MessageAttnums *attnums, MessageRow *row)
{
	MovedRow	key = row_key(slot, attnums);
	bool		isnull;
	Datum		value;

	memset(row, 0, sizeof(*row));
	row->id = key.id;
	row->inserted_at = key.inserted_at;
	value = column_value(slot, attnums, MESSAGE_TOPIC, &isnull);
	row->topic = isnull ? NULL : DatumGetTextPP(value);
	value = column_value(slot, attnums, MESSAGE_EVENT, &isnull);
	row->event = isnull ? NULL : DatumGetTextPP(value);
	value = column_value(slot, attnums, MESSAGE_PAYLOAD, &isnull);
	row->payload = isnull ? NULL : DatumGetJsonbP(value);
	value = column_value(slot, attnums, MESSAGE_BINARY_PAYLOAD, &isnull);
	row->binary_payload = isnull ? NULL : DatumGetByteaPP(value);
	value = column_value(slot, attnums, MESSAGE_PRIVATE, &isnull);
	row->is_private = !isnull && DatumGetBool(value);
	row->private_is_null = isnull;
	read_publisher(slot, attnums, row);
	row->number = read_number(slot, attnums);
}

/*
 * Has the channel of a row webhooks, and is it the one that its topic stands for?
 * Whoever may insert rows shall not have those of any channel called.
 */
static bool
channel_has_webhooks(const MessageRow *row)
{
	Relation	channels = channels_open();
	ChannelInfo channel;
	bool		found;

	found = channel_find(channels, slice_make(VARDATA_ANY(row->topic), VARSIZE_ANY_EXHDR(row->topic)),
						 &channel);
	relation_close(channels, NoLock);
	return found && channel.has_webhooks &&
		memcmp(&channel.id, &row->channel_id, sizeof(channel.id)) == 0;
}

/*
 * realtime.publish_message() returns trigger, AFTER INSERT FOR EACH ROW
 *
 * A row that can be no message is an error, or with realtime.on_error =
 * 'warning' a row that is kept and not published.
 */
static Datum
publish_message_body(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MessageAttnums attnums;
	MessageRow	row;
	MessageFault fault;
	WalMessage	msg;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER INSERT FOR EACH ROW",
						"publish_message")));

	if (publish_muted)
		return PointerGetDatum(NULL);

	message_attnums(RelationGetDescr(trigger->tg_relation), &attnums);
	if (take_moved_row(trigger->tg_trigslot, &attnums))
		return PointerGetDatum(NULL);
	check_xid(trigger->tg_trigslot, &attnums);
	if (!is_broadcast(trigger->tg_trigslot, &attnums))
		return PointerGetDatum(NULL);

	read_row(trigger->tg_trigslot, &attnums, &row);
	if (message_from_row(&row, &msg, &fault))
	{
		emit_message(&msg);
		row.has_webhooks = row.has_channel && channel_has_webhooks(&row);
		webhooks_enqueue(&row);
	}
	else if (realtime_on_error == ON_ERROR_WARNING)
		message_fault_warn(&fault);
	else
		message_fault_raise(&fault);
	return PointerGetDatum(NULL);
}

/*
 * realtime.note_move() returns trigger, BEFORE UPDATE OF inserted_at, xid,
 * number FOR EACH ROW
 */
static Datum
note_move_body(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MessageAttnums attnums;
	MovedRow	before;
	MovedRow	after;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired BEFORE UPDATE FOR EACH ROW",
						"note_move")));

	message_attnums(RelationGetDescr(trigger->tg_relation), &attnums);
	before = row_key(trigger->tg_trigslot, &attnums);
	after = row_key(trigger->tg_newslot, &attnums);
	if (after.xid != before.xid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("xid of a message must not be changed")));
	if (after.number != before.number)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of a message must not be changed")));
	if (after.inserted_at != before.inserted_at)
	{
		if (moved_rows == NULL)
			create_moved_rows();
		(void) hash_search(moved_rows, &after, HASH_ENTER, NULL);
	}
	return PointerGetDatum(trigger->tg_newtuple);
}
