/*-------------------------------------------------------------------------
 *
 * make_way.c
 *	  Let commands have the served database for themselves.
 *
 * DROP DATABASE, CREATE DATABASE with it as template, and ALTER DATABASE that
 * renames or moves it refuse to work while others are connected, after waiting
 * for 5 s for them to leave.  Executors are connected all the time, and it is
 * not for the user to know of them.  So before such a command the hub is asked
 * to send them away: when the command looks for others there are none, or they
 * are gone within a moment.  New ones have to wait for the command's lock.
 *
 * Only for those who may run the command; it checks the rest by itself.
 *
 * src/api/make_way.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "tcop/utility.h"

#include "api/make_way.h"
#include "guc.h"
#include "pg_compat.h"
#include "shmem.h"

static ProcessUtility_hook_type prev_process_utility = NULL;

/*
 * Value of a string option, NULL if it is not given.
 */
static const char *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/*
 * The database that a command needs for itself, NULL if none.
 */
static const char *
database_needed(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_CreatedbStmt:
			return find_option(((CreatedbStmt *) statement)->options, "template");
		case T_RenameStmt:
			return ((RenameStmt *) statement)->renameType == OBJECT_DATABASE ?
				((RenameStmt *) statement)->subname : NULL;
		case T_AlterDatabaseStmt:
			return find_option(((AlterDatabaseStmt *) statement)->options, "tablespace") ?
				((AlterDatabaseStmt *) statement)->dbname : NULL;
		default:
			return NULL;
	}
}

/*
 * Ask the hub to send its executors away.
 */
static void
make_way(void)
{
	Latch	   *latch = realtime_shared->hub_latch;

	pg_atomic_fetch_add_u32(&realtime_shared->make_way, 1);
	if (latch != NULL)
		SetLatch(latch);
}

/*
 * ProcessUtility hook: look out for these commands.
 */
static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	const char *database = database_needed(pstmt->utilityStmt);

	if (database != NULL && strcmp(database, realtime_database) == 0)
	{
		Oid			oid = get_database_oid(database, true);

		if (OidIsValid(oid) && OwnsDatabase(oid, GetUserId()))
			make_way();
	}

	if (prev_process_utility)
		prev_process_utility(pstmt, queryString, readOnlyTree, context, params,
							 queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
								queryEnv, dest, qc);
}

/*
 * Put the hook in place.
 */
void
make_way_install_hook(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
