/*-------------------------------------------------------------------------
 *
 * sql_version.c
 *	  Does the extension's SQL fit the library that is loaded?
 *
 * The library comes with the server's start, the SQL objects with CREATE or
 * ALTER EXTENSION, on a standby with the WAL; so for a time they may be of
 * different versions, and a function that is called with arguments other than
 * those that it expects would read what is not there.  So each of ours asks
 * here first, and executors ask before each job.  Who is refused is told what to
 * do.  When the extension is updated, all go on, without a restart.
 *
 * That the SQL fits is remembered by each process until something says that it
 * may not be so any more.  PostgreSQL sends no invalidation for pg_extension, so
 * a hook on the commands that write it has one sent for the schema.
 *
 * The hook also refuses to create or update the extension to a version that is
 * of a later library: new files have been installed then, and the server has not
 * been restarted yet.  A restart is what has to come first.
 *
 * src/sql_version.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg_compat.h"
#include "shmem.h"
#include "sql_version.h"

#define EXTENSION_NAME "realtime"
#define SCHEMA_NAME "realtime"

bool		sql_version_known = false;

static ProcessUtility_hook_type prev_process_utility = NULL;

/*
 * Syscache callback: look again.
 */
static void
forget(Datum arg, int cacheid, uint32 hashvalue)
{
	sql_version_known = false;
}

/*
 * Version of the extension in this database, NULL if it is not there.
 */
static char *
installed_version(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(EXTENSION_NAME));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		version = isnull ? pstrdup("") : TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

/*
 * The next number of a version like 1.10; 0 where it has no more.
 */
static unsigned long
next_number(const char **version)
{
	char	   *end;
	unsigned long number = strtoul(*version, &end, 10);

	*version = *end == '.' ? end + 1 : "";
	return number;
}

/*
 * Compare two versions, number by number; < 0, 0 or > 0.  What does not begin
 * with a number is older than all.
 */
static int
compare_versions(const char *a, const char *b)
{
	while (*a != '\0' || *b != '\0')
	{
		unsigned long in_a = next_number(&a);
		unsigned long in_b = next_number(&b);

		if (in_a != in_b)
			return in_a < in_b ? -1 : 1;
	}
	return 0;
}

/*
 * Look at the version that is installed.
 */
SqlVersion
sql_version_look(char **version)
{
	static bool registered = false;
	char	   *found;

	if (version)
		*version = NULL;
	if (sql_version_known)
		return SQL_VERSION_FITS;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget, (Datum) 0);
		registered = true;
	}
	found = installed_version();
	if (version)
		*version = found;
	if (found == NULL)
		return SQL_VERSION_NONE;
	if (compare_versions(found, SQL_VERSION_OLDEST) < 0)
		return SQL_VERSION_OLD;
	if (compare_versions(found, REALTIME_VERSION) > 0)
		return SQL_VERSION_NEW;

	/* what its script finds on the way is not the end of it */
	if (!creating_extension)
		sql_version_known = true;
	return SQL_VERSION_FITS;
}

/*
 * What has to be done.
 */
static int
hint(SqlVersion found)
{
	return found == SQL_VERSION_OLD ?
		errhint("As a superuser in that database: ALTER EXTENSION " EXTENSION_NAME " UPDATE") :
		errhint("Install that version of realtime and restart the server.");
}

/*
 * Which versions there are.
 */
static int
detail(const char *version)
{
	return errdetail("The library that the server has loaded is version %s and works with %s and later ones up to its own; in this database the extension is version %s.",
					 REALTIME_VERSION, SQL_VERSION_OLDEST, version);
}

/*
 * May a function of ours do what it is there for?
 */
bool
sql_version_fits(int elevel)
{
	char	   *version;
	SqlVersion	found;

	/* a script that comes by older versions calls what it has made itself */
	if (creating_extension)
		return true;
	found = sql_version_look(&version);
	if (found == SQL_VERSION_FITS || found == SQL_VERSION_NONE)
		return true;
	ereport(elevel,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"%s\" is too %s for the library of realtime",
					EXTENSION_NAME, found == SQL_VERSION_OLD ? "old" : "new"),
			 detail(version), hint(found)));
	return false;
}

/*
 * Tell the log, unless another worker has.
 */
static void
tell(SqlVersion found, const char *version)
{
	uint32		expected = found == SQL_VERSION_FITS;

	if (!pg_atomic_compare_exchange_u32(&realtime_shared->sql_unfit, &expected,
										found != SQL_VERSION_FITS))
		return;
	if (found == SQL_VERSION_FITS)
		ereport(LOG,
				(errmsg("realtime goes on, because extension \"%s\" fits its library",
						EXTENSION_NAME)));
	else
		ereport(LOG,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("realtime waits, because extension \"%s\" is too %s for its library",
						EXTENSION_NAME, found == SQL_VERSION_OLD ? "old" : "new"),
				 detail(version), hint(found)));
}

/*
 * May a worker run SQL of the extension?
 */
bool
sql_version_serves(void)
{
	char	   *version;
	SqlVersion	found;

	if (sql_version_known)
		return true;
	found = sql_version_look(&version);
	if (found == SQL_VERSION_NONE)
		return true;			/* there is nothing that could run */
	tell(found, version);
	return found == SQL_VERSION_FITS;
}

/*
 * Have all processes look again once this transaction has committed.
 */
static void
have_looked_again(void)
{
	Oid			schema = get_namespace_oid(SCHEMA_NAME, true);
	HeapTuple	tuple;
	Relation	rel;

	if (!OidIsValid(schema))
		return;
	rel = table_open(NamespaceRelationId, AccessShareLock);
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	if (HeapTupleIsValid(tuple))
	{
		CacheInvalidateHeapTuple(rel, tuple, NULL);
		ReleaseSysCache(tuple);
	}
	table_close(rel, AccessShareLock);
}

/*
 * The extension has been created or updated by this transaction.
 */
static void
extension_changed(void)
{
	char	   *version;

	sql_version_known = false;
	have_looked_again();
	if (sql_version_look(&version) == SQL_VERSION_NEW)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %s of extension \"%s\" needs a later library than the server has loaded",
						version, EXTENSION_NAME),
				 errdetail("The library is version %s.", REALTIME_VERSION),
				 errhint("Restart the server, so that it loads the library that has been installed.")));
}

/*
 * Does a command create or update our extension?
 */
static bool
concerns_extension(Node *statement)
{
	if (IsA(statement, CreateExtensionStmt))
		return strcmp(((CreateExtensionStmt *) statement)->extname, EXTENSION_NAME) == 0;
	if (IsA(statement, AlterExtensionStmt))
		return strcmp(((AlterExtensionStmt *) statement)->extname, EXTENSION_NAME) == 0;
	return false;
}

/*
 * ProcessUtility hook: look after these commands.
 */
static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	/* the statement may be gone afterwards */
	bool		concerned = concerns_extension(pstmt->utilityStmt);

	if (prev_process_utility)
		prev_process_utility(pstmt, queryString, readOnlyTree, context, params,
							 queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
								queryEnv, dest, qc);
	if (concerned)
		extension_changed();
}

/*
 * Put the hook in place.
 */
void
sql_version_install_hook(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
