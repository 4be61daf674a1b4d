/*-------------------------------------------------------------------------
 *
 * filter_check.h
 *	  Are the filter and the columns that a client asks for good for a table?
 *
 * src/exec/filter_check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_FILTER_CHECK_H
#define REALTIME_FILTER_CHECK_H

#include "utils/rel.h"

#include "proto/change_job.h"

/*
 * A column that a role may read, by name; 0 if there is none.
 */
extern AttrNumber filter_check_column(Relation table, Oid role, Slice name);

/*
 * Append a condition to *conditions with the class of its column and its values
 * in the form of the column's type.  Raises an error, with upstream's text, if it
 * is not good.  As the role.
 */
extern void filter_check_condition(Relation table, Oid role, const FilterCondition *condition,
								   Bytes *conditions);

#endif							/* REALTIME_FILTER_CHECK_H */
