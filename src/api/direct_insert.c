/*-------------------------------------------------------------------------
 *
 * direct_insert.c
 *	  Insert into realtime.messages without SPI, where nothing can tell.
 *
 * realtime.send() is called more often than anything else here, and an INSERT
 * through SPI costs it a fifth of its time.  The row is therefore put into its
 * partition as the executor would do it, but only where a real INSERT would do
 * nothing else: the caller may insert and no row-level security applies to
 * him, and the table and the partition are as the extension made them, with no
 * other insert trigger, rule, column, default or check.  In all other cases
 * the caller falls back to a real INSERT (send.c), which gives the same row and
 * the same message.
 *
 * What was found about the tables is kept until the relation cache says that
 * one of them changed.  That is safe because it is only used under a lock
 * (RowExclusiveLock, as for any INSERT) that keeps such changes out.
 *
 * src/api/direct_insert.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/xid8.h"

#include "api/direct_insert.h"
#include "api/messages_table.h"
#include "api/partition_indexes.h"
#include "pg_compat.h"

/* What is known about a table; relid is InvalidOid while that is nothing. */
typedef struct KnownTable
{
	Oid			relid;
	bool		plain;			/* as the extension made it */
} KnownTable;

static KnownTable known_parent;
static KnownTable known_partition;	/* the one used last: today's */

/*
 * Relation cache callback: forget what is known about a changed table.
 * InvalidOid stands for all tables.
 */
static void
forget_table(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == known_parent.relid)
		known_parent.relid = InvalidOid;
	if (!OidIsValid(relid) || relid == known_partition.relid)
		known_partition.relid = InvalidOid;
}

/*
 * OID of realtime.messages, InvalidOid if there is none.
 */
static Oid
lookup_messages(void)
{
	Oid			schema = get_namespace_oid(MESSAGES_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(MESSAGES_TABLE, schema) : InvalidOid;
}

/*
 * Is realtime.messages as the extension made it?
 *
 * The DEFAULT partition must be there: it rules out DETACH CONCURRENTLY, whose
 * half-detached partitions find_partition() does not know.
 */
static bool
parent_is_plain(Relation rel)
{
	PartitionKey key;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	key = RelationGetPartitionKey(rel);
	return key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
		key->partattrs[0] == MESSAGE_INSERTED_AT &&
		partition_bound_has_default(RelationGetPartitionDesc(rel, false)->boundinfo) &&
		messages_table_is_plain(rel) && messages_defaults_are_plain(rel);
}

/*
 * May the current user insert into the whole row, unseen by anybody?
 *
 * Asked before any lock is taken, which nobody may do on a table that he has
 * no right to, and again if the table was changed before the lock was had.  A
 * right to some columns only, policies, and an installed permission hook are
 * the executor's business.
 */
static bool
caller_is_plain(Oid relid)
{
	return ExecutorCheckPerms_hook == NULL &&
		SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA &&
		pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) == ACLCHECK_OK &&
		check_enable_rls(relid, InvalidOid, true) != RLS_ENABLED;
}

/*
 * Is the open realtime.messages plain?  Asked of the table itself only if that
 * was not known; *was_known may be NULL.
 */
static bool
parent_is_known_plain(Relation rel, bool *was_known)
{
	Oid			relid = RelationGetRelid(rel);
	bool		known = known_parent.relid == relid;

	if (!known)
	{
		known_parent.plain = lookup_messages() == relid && parent_is_plain(rel);
		known_parent.relid = relid;
	}
	if (was_known != NULL)
		*was_known = known;
	return known_parent.plain;
}

/*
 * Open and lock realtime.messages if it is plain; else NULL.
 */
static Relation
open_parent(Oid relid)
{
	Relation	rel = try_relation_open(relid, RowExclusiveLock);
	bool		was_known;

	if (rel == NULL)
		return NULL;

	/*
	 * Waiting for the lock may have told us that we knew nothing.  What changed
	 * then may have been rights or row-level security.
	 */
	if (parent_is_known_plain(rel, &was_known) && (was_known || caller_is_plain(relid)))
		return rel;
	relation_close(rel, NoLock);
	return NULL;
}

/*
 * The partition for a time; InvalidOid if that would be the DEFAULT one, where
 * the executor has to check that no better one came up meanwhile.
 */
static Oid
find_partition(Relation parent, TimestampTz inserted_at)
{
	PartitionKey key = RelationGetPartitionKey(parent);
	PartitionDesc desc = RelationGetPartitionDesc(parent, false);
	PartitionBoundInfo bounds = desc->boundinfo;
	Datum		value = TimestampTzGetDatum(inserted_at);
	bool		is_equal;
	int			offset;
	int			partition;

	offset = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
										   bounds, 1, &value, &is_equal);
	partition = bounds->indexes[offset + 1];
	if (partition < 0 || partition == bounds->default_index)
		return InvalidOid;
	return desc->oids[partition];
}

/*
 * Open and lock the partition for a time if it is plain; else NULL.
 */
static Relation
open_partition(Relation parent, TimestampTz inserted_at)
{
	Oid			relid = find_partition(parent, inserted_at);
	Relation	rel;

	if (!OidIsValid(relid))
		return NULL;
	rel = table_open(relid, RowExclusiveLock);
	if (known_partition.relid != relid)
	{
		/*
		 * First, so that what changes meanwhile is not taken for known the next
		 * time.  CREATE INDEX CONCURRENTLY goes by our lock, but waits for this
		 * transaction to end.
		 */
		known_partition.relid = relid;
		known_partition.plain = rel->rd_rel->relkind == RELKIND_RELATION &&
			messages_table_is_plain(rel);
		partition_indexes_learn(rel);
	}
	if (known_partition.plain)
		return rel;
	table_close(rel, NoLock);
	return NULL;
}

/*
 * Put the row into slot, whose columns are where the script puts them.
 */
static void
fill_slot(TupleTableSlot *slot, const MessageRow *row)
{
	static MessageAttnums attnums;

	if (attnums.of[MESSAGE_TOPIC] == 0)
	{
		for (int column = 1; column <= MESSAGE_COLUMNS; column++)
			attnums.of[column] = (AttrNumber) column;
	}
	ExecClearTuple(slot);
	message_row_values(row, GetTopFullTransactionId(), &attnums,
					   slot->tts_values, slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
}

/*
 * Put the row into the partition and its indexes.
 */
static void
insert_into(Relation rel, const MessageRow *row)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext old_context = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *result_rel = makeNode(ResultRelInfo);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	InitResultRelInfo(result_rel, rel, 0, NULL, 0);
	partition_indexes_open(result_rel, row->has_channel);

	fill_slot(slot, row);
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	if (result_rel->ri_NumIndices > 0)
		list_free(InsertIndexTuples(result_rel, slot, estate));

	ExecDropSingleTupleTableSlot(slot);
	ExecCloseIndices(result_rel);
	MemoryContextSwitchTo(old_context);
	FreeExecutorState(estate);
}

/*
 * OID of realtime.messages, as in known_parent if that is known.
 */
static Oid
find_messages(void)
{
	static bool callback_registered = false;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
		callback_registered = true;
	}
	return OidIsValid(known_parent.relid) ? known_parent.relid : lookup_messages();
}

/*
 * Insert a row into an open parent, if its partition is plain.
 */
static bool
insert_below(Relation parent, const MessageRow *row)
{
	Relation	partition = open_partition(parent, row->inserted_at);

	if (partition != NULL)
	{
		insert_into(partition, row);
		table_close(partition, NoLock);
	}
	return partition != NULL;
}

/*
 * Insert a row as the current user, if that needs no real INSERT.
 */
bool
direct_insert(const MessageRow *row)
{
	Oid			relid = find_messages();
	Relation	parent;
	bool		inserted;

	if (!OidIsValid(relid) || !caller_is_plain(relid))
		return false;
	parent = open_parent(relid);
	if (parent == NULL)
		return false;
	inserted = insert_below(parent, row);
	table_close(parent, NoLock);
	return inserted;
}

/*
 * Insert a row that the current user was found to have the right to insert.
 */
bool
direct_insert_allowed(const MessageRow *row)
{
	Oid			relid = find_messages();
	Relation	parent;
	bool		inserted;

	if (!OidIsValid(relid) || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return false;
	parent = try_relation_open(relid, RowExclusiveLock);
	if (parent == NULL)
		return false;
	inserted = parent_is_known_plain(parent, NULL) && insert_below(parent, row);
	table_close(parent, NoLock);
	return inserted;
}
