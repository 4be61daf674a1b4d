/*-------------------------------------------------------------------------
 *
 * extension_object.c
 *	  Tables and functions of the extension, found by name.
 *
 * An object of that name that is not the extension's is none: there may be a
 * schema "realtime" that is somebody else's, and his functions, triggers and
 * policies would run as a role that may become any client's.
 *
 * src/exec/extension_object.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "api/message_row.h"
#include "exec/extension_object.h"

#define EXTENSION_NAME "realtime"

/*
 * The object itself if it belongs to the extension.
 */
static Oid
if_ours(Oid catalog, Oid object)
{
	Oid			extension;

	if (!OidIsValid(object))
		return InvalidOid;
	extension = get_extension_oid(EXTENSION_NAME, true);
	if (!OidIsValid(extension) || getExtensionOfObject(catalog, object) != extension)
		return InvalidOid;
	return object;
}

/*
 * Find a table.
 */
Oid
extension_table(const char *name)
{
	Oid			schema = get_namespace_oid(MESSAGES_SCHEMA, true);

	if (!OidIsValid(schema))
		return InvalidOid;
	return if_ours(RelationRelationId, get_relname_relid(name, schema));
}

/*
 * Find a function.
 */
Oid
extension_function(const char *name, Oid argument)
{
	Oid			schema = get_namespace_oid(MESSAGES_SCHEMA, true);
	oidvector  *arguments = buildoidvector(&argument, OidIsValid(argument) ? 1 : 0);

	if (!OidIsValid(schema))
		return InvalidOid;
	return if_ours(ProcedureRelationId,
				   GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
								   CStringGetDatum(name), PointerGetDatum(arguments),
								   ObjectIdGetDatum(schema)));
}

/*
 * Is a function one of the extension's?
 */
bool
extension_has_function(Oid function)
{
	return OidIsValid(if_ours(ProcedureRelationId, function));
}
