/*-------------------------------------------------------------------------
 *
 * capture_table.c
 *	  What has to be known of a table to capture its changes, kept per backend.
 *
 * An entry depends on the table, on the one that it is shown as, on its schema
 * and on the types of its columns.  Any change to one of these has it made anew
 * at the next use.  It may be in use at that moment, by a row whose output
 * function has led us here again; so what is outdated is freed at the end of
 * the transaction.
 *
 * src/api/capture_table.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attmap.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "api/capture_table.h"
#include "api/utf8_text.h"

#define TABLES_AT_FIRST 64

typedef struct TableKey
{
	Oid			relid;
	Oid			shown_as;
} TableKey;

typedef struct TableEntry
{
	TableKey	key;
	bool		outdated;		/* to be made before its next use */
	MemoryContext context;		/* NULL = not made */
	CaptureTable *table;
} TableEntry;

static HTAB *tables = NULL;

/*
 * Have entries made anew: that of a table and those shown as it, or all.
 */
static void
outdate(Oid relid)
{
	HASH_SEQ_STATUS status;
	TableEntry *entry;

	hash_seq_init(&status, tables);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (!OidIsValid(relid) || entry->key.relid == relid || entry->key.shown_as == relid)
			entry->outdated = true;
	}
}

/*
 * Relation cache callback.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	outdate(relid);
}

/*
 * System cache callback.
 */
static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	outdate(InvalidOid);
}

/*
 * Set up; once per process.
 */
static void
create_tables(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(TableKey);
	ctl.entrysize = sizeof(TableEntry);
	tables = hash_create("realtime captured tables", TABLES_AT_FIRST, &ctl,
						 HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CASTSOURCETARGET, catalog_changed, (Datum) 0);
}

/*
 * A name in UTF-8, in the current memory context.
 */
static Slice
name_slice(const char *name)
{
	Slice		utf8 = utf8_string(name, strlen(name));

	return slice_make(pnstrdup(utf8.data, utf8.len), utf8.len);
}

/*
 * Is a column in a set of columns as the relation cache makes them?
 */
static bool
is_in(const Bitmapset *set, AttrNumber attnum)
{
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, set);
}

/*
 * Describe one column, which has another number in the table that it is shown
 * as.
 */
static void
describe_column(CaptureColumn *column, Form_pg_attribute attribute, AttrNumber shown_number)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(attribute->atttypid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", attribute->atttypid);
	column->attnum = attribute->attnum;
	column->shown.attnum = (uint16) shown_number;
	column->shown.name = name_slice(NameStr(attribute->attname));
	column->shown.type = name_slice(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname));
	ReleaseSysCache(tuple);
	value_encoder_init(&column->encoder, attribute->atttypid);
}

/*
 * Describe all columns, in the order of the table that they are shown in.
 */
static void
describe_columns(CaptureTable *table, Relation rel, TupleDesc shown)
{
	TupleDesc	desc = RelationGetDescr(rel);
	AttrMap    *map = MapColumnsByName(desc, shown);
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	Bitmapset  *identity = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_IDENTITY_KEY);
	bool		full = rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL;

	for (int i = 0; i < shown->natts; i++)
	{
		AttrNumber	attnum = map->attnums[i];
		CaptureColumn *column;

		if (attnum == 0)
			continue;			/* dropped */
		column = &table->columns[table->ncolumns++];
		describe_column(column, TupleDescAttr(desc, attnum - 1), (AttrNumber) (i + 1));
		if (is_in(key, attnum))
		{
			column->shown.flags |= CHANGE_KEY;
			table->shown.flags |= CHANGE_HAS_KEY;
		}
		if (full || is_in(identity, attnum))
			column->shown.flags |= CHANGE_IDENTITY;
		table->follows_settings |= column->encoder.follows_settings;
	}
	table->shown.ncolumns = (uint16) table->ncolumns;
	free_attrmap(map);
	bms_free(key);
	bms_free(identity);
}

/*
 * Describe a table in the current memory context.
 */
static CaptureTable *
describe(Relation rel, Oid shown_as)
{
	Relation	shown = rel;
	CaptureTable *table;

	if (shown_as != RelationGetRelid(rel))
	{
		if (!rel->rd_rel->relispartition ||
			!list_member_oid(get_partition_ancestors(RelationGetRelid(rel)), shown_as))
			ereport(ERROR,
					(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
					 errmsg("table \"%s\" is no partition of the table as which its changes are to be shown",
							RelationGetRelationName(rel))));
		/* whoever wants to change it has to lock its partitions, too */
		shown = table_open(shown_as, AccessShareLock);
	}
	table = palloc0(offsetof(CaptureTable, columns) +
					RelationGetDescr(shown)->natts * sizeof(CaptureColumn));
	table->shown.relid = shown_as;
	table->shown.schema = name_slice(get_namespace_name(RelationGetNamespace(shown)));
	table->shown.table = name_slice(RelationGetRelationName(shown));
	describe_columns(table, rel, RelationGetDescr(shown));
	if (shown != rel)
		table_close(shown, NoLock);
	return table;
}

/*
 * Make an entry's table anew.
 */
static void
make_table(TableEntry *entry, Relation rel)
{
	MemoryContext context;
	MemoryContext old;
	CaptureTable *table;

	entry->outdated = false;
	/* until it is whole it goes with the transaction */
	context = AllocSetContextCreate(TopTransactionContext, "realtime captured table",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	table = describe(rel, entry->key.shown_as);
	MemoryContextSwitchTo(old);

	/* so does the former one, which may be in use */
	if (entry->context)
		MemoryContextSetParent(entry->context, TopTransactionContext);
	MemoryContextSetParent(context, TopMemoryContext);
	entry->context = context;
	entry->table = table;
}

/*
 * Look a table up.
 */
CaptureTable *
capture_table_get(Relation rel, Oid shown_as)
{
	TableKey	key = {RelationGetRelid(rel), shown_as};
	TableEntry *entry;
	bool		found;

	if (tables == NULL)
		create_tables();
	entry = hash_search(tables, &key, HASH_ENTER, &found);
	if (!found)
		entry->context = NULL;
	if (entry->context == NULL || entry->outdated)
		make_table(entry, rel);
	return entry->table;
}
