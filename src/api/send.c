/*-------------------------------------------------------------------------
 *
 * send.c
 *	  Store and publish one message in the current transaction.
 *
 * A message is validated before anything happens, then stored as a row of
 * realtime.messages with the rights of the caller.  Where direct_insert.c can
 * store it, it is published here; else a real INSERT stores it and the table's
 * trigger publishes what came out of it.
 *
 * realtime.topic keeps the topic for the rest of the transaction, as policies
 * of realtime.messages may ask for it.
 *
 * src/api/send.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "api/direct_insert.h"
#include "api/emit.h"
#include "api/json_payload.h"
#include "api/message_number.h"
#include "api/send.h"
#include "guc.h"

#define TOPIC_SETTING "realtime.topic"

static const char insert_command[] =
	"INSERT INTO realtime.messages"
	" (topic, extension, payload, event, private, id, binary_payload)"
	" VALUES ($1, '" EXTENSION_BROADCAST "', $2, $3, $4, $5, $6)";

/*
 * SET LOCAL realtime.topic.  A topic that is set already stays, which spares
 * whoever sends much to one topic the bookkeeping of settings.
 */
static void
set_topic(const text *topic)
{
	const char *current = GetConfigOption(TOPIC_SETTING, true, false);
	char	   *wanted = text_to_cstring(topic);

	if (current == NULL || strcmp(current, wanted) != 0)
		(void) set_config_option(TOPIC_SETTING, wanted, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	pfree(wanted);
}

/*
 * The plan of insert_command, made at the first use in this backend.  It is
 * planned again by itself when the role or the table's policies change.
 */
static SPIPlanPtr
insert_plan(void)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {TEXTOID, JSONBOID, TEXTOID, BOOLOID, UUIDOID, BYTEAOID};
	SPIPlanPtr	fresh;

	if (plan != NULL)
		return plan;
	fresh = SPI_prepare(insert_command, lengthof(types), types);
	if (fresh == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(fresh) != 0)
		elog(ERROR, "SPI_keepplan failed");
	plan = fresh;
	return plan;
}

/*
 * Store a row by a real INSERT; the table's trigger publishes it.
 */
static void
spi_insert(const MessageRow *row)
{
	Datum		values[6];
	char		nulls[6];
	int			rc;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = PointerGetDatum(row->topic);
	values[1] = PointerGetDatum(row->payload);
	values[2] = PointerGetDatum(row->event);
	values[3] = BoolGetDatum(row->is_private);
	values[4] = UUIDPGetDatum(&row->id);
	values[5] = PointerGetDatum(row->binary_payload);
	if (row->payload == NULL)
		nulls[1] = 'n';
	if (row->binary_payload == NULL)
		nulls[5] = 'n';

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute_plan(insert_plan(), values, nulls, false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	SPI_finish();
}

/*
 * Say what is missing, where the error is about rights on realtime.messages.
 *
 * The untranslated messages tell them from errors with the same SQLSTATE that
 * come out of a function in a policy.
 */
static void
add_denial_hint(ErrorData *edata, const char *role)
{
	if (edata->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE ||
		edata->hint != NULL || edata->message_id == NULL)
		return;
	if (strstr(edata->message_id, "violates row-level security") != NULL)
		edata->hint = psprintf("Role \"%s\" needs a policy FOR INSERT on realtime.messages that allows this topic.",
							   role);
	else if (strstr(edata->message_id, "permission denied for table") != NULL &&
			 strstr(edata->message, MESSAGES_TABLE) != NULL)
		edata->hint = psprintf("Role \"%s\" needs the INSERT privilege on realtime.messages.",
							   role);
}

/*
 * Store a row by a real INSERT, with hints in errors about missing rights.
 */
static void
insert_with_hints(const MessageRow *row)
{
	MemoryContext context = CurrentMemoryContext;
	/* not when it has failed: whatever failed may still hold locks of buffers */
	const char *role = GetUserNameFromId(GetUserId(), false);

	PG_TRY();
	{
		spi_insert(row);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		add_denial_hint(edata, role);
		ReThrowError(edata);
	}
	PG_END_TRY();
}

/*
 * Send a message or raise an error.
 */
static void
send_or_raise(MessageRow *row)
{
	WalMessage	msg;
	MessageFault fault;

	row->inserted_at = GetCurrentTimestamp();
	if (row->payload != NULL)
		row->payload = json_payload_with_id(row->payload, &row->id);
	if (!message_from_row(row, &msg, &fault))
		message_fault_raise(&fault);

	PreventCommandIfReadOnly("realtime.send()");
	PreventCommandIfParallelMode("realtime.send()");

	set_topic(row->topic);
	/* a real INSERT draws another one by itself */
	row->number = message_number_next();
	msg.number = (uint32) row->number;
	if (direct_insert(row))
		emit_message(&msg);
	else
		insert_with_hints(row);
}

/*
 * Send a message; what goes wrong is undone and becomes a warning.
 *
 * As in PL/pgSQL's WHEN OTHERS, a cancelled query stays one.
 */
static void
send_or_warn(MessageRow *row)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		send_or_raise(row);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		MessageFault fault;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(edata);
		fault.sqlstate = edata->sqlerrcode;
		fault.message = edata->message;
		fault.hint = edata->hint;
		message_fault_warn(&fault);
	}
	PG_END_TRY();
}

/*
 * Send a message.
 */
void
send_message(MessageRow *row)
{
	if (realtime_on_error == ON_ERROR_WARNING)
		send_or_warn(row);
	else
		send_or_raise(row);
}
