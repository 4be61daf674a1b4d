/*-------------------------------------------------------------------------
 *
 * broadcast_changes.c
 *	  The SQL function realtime.broadcast_changes(), for use in row triggers.
 *
 * It is realtime.send() with a payload that tells what happened to a row.
 * Errors about its own arguments carry upstream's text and are errors whatever
 * realtime.on_error says, as they are upstream: the trigger is wrong, not the
 * message.
 *
 * src/api/broadcast_changes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "api/json_payload.h"
#include "api/send.h"
#include "api/sql_function.h"
#include "api/uuid_v7.h"

SQL_SENDING_FUNCTION(broadcast_changes);

/* Positions of the arguments. */
enum
{
	ARG_TOPIC,
	ARG_EVENT,
	ARG_OPERATION,
	ARG_TABLE,
	ARG_SCHEMA,
	ARG_NEW,
	ARG_OLD,
	ARG_LEVEL
};

/*
 * A text argument as a C string; NULL for NULL.
 */
static char *
cstring_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * A text argument; NULL for NULL.
 */
static text *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n);
}

/*
 * Refuse what is no change of a row.
 */
static void
check_trigger(const char *operation, const char *level)
{
	if (level != NULL && strcmp(level, "STATEMENT") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Failed to process the row: function can only be triggered for each row, not for each statement"),
				 errhint("Create the trigger FOR EACH ROW.")));
	if (level != NULL && strcmp(level, "ROW") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Failed to process the row: Unexpected level: %s", level),
				 errhint("Pass TG_LEVEL, or leave it out.")));
	if (operation == NULL ||
		(strcmp(operation, "INSERT") != 0 &&
		 strcmp(operation, "UPDATE") != 0 &&
		 strcmp(operation, "DELETE") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Failed to process the row: Unexpected operation type: %s",
						operation ? operation : "<NULL>"),
				 errhint("Pass TG_OP: INSERT, UPDATE or DELETE.")));
}

/*
 * to_jsonb() for records, looked up at the first call of this query.
 *
 * to_jsonb() asks for the type of its argument, so it needs an expression to
 * look at; a null of type record will do, because the record knows its columns
 * by itself.
 */
static FmgrInfo *
record_to_jsonb(FmgrInfo *flinfo)
{
	FmgrInfo   *function = flinfo->fn_extra;
	MemoryContext old_context;
	List	   *args;

	if (function != NULL)
		return function;

	old_context = MemoryContextSwitchTo(flinfo->fn_mcxt);
	function = palloc(sizeof(FmgrInfo));
	fmgr_info(F_TO_JSONB, function);
	args = list_make1(makeConst(RECORDOID, -1, InvalidOid, -1, (Datum) 0, true, false));
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, args,
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   function);
	MemoryContextSwitchTo(old_context);
	flinfo->fn_extra = function;
	return function;
}

/*
 * A record argument as a JSON object; NULL for NULL.
 */
static Jsonb *
record_arg(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return NULL;
	return DatumGetJsonbP(FunctionCall1(record_to_jsonb(fcinfo->flinfo),
										PG_GETARG_DATUM(n)));
}

/*
 * realtime.broadcast_changes(topic_name text, event_name text, operation text,
 *	   table_name text, table_schema text, new record, old record, level text)
 */
static Datum
broadcast_changes_body(PG_FUNCTION_ARGS)
{
	JsonbParseState *state = NULL;
	MessageRow	row;

	check_trigger(cstring_arg(fcinfo, ARG_OPERATION), cstring_arg(fcinfo, ARG_LEVEL));

	memset(&row, 0, sizeof(row));
	uuid_v7_generate(&row.id);
	row.topic = text_arg(fcinfo, ARG_TOPIC);
	row.event = text_arg(fcinfo, ARG_EVENT);
	row.is_private = true;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	json_push_uuid(&state, "id", &row.id);
	json_push_jsonb(&state, "old_record", record_arg(fcinfo, ARG_OLD));
	json_push_jsonb(&state, "record", record_arg(fcinfo, ARG_NEW));
	json_push_text(&state, "operation", text_arg(fcinfo, ARG_OPERATION));
	json_push_text(&state, "table", text_arg(fcinfo, ARG_TABLE));
	json_push_text(&state, "schema", text_arg(fcinfo, ARG_SCHEMA));
	row.payload = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));

	send_message(&row);
	PG_RETURN_VOID();
}
