/*-------------------------------------------------------------------------
 *
 * policy_cache.c
 *	  Plans of policy_query.c, kept from job to job.
 *
 * A plan depends on more than can be listed: policies and rights on
 * realtime.messages, tables that policies look into and their policies,
 * functions that were inlined, memberships of roles.  So whatever changes in one
 * of the catalogs concerned invalidates all of them; planning takes less than a
 * millisecond, and catalogs rest most of the time.  The search path is compared,
 * because a function's body is parsed with it when it is inlined.
 *
 * Invalidations come while locks are taken.  An entry is used if none came
 * between its making and the moment when all its relations are locked.
 *
 * src/exec/policy_cache.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "exec/policy_cache.h"

/* Few roles are ever listed; beyond this the cache is begun anew. */
#define MAX_ENTRIES 128

typedef struct CacheEntry
{
	Oid			role;
	PolicyCommand command;
	char	   *search_path;
	PolicyQuery query;
} CacheEntry;

/* Counts what may have changed something. */
static uint64 changes = 1;

/* Of this value of `changes` all below is known. */
static uint64 known_changes = 0;
static MemoryContext cache_context = NULL;
static CacheEntry *entries[MAX_ENTRIES];
static int	nentries = 0;
static Oid	known_messages = InvalidOid;

/*
 * Relation cache callback: any table may matter.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	changes++;
}

/*
 * System cache callback.
 */
static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
}

/*
 * Set up; once per process.
 */
static void
create_cache(void)
{
	static const int caches[] = {
		AMOPOPID, AUTHMEMROLEMEM, AUTHOID, FOREIGNDATAWRAPPEROID,
		FOREIGNSERVEROID, NAMESPACEOID, OPEROID, PROCOID, TYPEOID
	};

	cache_context = AllocSetContextCreate(TopMemoryContext, "realtime policies",
										  ALLOCSET_DEFAULT_SIZES);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	for (int i = 0; i < (int) lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], catalog_changed, (Datum) 0);
}

/*
 * Forget everything if something has changed.
 */
static void
forget_if_changed(void)
{
	if (cache_context == NULL)
		create_cache();
	if (known_changes == changes && nentries < MAX_ENTRIES)
		return;
	nentries = 0;
	known_messages = InvalidOid;
	MemoryContextReset(cache_context);
	known_changes = changes;
}

/*
 * Open realtime.messages.
 */
Relation
policy_cache_open_messages(void)
{
	Relation	messages;

	forget_if_changed();
	if (OidIsValid(known_messages))
	{
		messages = try_relation_open(known_messages, AccessShareLock);
		if (messages != NULL && known_changes == changes)
			return messages;
		if (messages != NULL)
			relation_close(messages, AccessShareLock);
		forget_if_changed();
	}
	messages = policy_open_messages();
	if (messages != NULL && known_changes == changes)
		known_messages = RelationGetRelid(messages);
	return messages;
}

/*
 * Find an entry for the current user.
 */
static CacheEntry *
find_entry(PolicyCommand command)
{
	for (int i = 0; i < nentries; i++)
	{
		CacheEntry *entry = entries[i];

		if (entry->role == GetUserId() && entry->command == command &&
			strcmp(entry->search_path, namespace_search_path) == 0)
			return entry;
	}
	return NULL;
}

/*
 * Lock what a plan reads, as the plan cache does.
 */
static void
lock_relations(const PlannedStmt *plan)
{
	ListCell   *cell;

	if (plan == NULL)
		return;
	foreach(cell, plan->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		if (rte->rtekind == RTE_RELATION ||
			(rte->rtekind == RTE_SUBQUERY && OidIsValid(rte->relid)))
			LockRelationOid(rte->relid, rte->rellockmode);
	}
}

/*
 * Keep a fresh query.
 */
static void
keep(const PolicyQuery *query, PolicyCommand command)
{
	MemoryContext old = MemoryContextSwitchTo(cache_context);
	CacheEntry *entry = palloc0_object(CacheEntry);

	entry->role = GetUserId();
	entry->command = command;
	entry->search_path = pstrdup(namespace_search_path);
	entry->query.barrier = query->barrier;
	entry->query.plan = copyObject(query->plan);
	entries[nentries++] = entry;
	MemoryContextSwitchTo(old);
}

/*
 * What the current user may do.
 */
const PolicyQuery *
policy_cache_get(Relation messages, PolicyCommand command)
{
	CacheEntry *entry;
	PolicyQuery *fresh;

	forget_if_changed();
	entry = find_entry(command);
	if (entry != NULL)
	{
		lock_relations(entry->query.plan);
		if (known_changes == changes)
			return &entry->query;
		forget_if_changed();
	}

	fresh = policy_query_make(messages, command);
	/* one that is good for the snapshot at hand only is not worth it */
	if (known_changes == changes &&
		(fresh->plan == NULL || !fresh->plan->transientPlan))
		keep(fresh, command);
	return fresh;
}
