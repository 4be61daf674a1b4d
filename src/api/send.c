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
#include "api/webhooks.h"
#include "guc.h"

#define TOPIC_SETTING "realtime.topic"

#define SEND_COLUMNS 6

static const char send_command[] =
	"INSERT INTO realtime.messages"
	" (topic, extension, payload, event, private, id, binary_payload)"
	" VALUES ($1, '" EXTENSION_BROADCAST "', $2, $3, $4, $5, $6)";
static const Oid send_types[SEND_COLUMNS] =
{TEXTOID, JSONBOID, TEXTOID, BOOLOID, UUIDOID, BYTEAOID};

const char	send_publish_command[] =
"INSERT INTO realtime.messages"
" (topic, extension, event, payload, private, id, channel_id, sender_type, sender_id, type)"
" VALUES ($1, '" EXTENSION_BROADCAST "', $2, $3, true, $4, $5, $6, $7, $8)";
const Oid	send_publish_types[SEND_PUBLISH_COLUMNS] =
{TEXTOID, TEXTOID, JSONBOID, UUIDOID, UUIDOID, TEXTOID, UUIDOID, TEXTOID};

/* The most parameters of these. */
#define MAX_COLUMNS SEND_PUBLISH_COLUMNS

/* Parameters of a statement. */
typedef struct Parameters
{
	int			count;
	Datum		values[MAX_COLUMNS];
	char		nulls[MAX_COLUMNS];
} Parameters;

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
 * Make a plan that stays.  It is planned again by itself when the role or the
 * table's policies change.
 */
static SPIPlanPtr
make_plan(const char *command, int nargs, const Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare(command, nargs, unconstify(Oid *, types));

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	return plan;
}

/*
 * The plan that inserts a row, made at the first use in this backend.
 */
static SPIPlanPtr
insert_plan(const MessageRow *row)
{
	static SPIPlanPtr send_plan = NULL;
	static SPIPlanPtr publish_plan = NULL;

	if (row->has_channel)
	{
		if (publish_plan == NULL)
			publish_plan = make_plan(send_publish_command, SEND_PUBLISH_COLUMNS,
									 send_publish_types);
		return publish_plan;
	}
	if (send_plan == NULL)
		send_plan = make_plan(send_command, SEND_COLUMNS, send_types);
	return send_plan;
}

/*
 * Add a parameter.
 */
static void
add_parameter(Parameters *parameters, Datum value, bool isnull)
{
	parameters->values[parameters->count] = value;
	parameters->nulls[parameters->count++] = isnull ? 'n' : ' ';
}

/*
 * The parameters of the statement that inserts a row.
 */
static void
make_parameters(const MessageRow *row, Parameters *parameters)
{
	parameters->count = 0;
	add_parameter(parameters, PointerGetDatum(row->topic), false);
	if (row->has_channel)
	{
		add_parameter(parameters, PointerGetDatum(row->event), false);
		add_parameter(parameters, PointerGetDatum(row->payload), row->payload == NULL);
		add_parameter(parameters, UUIDPGetDatum(&row->id), false);
		add_parameter(parameters, UUIDPGetDatum(&row->channel_id), false);
		add_parameter(parameters,
					  CStringGetTextDatum(row->by_user ? SENDER_USER : SENDER_SYSTEM), false);
		add_parameter(parameters, UUIDPGetDatum(&row->sender_id), !row->has_sender);
		add_parameter(parameters, CStringGetTextDatum(TYPE_BROADCAST), !row->is_broadcast);
		return;
	}
	add_parameter(parameters, PointerGetDatum(row->payload), row->payload == NULL);
	add_parameter(parameters, PointerGetDatum(row->event), false);
	add_parameter(parameters, BoolGetDatum(row->is_private), false);
	add_parameter(parameters, UUIDPGetDatum(&row->id), false);
	add_parameter(parameters, PointerGetDatum(row->binary_payload), row->binary_payload == NULL);
}

/*
 * Store a row by a real INSERT; the table's trigger publishes it.
 */
void
send_by_insert(const MessageRow *row)
{
	Parameters	parameters;
	int			rc;

	make_parameters(row, &parameters);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute_plan(insert_plan(row), parameters.values, parameters.nulls, false, 0);
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
		send_by_insert(row);
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
	const char *name = row->has_channel ? "realtime.publish()" : "realtime.send()";
	WalMessage	msg;
	MessageFault fault;

	row->inserted_at = GetCurrentTimestamp();
	if (row->payload != NULL && !row->has_channel)
		row->payload = json_payload_with_id(row->payload, &row->id);
	if (!message_from_row(row, &msg, &fault))
		message_fault_raise(&fault);

	PreventCommandIfReadOnly(name);
	PreventCommandIfParallelMode(name);

	set_topic(row->topic);
	/* a real INSERT draws another one by itself */
	row->number = message_number_next();
	msg.number = (uint32) row->number;
	if (row->is_unstored || direct_insert(row))
	{
		emit_message(&msg);
		webhooks_enqueue(row);
	}
	else
		insert_with_hints(row);
}

/*
 * Send a message; what goes wrong is undone and becomes a warning.
 *
 * As in PL/pgSQL's WHEN OTHERS, a cancelled query stays one.
 */
static bool
send_or_warn(MessageRow *row)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool sent = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		send_or_raise(row);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		sent = true;
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
	return sent;
}

/*
 * Send a message.
 */
bool
send_message(MessageRow *row)
{
	if (realtime_on_error == ON_ERROR_WARNING)
		return send_or_warn(row);
	send_or_raise(row);
	return true;
}
