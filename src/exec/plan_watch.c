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
 * Functions keep plans as well, from one call to the next.  Where several clients
 * are served by one job, these have to go between two of them if a user's
 * IMMUTABLE function was called at all: whether it was while a plan was made is
 * not known then.
 *
 * src/exec/plan_watch.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "exec/apart.h"
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

/*
 * Take notice of a function.
 */
static void
notice(Oid function)
{
	bool		look = (watching && !seen) || (running && !seen_running);

	if (!look || function < FirstNormalObjectId ||
		func_volatile(function) != PROVOLATILE_IMMUTABLE)
		return;
	seen = seen || watching;
	seen_running = seen_running || running;
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
