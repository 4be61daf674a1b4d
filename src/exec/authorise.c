/*-------------------------------------------------------------------------
 *
 * authorise.c
 *	  Which rights has a client on a private channel?
 *
 * Upstream inserts a row, selects it as the client and rolls back (probe.c does
 * that where it is wanted).  Here the policies are asked without a row, in a
 * transaction that is read-only: it gets no id, writes no WAL, works on a
 * standby, and a policy that writes fails.
 *
 * An error in a policy ends the job: nothing is granted.  Where it is one of
 * missing rights and the client wants to write, it is the answer no, as it is
 * for upstream, which cannot tell it from a policy's refusal.
 *
 * src/exec/authorise.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xlog.h"

#include "api/utf8_text.h"
#include "exec/apart.h"
#include "exec/authorise.h"
#include "exec/channel_access.h"
#include "exec/client.h"
#include "exec/policy_cache.h"
#include "exec/probe.h"
#include "exec/report.h"
#include "exec/role_check.h"
#include "exec/virtual_row.h"
#include "guc.h"

const RightRule right_rules[RIGHT_RULES] = {
	{RIGHT_BROADCAST_READ, POLICY_READ, "broadcast", "broadcast.read"},
	{RIGHT_PRESENCE_READ, POLICY_READ, "presence", "presence.read"},
	{RIGHT_BROADCAST_WRITE, POLICY_WRITE, "broadcast", "broadcast.write"},
	{RIGHT_PRESENCE_WRITE, POLICY_WRITE, "presence", "presence.write"},
	{RIGHT_PERSISTENCE_WRITE, POLICY_WRITE, "persistence", "persistence.write"},
};

/* What is asked. */
typedef struct Question
{
	Relation	messages;
	const Client *client;
	PolicyCommand command;
	uint8		wanted;			/* of the rights that the command shows */
	uint8		granted;		/* the answer */
	bool		needs_row;		/* there is none without a real row */
} Question;

/*
 * Have the policies look at one row for each right wanted.
 */
static void
ask_policies(Question *question, PlannedStmt *plan)
{
	const char *extensions[RIGHT_RULES];
	uint8		rights[RIGHT_RULES];
	Verdict		verdicts[RIGHT_RULES];
	int			n = 0;

	for (int i = 0; i < RIGHT_RULES; i++)
	{
		if ((right_rules[i].right & question->wanted) == 0)
			continue;
		rights[n] = right_rules[i].right;
		extensions[n++] = right_rules[i].extension;
	}
	virtual_row_ask(plan, question->messages, question->client->topic,
					extensions, n, verdicts);
	for (int i = 0; i < n; i++)
	{
		if (verdicts[i] == VERDICT_TRUE)
			question->granted |= rights[i];
	}
}

/*
 * Answer a question.
 */
static void
ask(void *arg)
{
	Question   *question = arg;
	const PolicyQuery *query = policy_cache_get(question->messages, question->command);

	switch (query->barrier)
	{
		case BARRIER_SCHEMA:
		case BARRIER_TABLE:
			break;
		case BARRIER_NONE:
			question->granted = question->wanted;
			break;
		case BARRIER_POLICIES:
			ask_policies(question, query->plan);
			break;
		case BARRIER_REAL_ROW:
			question->needs_row = true;
			break;
	}
}

/*
 * Ask for one right to write, where missing rights are no error; nothing that
 * this changes is left to the next question.
 */
static void
ask_apart(Question *question)
{
	ErrorData  *error = run_apart(ask, question);

	if (error != NULL && error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
		ReThrowError(error);
}

/*
 * Ask for everything without a row; false if some policy needs one.
 */
static bool
ask_all(Relation messages, const Client *client, uint8 wanted, uint8 *granted)
{
	Question	question = {messages, client};

	question.command = POLICY_READ;
	question.wanted = wanted & RIGHTS_READ;
	if (question.wanted != 0)
		ask(&question);
	*granted = question.granted;

	question.command = POLICY_WRITE;
	for (int i = 0; i < RIGHT_RULES && !question.needs_row; i++)
	{
		if (right_rules[i].command != POLICY_WRITE || (right_rules[i].right & wanted) == 0)
			continue;
		question.wanted = right_rules[i].right;
		question.granted = 0;
		ask_apart(&question);
		*granted |= question.granted;
	}
	return !question.needs_row;
}

/*
 * Log that a standby cannot ask by writing.
 */
static void
report_standby(void)
{
	static ReportLimit limit;
	uint64		unlogged;

	if (!report_due(&limit, &unlogged))
		return;
	ereport(LOG,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("realtime cannot ask the policies on realtime.messages on a standby"),
			 realtime_authorization == AUTHORIZATION_PROBE ?
			 errhint("Set realtime.authorization to 'virtual' there.") :
			 errhint("A policy looks at a system column, or the table has a rule, trigger, check or default of its own; these take a row that is there.")));
}

/*
 * Ask as the client that we are; without a row if that is wanted and possible.
 */
static JobOutcome
decide(Relation messages, const Client *client, uint8 wanted, uint8 *granted)
{
	if (wanted == 0)
		return JOB_DONE;
	if (realtime_authorization == AUTHORIZATION_VIRTUAL &&
		ask_all(messages, client, wanted, granted))
		return JOB_DONE;
	*granted = 0;
	if (RecoveryInProgress())
	{
		report_standby();
		return realtime_authorization == AUTHORIZATION_VIRTUAL ? JOB_DONE : JOB_UNAVAILABLE;
	}
	probe_ask(messages, client, wanted, granted);
	return JOB_DONE;
}

/*
 * JOB_AUTHORISE.
 */
JobOutcome
authorise(Slice body, Bytes *answer)
{
	AuthoriseJob job;
	Client		client;
	RoleRefusal refusal;
	Relation	messages;
	uint8		granted = 0;
	JobOutcome	outcome;

	if (!job_decode_authorise(body, &job))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the question is malformed")));
	client.role = utf8_to_server(job.role);
	client.sub = utf8_to_server(job.sub);
	client.topic = utf8_to_server(job.topic);
	client.claims = utf8_to_server(job.claims);
	client.headers = utf8_to_server(job.headers);

	messages = policy_cache_open_messages();
	if (messages == NULL)
		return JOB_UNAVAILABLE;
	if (!role_check(client.role, RelationGetRelid(messages), &client.role_oid, &refusal))
	{
		role_check_report(client.role, &refusal);
		return JOB_REFUSED;
	}
	client_become(&client);
	outcome = decide(messages, &client, job.wanted & RIGHTS_MESSAGES, &granted);
	if (outcome == JOB_DONE && (job.wanted & RIGHT_SUBSCRIBE) != 0 && channel_access(&client))
		granted |= RIGHT_SUBSCRIBE;
	relation_close(messages, NoLock);
	if (outcome == JOB_DONE && !bytes_append_byte(answer, granted))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return outcome;
}
