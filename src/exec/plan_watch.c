/*-------------------------------------------------------------------------
 *
 * plan_watch.c
 *	  Has planning asked anybody whose answer may be another for the next client?
 *
 * The planner evaluates calls of functions that are declared IMMUTABLE, and puts
 * the results into the plan.  A function of a user that is declared so wrongly,
 * and looks at its client's claims, makes a plan that is good for this client
 * only.  PostgreSQL's own functions are declared rightly, and others than
 * IMMUTABLE ones are evaluated for estimates at most, which do not change what a
 * plan returns.
 *
 * So what counts is whether a user's IMMUTABLE function is called while a plan is
 * made, however deep: in functions that are inlined, as a type's input function,
 * as an operator of an array's elements.  All of them pass by the hooks of the
 * function manager: at needs_fmgr_hook when they are looked up, or at fmgr_hook
 * when they are called, if they are SECURITY DEFINER or have settings of their
 * own.  One that is looked up only counts as well, to be on the safe side.
 *
 * Functions keep plans as well, from one call to the next, and most of what a
 * statement of ours costs is saved if they may keep them from one job to the next.
 * These have to go between two clients if a user's IMMUTABLE function was called
 * at all, because whether it was while a plan was made is not known then; and
 * between two roles, because what one may name another one may not, which is
 * looked at when a statement is parsed.
 *
 * src/exec/plan_watch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"

#include "exec/apart.h"
#include "exec/extension_object.h"
#include "exec/plan_watch.h"
#include "exec/policy_query.h"

static needs_fmgr_hook_type next_needs_hook = NULL;
static fmgr_hook_type next_hook = NULL;

/* An error while planning leaves this on, which does no harm. */
static bool watching = false;
static bool seen;				/* a user's IMMUTABLE function */

/* The same of what plan_watch_run() is about. */
static bool running = false;
static bool seen_running;

/* And of the job at hand. */
static bool in_job = false;
static bool seen_in_job;
static bool had_client;			/* it has acted as one */

/* Who has used the plans that functions keep; InvalidOid = nobody. */
static Oid	plans_of = InvalidOid;

/*
 * Is it a function of the extension?  These are declared rightly.
 */
static bool
is_ours(Oid function)
{
	static HTAB *ours = NULL;	/* those that are; they stay as long as we do */
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Oid)};

	if (ours == NULL)
		ours = hash_create("realtime functions", 32, &ctl, HASH_ELEM | HASH_BLOBS);
	if (hash_search(ours, &function, HASH_FIND, NULL) != NULL)
		return true;
	if (!extension_has_function(function))
		return false;
	(void) hash_search(ours, &function, HASH_ENTER, NULL);
	return true;
}

/*
 * Take notice of a function.
 */
static void
notice(Oid function)
{
	bool		look = (watching && !seen) || (running && !seen_running) ||
		(in_job && !seen_in_job);

	if (!look || function < FirstNormalObjectId ||
		func_volatile(function) != PROVOLATILE_IMMUTABLE || is_ours(function))
		return;
	seen = seen || watching;
	seen_running = seen_running || running;
	seen_in_job = seen_in_job || in_job;
}

/*
 * needs_fmgr_hook: a function is looked up.
 */
static bool
notice_lookup(Oid function)
{
	notice(function);
	return next_needs_hook != NULL && next_needs_hook(function);
}

/*
 * fmgr_hook: a function is called that is not called directly.
 */
static void
notice_call(FmgrHookEventType event, FmgrInfo *flinfo, Datum *arg)
{
	if (event == FHET_START)
		notice(flinfo->fn_oid);
	if (next_hook != NULL)
		next_hook(event, flinfo, arg);
}

/*
 * Set up.
 */
void
plan_watch_init(void)
{
	static bool done = false;

	if (done)
		return;
	done = true;
	next_needs_hook = needs_fmgr_hook;
	needs_fmgr_hook = notice_lookup;
	next_hook = fmgr_hook;
	fmgr_hook = notice_call;
}

/*
 * Make a plan and watch.
 */
PlannedStmt *
plan_watch_make(Query *query, bool *shareable)
{
	PlannedStmt *plan;

	seen = false;
	watching = true;
	plan = policy_query_plan(query);
	watching = false;
	/* nor is one that is good for the snapshot at hand only */
	*shareable = !seen && !plan->transientPlan;
	return plan;
}

/*
 * Call a function and watch.
 */
ErrorData *
plan_watch_run(void (*function) (void *arg), void *arg, bool *left_plans)
{
	ErrorData  *error;

	seen_running = false;
	running = true;
	error = run_apart(function, arg);
	running = false;
	*left_plans = seen_running;
	return error;
}

/*
 * A job begins.
 */
void
plan_watch_begin_job(void)
{
	in_job = true;
	seen_in_job = false;
	had_client = false;
}

/*
 * It acts as a client.
 */
void
plan_watch_client(Oid role)
{
	if (!in_job)
		return;
	had_client = true;
	if (role == plans_of)
		return;
	ResetPlanCache();
	plans_of = role;
}

/*
 * It has ended.
 */
void
plan_watch_end_job(bool is_internal)
{
	in_job = false;
	if (!seen_in_job && (had_client || is_internal))
		return;
	ResetPlanCache();
	plans_of = InvalidOid;
}
