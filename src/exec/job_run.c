/*-------------------------------------------------------------------------
 *
 * job_run.c
 *	  One job, in a transaction of its own.
 *
 * A job either commits and succeeds, or leaves nothing behind: whatever it
 * raises ends its transaction, is logged once a second at most and becomes an
 * outcome.  Only the message, the hint and the SQLSTATE are logged, because an
 * error's other parts may show a client's claims.  Messages about bad data (class
 * 22) quote the data, so of those only the SQLSTATE is.
 *
 * A transaction that only reads is begun as one.  It gets no transaction id and
 * writes no WAL, and no SQL that it calls can make it write a table.
 *
 * src/exec/job_run.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "exec/audience_rows.h"
#include "exec/authorise.h"
#include "exec/calls.h"
#include "exec/channel_publish.h"
#include "exec/commits.h"
#include "exec/history.h"
#include "exec/job_run.h"
#include "exec/job_session.h"
#include "exec/report.h"
#include "exec/store.h"
#include "exec/subscribe.h"
#include "exec/visible.h"
#include "guc.h"
#include "instant.h"
#include "sql_version.h"

/* How a kind of job is run. */
typedef struct JobRules
{
	JobOutcome	(*run) (Slice body, Bytes *answer);
	const char *activity;		/* shown by pg_stat_activity */
	/* an error that is an answer, which is given then; NULL if none is */
	bool		(*take_error) (const ErrorData *error, Bytes *answer);
} JobRules;

static const JobRules rules[JOB_KINDS] = {
	[JOB_AUTHORISE] = {authorise, "authorise"},
	[JOB_CALL] = {call_function, "call a function"},
	[JOB_COMMITS] = {commits_insert, "record commits"},
	[JOB_POSITION] = {commits_position, "read the last commit"},
	[JOB_HISTORY] = {history_read, "read history"},
	[JOB_STORE] = {store_broadcast, "store a broadcast"},
	[JOB_SUBSCRIBE] = {subscribe, "say what there is to follow"},
	[JOB_AUDIENCE] = {audience_insert, "record audiences"},
	[JOB_ROLL_UP] = {messages_roll_up, "count messages"},
	[JOB_PUBLISH] = {channel_publish, "publish on a channel", channel_publish_denied},
	[JOB_VISIBLE] = {visible, "say who may see a change"},
};

/* The transaction at hand is not to be committed, though the job is done. */
static bool keeps_nothing;

/* A job, and how it goes. */
typedef struct Run
{
	JobKind		kind;
	Slice		body;
	Bytes	   *answer;
	bool		writes;			/* is committed; else read-only, rolled back */
	bool		may_retry;		/* when other transactions were in its way */
	bool		retry;			/* they were */
	bool		committed;
	JobOutcome	outcome;
} Run;

/*
 * Does a job write?
 */
static bool
job_writes(JobKind kind, Slice body)
{
	return kind == JOB_COMMITS || kind == JOB_STORE || kind == JOB_PUBLISH ||
		kind == JOB_AUDIENCE || kind == JOB_ROLL_UP ||
		(kind == JOB_CALL && call_writes(body));
}

/*
 * Does a job run nothing but statements of ours, on our own tables and for no
 * client?
 */
static bool
job_is_internal(JobKind kind, Slice body)
{
	return kind == JOB_COMMITS || kind == JOB_POSITION || kind == JOB_HISTORY ||
		kind == JOB_AUDIENCE || kind == JOB_ROLL_UP ||
		(kind == JOB_CALL && call_is_internal(body));
}

/*
 * What an error makes of a job.
 */
static JobOutcome
outcome_of(const ErrorData *edata)
{
	switch (edata->sqlerrcode)
	{
		case ERRCODE_QUERY_CANCELED:
		case ERRCODE_LOCK_NOT_AVAILABLE:
			return JOB_TIMED_OUT;
		default:
			break;
	}
	/* no policy has said no: there was no memory, or the like */
	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
		return JOB_BUSY;
	return JOB_FAILED;
}

/*
 * Log why a job failed.
 */
static void
report_failure(JobKind kind, JobOutcome outcome, const ErrorData *edata)
{
	static ReportLimit limits[lengthof(rules)][JOB_FAILED + 1];

	report_error(&limits[kind][outcome], edata, rules[kind].activity);
}

/*
 * The job at hand has an answer, and shall leave nothing behind.
 */
void
job_roll_back(void)
{
	keeps_nothing = true;
}

/*
 * Run a job's transaction.
 */
static void
run_transaction(Run *run)
{
	/* what now() says; a backend does this for each message of its client */
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, rules[run->kind].activity);
	keeps_nothing = false;
	StartTransactionCommand();
	session_check_role();
	if (!run->writes)
		XactReadOnly = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	run->outcome = sql_version_serves() ?
		rules[run->kind].run(run->body, run->answer) : JOB_UNAVAILABLE;
	if (run->writes && run->outcome == JOB_DONE && !keeps_nothing)
	{
		PopActiveSnapshot();
		/* also if it fails half-way */
		run->committed = true;
		CommitTransactionCommand();
	}
	else
		AbortCurrentTransaction();
	session_stop_clock();
}

/*
 * A job's transaction has failed.
 */
static void
take_error(Run *run, const ErrorData *edata)
{
	run->outcome = outcome_of(edata);
	run->retry = run->writes && run->may_retry &&
		(edata->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		 edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED);
	if (run->retry)
		return;
	if (rules[run->kind].take_error != NULL &&
		rules[run->kind].take_error(edata, run->answer))
		run->outcome = JOB_DONE;
	else
		report_failure(run->kind, run->outcome, edata);
}

/*
 * Run a job's transaction; an error ends it and becomes an outcome.
 */
static void
run_caught(Run *run)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		run_transaction(run);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		session_stop_clock();
		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		take_error(run, edata);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	if (run->outcome != JOB_DONE)
		run->answer->len = 0;
}

/*
 * Run a job, a second time if the first attempt was unlucky and time is left.
 */
static JobOutcome
run_attempts(JobKind kind, Slice body, Bytes *answer, bool writes)
{
	Run			run = {kind, body, answer, writes};
	Instant		deadline = ms_after(instant_now(), realtime_statement_timeout);
	int			left_ms = realtime_statement_timeout;

	run.may_retry = true;
	do
	{
		session_begin_job(left_ms);
		run.retry = false;
		run.committed = false;
		run_caught(&run);
		run.may_retry = false;
		session_end_job(run.committed, job_is_internal(kind, body));
		if (run.retry)
			left_ms = (int) ms_since(instant_now(), deadline);
	} while (run.retry && left_ms > 0);
	return run.outcome;
}

/*
 * Run a job.
 */
JobOutcome
job_run(JobKind kind, Slice body, Bytes *answer)
{
	static MemoryContext context = NULL;
	MemoryContext old;
	JobOutcome	outcome;
	bool		writes;

	if (!JOB_KIND_VALID(kind) || rules[kind].run == NULL)
		return JOB_UNAVAILABLE;
	writes = job_writes(kind, body);
	if (writes && RecoveryInProgress())
		return JOB_UNAVAILABLE;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "realtime job",
										ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);

	outcome = run_attempts(kind, body, answer, writes);
	pgstat_report_activity(STATE_IDLE, NULL);

	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
	return outcome;
}
