/*-------------------------------------------------------------------------
 *
 * served_database.c
 *	  realtime.database, looked up by a process that is in no database.
 *
 * Walks over pg_database and pg_authid, as the autovacuum launcher does it:
 * without a database their indexes cannot be opened.
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
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "utils/snapmgr.h"

#include "guc.h"
#include "served_database.h"

/*
 * Find the database; within a transaction.
 */
static Oid
find_database(bool *connectable)
{
	Oid			result = InvalidOid;
	Relation	rel = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(form->datname), realtime_database) != 0)
			continue;
		result = form->oid;
		/* less than -1 marks what a DROP DATABASE has left half-way */
		if (connectable)
			*connectable = form->datallowconn && form->datconnlimit >= -1;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Is there a role that executors can log in as?  Within a transaction.
 */
static bool
find_executor_role(void)
{
	bool		found = false;
	Relation	rel = table_open(AuthIdRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

		if (strcmp(NameStr(form->rolname), EXECUTOR_ROLE) == 0)
			found = form->rolcanlogin;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Begin a transaction to look into catalogs.
 */
static void
begin_look(void)
{
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
}

/*
 * Look the database up.
 */
Oid
served_database_lookup(bool *connectable)
{
	MemoryContext old = CurrentMemoryContext;
	Oid			result;

	begin_look();
	result = find_database(connectable);
	CommitTransactionCommand();
	/* the end of a transaction leaves TopMemoryContext behind */
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Look for all that executors need.
 */
bool
served_database_ready(Oid *database)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool ready = false;
	bool		connectable = false;

	*database = InvalidOid;
	PG_TRY();
	{
		begin_look();
		*database = find_database(&connectable);
		ready = OidIsValid(*database) && connectable && find_executor_role();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		ready = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return ready;
}
