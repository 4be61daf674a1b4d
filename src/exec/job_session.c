/*-------------------------------------------------------------------------
 *
 * job_session.c
 *	  The database session of an executor, kept as it began.
 *
 * What runs in here was written by others: policies, triggers and the functions
 * they call, for one client after the other.  A transaction that is rolled back
 * takes most of what they did with it.  The rest is dropped after each job, as
 * are the settings that a committed one leaves, and before each job the session
 * is compared with what it was at its start.  One that differs is given up, with
 * the process: a leaked role would be a hole.
 *
 * A job has realtime.statement_timeout.  A function may catch that and go on;
 * one that does is ended with the whole process a little later, which nothing
 * can catch.
 *
 * src/exec/job_session.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timeout.h"

#include "exec/job_session.h"
#include "exec/plan_watch.h"
#include "guc.h"
#include "instant.h"
#include "served_database.h"
#include "sql_version.h"

/* What a job that does not heed its timeout gets on top of it. */
#define LAST_CHANCE_MS 1000

/*
 * What is as it was at the start between jobs: what authorise.c sets for each of
 * them, empty or absent then, and what gives their SQL its meaning.
 */
static const char *const compared_settings[] = {
	"role",
	"realtime.topic",
	"realtime.channel_name",
	"request.jwt.claims",
	"request.jwt.claim.sub",
	"request.jwt.claim.role",
	"request.headers",
	"search_path",
	"row_security",
	"session_replication_role",
	"default_transaction_isolation",
	"default_transaction_read_only",
	"default_transaction_deferrable"
};

/*
 * What jobs rely on, whatever ALTER ROLE or ALTER DATABASE say.  All the rest,
 * as the search path, is theirs to say.
 */
static const struct
{
	const char *name;
	const char *value;
}			fixed_settings[] = {
	{"row_security", "on"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	/* compiling takes longer than any of our statements */
	{"jit", "off"},
};

static Oid	login_role;
static char *settings_at_start[lengthof(compared_settings)];
static TimeoutId last_chance;
static Instant last_chance_at;	/* when it is really over */
static volatile sig_atomic_t out_of_time = false;

/*
 * Signal handler of the last timeout: end the process at the next opportunity.
 *
 * The server's timeouts go by the wall clock, which may have been set forward.
 * Then the job is cancelled, but has had no chance yet to heed that; the hub's
 * own deadline is left for one that never does.
 */
static void
end_process(void)
{
	if (instant_now() < last_chance_at)
		return;
	out_of_time = true;
	ProcDiePending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/*
 * The process ends: say why if that was us, as the server blames an
 * administrator.
 */
static void
at_exit(int code, Datum arg)
{
	if (out_of_time)
		ereport(LOG,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("realtime executor ends, because what it ran did not heed realtime.statement_timeout")));
}

/*
 * A setting's value, "" for none.
 */
static const char *
setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value ? value : "";
}

/*
 * Remember the settings that are compared.
 */
static void
remember_settings(void)
{
	for (int i = 0; i < (int) lengthof(compared_settings); i++)
	{
		if (settings_at_start[i])
			pfree(settings_at_start[i]);
		settings_at_start[i] = MemoryContextStrdup(TopMemoryContext,
												   setting(compared_settings[i]));
	}
}

/*
 * Set what follows the configuration.
 */
static void
apply_configuration(void)
{
	char		ms[16];

	snprintf(ms, sizeof(ms), "%d", realtime_lock_timeout);
	SetConfigOption("lock_timeout", ms, PGC_SUSET, PGC_S_OVERRIDE);
	remember_settings();
}

/*
 * An attribute of the role that we logged in as which it should not have; NULL
 * if there is none.
 */
static const char *
excessive_attribute(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(login_role));
	Form_pg_authid form;
	const char *attribute;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for role %u", login_role);
	form = (Form_pg_authid) GETSTRUCT(tuple);
	attribute = form->rolsuper ? "SUPERUSER" :
		form->rolcreaterole ? "CREATEROLE" :
		form->rolcreatedb ? "CREATEDB" :
		form->rolreplication ? "REPLICATION" :
		form->rolbypassrls ? "BYPASSRLS" :
		form->rolinherit ? "INHERIT" : NULL;
	ReleaseSysCache(tuple);
	return attribute;
}

/*
 * End the process if the role is not what the extension's script has made.
 */
void
session_check_role(void)
{
	const char *attribute = excessive_attribute();

	if (attribute != NULL)
		ereport(FATAL,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"" EXECUTOR_ROLE "\" has %s and is not safe to use", attribute),
				 errdetail("What policies call could make use of it."),
				 errhint("ALTER ROLE " EXECUTOR_ROLE " NO%s", attribute)));
}

/*
 * Set up.
 */
void
session_init(void)
{
	login_role = GetSessionUserId();
	StartTransactionCommand();
	session_check_role();
	/* if it does not, the log should know before anybody wants something */
	(void) sql_version_serves();
	CommitTransactionCommand();
	plan_watch_init();
	last_chance = RegisterTimeout(USER_TIMEOUT, end_process);
	before_shmem_exit(at_exit, (Datum) 0);
	for (int i = 0; i < (int) lengthof(fixed_settings); i++)
		SetConfigOption(fixed_settings[i].name, fixed_settings[i].value,
						PGC_SUSET, PGC_S_OVERRIDE);
	apply_configuration();
	HOLD_CANCEL_INTERRUPTS();
}

/*
 * Is no change of a setting waiting to be undone?
 */
static bool
no_settings_pending(void)
{
	int			level = NewGUCNestLevel();

	AtEOXact_GUC(true, level);
	return level == 1;
}

/*
 * Has the session made a schema for temporary tables?  Nothing takes it away
 * again, and it is searched first.
 */
static bool
has_temp_schema(void)
{
	Oid			schema;
	Oid			toast_schema;

	GetTempNamespaceState(&schema, &toast_schema);
	return OidIsValid(schema);
}

/*
 * What of the session is not as it was; NULL if nothing.
 */
static const char *
difference(void)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	if (IsTransactionOrTransactionBlock())
		return "transaction";
	if (user != login_role || GetSessionUserId() != login_role ||
		GetOuterUserId() != login_role || OidIsValid(GetCurrentRoleId()))
		return "role";
	if (context != 0)
		return "security context";
	if (!no_settings_pending())
		return "stack of settings";
	if (has_temp_schema())
		return "temporary schema";
	for (int i = 0; i < (int) lengthof(compared_settings); i++)
	{
		if (strcmp(setting(compared_settings[i]), settings_at_start[i]) != 0)
			return compared_settings[i];
	}
	return NULL;
}

/*
 * End the process if the session is not what it was.
 */
static void
check_unchanged(void)
{
	const char *what = difference();

	if (what == NULL)
		return;
	ereport(LOG,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("realtime executor ends because its session has another %s than at its start",
					what)));
	proc_exit(1);
}

/*
 * Read the configuration again; first, because it may change what we compare
 * with, see that nothing else has.
 */
void
session_reload(void)
{
	check_unchanged();
	ProcessConfigFile(PGC_SIGHUP);
	apply_configuration();
}

/*
 * Before each job.
 */
void
session_begin_job(int timeout_ms)
{
	check_unchanged();
	plan_watch_begin_job();

	/* whoever asked before meant an earlier job */
	QueryCancelPending = false;
	QueryCancelHoldoffCount = 0;
	last_chance_at = ms_after(instant_now(), (int64) timeout_ms + LAST_CHANCE_MS);
	enable_timeout_after(STATEMENT_TIMEOUT, timeout_ms);
	enable_timeout_after(last_chance, Min(timeout_ms, INT_MAX - LAST_CHANCE_MS) + LAST_CHANCE_MS);
}

/*
 * No timeout from here on, and no cancelling.
 */
void
session_stop_clock(void)
{
	disable_all_timeouts(false);
	QueryCancelHoldoffCount = 1;
	QueryCancelPending = false;
}

/*
 * After each job: what DISCARD does, without what cannot be there or is compared
 * before the next one.
 */
void
session_end_job(bool committed, bool is_internal)
{
	Assert(!IsTransactionState());
	LockReleaseSession(USER_LOCKMETHOD);	/* pg_advisory_lock() */
	DropAllPreparedStatements();
	ResetSequenceCaches();
	plan_watch_end_job(is_internal);
	if (committed)
		ResetAllOptions();		/* a rollback does that by itself */
}
