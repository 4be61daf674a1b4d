/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  SQL functions that gateways may have called.
 *
 * A request to a gateway is parsed and routed there; what it does is an SQL
 * function of the extension with the shape
 *
 *		f(request jsonb, OUT status integer, OUT body jsonb)
 *
 * that runs as the executors' role and has the rights it needs by itself.  Only
 * the functions named here can be called.
 *
 * src/exec/calls.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/utf8_text.h"
#include "exec/calls.h"
#include "exec/extension_object.h"
#include "exec/kept_plan.h"

/* What the hub takes from an executor, less what goes with it. */
#define MAX_REPLY_BYTES (CALL_MAX_BODY - 64)

typedef enum CallAccess
{
	CALL_READS,
	CALL_NOTES,					/* reads; notes when a key was used, unless on
								 * a standby */
	CALL_WRITES
} CallAccess;

/* One that has no name does not exist. */
typedef struct CallTarget
{
	const char *name;
	const char *command;
	CallAccess	access;
	bool		is_internal;	/* for the courier, and no client has a say */
} CallTarget;

#define CALL_OF(name) "SELECT r.status, r.body FROM realtime." name "($1) r"
#define CALL_TARGET(name, access) {name, CALL_OF(name), access, false}
#define CALL_INTERNAL(name, access) {name, CALL_OF(name), access, true}

static const CallTarget functions[CALL_FUNCTIONS] = {
	[CALL_REALTIME_PUBLISH] = CALL_TARGET("http_realtime_publish", CALL_WRITES),
	[CALL_CHECK_CHANNELS] = CALL_TARGET("check_channels", CALL_READS),
	[CALL_CHECK_API_KEY] = CALL_TARGET("check_api_key", CALL_NOTES),
	[CALL_CHANNELS_LIST] = CALL_TARGET("http_channels_list", CALL_NOTES),
	[CALL_CHANNEL_CREATE] = CALL_TARGET("http_channel_create", CALL_WRITES),
	[CALL_CHANNEL_GET] = CALL_TARGET("http_channel_get", CALL_NOTES),
	[CALL_CHANNEL_UPDATE] = CALL_TARGET("http_channel_update", CALL_WRITES),
	[CALL_CHANNEL_DELETE] = CALL_TARGET("http_channel_delete", CALL_WRITES),
	[CALL_MESSAGES_LIST] = CALL_TARGET("http_messages_list", CALL_NOTES),
	[CALL_MESSAGES_DELETE] = CALL_TARGET("http_messages_delete", CALL_WRITES),
	[CALL_MESSAGES_STATS] = CALL_TARGET("http_messages_stats", CALL_NOTES),
	[CALL_PERMISSIONS] = CALL_TARGET("http_permissions", CALL_NOTES),
	[CALL_CONFIG_GET] = CALL_TARGET("http_config_get", CALL_NOTES),
	[CALL_CONFIG_UPDATE] = CALL_TARGET("http_config_update", CALL_WRITES),
	[CALL_PUBLISH] = CALL_TARGET("http_publish", CALL_WRITES),
	[CALL_WEBHOOKS_TEST] = CALL_TARGET("http_webhooks_test", CALL_WRITES),
	[CALL_LOOK_FOR_WEBHOOKS] = CALL_INTERNAL("look_for_webhooks", CALL_READS),
	[CALL_FETCH_WEBHOOKS] = CALL_INTERNAL("fetch_webhooks", CALL_WRITES),
	[CALL_FINISH_WEBHOOKS] = CALL_INTERNAL("finish_webhooks", CALL_WRITES),
};

/*
 * Does the function write here?
 */
static bool
target_writes(const CallTarget *target)
{
	return target->access == CALL_WRITES ||
		(target->access == CALL_NOTES && !RecoveryInProgress());
}

/*
 * Does the function of a call?
 */
bool
call_writes(Slice body)
{
	CallJob		job;

	return job_decode_call(body, &job) && target_writes(&functions[job.function]);
}

/*
 * Is it for nobody but us?
 */
bool
call_is_internal(Slice body)
{
	CallJob		job;

	return job_decode_call(body, &job) && functions[job.function].is_internal;
}

/*
 * The plan of a call, made at its first use; SPI is connected.
 */
static SPIPlanPtr
call_plan(CallFunction function)
{
	static SPIPlanPtr plans[CALL_FUNCTIONS];
	Oid			type = JSONBOID;

	if (plans[function] == NULL)
		plans[function] = kept_plan(functions[function].command, 1, &type);
	return plans[function];
}

/*
 * A request as a value of type jsonb.
 */
static Datum
request_value(Slice request)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(utf8_to_server(request)));
}

/*
 * A column of the one row that a call has returned.
 */
static Datum
result_column(int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
									  number, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("function returned no %s", number == 1 ? "status" : "body")));
	return value;
}

/*
 * Encode what a call has returned.
 */
static void
read_result(Bytes *answer)
{
	CallReply	reply;
	int32		status;
	Jsonb	   *body;
	char	   *json;

	if (SPI_processed != 1)
		elog(ERROR, "function returned %llu rows", (unsigned long long) SPI_processed);
	status = DatumGetInt32(result_column(1));
	if (status < 100 || status > 599)
		elog(ERROR, "function returned status %d", status);
	body = DatumGetJsonbP(result_column(2));
	json = JsonbToCString(NULL, &body->root, VARSIZE(body));
	reply.status = (uint16) status;
	reply.body = utf8_string(json, strlen(json));
	if (reply.body.len > MAX_REPLY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("function returned a body of %zu bytes", reply.body.len)));
	if (!job_encode_call_reply(answer, &reply))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * JOB_CALL.
 */
JobOutcome
call_function(Slice body, Bytes *answer)
{
	CallJob		job;
	const CallTarget *target;
	Datum		request;
	Oid			save_user;
	int			save_context;
	int			rc;

	if (!job_decode_call(body, &job))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the call is malformed")));
	target = &functions[job.function];
	if (target->name == NULL || !OidIsValid(extension_function(target->name, JSONBOID)))
		return JOB_UNAVAILABLE;
	request = request_value(job.request);

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(save_user, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	rc = SPI_execute_plan(call_plan((CallFunction) job.function), &request, NULL,
						  !target_writes(target), 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	read_result(answer);
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
	return JOB_DONE;
}
