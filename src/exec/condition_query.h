/*-------------------------------------------------------------------------
 *
 * condition_query.h
 *	  Conditions of filters, as PostgreSQL understands them.
 *
 * src/exec/condition_query.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CONDITION_QUERY_H
#define REALTIME_CONDITION_QUERY_H

#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "utils/rel.h"

#include "proto/change_filter.h"

/* A condition as a query over an array of rows, and its values. */
typedef struct ConditionQuery
{
	Query	   *query;			/* one boolean column; $1 are the rows */
	int			nvalues;		/* $2 and so on */
	Oid		   *types;
	Datum	   *values;
} ConditionQuery;

/*
 * Make the query.  The condition's column exists.  Raises an error if the
 * column's type has no such operator, or for a value that the type does not
 * have.
 */
extern ConditionQuery *condition_query_make(Relation table, const FilterCondition *condition);

/* Whether the condition holds for each of n rows goes to holds[0..n). */
extern void condition_query_run(const ConditionQuery *query, Relation table,
								Datum *rows, int n, bool *holds);

#endif							/* REALTIME_CONDITION_QUERY_H */
