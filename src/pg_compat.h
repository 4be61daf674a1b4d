/*-------------------------------------------------------------------------
 *
 * pg_compat.h
 *	  What differs between PostgreSQL 15 and 18, and nowhere else.
 *
 * src/pg_compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PG_COMPAT_H
#define REALTIME_PG_COMPAT_H

#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_publication.h"
#include "executor/executor.h"
#include "replication/message.h"
#include "utils/acl.h"
#include "utils/pg_locale.h"

/* PG 16 has what looks into a varlena in a header of its own. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* PG 17 lets the caller flush at once; a message of a transaction never does. */
#if PG_VERSION_NUM >= 170000
#define LogTransactionalMessage(prefix, message, size) \
	LogLogicalMessage((prefix), (message), (size), true, false)
#else
#define LogTransactionalMessage(prefix, message, size) \
	LogLogicalMessage((prefix), (message), (size), true)
#endif

/* PG 17 ties wait event sets to a resource owner; NULL keeps it for good. */
#if PG_VERSION_NUM >= 170000
#define CreateProcessWaitEventSet(n) CreateWaitEventSet(NULL, (n))
#else
#define CreateProcessWaitEventSet(n) CreateWaitEventSet(TopMemoryContext, (n))
#endif

/* PG 16 can leave out indexes that only summarize; an INSERT never does. */
#if PG_VERSION_NUM >= 160000
#define InsertIndexTuples(result_rel, slot, estate) \
	ExecInsertIndexTuples((result_rel), (slot), (estate), false, false, NULL, NIL, false)
#else
#define InsertIndexTuples(result_rel, slot, estate) \
	ExecInsertIndexTuples((result_rel), (slot), (estate), false, false, NULL, NIL)
#endif

/* PG 16 asks for the owner of any kind of object in one way. */
#if PG_VERSION_NUM >= 160000
#define OwnsDatabase(database, role) object_ownercheck(DatabaseRelationId, (database), (role))
#define OwnsPublication(publication, role) \
	object_ownercheck(PublicationRelationId, (publication), (role))
#else
#define OwnsDatabase(database, role) pg_database_ownercheck((database), (role))
#define OwnsPublication(publication, role) pg_publication_ownercheck((publication), (role))
#endif

/* And for the rights on it. */
#if PG_VERSION_NUM >= 160000
#define MayUseSchema(schema, role) \
	(object_aclcheck(NamespaceRelationId, (schema), (role), ACL_USAGE) == ACLCHECK_OK)
#else
#define MayUseSchema(schema, role) \
	(pg_namespace_aclcheck((schema), (role), ACL_USAGE) == ACLCHECK_OK)
#endif

/* PG 16 keeps the rights that a query needs apart from its range table. */
#if PG_VERSION_NUM >= 160000
#define MayRunQuery(query) \
	ExecCheckPermissions((query)->rtable, (query)->rteperminfos, false)
#else
#define MayRunQuery(query) ExecCheckRTPerms((query)->rtable, false)
#endif

/* PG 16 can map rows whose columns are not all there; ours are. */
#if PG_VERSION_NUM >= 160000
#define MapColumnsByName(from, to) build_attrmap_by_name((from), (to), false)
#else
#define MapColumnsByName(from, to) build_attrmap_by_name((from), (to))
#endif

/* PG 16 has memberships that do not allow SET ROLE. */
#if PG_VERSION_NUM >= 160000
#define MaySetRole(member, role) member_can_set_role((member), (role))
#else
#define MaySetRole(member, role) is_member_of_role((member), (role))
#endif

/* PG 18 sees by itself whether a query is run a second time. */
#if PG_VERSION_NUM >= 180000
#define RunWholeQuery(desc) ExecutorRun((desc), ForwardScanDirection, 0)
#else
#define RunWholeQuery(desc) ExecutorRun((desc), ForwardScanDirection, 0, true)
#endif

/* PG 18 looks into the locale for it. */
#if PG_VERSION_NUM >= 180000
#define CollationIsC(collation) (pg_newlocale_from_collation(collation)->collate_is_c)
#else
#define CollationIsC(collation) lc_collate_is_c(collation)
#endif

/* PG 16 frees what a check hook leaves in *extra with pfree(). */
#if PG_VERSION_NUM < 160000
#define guc_malloc(elevel, size) malloc(size)
#endif

#endif							/* REALTIME_PG_COMPAT_H */
