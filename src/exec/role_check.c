/*-------------------------------------------------------------------------
 *
 * role_check.c
 *	  May the role that a token names be used?
 *
 * A token is only as good as the secret it was signed with, so it opens no way
 * to a role that could do more than what clients are for: it must be listed in
 * realtime.jwt_roles, and neither its attributes nor its memberships may give it
 * power over the server or over realtime itself (reliability.md C7).  BYPASSRLS
 * is for whoever lists the role to decide.
 *
 * src/exec/role_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "exec/report.h"
#include "exec/role_check.h"
#include "guc.h"
#include "pg_compat.h"
#include "served_database.h"

/*
 * Fill *refusal and return false, so that a check can end with it.
 */
static bool
refuse(RoleRefusal *refusal, const char *reason, const char *hint)
{
	refusal->reason = reason;
	refusal->hint = hint;
	return false;
}

/*
 * Is the role named by realtime.jwt_roles?
 */
static bool
is_listed(const char *name)
{
	char	   *copy = pstrdup(realtime_jwt_roles);
	List	   *names;
	ListCell   *cell;
	bool		found = false;

	/* the setting was checked, so this can not fail */
	if (SplitIdentifierString(copy, ',', &names))
	{
		foreach(cell, names)
			found = found || strcmp((char *) lfirst(cell), name) == 0;
	}
	list_free(names);
	pfree(copy);
	return found;
}

/*
 * Owner of a table.
 */
static Oid
owner_of(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Look at what the role itself may do.
 */
static bool
check_attributes(Form_pg_authid form, RoleRefusal *refusal)
{
	static const char hint[] = "Take it out of realtime.jwt_roles.";

	if (form->rolsuper)
		return refuse(refusal, "it is a superuser", hint);
	if (form->rolreplication)
		return refuse(refusal, "it has the attribute REPLICATION", hint);
	if (form->rolcreaterole)
		return refuse(refusal, "it has the attribute CREATEROLE", hint);
	if (strncmp(NameStr(form->rolname), "pg_", 3) == 0)
		return refuse(refusal, "it is one of PostgreSQL's own", hint);
	if (strcmp(NameStr(form->rolname), EXECUTOR_ROLE) == 0)
		return refuse(refusal, "executors log in as it", hint);
	return true;
}

/*
 * Find a role with power over the server that a role is a member of, directly or
 * not, whether it inherits from it or not: the extension's script refuses to
 * have realtime_executor be one.  Returns its name, NULL if there is none.
 */
static const char *
find_powerful_group(Oid member)
{
	CatCList   *list = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(member));
	const char *found = NULL;

	check_stack_depth();
	for (int i = 0; i < list->n_members && found == NULL; i++)
	{
		Oid			group = ((Form_pg_auth_members) GETSTRUCT(&list->members[i]->tuple))->roleid;
		HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(group));
		RoleRefusal ignored;

		if (!HeapTupleIsValid(tuple))
			continue;
		if (!check_attributes((Form_pg_authid) GETSTRUCT(tuple), &ignored))
			found = pstrdup(NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
		ReleaseSysCache(tuple);
		if (found == NULL)
			found = find_powerful_group(group);
	}
	ReleaseSysCacheList(list);
	return found;
}

/*
 * Look at what the role is a member of, and who is a member of it.
 */
static bool
check_memberships(Oid role, const char *name, Oid messages, RoleRefusal *refusal)
{
	const char *group;

	if (has_privs_of_role(role, owner_of(messages)))
		return refuse(refusal, "it has the rights of the owner of realtime.messages",
					  "Take it out of realtime.jwt_roles.");
	group = find_powerful_group(role);
	if (group != NULL)
		return refuse(refusal, psprintf("it is a member of the powerful role \"%s\"", group),
					  "Revoke that membership, or take the role out of realtime.jwt_roles.");
	if (!MaySetRole(get_role_oid(EXECUTOR_ROLE, false), role))
		return refuse(refusal, "role \"" EXECUTOR_ROLE "\" is no member of it",
					  psprintf("GRANT %s TO " EXECUTOR_ROLE ", or call realtime.setup_api_roles().",
							   quote_identifier(name)));
	return true;
}

/*
 * Look a role up.
 */
bool
role_check(const char *name, Oid messages, Oid *role, RoleRefusal *refusal)
{
	HeapTuple	tuple;
	Form_pg_authid form;
	bool		allowed;

	if (!is_listed(name))
		return refuse(refusal, "it is not in realtime.jwt_roles",
					  "Only roles listed there may be named by tokens.");
	tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(name));
	if (!HeapTupleIsValid(tuple))
		return refuse(refusal, "it does not exist",
					  "Create it, or call realtime.setup_api_roles() for the usual ones.");
	form = (Form_pg_authid) GETSTRUCT(tuple);
	*role = form->oid;
	allowed = check_attributes(form, refusal);
	ReleaseSysCache(tuple);
	return allowed && check_memberships(*role, name, messages, refusal);
}

/*
 * Log that a role is not acted as.
 */
void
role_check_report(const char *role, const RoleRefusal *refusal)
{
	static ReportLimit limit;
	uint64		unlogged;

	if (!report_due(&limit, &unlogged))
		return;
	ereport(LOG,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("realtime refuses a token's role \"%s\": %s",
					role, refusal->reason),
			 unlogged > 0 ? errdetail("Not logged since the last time: %llu.",
									  (unsigned long long) unlogged) : 0,
			 refusal->hint ? errhint("%s", refusal->hint) : 0));
}
