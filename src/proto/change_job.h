/*-------------------------------------------------------------------------
 *
 * change_job.h
 *	  What gateways ask executors about followed tables.
 *
 * JOB_SUBSCRIBE: what does a role follow that asks for this?  Its answer is good
 * for all clients of the role, until BUS_TABLES_CHANGED.
 *
 * JOB_VISIBLE: which of these clients may see these changes?  Each of them is
 * asked with its own claims, about the row as it stands in the record.
 *
 * Both, and the first one's answer, are lists of things that are appended to
 * buffers of their own and taken off one by one.
 *
 * src/proto/change_job.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_JOB_H
#define REALTIME_CHANGE_JOB_H

#include "proto/bus_frame.h"
#include "proto/change_compare.h"
#include "proto/change_record.h"

/* Of the bodies of these jobs and their answers, instead of JOB_MAX_BODY. */
#define CHANGE_JOB_MAX_BODY (4 * 1024 * 1024)

#define SUBSCRIBE_MAX_ENTRIES 1024
#define SUBSCRIBE_MAX_RELATIONS 16384	/* in an answer */

#define VISIBLE_MAX_VERDICTS 65536	/* changes times asks */

/*
 * JOB_SUBSCRIBE.  All texts are UTF-8 without NUL.
 */
typedef struct SubscribeJob
{
	Slice		role;			/* claim, 1..63 bytes */
	uint16		nentries;		/* at least one */
	Slice		entries;		/* for subscribe_next_entry() */
} SubscribeJob;

typedef struct SubscribeEntry
{
	uint8		op;				/* ChangeOp, 0 = all */
	bool		has_select;		/* a list of columns, not empty */
	uint16		nselect;
	Slice		schema;			/* "*" = all */
	Slice		table;			/* "*" = all */
	Slice		filter;			/* as the client wrote it; empty = none */
	Slice		select;			/* nselect names, for subscribe_next_name() */
} SubscribeEntry;

/*
 * The answer: each relation once, then one result per entry, in their order.
 */
typedef struct SubscribeAnswer
{
	uint16		nrelations;
	uint16		nresults;
	Slice		relations;		/* for subscribe_next_relation() */
	Slice		results;		/* for subscribe_next_result() */
} SubscribeAnswer;

/* Flags of a relation: what the role may see. */
#define RELATION_ASK 0x01		/* row-level security: JOB_VISIBLE for each row */
#define RELATION_ALL_COLUMNS 0x02	/* else those listed */

typedef struct SubscribeRelation
{
	uint32		relid;			/* as in change records */
	uint8		flags;
	uint16		ntables;
	uint16		ncolumns;
	Slice		schema;
	Slice		table;
	Slice		tables;			/* ntables u32: those of BUS_FOLLOW */
	Slice		columns;		/* ncolumns u16: numbers of columns, ascending */
} SubscribeRelation;

/*
 * What has become of an entry.  Conditions are there only where the entry has
 * one relation.
 */
typedef struct SubscribeResult
{
	bool		failed;			/* nothing of the channel is followed */
	uint16		nrelations;
	uint16		nconditions;
	Slice		error;			/* of a failed one: the text for the client */
	Slice		relations;		/* nrelations u16: places in the answer's list */
	Slice		conditions;		/* for subscribe_next_condition() */
} SubscribeResult;

/* A condition of a filter, with its values in the form of the column's type. */
typedef struct SubscribeCondition
{
	uint16		attnum;			/* of the column */
	uint8		class;			/* FilterClass of the column */
	FilterCondition condition;	/* `raw` is empty; operands are the caller's */
} SubscribeCondition;

/*
 * JOB_VISIBLE.
 */
typedef struct VisibleJob
{
	uint32		relid;
	uint16		nchanges;		/* each of these is at least one */
	uint16		nclients;
	uint16		nasks;
	Slice		changes;		/* for visible_next_change() */
	Slice		clients;		/* for visible_next_client() */
	Slice		asks;			/* for visible_next_ask() */
} VisibleJob;

typedef struct VisibleClient
{
	Slice		role;			/* claim, 1..63 bytes */
	Slice		sub;			/* claim as text; empty = there is none */
	Slice		claims;			/* all claims, a JSON object as in the token */
	Slice		headers;		/* x-... request headers, a JSON object */
} VisibleClient;

/* One question, about all changes of the job. */
typedef struct VisibleAsk
{
	uint16		client;			/* its place in the list */
	bool		policies;		/* else only the conditions count */
	uint16		nconditions;	/* all of which have to hold, too */
	Slice		conditions;		/* for visible_next_condition() */
} VisibleAsk;

/*
 * The answer: one byte for each ask and, within it, for each change.
 */
typedef enum VisibleVerdict
{
	VISIBLE_NO = 0,
	VISIBLE_YES = 1,
	VISIBLE_FAILED = 2			/* policy or condition raised an error, or looks
								 * at what the record has not got */
} VisibleVerdict;

/*
 * Encoders append; false for want of memory.  Lists are made in a buffer of
 * their own and handed to the encoder of the whole, as are names and conditions.
 */
extern bool subscribe_append_name(Bytes *names, Slice name);
extern bool subscribe_append_entry(Bytes *entries, const SubscribeEntry *entry);
extern bool job_encode_subscribe(Bytes *out, const SubscribeJob *job);

extern bool subscribe_append_relation(Bytes *relations, const SubscribeRelation *relation);
extern bool subscribe_append_condition(Bytes *conditions, const SubscribeCondition *condition);
extern bool subscribe_append_result(Bytes *results, const SubscribeResult *result);
extern bool job_encode_subscribe_answer(Bytes *out, const SubscribeAnswer *answer);

extern bool visible_append_change(Bytes *changes, Slice record);
extern bool visible_append_client(Bytes *clients, const VisibleClient *client);
extern bool visible_append_condition(Bytes *conditions, const FilterCondition *condition);
extern bool visible_append_ask(Bytes *asks, const VisibleAsk *ask);
extern bool job_encode_visible(Bytes *out, const VisibleJob *job);

/*
 * Decoders: false if anything within is not as above, so that what is taken off
 * the lists later is good.  All slices point into body.
 */
extern bool job_decode_subscribe(Slice body, SubscribeJob *job) RT_MUSTCHECK;
extern bool job_decode_subscribe_answer(Slice body, SubscribeAnswer *answer) RT_MUSTCHECK;
extern bool job_decode_visible(Slice body, VisibleJob *job) RT_MUSTCHECK;
extern bool job_decode_verdicts(Slice body, const VisibleJob *job) RT_MUSTCHECK;

/*
 * Take the next one off a copy of a list; false at its end.  The operands of a
 * condition go to the caller's array of FILTER_MAX_IN_VALUES.
 */
extern bool subscribe_next_entry(Slice *entries, SubscribeEntry *entry);
extern bool subscribe_next_name(Slice *names, Slice *name);
extern bool subscribe_next_relation(Slice *relations, SubscribeRelation *relation);
extern bool subscribe_next_result(Slice *results, SubscribeResult *result);
extern bool subscribe_next_condition(Slice *conditions, SubscribeCondition *condition,
									 FilterOperand *operands);
extern bool visible_next_change(Slice *changes, ChangeRecord *record);
extern bool visible_next_client(Slice *clients, VisibleClient *client);
extern bool visible_next_ask(Slice *asks, VisibleAsk *ask);
extern bool visible_next_condition(Slice *conditions, FilterCondition *condition,
								   FilterOperand *operands);

/* n-th number of a list of u32 or u16. */
static inline uint32
list_u32(Slice list, size_t n)
{
	uint32		value;

	memcpy(&value, list.data + n * sizeof(value), sizeof(value));
	return value;
}

static inline uint16
list_u16(Slice list, size_t n)
{
	uint16		value;

	memcpy(&value, list.data + n * sizeof(value), sizeof(value));
	return value;
}

#endif							/* REALTIME_CHANGE_JOB_H */
