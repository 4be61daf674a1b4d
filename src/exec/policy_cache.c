/*-------------------------------------------------------------------------
 *
 * policy_cache.c
 *	  Queries and plans of policy_query.c, kept from job to job.
 *
 * The rewritten query is good for all clients of a role.  Its plan is kept only
 * if it holds nothing that the client at hand has had a say in (plan_watch.c);
 * else each job plans for itself.
 *
 * Both depend on more than can be listed: policies and rights on the table,
 * tables that policies look into and their policies, functions that were inlined,
 * memberships of roles.  So whatever changes in one of the catalogs concerned
 * invalidates all of them; making them takes less than a millisecond, and catalogs
 * rest most of the time.  For plans the search path is
 * compared, because a function's body is parsed with it when it is inlined.
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
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "exec/plan_watch.h"
#include "exec/policy_cache.h"

/* Roles times followed tables; beyond this the cache is begun anew. */
#define MAX_ENTRIES 1024

typedef struct CacheEntry
{
	Oid			role;
	Oid			table;
	PolicyCommand command;
	PolicyQuery query;
	char	   *search_path;	/* of its plan, if there is one */
} CacheEntry;

/* Counts what may have changed something. */
static uint64 changes = 1;

/* Of this value of `changes` all below is known. */
static uint64 known_changes = 0;
static MemoryContext cache_context = NULL;
static CacheEntry *entries[MAX_ENTRIES];
static int	nentries = 0;
static Oid	known_messages = InvalidOid;
static Oid	known_channels = InvalidOid;

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
		AMOPOPID, AUTHMEMROLEMEM, AUTHOID, DATABASEOID, FOREIGNDATAWRAPPEROID,
		FOREIGNSERVEROID, NAMESPACEOID, OPEROID, PROCOID, TYPEOID
	};

	cache_context = AllocSetContextCreate(TopMemoryContext, "realtime policies",
										  ALLOCSET_DEFAULT_SIZES);
	plan_watch_init();
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
	known_channels = InvalidOid;
	MemoryContextReset(cache_context);
	known_changes = changes;
}

/*
 * Open one of our tables; *known is its OID, if that is known.
 */
static Relation
open_table(Oid *known, Relation (*open) (void))
{
	Relation	table;

	forget_if_changed();
	if (OidIsValid(*known))
	{
		table = try_relation_open(*known, AccessShareLock);
		if (table != NULL && known_changes == changes)
			return table;
		if (table != NULL)
			relation_close(table, AccessShareLock);
		forget_if_changed();
	}
	table = open();
	if (table != NULL && known_changes == changes)
		*known = RelationGetRelid(table);
	return table;
}

/*
 * Open realtime.messages.
 */
Relation
policy_cache_open_messages(void)
{
	return open_table(&known_messages, policy_open_messages);
}

/*
 * Open realtime.channels.
 */
Relation
policy_cache_open_channels(void)
{
	return open_table(&known_channels, policy_open_channels);
}

/*
 * Find an entry for the current user.
 */
static CacheEntry *
find_entry(Oid table, PolicyCommand command)
{
	for (int i = 0; i < nentries; i++)
	{
		CacheEntry *entry = entries[i];

		if (entry->role == GetUserId() && entry->table == table &&
			entry->command == command)
			return entry;
	}
	return NULL;
}

/*
 * Lock the relations of a range table, as the plan cache does.  A subquery that
 * has one is a view.
 */
static void
lock_relations(List *rtable)
{
	ListCell   *cell;

	foreach(cell, rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, cell);

		if (rte->rtekind == RTE_RELATION ||
			(rte->rtekind == RTE_SUBQUERY && OidIsValid(rte->relid)))
			LockRelationOid(rte->relid, rte->rellockmode);
	}
}

/*
 * Lock what a query reads, at all its levels.
 */
static bool
lock_query(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, lock_query, context);
	lock_relations(((Query *) node)->rtable);
	return query_tree_walker((Query *) node, lock_query, context, 0);
}

/*
 * Is there a plan that can be used now?
 */
static bool
has_plan(const CacheEntry *entry)
{
	return entry->query.plan != NULL &&
		strcmp(entry->search_path, namespace_search_path) == 0;
}

/*
 * Keep a fresh query.
 */
static CacheEntry *
keep(const PolicyQuery *query, Oid table, PolicyCommand command)
{
	MemoryContext old = MemoryContextSwitchTo(cache_context);
	CacheEntry *entry = palloc0_object(CacheEntry);

	entry->role = GetUserId();
	entry->table = table;
	entry->command = command;
	entry->query.barrier = query->barrier;
	entry->query.query = copyObject(query->query);
	entries[nentries++] = entry;
	MemoryContextSwitchTo(old);
	return entry;
}

/*
 * Keep a plan, if none is kept yet.
 */
static void
keep_plan(CacheEntry *entry, const PlannedStmt *plan)
{
	MemoryContext old = MemoryContextSwitchTo(cache_context);

	if (entry->query.plan == NULL)
	{
		entry->search_path = pstrdup(namespace_search_path);
		entry->query.plan = copyObject(unconstify(PlannedStmt *, plan));
	}
	MemoryContextSwitchTo(old);
}

/*
 * A query with a plan.  The entry is the query's, NULL if it is not kept.
 */
static const PolicyQuery *
with_plan(const PolicyQuery *query, CacheEntry *entry)
{
	PolicyQuery *result;
	bool		shareable;

	if (query->barrier != BARRIER_POLICIES)
		return query;
	if (entry != NULL && has_plan(entry))
		return &entry->query;
	result = palloc_object(PolicyQuery);
	result->barrier = query->barrier;
	result->query = query->query;
	result->plan = plan_watch_make(query->query, &shareable);
	if (entry != NULL && shareable && known_changes == changes)
		keep_plan(entry, result->plan);
	return result;
}

/*
 * What the current user may do.
 */
const PolicyQuery *
policy_cache_get(Relation table, PolicyCommand command)
{
	CacheEntry *entry;
	PolicyQuery *fresh;

	forget_if_changed();
	entry = find_entry(RelationGetRelid(table), command);
	if (entry != NULL)
	{
		if (has_plan(entry))
			lock_relations(entry->query.plan->rtable);
		else
			(void) lock_query((Node *) entry->query.query, NULL);
		if (known_changes == changes)
			return with_plan(&entry->query, entry);
		forget_if_changed();
		entry = NULL;
	}

	fresh = policy_query_make(table, command);
	if (known_changes == changes)
		entry = keep(fresh, RelationGetRelid(table), command);
	return with_plan(fresh, entry);
}
