/*-------------------------------------------------------------------------
 *
 * sealed.c
 *	  Which messages in the WAL are ours: the served database's, genuine.
 *
 * realtime.database names the database; records carry its OID.  The hub is
 * connected to no database, but pg_database is shared, so the name is looked up
 * when a message comes and nothing is known: the database may be created, or
 * dropped and created again, while we run.
 *
 * src/hub/sealed.c
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
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "guc.h"
#include "hub/sealed.h"
#include "seal.h"

static Oid	served = InvalidOid;
static bool served_known = false;

/*
 * pg_database has changed.
 */
static void
forget_database(Datum arg, int cacheid, uint32 hashvalue)
{
	served_known = false;
}

/*
 * Watch pg_database.
 */
void
sealed_init(void)
{
	CacheRegisterSyscacheCallback(DATABASEOID, forget_database, (Datum) 0);
}

/*
 * Look realtime.database up; InvalidOid if there is no such database.
 *
 * A walk over the table, as the autovacuum launcher does it: without a
 * database the indexes of pg_database cannot be opened.
 */
static Oid
lookup_database(void)
{
	Oid			result = InvalidOid;
	Relation	rel = table_open(DatabaseRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(rel, 0, NULL);
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(form->datname), realtime_database) == 0)
			result = form->oid;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Is this the OID of the served database?
 */
static bool
is_served(Oid database)
{
	if (served_known && served == database)
		return true;

	/* what we know may be older than the record: the WAL tells of both */
	AcceptInvalidationMessages();
	if (!served_known)
	{
		MemoryContext old = CurrentMemoryContext;

		StartTransactionCommand();
		(void) GetTransactionSnapshot();
		served = lookup_database();
		served_known = true;
		CommitTransactionCommand();
		/* the end of a transaction leaves TopMemoryContext behind */
		MemoryContextSwitchTo(old);
	}
	return served == database;
}

/*
 * Judge a message.
 */
SealedVerdict
sealed_open(const WalEvent *event, WalMessage *message, Slice *body)
{
	const char *content = event->content.data;

	if (!is_served(event->database))
		return SEALED_FOREIGN;
	if (event->content.len < WAL_RECORD_SEAL_BYTES)
		return SEALED_MALFORMED;
	*body = slice_make(content, event->content.len - WAL_RECORD_SEAL_BYTES);
	if (!wal_record_decode(body->data, body->len, message))
		return SEALED_MALFORMED;
	if (!seal_verify(event->database, *body, (const uint8 *) content + body->len))
		return SEALED_FORGED;
	return SEALED_GENUINE;
}
