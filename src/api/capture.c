/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  Trigger of followed tables: a change of a row goes into the WAL.
 *
 * It runs in the backend that writes, so that what changes cost is borne in
 * parallel and nobody has to decode them one by one.  Of a table that nobody
 * listens to, as its mark in shared memory says (hub/follows.c), nothing is
 * captured; most statements do not even call the trigger then (unheard.c).
 *
 * The record is part of the writer's transaction like any message.  It has the
 * whole row, with values that lie in TOAST tables, because policies are asked
 * about it later, when the table may hold another one.
 *
 * A change whose record would be larger than realtime.max_change_size keeps its
 * short values only.
 *
 * src/api/capture.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/capture.h"
#include "api/capture_table.h"
#include "api/emit.h"
#include "api/sql_function.h"
#include "guc.h"
#include "shmem.h"

/* Values of a change that is too large may have this many bytes (6.8). */
#define SHORT_VALUE_BYTES 64

/* A buffer that a large change has left behind is given back beyond this. */
#define KEEP_BYTES (256 * 1024)

SQL_FUNCTION(capture);
SQL_FUNCTION(note_tables_changed);

/* A change that is being encoded. */
typedef struct Change
{
	CaptureTable *table;
	ChangeOp	op;
	TupleTableSlot *new_row;	/* NULL of a DELETE */
	TupleTableSlot *old_row;	/* NULL of an INSERT */
	size_t		max_bytes;
	size_t		bytes;			/* of all values so far */
	ChangeColumn *columns;
} Change;

/*
 * The table as which a trigger shows changes.
 */
static Oid
shown_table(const Trigger *trigger)
{
	return (Oid) strtoul(trigger->tgargs[0], NULL, 10);
}

/*
 * Is this our trigger?  Its function is looked up once, and has its OID as long
 * as there is a trigger of it.
 */
static bool
is_ours(const Trigger *trigger)
{
	static Oid	our_function = InvalidOid;
	FmgrInfo	function;

	if (!trigger->tgisinternal || trigger->tgnargs != 1)
		return false;
	if (trigger->tgfoid == our_function)
		return true;
	fmgr_info(trigger->tgfoid, &function);
	if (function.fn_addr != capture)
		return false;
	our_function = trigger->tgfoid;
	return true;
}

/*
 * Can a trigger be left out?
 */
bool
capture_is_unheard(const Trigger *trigger)
{
	return is_ours(trigger) && !follow_mark_is_set(shown_table(trigger));
}

/*
 * The operation that a trigger was fired by.
 */
static ChangeOp
op_of(const TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? CHANGE_INSERT :
		TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? CHANGE_UPDATE : CHANGE_DELETE;
}

/*
 * Encode a value of a row.
 */
static ChangeValue
encode_value(Change *change, CaptureColumn *column, TupleTableSlot *row)
{
	bool		isnull;
	Datum		datum = slot_getattr(row, column->attnum, &isnull);
	ChangeValue value = {VALUE_NULL};

	if (isnull)
		return value;
	value = value_encode(&column->encoder, datum, change->max_bytes);
	if (value.form == VALUE_LEFT_OUT)
		change->bytes = change->max_bytes + 1;
	change->bytes += value.json.len + value.text.len;
	return value;
}

/*
 * Encode the values of all columns.
 */
static void
encode_values(Change *change)
{
	for (int i = 0; i < change->table->ncolumns; i++)
	{
		CaptureColumn *column = &change->table->columns[i];
		ChangeColumn *shown = &change->columns[i];

		*shown = column->shown;
		if (change->new_row)
			shown->value = encode_value(change, column, change->new_row);
		if (change->old_row &&
			(change->op == CHANGE_DELETE || (shown->flags & CHANGE_IDENTITY) != 0))
			shown->old_value = encode_value(change, column, change->old_row);
	}
}

/*
 * Leave a value out that is too long for a change that is too large.
 */
static void
shorten(ChangeValue *value)
{
	if (value->json.len + value->text.len > SHORT_VALUE_BYTES)
		*value = (ChangeValue) {VALUE_LEFT_OUT};
}

/*
 * Write the record into a buffer.
 */
static void
write_record(Change *change, Bytes *out)
{
	ChangeRecord head = change->table->shown;
	bool		oversize = change->bytes > change->max_bytes;
	bool		good;

	head.op = (uint8) change->op;
	if (oversize)
		head.flags |= CHANGE_OVERSIZE;
	good = change_append_head(out, &head);
	for (int i = 0; i < change->table->ncolumns && good; i++)
	{
		if (oversize)
		{
			shorten(&change->columns[i].value);
			shorten(&change->columns[i].old_value);
		}
		good = change_append_column(out, &change->columns[i]);
	}
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * Encode a change and put it into the WAL.
 */
static void
emit_change(Change *change)
{
	static Bytes buffer;		/* kept, so that an error leaks nothing */
	WalMessage	msg;
	int			level = 0;

	change->max_bytes = realtime_max_change_size * (size_t) 1024;
	change->columns = palloc(Max(change->table->ncolumns, 1) * sizeof(ChangeColumn));
	if (change->table->follows_settings)
		level = value_settings_enter();
	encode_values(change);
	value_settings_leave(level);

	if (buffer.cap > KEEP_BYTES || buffer.failed)
		bytes_free(&buffer);
	buffer.len = 0;
	write_record(change, &buffer);
	memset(&msg, 0, sizeof(msg));
	msg.kind = WAL_MESSAGE_CHANGE;
	msg.inserted_at = GetCurrentTransactionStartTimestamp();
	msg.payload = bytes_slice(&buffer);
	emit_message(&msg);
}

/*
 * realtime.capture(oid) returns trigger, AFTER INSERT OR UPDATE OR DELETE
 * FOR EACH ROW; the argument is the table as which changes are shown
 */
static Datum
capture_body(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Change		change = {0};
	MemoryContext context;
	MemoryContext old;
	Oid			shown_as;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER ... FOR EACH ROW, with one argument",
						"capture")));
	shown_as = shown_table(trigger->tg_trigger);
	if (realtime_capture == CAPTURE_LISTENED && !follow_mark_is_set(shown_as))
		return PointerGetDatum(NULL);

	context = AllocSetContextCreate(CurrentMemoryContext, "realtime change",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	change.op = op_of(trigger);
	change.table = capture_table_get(trigger->tg_relation, shown_as);
	change.new_row = change.op == CHANGE_UPDATE ? trigger->tg_newslot :
		change.op == CHANGE_INSERT ? trigger->tg_trigslot : NULL;
	change.old_row = change.op == CHANGE_INSERT ? NULL : trigger->tg_trigslot;
	emit_change(&change);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return PointerGetDatum(NULL);
}

/*
 * realtime.note_tables_changed() returns void: gateways have to ask again what
 * there is to follow.
 */
static Datum
note_tables_changed_body(PG_FUNCTION_ARGS)
{
	WalMessage	msg;

	memset(&msg, 0, sizeof(msg));
	msg.kind = WAL_MESSAGE_TABLES_CHANGED;
	emit_message(&msg);
	PG_RETURN_VOID();
}
