/*-------------------------------------------------------------------------
 *
 * served_database.c
 *	  realtime.database, looked up by a process that is in no database.
 *
 * A walk over pg_database, as the autovacuum launcher does it: without a
 * database its indexes cannot be opened.
 *
 * src/served_database.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "utils/snapmgr.h"

#include "guc.h"
#include "served_database.h"

/*
 * Look the database up.
 */
Oid
served_database_lookup(bool *connectable)
{
	MemoryContext old = CurrentMemoryContext;
	Oid			result = InvalidOid;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(form->datname), realtime_database) != 0)
			continue;
		result = form->oid;
		if (connectable)
			*connectable = form->datallowconn;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	/* the end of a transaction leaves TopMemoryContext behind */
	MemoryContextSwitchTo(old);
	return result;
}
