/*-------------------------------------------------------------------------
 *
 * capture_table.h
 *	  What has to be known of a table to capture its changes.
 *
 * src/api/capture_table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CAPTURE_TABLE_H
#define REALTIME_CAPTURE_TABLE_H

#include "utils/rel.h"

#include "api/change_value.h"

typedef struct CaptureColumn
{
	AttrNumber	attnum;			/* in the table that is written */
	ChangeColumn shown;			/* number, flags, names as others see it */
	ValueEncoder encoder;
} CaptureColumn;

/*
 * A table, and the one as which its changes are shown: itself, or a partitioned
 * table that it is a partition of.
 */
typedef struct CaptureTable
{
	ChangeRecord shown;			/* table, names, number of columns, flags */
	bool		follows_settings;	/* some column's output does */
	int			ncolumns;
	CaptureColumn columns[FLEXIBLE_ARRAY_MEMBER];
} CaptureTable;

/*
 * Look one up; good until the next call, or an error.  Raises an error if the
 * table is no part of the other one.
 */
extern CaptureTable *capture_table_get(Relation rel, Oid shown_as);

#endif							/* REALTIME_CAPTURE_TABLE_H */
