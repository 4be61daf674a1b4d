/*-------------------------------------------------------------------------
 *
 * change_index.h
 *	  What is wanted of a table, found by the values of a row.
 *
 * src/gateway/change_index.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_INDEX_H
#define REALTIME_CHANGE_INDEX_H

#include "lib/ilist.h"
#include "proto/chain_table.h"
#include "proto/change_compare.h"
#include "proto/change_record.h"

struct IndexLink;
struct IndexedColumn;
struct Plan;

typedef struct TargetCondition
{
	uint16		attnum;
	uint8		class;			/* FilterClass */
	FilterCondition condition;
} TargetCondition;

/*
 * One entry of a subscription on one table.
 */
typedef struct Target
{
	struct Plan *plan;
	uint8		entry;			/* its number in the join, from 0 */
	uint8		events;			/* CHANGE_ON() */
	uint16		nconditions;	/* all have to hold */
	uint32		relation;		/* in the plan */
	TargetCondition *conditions;
	struct IndexLink *links;	/* NULL = looked at for every change */
	uint32		nlinks;
	dlist_node	scanned_node;
} Target;

/* Of one table.  All zero is not good enough: change_index_init(). */
typedef struct ChangeIndex
{
	dlist_head	scanned;		/* of Target.scanned_node */
	struct IndexedColumn *columns;
} ChangeIndex;

typedef void (*TargetVisitor) (Target *target);

extern void change_index_init(ChangeIndex *index);

/* Add a target.  Without memory it is one of those that no value finds. */
extern void change_index_insert(ChangeIndex *index, Target *target);

/* Take out one that is in it. */
extern void change_index_remove(ChangeIndex *index, Target *target);

/*
 * Call visit() for every target that may want the row at hand (change_row.h):
 * all that are found by no value, and those whose value the row has.
 */
extern void change_index_visit(ChangeIndex *index, TargetVisitor visit);

/*
 * Do the conditions hold for the row at hand?  UNSURE if SQL has to say so.
 */
extern FilterVerdict change_target_test(const Target *target);

#endif							/* REALTIME_CHANGE_INDEX_H */
