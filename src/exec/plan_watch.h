/*-------------------------------------------------------------------------
 *
 * plan_watch.h
 *	  Has planning asked anybody whose answer may be another for the next client?
 *
 * src/exec/plan_watch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PLAN_WATCH_H
#define REALTIME_PLAN_WATCH_H

#include "nodes/plannodes.h"

/* From here on functions are watched. */
extern void plan_watch_init(void);

/*
 * policy_query_plan().  *shareable is set if the plan holds nothing that a
 * function of a user has said.
 */
extern PlannedStmt *plan_watch_make(Query *query, bool *shareable);

/*
 * run_apart().  *left_plans is set if functions that were called may have kept
 * plans with what another function of a user has said: ResetPlanCache() before
 * anybody else is served.
 */
extern ErrorData *plan_watch_run(void (*function) (void *arg), void *arg, bool *left_plans);

/*
 * A job of an executor begins; it acts as a client with this role (ignored outside
 * of jobs); and it has ended.  Plans that functions keep are dropped where they
 * may not serve whoever comes next.  An internal job runs no statements but our
 * own, for no client.
 */
extern void plan_watch_begin_job(void);
extern void plan_watch_client(Oid role);
extern void plan_watch_end_job(bool is_internal);

#endif							/* REALTIME_PLAN_WATCH_H */
