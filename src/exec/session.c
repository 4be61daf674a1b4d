/*-------------------------------------------------------------------------
 *
 * session.c
 *	  The database session of an executor, kept as it began.
 *
 * What runs in here was written by others: policies and the functions they
 * call, for one client after the other.  A transaction that is rolled back takes
 * most of what they did with it; the rest is dropped after each job, and before
 * each job the session is compared with what it was at its start.  One that
 * differs is given up, with the process: a leaked role would be a hole.
 *
 * A job has realtime.statement_timeout.  A function may catch that and go on;
 * one that does is ended with the whole process a little later, which nothing
 * can catch.
 *
 * src/exec/session.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "commands/prepare.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#include "exec/session.h"
#include "guc.h"

/* What a job that does not heed its timeout gets on top of it. */
#define LAST_CHANCE_MS 1000

/* What authorise.c sets for each job; empty or absent in between. */
static const char *const job_settings[] = {
	"role",
	"realtime.topic",
	"realtime.channel_name",
	"request.jwt.claims",
	"request.jwt.claim.sub",
	"request.jwt.claim.role",
	"request.headers"
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
};

static Oid	login_role;
static char *settings_at_start[lengthof(job_settings)];
static TimeoutId last_chance;
static volatile sig_atomic_t out_of_time = false;

/*
 * Signal handler of the last timeout: end the process at the next opportunity.
 */
static void
end_process(void)
{
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
 * Remember the settings that jobs change.
 */
static void
remember_settings(void)
{
	for (int i = 0; i < (int) lengthof(job_settings); i++)
	{
		if (settings_at_start[i])
			pfree(settings_at_start[i]);
		settings_at_start[i] = MemoryContextStrdup(TopMemoryContext,
												   setting(job_settings[i]));
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
 * Set up.
 */
void
session_init(void)
{
	login_role = GetSessionUserId();
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
	for (int i = 0; i < (int) lengthof(job_settings); i++)
	{
		if (strcmp(setting(job_settings[i]), settings_at_start[i]) != 0)
			return job_settings[i];
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

	/* whoever asked before meant an earlier job */
	QueryCancelPending = false;
	QueryCancelHoldoffCount = 0;
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
 * After each job.
 */
void
session_end_job(void)
{
	Assert(!IsTransactionState());
	LockReleaseSession(USER_LOCKMETHOD);	/* pg_advisory_lock() */
	DropAllPreparedStatements();
}
