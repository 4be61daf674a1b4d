/*-------------------------------------------------------------------------
 *
 * change_compare.h
 *	  Filters of those who follow a table: what they mean to a value.
 *
 * Values are compared in the type of their column, but without the database:
 * by what to_jsonb() shows of them.  How that can be done for a type is its
 * class, which an executor finds out; what cannot be done is for SQL.
 *
 * src/proto/change_compare.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_COMPARE_H
#define REALTIME_CHANGE_COMPARE_H

#include "proto/change_filter.h"

/*
 * What the text of a value says about the value; strings are unescaped.  The
 * numbers travel.
 */
typedef enum FilterClass
{
	FILTER_AS_SQL,				/* nothing: the database has to be asked */
	FILTER_AS_TEXT,				/* equal bytes <=> equal values: text under a
								 * deterministic collation, enums, ... */
	FILTER_AS_ORDERED_TEXT,		/* and their order is that of the bytes: text
								 * under C, uuid, bool */
	FILTER_AS_NUMBER,			/* integers, numeric, floating point */
	FILTER_AS_TIME				/* date, timestamp, timestamptz */
} FilterClass;

#define FILTER_CLASS_VALID(class) ((class) <= FILTER_AS_TIME)

typedef enum FilterVerdict
{
	FILTER_NO,					/* false, or null */
	FILTER_YES,
	FILTER_UNSURE				/* only SQL can tell */
} FilterVerdict;

/*
 * Does it ever decide this operator without SQL?  A column that cannot be null
 * or a boolean is as good as any other for `is`.
 */
extern bool filter_class_serves(FilterClass class, FilterOp op);

/*
 * Does a condition hold for a value?  What the condition compares with is in
 * the form of a value, too.
 */
extern FilterVerdict filter_test(FilterClass class, const FilterCondition *condition,
								 const FilterOperand *value);

/*
 * Append bytes that are the same for two values if and only if they are equal;
 * false if that cannot be told, or without memory.
 */
extern bool filter_key(FilterClass class, Slice text, Bytes *out) RT_MUSTCHECK;

#endif							/* REALTIME_CHANGE_COMPARE_H */
