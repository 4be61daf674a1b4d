/*-------------------------------------------------------------------------
 *
 * subscribe.c
 *	  What does a role follow that asks for this?
 *
 * Whatever a client of the role may ask for is found out here, before the join
 * is answered: which tables are captured, which columns of them the role may
 * read, whether row-level security has to be asked for each row, and whether
 * filters are good for the columns' types.  The answer is the same for all clients
 * of the role, and good until the catalogs change, which gateways are told.
 *
 * One bad entry fails alone here; that it fails its channel is the gateway's to
 * say (supabase.md 6.5).
 *
 * src/exec/subscribe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/plancache.h"
#include "utils/rls.h"

#include "api/utf8_text.h"
#include "exec/client.h"
#include "exec/extension_object.h"
#include "exec/filter_check.h"
#include "exec/plan_watch.h"
#include "exec/policy_cache.h"
#include "exec/role_check.h"
#include "exec/subscribe.h"
#include "pg_compat.h"

#define PLEASE_CHECK \
	"Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: "
#define EXCEPTION_HAPPENED \
	"Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: "

/* Captured tables by schema and name, with those that the triggers are on. */
static const char find_command[] =
	"SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, pg_catalog.array_agg(t.tgrelid) "
	"FROM pg_catalog.pg_trigger t "
	"JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.split_part("
	"pg_catalog.encode(t.tgargs, 'escape'), '\\000', 1)::pg_catalog.oid "
	"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"WHERE t.tgfoid = $1 AND t.tgisinternal "
	"AND ($2 = '*' OR n.nspname = $2) AND ($3 = '*' OR c.relname = $3) "
	"GROUP BY 1, 2, 3 ORDER BY 2, 3";

/* A table that is asked for; once in an answer. */
typedef struct FoundTable
{
	Oid			relid;
	Slice		schema;
	Slice		name;
	uint32	   *tables;			/* where its rows are, and itself */
	int			ntables;
} FoundTable;

/* A job.  The buffers are freed at its end, whatever it comes to. */
typedef struct Subscription
{
	Client		client;
	Oid			capture;		/* the trigger's function */
	FoundTable *found;			/* all so far */
	int			nfound;
	int			max_found;
	Bytes		relations;
	Bytes		results;
	Bytes		conditions;		/* of the entry at hand */
	Bytes		error;			/* likewise */
	ChangeFilter filter;		/* likewise */
	bool		has_filter;		/* it is to be freed */

	SubscribeEntry entry;
	uint16	   *places;			/* of its tables */
	int			nplaces;
} Subscription;

/*
 * Raise an error if something could not be appended.
 */
static void
must(bool appended)
{
	if (!appended)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * The plan of find_command; SPI is connected.
 */
static SPIPlanPtr
find_plan(void)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID};

	if (plan != NULL)
		return plan;
	plan = SPI_prepare(find_command, lengthof(types), types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	return plan;
}

/*
 * A name in UTF-8, in a memory context that outlives SPI.
 */
static Slice
name_of(HeapTuple tuple, int column, MemoryContext context)
{
	char	   *text = SPI_getvalue(tuple, SPI_tuptable->tupdesc, column);
	Slice		utf8 = utf8_string(text, strlen(text));
	char	   *copy = MemoryContextAlloc(context, utf8.len + 1);

	memcpy(copy, utf8.data, utf8.len);
	return slice_make(copy, utf8.len);
}

/*
 * The tables that hold the rows of a table, and it.
 */
static void
read_tables(FoundTable *found, Datum array, MemoryContext context)
{
	ArrayType  *oids = DatumGetArrayTypeP(array);
	int			n = ARR_DIMS(oids)[0];

	if (n >= BUS_FOLLOW_MAX_TABLES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a table of more than %d partitions cannot be followed",
						BUS_FOLLOW_MAX_TABLES - 1)));
	found->tables = MemoryContextAlloc(context, (n + 1) * sizeof(uint32));
	memcpy(found->tables, ARR_DATA_PTR(oids), n * sizeof(uint32));
	found->ntables = n;
	if (n != 1 || found->tables[0] != found->relid)
		found->tables[found->ntables++] = found->relid;
}

/*
 * Place of a table in the list of all; adds it if it is not there.
 */
static uint16
place_of(Subscription *subscription, HeapTuple tuple, MemoryContext context)
{
	bool		isnull;
	Oid			relid = DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
	FoundTable *found;

	for (int i = 0; i < subscription->nfound; i++)
	{
		if (subscription->found[i].relid == relid)
			return (uint16) i;
	}
	if (subscription->nfound == SUBSCRIBE_MAX_RELATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d tables cannot be followed at once", SUBSCRIBE_MAX_RELATIONS)));
	if (subscription->nfound == subscription->max_found)
	{
		subscription->max_found = Max(subscription->max_found * 2, 16);
		subscription->found = subscription->found == NULL ?
			MemoryContextAlloc(context, subscription->max_found * sizeof(FoundTable)) :
			repalloc(subscription->found, subscription->max_found * sizeof(FoundTable));
	}
	found = &subscription->found[subscription->nfound];
	found->relid = relid;
	found->schema = name_of(tuple, 2, context);
	found->name = name_of(tuple, 3, context);
	read_tables(found, SPI_getbinval(tuple, SPI_tuptable->tupdesc, 4, &isnull), context);
	return (uint16) subscription->nfound++;
}

/*
 * Find the tables that an entry asks for.
 */
static void
find_tables(Subscription *subscription)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {
		ObjectIdGetDatum(subscription->capture),
		CStringGetTextDatum(utf8_to_server(subscription->entry.schema)),
		CStringGetTextDatum(utf8_to_server(subscription->entry.table))
	};
	int			rc;

	SPI_connect();
	rc = SPI_execute_plan(find_plan(), values, NULL, true, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	subscription->nplaces = (int) SPI_processed;
	subscription->places = MemoryContextAlloc(context, Max(subscription->nplaces, 1) * sizeof(uint16));
	for (int i = 0; i < subscription->nplaces; i++)
		subscription->places[i] = place_of(subscription, SPI_tuptable->vals[i], context);
	SPI_finish();
}

/*
 * Describe what an entry asks for, as upstream does (6.5).
 */
static void
describe_entry(Subscription *subscription)
{
	static const char *const events[] = {"*", "INSERT", "UPDATE", "DELETE"};
	const SubscribeEntry *entry = &subscription->entry;
	Bytes	   *out = &subscription->error;
	Slice		names = entry->select;
	Slice		name;
	bool		first = true;

	must(bytes_printf(out, "[event: %s, schema: " SLICE_FMT ", table: " SLICE_FMT ", filters: ",
					  events[entry->op], SLICE_ARG(entry->schema), SLICE_ARG(entry->table)));
	if (subscription->has_filter)
		must(filter_inspect(out, &subscription->filter));
	else
		must(bytes_append_cstr(out, "[]"));
	if (!entry->has_select)
	{
		must(bytes_append_cstr(out, ", select: nil]"));
		return;
	}
	must(bytes_append_cstr(out, ", select: ["));
	while (subscribe_next_name(&names, &name))
	{
		must(bytes_append_cstr(out, first ? "" : ", ") && filter_inspect_text(out, name));
		first = false;
	}
	must(bytes_append_cstr(out, "]]"));
}

/*
 * The name that PL/pgSQL has for an error.
 */
static const char *
condition_name(int sqlstate)
{
	static const struct
	{
		int			sqlstate;
		const char *name;
	}			names[] = {
		{ERRCODE_RAISE_EXCEPTION, "raise_exception"},
		{ERRCODE_INVALID_TEXT_REPRESENTATION, "invalid_text_representation"},
		{ERRCODE_INVALID_DATETIME_FORMAT, "invalid_datetime_format"},
		{ERRCODE_DATETIME_FIELD_OVERFLOW, "datetime_field_overflow"},
		{ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "numeric_value_out_of_range"},
		{ERRCODE_UNDEFINED_FUNCTION, "undefined_function"},
		{ERRCODE_AMBIGUOUS_FUNCTION, "ambiguous_function"},
		{ERRCODE_INVALID_REGULAR_EXPRESSION, "invalid_regular_expression"},
		{ERRCODE_INVALID_BINARY_REPRESENTATION, "invalid_binary_representation"},
		{ERRCODE_STRING_DATA_RIGHT_TRUNCATION, "string_data_right_truncation"},
		{ERRCODE_CHECK_VIOLATION, "check_violation"},
		{ERRCODE_NOT_NULL_VIOLATION, "not_null_violation"},
		{ERRCODE_INSUFFICIENT_PRIVILEGE, "insufficient_privilege"},
		{ERRCODE_UNTRANSLATABLE_CHARACTER, "untranslatable_character"},
	};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (names[i].sqlstate == sqlstate)
			return names[i].name;
	}
	return "internal_error";
}

/*
 * An entry has failed with an error.
 */
static void
describe_error(Subscription *subscription, const ErrorData *error)
{
	Slice		message = utf8_string(error->message, strlen(error->message));

	must(bytes_append_cstr(&subscription->error, EXCEPTION_HAPPENED));
	describe_entry(subscription);
	must(bytes_printf(&subscription->error, ". Exception: ERROR %s (%s) " SLICE_FMT,
					  unpack_sql_state(error->sqlerrcode), condition_name(error->sqlerrcode),
					  SLICE_ARG(message)));
}

/*
 * Check the filter and the columns of an entry that is about one table.  As the
 * role, in a subtransaction.
 */
static void
check_entry(void *arg)
{
	Subscription *subscription = arg;
	const FoundTable *found = &subscription->found[subscription->places[0]];
	Relation	table;
	Slice		names = subscription->entry.select;
	Slice		name;

	client_become(&subscription->client);
	table = relation_open(found->relid, AccessShareLock);
	for (uint32 i = 0; subscription->has_filter && i < subscription->filter.nconditions; i++)
		filter_check_condition(table, subscription->client.role_oid,
							   &subscription->filter.conditions[i], &subscription->conditions);
	while (subscribe_next_name(&names, &name))
	{
		if (filter_check_column(table, subscription->client.role_oid, name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_RAISE_EXCEPTION),
					 errmsg("invalid column for select %s", utf8_to_server(name))));
	}
	relation_close(table, NoLock);
}

/*
 * Parse the filter of an entry; false with the error where it is none.
 */
static bool
parse_filter(Subscription *subscription)
{
	switch (filter_parse(subscription->entry.filter, &subscription->filter, &subscription->error))
	{
		case FILTER_PARSED:
			subscription->has_filter = true;
			return true;
		case FILTER_BAD:
			return false;
		case FILTER_NO_MEMORY:
			must(false);
	}
	return false;
}

/*
 * What an entry comes to; the error says why if it is none.
 */
static bool
examine_entry(Subscription *subscription)
{
	ErrorData  *error;
	bool		left_plans;

	if (!parse_filter(subscription))
		return false;
	find_tables(subscription);
	if (subscription->nplaces == 0)
	{
		must(bytes_append_cstr(&subscription->error, PLEASE_CHECK));
		describe_entry(subscription);
		return false;
	}
	if (subscription->filter.nconditions == 0 && !subscription->entry.has_select)
		return true;
	if (subscription->nplaces != 1)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("a filter, or a list of columns, is for one table")));
	error = plan_watch_run(check_entry, subscription, &left_plans);
	if (left_plans)
		ResetPlanCache();
	if (error == NULL)
		return true;
	describe_error(subscription, error);
	return false;
}

/*
 * Take an entry.
 */
static void
take_entry(Subscription *subscription)
{
	SubscribeResult result = {0};

	subscription->conditions.len = subscription->error.len = 0;
	subscription->nplaces = 0;
	result.failed = !examine_entry(subscription);
	if (result.failed)
		result.error = bytes_slice(&subscription->error);
	else
	{
		result.nrelations = (uint16) subscription->nplaces;
		result.relations = slice_make((const char *) subscription->places,
									  subscription->nplaces * sizeof(uint16));
		result.nconditions = (uint16) subscription->filter.nconditions;
		result.conditions = bytes_slice(&subscription->conditions);
	}
	must(subscribe_append_result(&subscription->results, &result));
	if (subscription->has_filter)
		filter_free(&subscription->filter);
	subscription->has_filter = false;
}

/*
 * The columns of a table that a role may read, where these are not all.
 */
static Slice
readable_columns(Relation table, Oid role)
{
	TupleDesc	desc = RelationGetDescr(table);
	uint16	   *numbers = palloc_array(uint16, Max(desc->natts, 1));
	int			n = 0;

	for (int i = 1; i <= desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i - 1)->attisdropped &&
			pg_attribute_aclcheck(RelationGetRelid(table), (AttrNumber) i, role,
								  ACL_SELECT) == ACLCHECK_OK)
			numbers[n++] = (uint16) i;
	}
	return slice_make((const char *) numbers, n * sizeof(uint16));
}

/*
 * Describe a table that entries ask for.
 */
static void
describe_table(Subscription *subscription, const FoundTable *found)
{
	Oid			role = subscription->client.role_oid;
	Relation	table = try_relation_open(found->relid, AccessShareLock);
	SubscribeRelation relation = {found->relid};

	relation.schema = found->schema;
	relation.table = found->name;
	relation.ntables = (uint16) found->ntables;
	relation.tables = slice_make((const char *) found->tables, found->ntables * sizeof(uint32));
	/* of one that was dropped meanwhile there is nothing to see */
	if (table != NULL && MayUseSchema(RelationGetNamespace(table), role))
	{
		if (pg_class_aclcheck(found->relid, role, ACL_SELECT) == ACLCHECK_OK)
			relation.flags |= RELATION_ALL_COLUMNS;
		else
			relation.columns = readable_columns(table, role);
		relation.ncolumns = (uint16) (relation.columns.len / sizeof(uint16));
		if (check_enable_rls(found->relid, role, true) == RLS_ENABLED)
			relation.flags |= RELATION_ASK;
	}
	must(subscribe_append_relation(&subscription->relations, &relation));
	if (table != NULL)
		relation_close(table, NoLock);
}

/*
 * Answer a job.
 */
static void
answer_job(Subscription *subscription, const SubscribeJob *job, Bytes *answer)
{
	Slice		rest = job->entries;
	SubscribeAnswer whole = {0};

	while (subscribe_next_entry(&rest, &subscription->entry))
		take_entry(subscription);
	for (int i = 0; i < subscription->nfound; i++)
		describe_table(subscription, &subscription->found[i]);
	whole.nrelations = (uint16) subscription->nfound;
	whole.nresults = job->nentries;
	whole.relations = bytes_slice(&subscription->relations);
	whole.results = bytes_slice(&subscription->results);
	must(job_encode_subscribe_answer(answer, &whole));
	if (answer->len > CHANGE_JOB_MAX_BODY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the answer to a subscription would have %zu bytes", answer->len)));
}

/*
 * Free what is not in a memory context.
 */
static void
free_buffers(Subscription *subscription)
{
	bytes_free(&subscription->relations);
	bytes_free(&subscription->results);
	bytes_free(&subscription->conditions);
	bytes_free(&subscription->error);
	if (subscription->has_filter)
		filter_free(&subscription->filter);
}

/*
 * JOB_SUBSCRIBE.
 */
JobOutcome
subscribe(Slice body, Bytes *answer)
{
	Subscription *subscription = palloc0_object(Subscription);
	SubscribeJob job;
	RoleRefusal refusal;
	Relation	messages;
	Client	   *client = &subscription->client;

	if (!job_decode_subscribe(body, &job))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the question is malformed")));
	messages = policy_cache_open_messages();
	subscription->capture = extension_function("capture", InvalidOid);
	if (messages == NULL || !OidIsValid(subscription->capture))
		return JOB_UNAVAILABLE;
	client->role = utf8_to_server(job.role);
	client->sub = client->topic = "";
	client->claims = client->headers = "{}";
	if (!role_check(client->role, RelationGetRelid(messages), &client->role_oid, &refusal))
	{
		role_check_report(client->role, &refusal);
		return JOB_REFUSED;
	}
	PG_TRY();
	{
		answer_job(subscription, &job, answer);
	}
	PG_FINALLY();
	{
		free_buffers(subscription);
	}
	PG_END_TRY();
	relation_close(messages, NoLock);
	return JOB_DONE;
}
