/*-------------------------------------------------------------------------
 *
 * follow.c
 *	  Give tables the trigger that captures their changes, and take it away.
 *
 * Which tables are to have it is for SQL to say (sql/45_follow.sql); what SQL
 * cannot do is make a trigger that is internal.  This one is, so that pg_dump
 * leaves it out, for it is made again where the publication is restored, and so
 * that nobody takes it for one of his own.  It fires in sessions that replicate
 * as well (session_replication_role), and goes with the extension.
 *
 * src/api/follow.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "api/sql_function.h"

#define TRIGGER_NAME "realtime_capture"
#define EXTENSION_NAME "realtime"

#define EVENTS (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_DELETE | TRIGGER_TYPE_UPDATE)

SQL_FUNCTION(attach_capture);
SQL_FUNCTION(detach_capture);

/*
 * Make the trigger.
 */
static Oid
create_trigger(Relation rel, Oid function, Oid shown_as, int16 events)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);
	ObjectAddress trigger;

	stmt->trigname = TRIGGER_NAME;
	stmt->relation = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
								  RelationGetRelationName(rel), -1);
	stmt->args = list_make1(makeString(psprintf("%u", shown_as)));
	stmt->row = true;
	stmt->timing = TRIGGER_TYPE_AFTER;
	stmt->events = events;
	trigger = CreateTriggerFiringOn(stmt, NULL, RelationGetRelid(rel), InvalidOid,
									InvalidOid, InvalidOid, function, InvalidOid, NULL,
									true, false, TRIGGER_FIRES_ALWAYS);
	return trigger.objectId;
}

/*
 * Have the trigger go with the extension, without a word, though it needs a
 * function of it.
 */
static void
tie_to_extension(Oid trigger)
{
	ObjectAddress object;
	ObjectAddress extension;

	ObjectAddressSet(object, TriggerRelationId, trigger);
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid(EXTENSION_NAME, false));
	recordDependencyOn(&object, &extension, DEPENDENCY_AUTO_EXTENSION);
}

/*
 * realtime.attach_capture(tab regclass, shown_as regclass, events integer,
 * capture regproc) returns void
 */
static Datum
attach_capture_body(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Oid			shown_as = PG_GETARG_OID(1);
	int32		events = PG_GETARG_INT32(2);
	Oid			function = PG_GETARG_OID(3);
	Relation	rel = table_open(relid, ShareRowExclusiveLock);

	if ((events & ~EVENTS) != 0 || events == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no such events of a trigger: %d", events)));
	tie_to_extension(create_trigger(rel, function, shown_as, (int16) events));
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

/*
 * Table of a trigger; InvalidOid if the trigger is not there or not internal.
 */
static Oid
table_of(Oid trigger)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			table = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && ((Form_pg_trigger) GETSTRUCT(tuple))->tgisinternal)
		table = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return table;
}

/*
 * realtime.detach_capture(capture_trigger oid) returns void
 */
static Datum
detach_capture_body(PG_FUNCTION_ARGS)
{
	Oid			trigger = PG_GETARG_OID(0);
	Oid			table = table_of(trigger);
	ObjectAddress object;

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no such trigger: %u", trigger)));
	LockRelationOid(table, ShareRowExclusiveLock);
	ObjectAddressSet(object, TriggerRelationId, trigger);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	PG_RETURN_VOID();
}
