/*-------------------------------------------------------------------------
 *
 * webhooks.c
 *	  Have a published message delivered to the webhooks of its channel.
 *
 * Whoever publishes waits for nothing but one more row per URL, which is put
 * into the table and its indexes directly: it belongs to the extension, and the
 * row is all that there is to know about it.  The row repeats the payload, so
 * that neither retention nor a channel that stores nothing takes away what is
 * still to be delivered.
 *
 * What tells the courier is a record in the WAL, one per transaction; and, since
 * a record vanishes with the subtransaction that wrote it, one more after each
 * change of that.
 *
 * src/api/webhooks.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "api/channels_table.h"
#include "api/emit.h"
#include "api/sql_function.h"
#include "api/webhooks.h"
#include "pg_compat.h"
#include "proto/webhook_url.h"

SQL_FUNCTION(note_webhooks_due);
SQL_FUNCTION(sql_webhook_endpoint);

#define DELIVERIES_TABLE "webhook_deliveries"
#define DELIVERY_IDS "webhook_delivery_ids"
#define CHANNELS_INDEX "channels_pkey"

/* Channels of which webhooks are kept in mind. */
#define CHANNELS_AT_FIRST 16
#define CHANNELS_KEPT 1000

/* Columns of realtime.webhook_deliveries, as the script makes them. */
typedef enum DeliveryColumn
{
	DELIVERY_ID = 1,
	DELIVERY_MESSAGE_ID,
	DELIVERY_INSERTED_AT,
	DELIVERY_CHANNEL_ID,
	DELIVERY_CHANNEL_NAME,
	DELIVERY_EVENT,
	DELIVERY_PAYLOAD,
	DELIVERY_SENDER_TYPE,
	DELIVERY_SENDER_ID,
	DELIVERY_URL,
	DELIVERY_ATTEMPTS,
	DELIVERY_NEXT_ATTEMPT_AT,
	DELIVERY_LAST_STATUS,
	DELIVERY_LAST_ERROR,
	DELIVERY_CREATED_AT,
	DELIVERY_ENDPOINT,
	DELIVERY_LANE,
	DELIVERY_TURN,
	DELIVERY_XID,
	DELIVERY_NUMBER
} DeliveryColumn;

#define DELIVERY_COLUMNS DELIVERY_NUMBER

static const Oid column_types[DELIVERY_COLUMNS + 1] = {
	[DELIVERY_ID] = INT8OID,
	[DELIVERY_MESSAGE_ID] = UUIDOID,
	[DELIVERY_INSERTED_AT] = TIMESTAMPTZOID,
	[DELIVERY_CHANNEL_ID] = UUIDOID,
	[DELIVERY_CHANNEL_NAME] = TEXTOID,
	[DELIVERY_EVENT] = TEXTOID,
	[DELIVERY_PAYLOAD] = JSONBOID,
	[DELIVERY_SENDER_TYPE] = TEXTOID,
	[DELIVERY_SENDER_ID] = UUIDOID,
	[DELIVERY_URL] = TEXTOID,
	[DELIVERY_ATTEMPTS] = INT4OID,
	[DELIVERY_NEXT_ATTEMPT_AT] = TIMESTAMPTZOID,
	[DELIVERY_LAST_STATUS] = INT4OID,
	[DELIVERY_LAST_ERROR] = TEXTOID,
	[DELIVERY_CREATED_AT] = TIMESTAMPTZOID,
	[DELIVERY_ENDPOINT] = TEXTOID,
	[DELIVERY_LANE] = INT8OID,
	[DELIVERY_TURN] = INT8OID,
	[DELIVERY_XID] = XID8OID,
	[DELIVERY_NUMBER] = INT4OID
};

/* What a channel says about its webhooks. */
typedef struct ChannelWebhooks
{
	pg_uuid_t	channel_id;		/* first: key of `channels` */
	Datum	   *urls;			/* text */
	bool	   *nulls;
	int			nurls;
	bool		ordered;
} ChannelWebhooks;

/*
 * The table of deliveries and what belongs to it.  What was found holds while the
 * table is locked, as nobody can change it then.
 */
typedef struct KnownRelations
{
	bool		valid;			/* nothing has changed since it was looked at */
	Oid			deliveries;
	Oid			ids;			/* the sequence */
	Oid			primary_key;
	Oid			by_turn;		/* the other index that has all rows */
	bool		plain;			/* but for one of ordered rows there are no more */
} KnownRelations;

static KnownRelations known;
static Oid	channels_relid = InvalidOid;
static uint64 channel_changes = 0;	/* that we were told of */
static HTAB *channels = NULL;	/* of ChannelWebhooks */
static uint64 channels_as_of = 0;	/* channel_changes when it was begun */
static MemoryContext channels_context = NULL;

/*
 * Relation cache callback: something has changed.  InvalidOid stands for all.
 */
static void
forget_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == known.deliveries || relid == known.ids)
		known.valid = false;
	if (!OidIsValid(relid) || relid == channels_relid)
		channel_changes++;
}

/*
 * OID of something of the extension.
 */
static Oid
relation_oid(const char *name)
{
	Oid			relid = get_relname_relid(name, get_namespace_oid(MESSAGES_SCHEMA, false));

	if (!OidIsValid(relid))
		elog(ERROR, "relation \"realtime.%s\" does not exist", name);
	return relid;
}

/*
 * A column of a channel's row; its type is checked, because the table may have
 * been tampered with.
 */
static Datum
channel_column(Relation rel, HeapTuple tuple, const char *name, Oid type, bool *isnull)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(rel), name);

	if (attnum == InvalidAttrNumber ||
		TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid != type)
		elog(ERROR, "realtime.channels has no column \"%s\" as expected", name);
	return heap_getattr(tuple, attnum, RelationGetDescr(rel), isnull);
}

/*
 * Read the webhooks out of a channel's row.
 */
static void
read_webhooks(Relation rel, HeapTuple tuple, ChannelWebhooks *webhooks)
{
	bool		isnull;
	Datum		value;

	value = channel_column(rel, tuple, "webhook_urls", TEXTARRAYOID, &isnull);
	if (isnull)
		return;
	/* a copy, because the tuple is about to go */
	deconstruct_array(DatumGetArrayTypePCopy(value), TEXTOID, -1, false, TYPALIGN_INT,
					  &webhooks->urls, &webhooks->nulls, &webhooks->nurls);
	value = channel_column(rel, tuple, "webhook_ordered", BOOLOID, &isnull);
	webhooks->ordered = !isnull && DatumGetBool(value);
}

/*
 * Read where a channel's messages go; nurls stays 0 if nowhere.
 */
static void
read_channel(ChannelWebhooks *webhooks)
{
	Relation	rel = table_open(channels_relid, AccessShareLock);
	AttrNumber	id = get_attnum(channels_relid, "id");
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (id == InvalidAttrNumber ||
		TupleDescAttr(RelationGetDescr(rel), id - 1)->atttypid != UUIDOID)
		elog(ERROR, "realtime.channels has no column \"%s\" as expected", "id");
	ScanKeyInit(&key, id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&webhooks->channel_id));
	scan = systable_beginscan(rel, relation_oid(CHANNELS_INDEX), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		read_webhooks(rel, tuple, webhooks);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
}

/*
 * Empty the table of channels.
 */
static void
forget_channels(void)
{
	HASHCTL		ctl;

	channels = NULL;
	if (channels_context == NULL)
		channels_context = AllocSetContextCreate(TopMemoryContext, "realtime webhooks",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(channels_context);
	channels_relid = relation_oid(CHANNELS_TABLE);
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(pg_uuid_t);
	ctl.entrysize = sizeof(ChannelWebhooks);
	ctl.hcxt = channels_context;
	channels = hash_create("realtime webhooks", CHANNELS_AT_FIRST, &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	channels_as_of = channel_changes;
}

/*
 * Where a channel's messages go.  Whoever found the channel has taken a lock on
 * its table, and with that notice of all changes.  What comes while it is read
 * is left for the next time.
 */
static const ChannelWebhooks *
find_webhooks(const pg_uuid_t *channel_id)
{
	ChannelWebhooks read = {.channel_id = *channel_id};
	ChannelWebhooks *found;
	MemoryContext old;

	if (channels == NULL || channels_as_of != channel_changes ||
		hash_get_num_entries(channels) >= CHANNELS_KEPT)
		forget_channels();
	found = hash_search(channels, channel_id, HASH_FIND, NULL);
	if (found != NULL)
		return found;
	old = MemoryContextSwitchTo(channels_context);
	read_channel(&read);
	MemoryContextSwitchTo(old);
	found = hash_search(channels, channel_id, HASH_ENTER, NULL);
	*found = read;
	return found;
}

/*
 * Are the table and its columns as the script makes them?
 */
static bool
is_as_made(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (desc->natts != DELIVERY_COLUMNS || rel->rd_rel->relkind != RELKIND_RELATION)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->atttypid != column_types[i + 1] ||
			TupleDescAttr(desc, i)->attisdropped)
			return false;
	}
	return true;
}

/*
 * Open realtime.webhook_deliveries, and have all of it known.  Raises an error if
 * it is not as the script makes it.
 */
static Relation
open_deliveries(void)
{
	Relation	rel;
	List	   *indexes;
	Oid			partial;

	if (known.valid)
	{
		rel = table_open(known.deliveries, RowExclusiveLock);
		/* waiting for the lock may have told us that we knew nothing */
		if (known.valid)
			return rel;
		table_close(rel, NoLock);
	}
	known.deliveries = relation_oid(DELIVERIES_TABLE);
	known.ids = relation_oid(DELIVERY_IDS);
	rel = table_open(known.deliveries, RowExclusiveLock);
	if (!is_as_made(rel))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"realtime.%s\" is not as the extension made it", DELIVERIES_TABLE)));
	known.primary_key = relation_oid("webhook_deliveries_pkey");
	known.by_turn = relation_oid("webhook_deliveries_turn_idx");
	partial = relation_oid("webhook_deliveries_unnumbered_idx");
	indexes = RelationGetIndexList(rel);
	known.plain = list_length(indexes) == 3 && list_member_oid(indexes, known.primary_key) &&
		list_member_oid(indexes, known.by_turn) && list_member_oid(indexes, partial);
	list_free(indexes);
	known.valid = true;
	return rel;
}

/*
 * Deliveries with the same one are made one after the other: those of a channel
 * to a URL.  Two that share one by chance merely wait for each other.
 */
static int64
lane_of(const text *channel_name, const text *url)
{
	uint64		seed = hash_bytes_extended((const unsigned char *) VARDATA_ANY(channel_name),
										   (int) VARSIZE_ANY_EXHDR(channel_name), 0);

	return (int64) hash_bytes_extended((const unsigned char *) VARDATA_ANY(url),
									   (int) VARSIZE_ANY_EXHDR(url), seed);
}

/*
 * The endpoint of a URL, or a name that is none if it cannot be delivered to,
 * which the courier will note.
 */
static text *
endpoint_of(const text *url)
{
	Slice		slice = slice_make(VARDATA_ANY(url), VARSIZE_ANY_EXHDR(url));
	text	   *endpoint = palloc(VARHDRSZ + slice.len + WEBHOOK_ENDPOINT_EXTRA);
	size_t		len = webhook_endpoint(slice, VARDATA(endpoint));

	if (len == 0)
		return cstring_to_text(WEBHOOK_NO_ENDPOINT);
	SET_VARSIZE(endpoint, VARHDRSZ + len);
	return endpoint;
}

/*
 * A message without a payload has null for one.
 */
static Datum
payload_of(const MessageRow *row)
{
	if (row->payload != NULL)
		return JsonbPGetDatum(row->payload);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum("null"));
}

/*
 * Put what all deliveries of a message have in common into slot.
 */
static void
fill_message(TupleTableSlot *slot, const MessageRow *row)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;
	TimestampTz now = GetCurrentTimestamp();

	memset(isnull, false, DELIVERY_COLUMNS * sizeof(bool));
#define COLUMN(column) (values[(column) - 1])
	COLUMN(DELIVERY_MESSAGE_ID) = UUIDPGetDatum(&row->id);
	COLUMN(DELIVERY_INSERTED_AT) = TimestampTzGetDatum(row->inserted_at);
	COLUMN(DELIVERY_CHANNEL_ID) = UUIDPGetDatum(&row->channel_id);
	COLUMN(DELIVERY_CHANNEL_NAME) = PointerGetDatum(row->topic);
	COLUMN(DELIVERY_EVENT) = PointerGetDatum(row->event);
	COLUMN(DELIVERY_PAYLOAD) = payload_of(row);
	COLUMN(DELIVERY_SENDER_TYPE) = CStringGetTextDatum(row->by_user ? SENDER_USER : SENDER_SYSTEM);
	COLUMN(DELIVERY_SENDER_ID) = UUIDPGetDatum(&row->sender_id);
	isnull[DELIVERY_SENDER_ID - 1] = !row->has_sender;
	COLUMN(DELIVERY_ATTEMPTS) = Int32GetDatum(0);
	COLUMN(DELIVERY_NEXT_ATTEMPT_AT) = TimestampTzGetDatum(now);
	isnull[DELIVERY_LAST_STATUS - 1] = true;
	isnull[DELIVERY_LAST_ERROR - 1] = true;
	COLUMN(DELIVERY_CREATED_AT) = TimestampTzGetDatum(now);
	/* where it has no lane, by time; else when its commit is recorded */
	COLUMN(DELIVERY_TURN) = Int64GetDatum(now);
	COLUMN(DELIVERY_XID) = FullTransactionIdGetDatum(GetTopFullTransactionId());
	COLUMN(DELIVERY_NUMBER) = Int32GetDatum(row->number);
}

/*
 * And what one of them has for itself.
 */
static void
fill_url(TupleTableSlot *slot, const MessageRow *row, Oid sequence, Datum url, bool ordered)
{
	Datum	   *values = slot->tts_values;
	bool	   *isnull = slot->tts_isnull;

	COLUMN(DELIVERY_ID) = Int64GetDatum(nextval_internal(sequence, false));
	COLUMN(DELIVERY_URL) = url;
	COLUMN(DELIVERY_ENDPOINT) = PointerGetDatum(endpoint_of(DatumGetTextPP(url)));
	if (ordered)
		COLUMN(DELIVERY_LANE) = Int64GetDatum(lane_of(row->topic, DatumGetTextPP(url)));
	isnull[DELIVERY_LANE - 1] = !ordered;
	isnull[DELIVERY_TURN - 1] = ordered;
#undef COLUMN
}

/*
 * Put the row in slot, which the table has, into one index, which has all rows.
 */
static void
insert_into_index(Relation rel, TupleTableSlot *slot, Oid indexoid, IndexUniqueCheck check)
{
	Relation	index = index_open(indexoid, RowExclusiveLock);
	IndexInfo  *info = BuildIndexInfo(index);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	FormIndexDatum(info, slot, NULL, values, isnull);
	(void) index_insert(index, values, isnull, &slot->tts_tid, rel, check, false, info);
	index_close(index, NoLock);
}

/*
 * Put it into whatever indexes there are.
 */
static void
insert_into_indexes(Relation rel, TupleTableSlot *slot)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result_rel = makeNode(ResultRelInfo);

	InitResultRelInfo(result_rel, rel, 0, NULL, 0);
	ExecOpenIndices(result_rel, false);
	if (result_rel->ri_NumIndices > 0)
		list_free(InsertIndexTuples(result_rel, slot, estate));
	ExecCloseIndices(result_rel);
	FreeExecutorState(estate);
}

/*
 * Put the row in slot into the table and its indexes.  A row without a lane is in
 * two of them, and asking the third whether it wants it would take as long as all
 * the rest.
 */
static void
insert_delivery(Relation rel, TupleTableSlot *slot, bool ordered)
{
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	if (!known.plain || ordered)
	{
		insert_into_indexes(rel, slot);
		return;
	}
	insert_into_index(rel, slot, known.primary_key, UNIQUE_CHECK_YES);
	insert_into_index(rel, slot, known.by_turn, UNIQUE_CHECK_NO);
}

/*
 * Add a row for each URL.
 */
static void
insert_deliveries(const MessageRow *row, const ChannelWebhooks *webhooks)
{
	Relation	rel = open_deliveries();
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	for (int i = 0; i < webhooks->nurls; i++)
	{
		if (webhooks->nulls[i])
			continue;
		ExecClearTuple(slot);
		fill_message(slot, row);
		fill_url(slot, row, known.ids, webhooks->urls[i], webhooks->ordered);
		ExecStoreVirtualTuple(slot);
		insert_delivery(rel, slot, webhooks->ordered);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

/*
 * Tell the courier, when this transaction commits, that something is due.
 */
static void
note_due(void)
{
	static FullTransactionId noted_top;
	static SubTransactionId noted_sub;
	FullTransactionId top = GetTopFullTransactionId();
	SubTransactionId sub = GetCurrentSubTransactionId();
	WalMessage	msg;

	if (FullTransactionIdEquals(noted_top, top) && noted_sub == sub)
		return;
	memset(&msg, 0, sizeof(msg));
	msg.kind = WAL_MESSAGE_WEBHOOKS;
	emit_message(&msg);
	noted_top = top;
	noted_sub = sub;
}

/*
 * Enqueue the deliveries of a message, in a context that goes when they are.
 */
void
webhooks_enqueue(const MessageRow *row)
{
	static bool callback_registered = false;
	const ChannelWebhooks *webhooks;
	MemoryContext context;
	MemoryContext old;

	if (!row->has_webhooks)
		return;
	Assert(row->has_channel);
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		callback_registered = true;
	}
	webhooks = find_webhooks(&row->channel_id);
	if (webhooks->nurls == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "realtime deliveries",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	insert_deliveries(row, webhooks);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	note_due();
}

/*
 * realtime.note_webhooks_due() returns void: for deliveries that SQL has added.
 */
static Datum
note_webhooks_due_body(PG_FUNCTION_ARGS)
{
	note_due();
	PG_RETURN_VOID();
}

/*
 * realtime.webhook_endpoint(url text) returns text
 */
static Datum
sql_webhook_endpoint_body(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(endpoint_of(PG_GETARG_TEXT_PP(0)));
}
