/*-------------------------------------------------------------------------
 *
 * policy_query.h
 *	  The policies of a table as a query over rows that are not there.
 *
 * src/exec/policy_query.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_POLICY_QUERY_H
#define REALTIME_POLICY_QUERY_H

#include "nodes/plannodes.h"
#include "rewrite/rowsecurity.h"
#include "utils/rel.h"

/*
 * What a client would do with a row: the first three with one of
 * realtime.messages, the last one with one of any table.
 */
typedef enum PolicyCommand
{
	POLICY_READ,				/* SELECT id */
	POLICY_WRITE,				/* INSERT (topic, extension) */
	POLICY_PUBLISH,				/* INSERT of what send.h inserts for a channel */
	POLICY_SEE					/* SELECT of no column in particular */
} PolicyCommand;

/* What stands between the current user and the row. */
typedef enum PolicyBarrier
{
	BARRIER_SCHEMA,				/* no right to use the schema: closed */
	BARRIER_TABLE,				/* no right to the command: closed */
	BARRIER_NONE,				/* row-level security does not apply: open */
	BARRIER_POLICIES,			/* open where the query says true */
	BARRIER_REAL_ROW			/* only a row that is there can tell */
} PolicyBarrier;

typedef struct PolicyQuery
{
	PolicyBarrier barrier;
	Query	   *query;			/* of BARRIER_POLICIES: one boolean column,
								 * parameter $1 the rows; rewritten */
	PlannedStmt *plan;			/* of it, from the cache only */
} PolicyQuery;

/*
 * Open and lock realtime.messages; NULL if the extension is not there.  Close
 * it with NoLock.
 */
extern Relation policy_open_messages(void);

/* The same of realtime.channels. */
extern Relation policy_open_channels(void);

/*
 * Find out what the current user may do, as PostgreSQL would.  Raises what
 * rewriting the real statement would raise.  All in the current memory context;
 * there must be an active snapshot.
 */
extern PolicyQuery *policy_query_make(Relation table, PolicyCommand command);

/*
 * The columns of the row that a query looks at, as a set of their numbers; all
 * of them where it looks at the row as a whole.
 */
extern Bitmapset *policy_query_columns(const Query *query, int natts);

/*
 * A plan for a query, which stays as it is.  It may be good for this client
 * only; see plan_watch.c.
 */
extern PlannedStmt *policy_query_plan(Query *query);

/*
 * Copies of the policies that apply to the current user, in the order of their
 * names; without their roles.
 */
extern List *policy_query_applicable(Relation messages, PolicyCommand command);

/* The expression of one of them; NULL if it has none for that command. */
extern Expr *policy_query_expression(const RowSecurityPolicy *policy,
									 PolicyCommand command);

/*
 * A plan for one policy by itself, like that of BARRIER_POLICIES; NULL if only a
 * row that is there can tell.
 */
extern PlannedStmt *policy_query_single(Relation messages, PolicyCommand command,
										const RowSecurityPolicy *policy);

#endif							/* REALTIME_POLICY_QUERY_H */
