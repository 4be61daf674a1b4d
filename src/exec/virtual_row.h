/*-------------------------------------------------------------------------
 *
 * virtual_row.h
 *	  Rows of realtime.messages that are not there, and what policies say of them.
 *
 * src/exec/virtual_row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_VIRTUAL_ROW_H
#define REALTIME_VIRTUAL_ROW_H

#include "nodes/plannodes.h"
#include "utils/rel.h"

/* Value of a policy's expression for a row. */
typedef enum Verdict
{
	VERDICT_FALSE,
	VERDICT_TRUE,
	VERDICT_NULL				/* as good as false */
} Verdict;

/*
 * Run a plan of policy_query.c, as the current user, for n rows that differ in
 * their column extension; their verdicts come to verdicts[0..n).  There must be
 * an active snapshot.
 */
extern void virtual_row_ask(PlannedStmt *plan, Relation messages, const char *topic,
							const char *const *extensions, int n, Verdict *verdicts);

#endif							/* REALTIME_VIRTUAL_ROW_H */
