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
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
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
	Datum	   *urls;			/* text */
	bool	   *nulls;
	int			nurls;
	bool		ordered;
} ChannelWebhooks;

/*
 * OID of the extension's schema.
 */
static Oid
schema_oid(void)
{
	return get_namespace_oid(MESSAGES_SCHEMA, false);
}

/*
 * OID of something in it.
 */
static Oid
relation_oid(const char *name)
{
	Oid			relid = get_relname_relid(name, schema_oid());

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
 * Find out where a channel's messages go; nurls is 0 if nowhere.
 */
static void
find_webhooks(const pg_uuid_t *channel_id, ChannelWebhooks *webhooks)
{
	Relation	rel = table_open(relation_oid(CHANNELS_TABLE), AccessShareLock);
	AttrNumber	id = get_attnum(RelationGetRelid(rel), "id");
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	memset(webhooks, 0, sizeof(*webhooks));
	if (id == InvalidAttrNumber ||
		TupleDescAttr(RelationGetDescr(rel), id - 1)->atttypid != UUIDOID)
		elog(ERROR, "realtime.channels has no column \"%s\" as expected", "id");
	ScanKeyInit(&key, id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(channel_id));
	scan = systable_beginscan(rel, relation_oid(CHANNELS_INDEX), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		read_webhooks(rel, tuple, webhooks);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
}

/*
 * Open realtime.webhook_deliveries.  Raises an error if it is not as the script
 * makes it.
 */
static Relation
open_deliveries(void)
{
	Relation	rel = table_open(relation_oid(DELIVERIES_TABLE), RowExclusiveLock);
	TupleDesc	desc = RelationGetDescr(rel);
	bool		as_made = desc->natts == DELIVERY_COLUMNS && rel->rd_rel->relkind == RELKIND_RELATION;

	for (int i = 0; as_made && i < desc->natts; i++)
		as_made = TupleDescAttr(desc, i)->atttypid == column_types[i + 1] &&
			!TupleDescAttr(desc, i)->attisdropped;
	if (!as_made)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"realtime.%s\" is not as the extension made it", DELIVERIES_TABLE)));
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
 * Put a row for each URL into the table and its indexes.
 */
static void
insert_deliveries(const MessageRow *row, const ChannelWebhooks *webhooks)
{
	Relation	rel = open_deliveries();
	Oid			sequence = relation_oid(DELIVERY_IDS);
	EState	   *estate = CreateExecutorState();
	MemoryContext old_context = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *result_rel = makeNode(ResultRelInfo);
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	InitResultRelInfo(result_rel, rel, 0, NULL, 0);
	ExecOpenIndices(result_rel, false);
	for (int i = 0; i < webhooks->nurls; i++)
	{
		if (webhooks->nulls[i])
			continue;
		ExecClearTuple(slot);
		fill_message(slot, row);
		fill_url(slot, row, sequence, webhooks->urls[i], webhooks->ordered);
		ExecStoreVirtualTuple(slot);
		table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
		if (result_rel->ri_NumIndices > 0)
			list_free(InsertIndexTuples(result_rel, slot, estate));
	}
	ExecDropSingleTupleTableSlot(slot);
	ExecCloseIndices(result_rel);
	MemoryContextSwitchTo(old_context);
	FreeExecutorState(estate);
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
 * Enqueue the deliveries of a message.
 */
void
webhooks_enqueue(const MessageRow *row)
{
	ChannelWebhooks webhooks;

	if (!row->has_webhooks)
		return;
	Assert(row->has_channel);
	find_webhooks(&row->channel_id, &webhooks);
	if (webhooks.nurls == 0)
		return;
	insert_deliveries(row, &webhooks);
	note_due();
}

/*
 * realtime.note_webhooks_due() returns void: for deliveries that SQL has added.
 */
Datum
note_webhooks_due(PG_FUNCTION_ARGS)
{
	note_due();
	PG_RETURN_VOID();
}

/*
 * realtime.webhook_endpoint(url text) returns text
 */
Datum
sql_webhook_endpoint(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(endpoint_of(PG_GETARG_TEXT_PP(0)));
}
