/*-------------------------------------------------------------------------
 *
 * follow_publication.c
 *	  Let CREATE PUBLICATION replace the empty one that the extension has made.
 *
 * The publication of followed tables is made where it is absent, and belongs to
 * the user.  So pg_dump writes CREATE PUBLICATION, as do migrations that come from
 * elsewhere, and would meet ours.  As long as that has no table it gives way.  This
 * does not hang on the order of a restore: pg_restore with several jobs makes
 * publications before or after data as it likes.
 *
 * src/api/follow_publication.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_publication.h"
#include "commands/event_trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"

#include "api/sql_function.h"
#include "pg_compat.h"

#define PUBLICATION_NAME "supabase_realtime"

SQL_FUNCTION(replace_publication);

/*
 * Is nothing published by it?
 */
static bool
is_empty(Oid publication)
{
	return !GetPublication(publication)->alltables &&
		GetPublicationRelations(publication, PUBLICATION_PART_ROOT) == NIL &&
		GetPublicationSchemas(publication) == NIL;
}

/*
 * realtime.replace_publication() returns event_trigger, at the start of CREATE
 * PUBLICATION.  One that is not the user's stays, and the command says so.
 */
static Datum
replace_publication_body(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigger = (EventTriggerData *) fcinfo->context;
	CreatePublicationStmt *stmt;
	ObjectAddress object;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo) || !IsA(trigger->parsetree, CreatePublicationStmt))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired by CREATE PUBLICATION", "replace_publication")));
	stmt = (CreatePublicationStmt *) trigger->parsetree;
	if (strcmp(stmt->pubname, PUBLICATION_NAME) != 0)
		PG_RETURN_NULL();
	ObjectAddressSet(object, PublicationRelationId, get_publication_oid(PUBLICATION_NAME, true));
	if (OidIsValid(object.objectId) && OwnsPublication(object.objectId, GetUserId()) &&
		is_empty(object.objectId))
	{
		performDeletion(&object, DROP_RESTRICT, 0);
		CommandCounterIncrement();
	}
	PG_RETURN_NULL();
}
