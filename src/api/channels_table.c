/*-------------------------------------------------------------------------
 *
 * channels_table.c
 *	  realtime.channels: which rows stand for a name?
 *
 * A pattern without a wildcard is found by the index, so there may be a row for
 * each room of a large application.  Those with one are kept in memory, sorted by
 * what stands before their first wildcard: the longest such prefix of the name
 * that has a matching pattern decides (channel_pattern_compare()), and each length
 * of a prefix takes one binary search.
 *
 * What is kept is good until the relation cache says that the table has changed,
 * which note_channel(), a trigger on the table, makes it say of a row with a
 * wildcard, too.  Such messages are sent when a transaction has become visible,
 * and what is kept was read by a snapshot that was taken after those that had come
 * until then were heard, so nothing can be missed.
 *
 * Rows are read as they are now, whatever the transaction's snapshot says: what
 * may be published is asked when it is published.
 *
 * src/api/channels_table.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/channels_table.h"
#include "api/message_row.h"
#include "api/sql_function.h"
#include "proto/channel_pattern.h"

SQL_FUNCTION(note_channel);

#define PATTERN_INDEX "channels_pattern_key"
#define ID_INDEX "channels_pkey"

#define WILD_AT_FIRST 64

/* Columns that are looked at. */
typedef enum ChannelColumn
{
	CHANNEL_ID,
	CHANNEL_PATTERN,
	CHANNEL_WEBHOOK_URLS,
	CHANNEL_ENABLED,
	CHANNEL_PERSIST,
	CHANNEL_CREATED_AT,
	CHANNEL_COLUMNS
} ChannelColumn;

static const struct
{
	const char *name;
	Oid			type;
}			columns[CHANNEL_COLUMNS] = {
	[CHANNEL_ID] = {"id", UUIDOID},
	[CHANNEL_PATTERN] = {"pattern", TEXTOID},
	[CHANNEL_WEBHOOK_URLS] = {"webhook_urls", TEXTARRAYOID},
	[CHANNEL_ENABLED] = {"enabled", BOOLOID},
	[CHANNEL_PERSIST] = {"persist", BOOLOID},
	[CHANNEL_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
};

/* An enabled channel whose pattern has a wildcard. */
typedef struct WildChannel
{
	Slice		pattern;
	ChannelSpecificity closeness;
	TimestampTz created_at;
	ChannelInfo info;
} WildChannel;

/* Those of them whose prefix is of one length. */
typedef struct PrefixGroup
{
	uint32		prefix;
	int			begin;			/* in wild */
	int			end;
} PrefixGroup;

/* Looking for patterns that match a name. */
typedef struct WildSearch
{
	Slice		name;
	int			group;			/* the one to be looked at next */
	int			at;				/* in wild */
	int			end;
} WildSearch;

/* Counts what may have changed something. */
static uint64 changes = 1;

/* Of this value of `changes` all below is known. */
static uint64 known_changes = 0;
static Oid	known_table = InvalidOid;
static AttrNumber attnums[CHANNEL_COLUMNS];
static Oid	pattern_index;
static Oid	id_index;
static MemoryContext wild_context = NULL;	/* holds wild and groups */
static WildChannel *wild;
static int	nwild;
static PrefixGroup *groups;
static int	ngroups;

/*
 * Relation cache callback: forget what is known.  InvalidOid stands for all
 * tables.
 */
static void
forget(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == known_table)
		changes++;
}

/*
 * Open the table.
 */
Relation
channels_open(void)
{
	Oid			schema = get_namespace_oid(MESSAGES_SCHEMA, false);
	Oid			relid = get_relname_relid(CHANNELS_TABLE, schema);
	Relation	channels = OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : NULL;

	if (channels == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("realtime.channels does not exist")));
	return channels;
}

/*
 * Find the columns; the owner may have added others.
 */
static void
find_columns(TupleDesc desc)
{
	for (int column = 0; column < CHANNEL_COLUMNS; column++)
	{
		attnums[column] = InvalidAttrNumber;
		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);

			if (!att->attisdropped && att->atttypid == columns[column].type &&
				strcmp(NameStr(att->attname), columns[column].name) == 0)
				attnums[column] = att->attnum;
		}
		if (attnums[column] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of type %s does not exist in realtime.channels",
							columns[column].name, format_type_be(columns[column].type)),
					 errhint("The table belongs to the extension; undo the change made to it.")));
	}
}

/*
 * A column of a row, perhaps toasted.
 */
static Datum
column_value(HeapTuple tuple, TupleDesc desc, ChannelColumn column, bool *isnull)
{
	return heap_getattr(tuple, attnums[column], desc, isnull);
}

/*
 * The same of a column that is true or false.
 */
static bool
column_is_true(HeapTuple tuple, TupleDesc desc, ChannelColumn column)
{
	bool		isnull;
	Datum		value = column_value(tuple, desc, column, &isnull);

	return !isnull && DatumGetBool(value);
}

/*
 * The pattern of a row; one that is null is empty.
 */
static Slice
row_pattern(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		value = column_value(tuple, desc, CHANNEL_PATTERN, &isnull);
	text	   *pattern = isnull ? NULL : DatumGetTextPP(value);

	return isnull ? slice_make(NULL, 0) :
		slice_make(VARDATA_ANY(pattern), VARSIZE_ANY_EXHDR(pattern));
}

/*
 * What publishing takes of a row.
 */
static void
read_info(HeapTuple tuple, TupleDesc desc, ChannelInfo *info)
{
	bool		isnull;
	Datum		value;

	memset(info, 0, sizeof(*info));
	value = column_value(tuple, desc, CHANNEL_ID, &isnull);
	if (!isnull)
		info->id = *DatumGetUUIDP(value);
	info->persist = column_is_true(tuple, desc, CHANNEL_PERSIST);
	value = column_value(tuple, desc, CHANNEL_WEBHOOK_URLS, &isnull);
	if (!isnull)
	{
		ArrayType  *urls = DatumGetArrayTypeP(value);

		info->has_webhooks = ArrayGetNItems(ARR_NDIM(urls), ARR_DIMS(urls)) > 0;
	}
}

/*
 * qsort() comparator: by the length of the prefix, longest first, then by the
 * prefix, then the better channel before the other.
 */
static int
compare_wild(const void *a, const void *b)
{
	const WildChannel *x = a;
	const WildChannel *y = b;
	int			order;

	if (x->closeness.prefix != y->closeness.prefix)
		return x->closeness.prefix > y->closeness.prefix ? -1 : 1;
	order = memcmp(x->pattern.data, y->pattern.data, x->closeness.prefix);
	if (order == 0)
		order = channel_pattern_compare(&x->closeness, &y->closeness);
	if (order == 0 && x->created_at != y->created_at)
		order = x->created_at < y->created_at ? -1 : 1;
	if (order == 0)
		order = memcmp(x->info.id.data, y->info.id.data, UUID_LEN);
	return order;
}

/*
 * Keep a row with a wildcard; the current memory context is wild_context.
 */
static void
keep_wild(HeapTuple tuple, TupleDesc desc, Slice pattern, int *room)
{
	WildChannel *channel;
	bool		isnull;
	Datum		value;

	if (nwild == *room)
	{
		*room = *room == 0 ? WILD_AT_FIRST : *room * 2;
		wild = nwild == 0 ? palloc_array(WildChannel, *room) :
			repalloc_array(wild, WildChannel, *room);
	}
	channel = &wild[nwild++];
	channel->pattern = slice_make(pnstrdup(pattern.data, pattern.len), pattern.len);
	channel->closeness = channel_pattern_specificity(channel->pattern);
	value = column_value(tuple, desc, CHANNEL_CREATED_AT, &isnull);
	channel->created_at = isnull ? DT_NOEND : DatumGetTimestampTz(value);
	read_info(tuple, desc, &channel->info);
}

/*
 * Read all enabled channels with a wildcard.
 */
static void
read_wild(Relation channels)
{
	TupleDesc	desc = RelationGetDescr(channels);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(channels, NULL);
	TableScanDesc scan = table_beginscan(channels, snapshot, 0, NULL);
	int			room = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		is_copy;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &is_copy);
		Slice		pattern;

		if (column_is_true(tuple, desc, CHANNEL_ENABLED))
		{
			pattern = row_pattern(tuple, desc);
			if (channel_pattern_is_wild(pattern))
				keep_wild(tuple, desc, pattern, &room);
		}
		if (is_copy)
			heap_freetuple(tuple);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	if (nwild > 1)
		qsort(wild, nwild, sizeof(WildChannel), compare_wild);
}

/*
 * Find where prefixes of one length begin and end.
 */
static void
make_groups(void)
{
	groups = palloc_array(PrefixGroup, nwild + 1);
	for (int i = 0; i < nwild; i++)
	{
		if (ngroups == 0 || groups[ngroups - 1].prefix != wild[i].closeness.prefix)
		{
			groups[ngroups].prefix = wild[i].closeness.prefix;
			groups[ngroups++].begin = i;
		}
		groups[ngroups - 1].end = i + 1;
	}
}

/*
 * Have everything above known of the table, which is open and locked.
 *
 * What comes meanwhile, as reading takes locks, is left for the next time; what
 * was read is good for now.
 */
static void
make_known(Relation channels)
{
	static bool callback_registered = false;
	MemoryContext old;
	uint64		changes_before;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		callback_registered = true;
	}
	/* a transaction that has the lock already is told of nothing by itself */
	AcceptInvalidationMessages();
	if (known_changes == changes && known_table == RelationGetRelid(channels))
		return;

	known_changes = 0;
	known_table = RelationGetRelid(channels);
	changes_before = changes;
	if (wild_context == NULL)
		wild_context = AllocSetContextCreate(TopMemoryContext, "realtime channels",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(wild_context);
	nwild = ngroups = 0;
	find_columns(RelationGetDescr(channels));
	pattern_index = get_relname_relid(PATTERN_INDEX, RelationGetNamespace(channels));
	id_index = get_relname_relid(ID_INDEX, RelationGetNamespace(channels));
	old = MemoryContextSwitchTo(wild_context);
	read_wild(channels);
	make_groups();
	MemoryContextSwitchTo(old);
	known_changes = changes_before;
}

/*
 * Order of a channel's prefix and as many bytes of a name.
 */
static int
compare_prefix(const WildChannel *channel, Slice name)
{
	return memcmp(channel->pattern.data, name.data, channel->closeness.prefix);
}

/*
 * Go to those of the next group that have the name's prefix.
 */
static void
enter_group(WildSearch *search)
{
	const PrefixGroup *group = &groups[search->group++];
	int			low = group->begin;
	int			high = group->end;

	search->at = search->end = group->end;
	if (group->prefix > search->name.len)
		return;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (compare_prefix(&wild[middle], search->name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	search->at = low;
}

/*
 * The next best one that matches, NULL if there are no more.
 */
static const WildChannel *
next_wild(WildSearch *search)
{
	for (;;)
	{
		while (search->at < search->end)
		{
			const WildChannel *channel = &wild[search->at++];

			if (compare_prefix(channel, search->name) != 0)
				search->at = search->end;
			else if (channel_pattern_matches(channel->pattern, search->name))
				return channel;
		}
		if (search->group == ngroups)
			return NULL;
		enter_group(search);
	}
}

/*
 * A copy of the one enabled row that has a value in a column with a unique index;
 * NULL if there is none.
 */
static HeapTuple
find_row(Relation channels, Oid index, ChannelColumn column, RegProcedure equality,
		 Datum value)
{
	TupleDesc	desc = RelationGetDescr(channels);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	found = NULL;
	HeapTuple	tuple;
	SysScanDesc scan;
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, 0, attnums[column], BTEqualStrategyNumber, InvalidOid,
						   TupleDescAttr(desc, attnums[column] - 1)->attcollation,
						   equality, value);
	scan = systable_beginscan(channels, index, OidIsValid(index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && column_is_true(tuple, desc, CHANNEL_ENABLED))
		found = heap_copytuple(tuple);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * The row whose pattern is written like the name.
 */
static HeapTuple
find_exact(Relation channels, Slice name)
{
	text	   *pattern = cstring_to_text_with_len(name.data, (int) name.len);

	return find_row(channels, pattern_index, CHANNEL_PATTERN, F_TEXTEQ,
					PointerGetDatum(pattern));
}

/*
 * Find the best one.
 */
bool
channel_find(Relation channels, Slice name, ChannelInfo *info)
{
	WildSearch	search = {name};
	const WildChannel *channel;
	HeapTuple	exact;

	if (!channel_name_valid(name))
		return false;
	make_known(channels);
	exact = find_exact(channels, name);
	if (exact != NULL)
	{
		read_info(exact, RelationGetDescr(channels), info);
		heap_freetuple(exact);
		return true;
	}
	channel = next_wild(&search);
	if (channel != NULL)
		*info = channel->info;
	return channel != NULL;
}

/*
 * Find all of them.
 */
List *
channel_rows(Relation channels, Slice name)
{
	TupleDesc	desc = RelationGetDescr(channels);
	WildSearch	search = {name};
	List	   *ids = NIL;
	List	   *rows = NIL;
	ListCell   *cell;
	const WildChannel *channel;
	HeapTuple	row;

	if (!channel_name_valid(name))
		return NIL;
	make_known(channels);
	while ((channel = next_wild(&search)) != NULL)
	{
		pg_uuid_t  *id = palloc_object(pg_uuid_t);

		*id = channel->info.id;
		ids = lappend(ids, id);
	}

	row = find_exact(channels, name);
	if (row != NULL && !channel_pattern_is_wild(name))
		rows = lappend(rows, row);
	foreach(cell, ids)
	{
		row = find_row(channels, id_index, CHANNEL_ID, F_UUID_EQ,
					   UUIDPGetDatum((pg_uuid_t *) lfirst(cell)));
		if (row != NULL && channel_pattern_matches(row_pattern(row, desc), name))
			rows = lappend(rows, row);
	}
	return rows;
}

/*
 * The id of a row.
 */
pg_uuid_t *
channel_row_id(Relation channels, HeapTuple row)
{
	bool		isnull;
	Datum		value = column_value(row, RelationGetDescr(channels), CHANNEL_ID, &isnull);

	if (isnull)
		elog(ERROR, "a row of realtime.channels has no id");
	return DatumGetUUIDP(value);
}

/*
 * Has a row that a trigger was fired for a wildcard?
 */
static bool
slot_is_wild(Relation channels, TupleTableSlot *slot)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(channels), columns[CHANNEL_PATTERN].name);
	bool		isnull;
	Datum		value;
	text	   *pattern;

	if (attnum == InvalidAttrNumber)
		return true;
	value = slot_getattr(slot, attnum, &isnull);
	if (isnull)
		return false;
	pattern = DatumGetTextPP(value);
	return channel_pattern_is_wild(slice_make(VARDATA_ANY(pattern), VARSIZE_ANY_EXHDR(pattern)));
}

/*
 * realtime.note_channel() returns trigger, AFTER INSERT OR UPDATE OR DELETE FOR
 * EACH ROW and AFTER TRUNCATE FOR EACH STATEMENT
 */
static Datum
note_channel_body(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	bool		matters;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER a command", "note_channel")));

	if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		matters = true;
	else
		matters = slot_is_wild(trigger->tg_relation, trigger->tg_trigslot) ||
			(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) &&
			 slot_is_wild(trigger->tg_relation, trigger->tg_newslot));
	if (matters)
		CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
