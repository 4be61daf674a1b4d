/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Act as the owner of one of the extension's tables.
 *
 * Executors log in as a role that may do next to nothing.  Where a client's right
 * has been decided, and what remains is to read or write rows of the extension,
 * they do that as the tables' owner.
 *
 * src/exec/owner.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "exec/owner.h"

/*
 * Begin.
 */
void
owner_become(Oid relid, SavedUser *saved)
{
	Relation	rel = relation_open(relid, AccessShareLock);

	GetUserIdAndSecContext(&saved->user, &saved->context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION |
						   SECURITY_NOFORCE_RLS);
	relation_close(rel, NoLock);
}

/*
 * End.
 */
void
owner_end(const SavedUser *saved)
{
	SetUserIdAndSecContext(saved->user, saved->context);
}
