/*-------------------------------------------------------------------------
 *
 * change_frame.h
 *	  What clients are told of a change: the payload of postgres_changes.
 *
 * src/proto/change_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_FRAME_H
#define REALTIME_CHANGE_FRAME_H

#include "proto/change_record.h"

/* Columns that somebody may see, and of these the ones that are wanted. */
typedef struct ChangeColumns
{
	bool		all;			/* whatever the table has */
	Slice		attnums;		/* else these: u16, ascending */
	const Slice *wanted;		/* names; the key is always wanted */
	uint32		nwanted;		/* 0 = all */
} ChangeColumns;

/* Why there is less to be seen than one might think (supabase.md 6.8). */
typedef enum ChangeFault
{
	CHANGE_FINE,
	CHANGE_UNAUTHORISED,		/* the key may not be seen */
	CHANGE_POLICY_FAILED		/* it could not be decided whether to show it */
} ChangeFault;

/*
 * May the change be told with these columns?  Not one of a new row whose key is
 * not among them.
 */
extern ChangeFault change_fault(const ChangeRecord *record, const ChangeColumns *columns);

/*
 * Append the JSON object that clients get as `data`.  committed_at is in
 * microseconds since 2000-01-01 UTC.  False for want of memory.
 */
extern bool change_encode_data(Bytes *out, const ChangeRecord *record,
							   const ChangeColumns *columns, int64 committed_at,
							   ChangeFault fault);

/* The type of the change, as clients see it. */
extern const char *change_type_name(uint8 op);

#endif							/* REALTIME_CHANGE_FRAME_H */
