/*-------------------------------------------------------------------------
 *
 * virtual_row.h
 *	  Rows that are not there, and what policies say of them.
 *
 * src/exec/virtual_row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_VIRTUAL_ROW_H
#define REALTIME_VIRTUAL_ROW_H

#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "utils/rel.h"

#include "api/message_row.h"

/* Value of a policy's expression for a row. */
typedef enum Verdict
{
	VERDICT_FALSE,
	VERDICT_TRUE,
	VERDICT_NULL				/* as good as false */
} Verdict;

/*
 * Parameters of a plan: $1 is an array of n rows of the table, and there is room
 * for others behind it.
 */
extern ParamListInfo virtual_row_params(Relation table, Datum *rows, int n, int nothers);

/*
 * Run a plan that gives a boolean for each of n rows, as the current user; the
 * verdicts come to verdicts[0..n).
 */
extern void virtual_row_run(PlannedStmt *plan, ParamListInfo params, int n,
							Verdict *verdicts);

/*
 * Run a plan of policy_query.c, as the current user, for n rows that differ in
 * their column extension; their verdicts come to verdicts[0..n).  There must be
 * an active snapshot.
 */
extern void virtual_row_ask(PlannedStmt *plan, Relation messages, const char *topic,
							const char *const *extensions, int n, Verdict *verdicts);

/*
 * The same for the row of a message that the current transaction is about to
 * insert.
 */
extern Verdict virtual_row_ask_message(PlannedStmt *plan, Relation messages,
									   const MessageRow *row);

#endif							/* REALTIME_VIRTUAL_ROW_H */
