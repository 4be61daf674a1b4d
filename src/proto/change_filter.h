/*-------------------------------------------------------------------------
 *
 * change_filter.h
 *	  Filters of those who follow a table: what clients write.
 *
 * supabase.md 6.2:
 *
 *		filter   := segment ("," segment)*			all of them must hold
 *		segment  := column "=" ["not."] op "." value
 *		value    := text up to the next comma outside of parentheses and
 *					quotes, or "text with \" and \\"
 *
 * What a filter means to a row is in change_compare.h.
 *
 * src/proto/change_filter.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_FILTER_H
#define REALTIME_CHANGE_FILTER_H

#include "proto/bytes.h"

/* In the order of the names in change_filter.c; their numbers travel. */
typedef enum FilterOp
{
	FILTER_EQ,
	FILTER_NEQ,
	FILTER_LT,
	FILTER_LTE,
	FILTER_GT,
	FILTER_GTE,
	FILTER_IN,
	FILTER_LIKE,
	FILTER_ILIKE,
	FILTER_IS,
	FILTER_MATCH,
	FILTER_IMATCH,
	FILTER_ISDISTINCT
} FilterOp;

#define FILTER_OPS (FILTER_ISDISTINCT + 1)
#define FILTER_OP_VALID(op) ((op) < FILTER_OPS)

#define FILTER_MAX_CONDITIONS 32
#define FILTER_MAX_IN_VALUES 100	/* the database refuses more (6.5) */

/* A value as the client means it, without quotes and escapes. */
typedef struct FilterOperand
{
	Slice		text;
	bool		is_null;		/* an unquoted null in the list of `in` */
} FilterOperand;

typedef struct FilterCondition
{
	uint8		op;				/* FilterOp */
	bool		negated;		/* not. */
	Slice		column;
	Slice		raw;			/* the value as it was written */
	FilterOperand *operands;	/* one, but of `in` any number */
	uint32		noperands;
} FilterCondition;

/*
 * The slices point into the text that was parsed, and into `plain`.
 */
typedef struct ChangeFilter
{
	uint32		nconditions;
	FilterCondition conditions[FILTER_MAX_CONDITIONS];
	FilterOperand *operands;	/* of all conditions */
	uint32		noperands;
	uint32		max_operands;
	Bytes		plain;			/* what had escapes */
} ChangeFilter;

typedef enum FilterParse
{
	FILTER_PARSED,				/* *filter is to be freed */
	FILTER_BAD,					/* *error says why, as upstream would (6.4) */
	FILTER_NO_MEMORY
} FilterParse;

/*
 * Take a filter apart.  text is valid UTF-8; one without anything but blanks is
 * a filter without conditions.  The error is appended to *error.
 */
extern FilterParse filter_parse(Slice text, ChangeFilter *filter, Bytes *error) RT_MUSTCHECK;

/* Free what filter_parse() made. */
extern void filter_free(ChangeFilter *filter);

/*
 * Append the conditions as upstream's messages have them (6.5):
 * [{"x", "eq", "1", false}]
 */
extern bool filter_inspect(Bytes *out, const ChangeFilter *filter);

/* Append a text as Elixir's inspect() shows it. */
extern bool filter_inspect_text(Bytes *out, Slice text);

/* The name of an operator, as filters have it. */
extern const char *filter_op_name(FilterOp op);

/* Text without blanks around it. */
extern Slice filter_trim(Slice text);

#endif							/* REALTIME_CHANGE_FILTER_H */
