/*-------------------------------------------------------------------------
 *
 * change_row.h
 *	  The row that a change is about, as filters look at it.
 *
 * src/gateway/change_row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_ROW_H
#define REALTIME_CHANGE_ROW_H

#include "proto/change_filter.h"
#include "proto/change_record.h"

typedef enum RowValue
{
	ROW_VALUE,					/* here it is; it may be null */
	ROW_ABSENT,					/* clients do not get to see it */
	ROW_LEFT_OUT				/* it was too large for the record */
} RowValue;

/* Look at another change; the record stays the caller's. */
extern void change_row_begin(const ChangeRecord *record);

/*
 * The value of a column: the new one, of a DELETE the old one as far as it is
 * part of the replica identity (supabase.md 6.8 items 4 and 10).  It is good
 * until the next one is asked for.
 */
extern RowValue change_row_value_of(uint16 attnum, FilterOperand *value);

#endif							/* REALTIME_CHANGE_ROW_H */
