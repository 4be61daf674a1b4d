/*-------------------------------------------------------------------------
 *
 * change_plan.h
 *	  What the database says of a subscription: tables, columns, conditions.
 *
 * src/gateway/change_plan.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_PLAN_H
#define REALTIME_CHANGE_PLAN_H

#include "gateway/change_tables.h"
#include "proto/change_entry.h"
#include "proto/change_frame.h"
#include "proto/change_job.h"

struct Terms;

/* One of its tables. */
typedef struct PlanRelation
{
	struct Plan *plan;
	FollowedTable *table;		/* held while the plan is in force; else NULL */
	bool		ask;			/* row-level security: of each row */
	bool		all_columns;	/* may be seen, else attnums */
	Slice		attnums;
	Slice		parts;			/* for BUS_FOLLOW */
	dlist_node	wait_node;		/* among the waiters of the table */
	bool		waits;
} PlanRelation;

/*
 * An answer to JOB_SUBSCRIBE, taken apart.  Others may hold it longer than it
 * is in force: for what they are told then, its columns count.
 */
typedef struct Plan
{
	uint32		refs;
	struct Terms *terms;		/* whose plan it is; NULL when no longer */
	uint32		nwaiting;		/* relations whose tables are not HELD */
	uint32		nrelations;
	PlanRelation *relations;
	uint32		ntargets;
	Target	   *targets;
	TargetCondition *conditions;
	FilterOperand *operands;
	Target	   *filtered[CHANGE_MAX_ENTRIES];	/* the target of an entry that
												 * has conditions, or NULL */
	Bytes		body;			/* of the answer; the slices point into it */
} Plan;

/*
 * Take an answer apart that passed job_decode_subscribe_answer(), for entries
 * with these events.  NULL without memory.
 */
extern Plan *change_plan_make(Slice body, const uint8 *events, uint32 nentries);

/*
 * Put it into force: follow its tables, find its targets by the rows' values.
 * False without memory, and then it is not.
 */
extern bool change_plan_begin(Plan *plan, struct Terms *terms) RT_MUSTCHECK;

/* And out of it. */
extern void change_plan_end(Plan *plan);

/* Hold it, let it go. */
extern Plan *change_plan_ref(Plan *plan);
extern void change_plan_unref(Plan *plan);

/* What it weighs. */
extern size_t change_plan_weight(const Plan *plan);

#endif							/* REALTIME_CHANGE_PLAN_H */
