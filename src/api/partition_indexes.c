/*-------------------------------------------------------------------------
 *
 * partition_indexes.c
 *	  Indexes of one partition of realtime.messages, known from one insert to
 *	  the next.
 *
 * The executor finds out for each statement what the indexes of a table are and
 * prepares the predicates of partial ones, which for a statement of one row takes
 * longer than that row's entries do.  Here it is found out once for a partition.
 * Of the predicates the one that the extension's own partial indexes have,
 * channel_id IS NOT NULL, is decided without being evaluated.
 *
 * Where somebody has added an index that is not of that kind, the executor does
 * it all.
 *
 * src/api/partition_indexes.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "nodes/primnodes.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "api/message_row.h"
#include "api/partition_indexes.h"

/* More indexes than that are left to the executor. */
#define MAX_INDEXES 16

typedef struct KnownIndex
{
	Oid			index;
	bool		of_channels;	/* has entries for rows with a channel only */
	IndexInfo  *info;			/* without a predicate */
} KnownIndex;

static MemoryContext known_context = NULL;	/* holds what `info` points to */
static KnownIndex known[MAX_INDEXES];
static int	nknown;
static bool all_plain;			/* else the executor opens them */

/*
 * Is a predicate the one that says that a row has a channel?
 */
static bool
says_has_channel(List *predicate)
{
	NullTest   *test;

	if (list_length(predicate) != 1 || !IsA(linitial(predicate), NullTest))
		return false;
	test = linitial_node(NullTest, predicate);
	return test->nulltesttype == IS_NOT_NULL && !test->argisrow &&
		IsA(test->arg, Var) && ((Var *) test->arg)->varattno == MESSAGE_CHANNEL_ID;
}

/*
 * Learn what one index is; false if it is left to the executor.
 */
static bool
learn_index(Oid oid)
{
	Relation	index = index_open(oid, RowExclusiveLock);
	IndexInfo  *info = BuildIndexInfo(index);
	KnownIndex *entry = &known[nknown];
	bool		plain;

	entry->index = oid;
	entry->info = info;
	entry->of_channels = says_has_channel(info->ii_Predicate);
	plain = index->rd_rel->relam == BTREE_AM_OID && info->ii_Expressions == NIL &&
		info->ii_ReadyForInserts && info->ii_ExclusionOps == NULL &&
		(entry->of_channels || info->ii_Predicate == NIL);
	info->ii_Predicate = NIL;
	index_close(index, NoLock);
	return plain;
}

/*
 * Learn what the indexes of a partition are.
 */
void
partition_indexes_learn(Relation partition)
{
	List	   *oids = RelationGetIndexList(partition);
	MemoryContext old;
	ListCell   *cell;

	nknown = 0;
	all_plain = false;
	if (list_length(oids) > MAX_INDEXES)
		return;
	if (known_context == NULL)
		known_context = AllocSetContextCreate(TopMemoryContext, "realtime indexes",
											  ALLOCSET_SMALL_SIZES);
	MemoryContextReset(known_context);
	old = MemoryContextSwitchTo(known_context);
	foreach(cell, oids)
	{
		if (!learn_index(lfirst_oid(cell)))
			break;
		nknown++;
	}
	MemoryContextSwitchTo(old);
	all_plain = nknown == list_length(oids);
	list_free(oids);
}

/*
 * Open those that get an entry for a row.
 */
void
partition_indexes_open(ResultRelInfo *result_rel, bool has_channel)
{
	if (!all_plain)
	{
		ExecOpenIndices(result_rel, false);
		return;
	}
	result_rel->ri_IndexRelationDescs = palloc_array(Relation, nknown);
	result_rel->ri_IndexRelationInfo = palloc_array(IndexInfo *, nknown);
	for (int i = 0; i < nknown; i++)
	{
		int			n = result_rel->ri_NumIndices;

		if (known[i].of_channels && !has_channel)
			continue;
		result_rel->ri_IndexRelationDescs[n] = index_open(known[i].index, RowExclusiveLock);
		result_rel->ri_IndexRelationInfo[n] = known[i].info;
		result_rel->ri_NumIndices = n + 1;
	}
}
