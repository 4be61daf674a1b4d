/*-------------------------------------------------------------------------
 *
 * can.c
 *	  realtime.can(): what executors would decide, and why.
 *
 * The decision is made as executors make it.  Then each policy that applies is
 * asked once more by itself, so that the reason can be named: which one allows,
 * which one denies, which one raises what.
 *
 * Everything that policies run runs as the client, in subtransactions that are
 * read-only and rolled back; the caller's transaction, user and settings stay as
 * they are.  It is for superusers, because it can act as anybody.
 *
 * src/exec/can.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "api/message_row.h"
#include "api/sql_function.h"
#include "api/utf8_text.h"
#include "exec/apart.h"
#include "exec/authorise.h"
#include "exec/client.h"
#include "exec/policy_query.h"
#include "exec/probe.h"
#include "exec/role_check.h"
#include "exec/virtual_row.h"

SQL_FUNCTION(realtime_can);

/* Columns of the result. */
enum
{
	CAN_ACTION,
	CAN_ALLOWED,
	CAN_REASON,
	CAN_POLICIES,
	CAN_COLUMNS
};

/* What one policy says by itself. */
typedef struct PolicyAnswer
{
	RowSecurityPolicy *policy;
	Verdict		verdict;
	const char *error;			/* what it raised instead; NULL if nothing */
} PolicyAnswer;

/* One right, and what is found out about it. */
typedef struct Inquiry
{
	Relation	messages;
	const Client *client;
	const RightRule *rule;
	bool		may_probe;		/* the caller's transaction may write */

	PolicyBarrier barrier;
	bool		allowed;
	const char *error;			/* raised by the policies; NULL if nothing */
	List	   *answers;		/* PolicyAnswer, by name */
	PolicyAnswer *asked;		/* the one that ask_policy() is about */
} Inquiry;

/*
 * Become the client, as executors do it.
 */
static void
enter(const Inquiry *inquiry)
{
	XactReadOnly = true;
	client_become(inquiry->client);
}

/*
 * Decide, as executors do it.
 */
static void
decide(void *arg)
{
	Inquiry    *inquiry = arg;
	PolicyQuery *query;
	Verdict		verdict;
	uint8		granted = 0;

	enter(inquiry);
	query = policy_query_make(inquiry->messages, inquiry->rule->command);
	inquiry->barrier = query->barrier;
	switch (query->barrier)
	{
		case BARRIER_SCHEMA:
		case BARRIER_TABLE:
			break;
		case BARRIER_NONE:
			inquiry->allowed = true;
			break;
		case BARRIER_POLICIES:
			virtual_row_ask(policy_query_plan(query->query), inquiry->messages, inquiry->client->topic,
							&inquiry->rule->extension, 1, &verdict);
			inquiry->allowed = verdict == VERDICT_TRUE;
			break;
		case BARRIER_REAL_ROW:
			if (inquiry->may_probe)
				probe_ask(inquiry->messages, inquiry->client, inquiry->rule->right, &granted);
			inquiry->allowed = granted != 0;
			break;
	}
}

/*
 * Find the policies that apply.
 */
static void
list_policies(void *arg)
{
	Inquiry    *inquiry = arg;
	ListCell   *cell;

	enter(inquiry);
	foreach(cell, policy_query_applicable(inquiry->messages, inquiry->rule->command))
	{
		PolicyAnswer *answer = palloc0_object(PolicyAnswer);

		answer->policy = lfirst(cell);
		if (policy_query_expression(answer->policy, inquiry->rule->command) != NULL)
			inquiry->answers = lappend(inquiry->answers, answer);
	}
}

/*
 * Ask one of them.
 */
static void
ask_policy(void *arg)
{
	Inquiry    *inquiry = arg;
	PolicyAnswer *answer = inquiry->asked;
	PlannedStmt *plan;

	enter(inquiry);
	plan = policy_query_single(inquiry->messages, inquiry->rule->command, answer->policy);
	if (plan != NULL)
		virtual_row_ask(plan, inquiry->messages, inquiry->client->topic,
						&inquiry->rule->extension, 1, &answer->verdict);
	else
		answer->error = "it takes a row that is there";
}

/*
 * The message of an error, NULL if there is none.
 */
static const char *
message_of(const ErrorData *error)
{
	if (error == NULL)
		return NULL;
	return error->message ? error->message : "missing error text";
}

/*
 * Find out everything about one right.
 */
static void
inquire(Inquiry *inquiry)
{
	ErrorData  *error;
	ListCell   *cell;

	/* what raises an error has got as far as asking the policies */
	inquiry->barrier = BARRIER_POLICIES;
	inquiry->error = message_of(run_apart(decide, inquiry));
	if (inquiry->error != NULL)
	{
		inquiry->barrier = BARRIER_POLICIES;
		inquiry->allowed = false;
	}
	if (inquiry->barrier != BARRIER_POLICIES && inquiry->barrier != BARRIER_REAL_ROW)
		return;

	error = run_apart(list_policies, inquiry);
	if (error != NULL)
		ReThrowError(error);
	foreach(cell, inquiry->answers)
	{
		inquiry->asked = lfirst(cell);
		error = run_apart(ask_policy, inquiry);
		if (error != NULL)
			inquiry->asked->error = message_of(error);
	}
}

/*
 * Why row-level security does not apply.
 */
static const char *
bypass_reason(const Inquiry *inquiry)
{
	if (!inquiry->messages->rd_rel->relrowsecurity)
		return "row-level security is not enabled on realtime.messages";
	return psprintf("role \"%s\" bypasses row-level security", inquiry->client->role);
}

/*
 * The first policy of a kind, permissive or restrictive, that says yes or that
 * does not; NULL if there is none.
 */
static const PolicyAnswer *
find_answer(const Inquiry *inquiry, bool permissive, bool yes)
{
	ListCell   *cell;

	foreach(cell, inquiry->answers)
	{
		const PolicyAnswer *answer = lfirst(cell);
		bool		says_yes = answer->error == NULL && answer->verdict == VERDICT_TRUE;

		if (answer->policy->permissive == permissive && says_yes == yes)
			return answer;
	}
	return NULL;
}

/*
 * Who raised the error that decided.
 */
static const char *
error_reason(const Inquiry *inquiry)
{
	ListCell   *cell;

	foreach(cell, inquiry->answers)
	{
		const PolicyAnswer *answer = lfirst(cell);

		if (answer->error != NULL && strcmp(answer->error, inquiry->error) == 0)
			return psprintf("policy \"%s\" raised: %s", answer->policy->policy_name,
							inquiry->error);
	}
	return psprintf("the policies raised: %s", inquiry->error);
}

/*
 * What the policies come to.
 */
static const char *
policies_reason(const Inquiry *inquiry)
{
	const PolicyAnswer *allowing = find_answer(inquiry, true, true);
	const PolicyAnswer *denying = find_answer(inquiry, false, false);

	if (inquiry->error != NULL)
		return error_reason(inquiry);
	if (inquiry->barrier == BARRIER_REAL_ROW && !inquiry->may_probe && !inquiry->allowed)
		return "the policies take a row that is there, and that a transaction that may write";
	if (inquiry->allowed)
		return allowing ? psprintf("policy \"%s\" allows", allowing->policy->policy_name) :
			"the policies allow";
	if (find_answer(inquiry, true, false) == NULL && allowing == NULL)
		return psprintf("no %spolicy applies to role \"%s\"",
						inquiry->answers != NIL ? "permissive " : "", inquiry->client->role);
	if (inquiry->barrier == BARRIER_REAL_ROW && (denying == NULL || denying->error != NULL))
		return "a row that is there is refused";
	if (allowing != NULL && denying != NULL)
		return psprintf("restrictive policy \"%s\" denies", denying->policy->policy_name);
	return "no policy allows";
}

/*
 * The reason for a decision.
 */
static const char *
reason_of(const Inquiry *inquiry)
{
	switch (inquiry->barrier)
	{
		case BARRIER_SCHEMA:
			return psprintf("role \"%s\" lacks USAGE on schema realtime", inquiry->client->role);
		case BARRIER_TABLE:
			return psprintf("role \"%s\" lacks %s on realtime.messages", inquiry->client->role,
							inquiry->rule->command == POLICY_READ ? "SELECT" : "INSERT");
		case BARRIER_NONE:
			return bypass_reason(inquiry);
		case BARRIER_POLICIES:
		case BARRIER_REAL_ROW:
			return policies_reason(inquiry);
	}
	return NULL;
}

/*
 * What the policies say, each by itself.
 */
static Datum
answers_json(const Inquiry *inquiry)
{
	StringInfoData json;
	ListCell   *cell;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	foreach(cell, inquiry->answers)
	{
		const PolicyAnswer *answer = lfirst(cell);

		appendStringInfoString(&json, json.len > 1 ? ", {\"name\": " : "{\"name\": ");
		escape_json(&json, answer->policy->policy_name);
		appendStringInfo(&json, ", \"permissive\": %s, \"verdict\": %s",
						 answer->policy->permissive ? "true" : "false",
						 answer->error != NULL || answer->verdict == VERDICT_NULL ? "null" :
						 answer->verdict == VERDICT_TRUE ? "true" : "false");
		if (answer->error != NULL)
		{
			appendStringInfoString(&json, ", \"error\": ");
			escape_json(&json, answer->error);
		}
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/*
 * Add a row to the result.
 */
static void
put_row(ReturnSetInfo *result, const Inquiry *inquiry, const char *reason)
{
	Datum		values[CAN_COLUMNS];
	bool		nulls[CAN_COLUMNS] = {false};

	values[CAN_ACTION] = CStringGetTextDatum(inquiry->rule->action);
	values[CAN_ALLOWED] = BoolGetDatum(inquiry->allowed);
	values[CAN_REASON] = CStringGetTextDatum(reason);
	values[CAN_POLICIES] = answers_json(inquiry);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * An argument of type text, which may be no null.
 */
static const char *
text_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * The topic, which is no longer than a client may join.
 */
static const char *
topic_argument(FunctionCallInfo fcinfo, int n)
{
	const char *topic = text_argument(fcinfo, n, "topic");
	size_t		len = utf8_string(topic, strlen(topic)).len;

	if (len < 1 || len > TOPIC_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic must have between 1 and %d bytes", TOPIC_MAX_BYTES)));
	return topic;
}

/*
 * An argument of type jsonb, which must be an object, or null for an empty one.
 */
static Jsonb *
object_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	Jsonb	   *value;

	if (PG_ARGISNULL(n))
		return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
	value = PG_GETARG_JSONB_P(n);
	if (!JB_ROOT_IS_OBJECT(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name)));
	return value;
}

/*
 * Text of a JSON object.
 */
static const char *
object_text(Jsonb *object)
{
	return JsonbToCString(NULL, &object->root, VARSIZE(object));
}

/*
 * Text of the claim sub, "" if there is none, as the gateway gives it.
 */
static const char *
claim_sub(Jsonb *claims)
{
	JsonbValue	found;
	JsonbValue *value = getKeyJsonValueFromContainer(&claims->root, "sub", 3, &found);

	if (value == NULL)
		return "";
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		default:
			return "";
	}
}

/*
 * realtime.can(role text, claims jsonb, topic text, headers jsonb) returns setof record
 */
static Datum
realtime_can_body(PG_FUNCTION_ARGS)
{
	Jsonb	   *claims = object_argument(fcinfo, 1, "claims");
	Client		client = {text_argument(fcinfo, 0, "role"), InvalidOid};
	RoleRefusal refusal = {NULL};
	Relation	messages;

	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to ask what others may do")));
	/* where nobody may become anybody else, or back */
	if (InLocalUserIdChange() || InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("realtime.can() cannot be called within a security-definer function"),
				 errhint("Call it from one that is SECURITY INVOKER.")));
	client.sub = claim_sub(claims);
	client.topic = topic_argument(fcinfo, 2);
	client.claims = object_text(claims);
	client.headers = object_text(object_argument(fcinfo, 3, "headers"));
	InitMaterializedSRF(fcinfo, 0);

	messages = policy_open_messages();
	if (messages == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("realtime.messages does not exist")));
	(void) role_check(client.role, RelationGetRelid(messages), &client.role_oid, &refusal);
	for (int i = 0; i < RIGHT_RULES; i++)
	{
		Inquiry		inquiry = {messages, &client, &right_rules[i]};

		inquiry.may_probe = !XactReadOnly && !RecoveryInProgress();
		if (refusal.reason == NULL)
			inquire(&inquiry);
		put_row((ReturnSetInfo *) fcinfo->resultinfo, &inquiry,
				refusal.reason == NULL ? reason_of(&inquiry) :
				psprintf("role \"%s\" may not be used: %s", client.role, refusal.reason));
	}
	relation_close(messages, NoLock);
	return (Datum) 0;
}
