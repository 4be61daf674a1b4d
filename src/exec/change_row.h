/*-------------------------------------------------------------------------
 *
 * change_row.h
 *	  The row that a change is about, as a value of its table's row type.
 *
 * src/exec/change_row.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_ROW_H
#define REALTIME_CHANGE_ROW_H

#include "fmgr.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "proto/change_record.h"

/* How the texts of a table's columns are read, by number less one. */
typedef struct RowReader
{
	Relation	table;
	struct ColumnReader *columns;
} RowReader;

/* Set up, in the current memory context. */
extern void row_reader_init(RowReader *reader, Relation table);

/*
 * Make the row of a change: the new one, or of a DELETE the old one.  Columns
 * that have come since are as they are in rows that are older than they.  Those
 * that the record has left out are null and in *left_out.  Raises what the types
 * raise that columns have by now.
 */
extern Datum row_reader_row(RowReader *reader, const ChangeRecord *change,
							Bitmapset **left_out);

#endif							/* REALTIME_CHANGE_ROW_H */
