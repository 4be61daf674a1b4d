/*-------------------------------------------------------------------------
 *
 * visible.c
 *	  Which clients may see these changes of a table?
 *
 * The SELECT policies are asked about the row that was committed, not about what
 * the table holds a moment later; a table needs no primary key for that.  All
 * changes of a job are asked about at once, for one client after the other, each
 * in a subtransaction that takes role, settings and errors with it.  So a policy
 * that raises an error harms the client whose claims it did not like; and if it
 * was one row that it did not like, it harms that client's view of this row.
 *
 * One transaction serves several clients, so what functions keep from one to the
 * next is dropped between them where one may have had a say in it (plan_watch.c).
 *
 * src/exec/visible.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "api/utf8_text.h"
#include "exec/apart.h"
#include "exec/change_row.h"
#include "exec/client.h"
#include "exec/condition_query.h"
#include "exec/plan_watch.h"
#include "exec/policy_cache.h"
#include "exec/report.h"
#include "exec/role_check.h"
#include "exec/virtual_row.h"
#include "exec/visible.h"
#include "proto/change_job.h"

typedef struct ChangedRow
{
	ChangeRecord change;
	Datum		row;
	Bitmapset  *left_out;		/* columns that the row should have */
	bool		failed;			/* there is no such row any more */
} ChangedRow;

/* A job. */
typedef struct Viewing
{
	Relation	table;
	Oid			messages;
	VisibleJob	job;
	VisibleClient *clients;
	ChangedRow *rows;
	RowReader	reader;
	const VisibleClient *as;	/* whom rows are read as */
	int			reading;		/* place of the row that is being read */
} Viewing;

/* One ask of it, about some of its rows. */
typedef struct Look
{
	Viewing    *viewing;
	VisibleAsk	ask;
	int			n;
	const int  *places;			/* of the rows */
	uint8	   *verdicts;		/* of all rows, by place */
} Look;

/*
 * Log why an ask got no answer.
 */
static void
report_failed(const Look *look, int sqlstate, const char *message)
{
	static ReportLimit limit;
	uint64		unlogged;

	if (!report_due(&limit, &unlogged))
		return;
	/* messages about bad data quote the data */
	if (ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION)
		message = "an error in the data";
	ereport(LOG,
			(errcode(sqlstate),
			 errmsg("realtime could not decide who may see a change of table \"%s\": %s",
					RelationGetRelationName(look->viewing->table), message),
			 unlogged > 0 ?
			 errdetail("SQLSTATE is %s; not logged since the last time: %llu.",
					   unpack_sql_state(sqlstate), (unsigned long long) unlogged) :
			 errdetail("SQLSTATE is %s.", unpack_sql_state(sqlstate))));
}

/*
 * May a client's role be used?
 */
static bool
check_role(const Viewing *viewing, const VisibleClient *asker, Oid *role)
{
	const char *name = utf8_to_server(asker->role);
	RoleRefusal refusal;

	if (role_check(name, viewing->messages, role, &refusal))
		return true;
	role_check_report(name, &refusal);
	return false;
}

/*
 * Act as a client.  False if its role may not be used.
 */
static bool
become(const Viewing *viewing, const VisibleClient *asker)
{
	Client		client;

	client.role = utf8_to_server(asker->role);
	client.sub = utf8_to_server(asker->sub);
	client.topic = "";
	client.claims = utf8_to_server(asker->claims);
	client.headers = utf8_to_server(asker->headers);
	if (!check_role(viewing, asker, &client.role_oid))
		return false;
	client_become(&client);
	return true;
}

/*
 * The verdict about one of the rows.
 */
static uint8 *
verdict_of(Look *look, int i)
{
	return &look->verdicts[look->places[i]];
}

/*
 * Set all verdicts.
 */
static void
set_verdicts(Look *look, VisibleVerdict verdict)
{
	for (int i = 0; i < look->n; i++)
		*verdict_of(look, i) = (uint8) verdict;
}

/*
 * The rows that are asked about.
 */
static Datum *
rows_of(const Look *look)
{
	Datum	   *rows = palloc_array(Datum, look->n);

	for (int i = 0; i < look->n; i++)
		rows[i] = look->viewing->rows[look->places[i]].row;
	return rows;
}

/*
 * Have the policies look at the rows.
 */
static void
run_policies(Look *look, const PolicyQuery *query)
{
	Viewing    *viewing = look->viewing;
	Verdict    *verdicts = palloc_array(Verdict, look->n);
	Bitmapset  *columns = policy_query_columns(query->query,
											   RelationGetNumberOfAttributes(viewing->table));

	virtual_row_run(query->plan, virtual_row_params(viewing->table, rows_of(look), look->n, 0),
					look->n, verdicts);
	for (int i = 0; i < look->n; i++)
	{
		if (bms_overlap(columns, viewing->rows[look->places[i]].left_out))
			*verdict_of(look, i) = VISIBLE_FAILED;
		else
			*verdict_of(look, i) = verdicts[i] == VERDICT_TRUE ? VISIBLE_YES : VISIBLE_NO;
	}
}

/*
 * Ask the policies.
 */
static void
ask_policies(Look *look)
{
	const PolicyQuery *query = policy_cache_get(look->viewing->table, POLICY_SEE);

	switch (query->barrier)
	{
		case BARRIER_SCHEMA:
		case BARRIER_TABLE:
			set_verdicts(look, VISIBLE_NO);
			break;
		case BARRIER_NONE:
			set_verdicts(look, VISIBLE_YES);
			break;
		case BARRIER_POLICIES:
			run_policies(look, query);
			break;
		case BARRIER_REAL_ROW:
			report_failed(look, ERRCODE_FEATURE_NOT_SUPPORTED, "a policy looks at a system column");
			set_verdicts(look, VISIBLE_FAILED);
			break;
	}
}

/*
 * Find the column of a condition; 0 if the table has none of that name.
 */
static AttrNumber
column_of(Relation table, Slice name)
{
	TupleDesc	desc = RelationGetDescr(table);
	const char *text = utf8_to_server(name);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), text) == 0)
			return attribute->attnum;
	}
	return 0;
}

/*
 * May a filter look at this column of a change?  Of a DELETE clients are shown
 * the replica identity only, and filters must not tell them more.
 */
static bool
filter_sees(const ChangeRecord *change, AttrNumber attnum)
{
	Slice		rest = change->columns;
	ChangeColumn column;

	while (change_next_column(&rest, &column))
	{
		if (column.attnum == attnum)
			return change->op != CHANGE_DELETE || (column.flags & CHANGE_IDENTITY) != 0;
	}
	return false;
}

/*
 * Take those out that a condition does not hold for.
 */
static void
ask_condition(Look *look, const FilterCondition *condition)
{
	Viewing    *viewing = look->viewing;
	AttrNumber	attnum = column_of(viewing->table, condition->column);
	ConditionQuery *query;
	bool	   *holds;

	if (attnum == 0)
	{
		set_verdicts(look, VISIBLE_NO);
		return;
	}
	query = condition_query_make(viewing->table, condition);
	holds = palloc_array(bool, look->n);
	condition_query_run(query, viewing->table, rows_of(look), look->n, holds);
	for (int i = 0; i < look->n; i++)
	{
		const ChangedRow *row = &viewing->rows[look->places[i]];

		if (*verdict_of(look, i) == VISIBLE_NO)
			continue;
		if (bms_is_member(attnum, row->left_out))
			*verdict_of(look, i) = VISIBLE_FAILED;
		else if (!holds[i] || !filter_sees(&row->change, attnum))
			*verdict_of(look, i) = VISIBLE_NO;
	}
}

/*
 * Answer an ask, in a subtransaction of its own.
 */
static void
look_at_rows(void *arg)
{
	Look	   *look = arg;
	Slice		conditions = look->ask.conditions;
	FilterOperand operands[FILTER_MAX_IN_VALUES];
	FilterCondition condition;

	if (!become(look->viewing, &look->viewing->clients[look->ask.client]))
	{
		set_verdicts(look, VISIBLE_NO);
		return;
	}
	if (look->ask.policies)
		ask_policies(look);
	else
		set_verdicts(look, VISIBLE_YES);
	while (visible_next_condition(&conditions, &condition, operands))
		ask_condition(look, &condition);
}

/*
 * Answer an ask.  An error is the answer.
 */
static ErrorData *
take_look(Look *look)
{
	bool		left_plans;
	ErrorData  *error;

	error = plan_watch_run(look_at_rows, look, &left_plans);
	if (left_plans)
		ResetPlanCache();
	if (error != NULL)
		set_verdicts(look, VISIBLE_FAILED);
	return error;
}

/*
 * Answer an ask about all rows that there are; one by one if that fails.
 */
static void
answer_ask(Viewing *viewing, const VisibleAsk *ask, uint8 *verdicts)
{
	int		   *places = palloc_array(int, viewing->job.nchanges);
	Look		look = {viewing, *ask, 0, places, verdicts};
	ErrorData  *error;
	int			n;

	for (int i = 0; i < viewing->job.nchanges; i++)
	{
		if (viewing->rows[i].failed)
			verdicts[i] = VISIBLE_FAILED;
		else
			places[look.n++] = i;
	}
	if (look.n == 0)
		return;
	error = take_look(&look);
	if (error == NULL)
		return;
	report_failed(&look, error->sqlerrcode, error->message);
	if (look.n == 1)
		return;
	n = look.n;
	look.n = 1;
	for (int i = 0; i < n; i++)
	{
		look.places = &places[i];
		(void) take_look(&look);
	}
}

/*
 * Answer all asks.
 */
static void
answer_asks(Viewing *viewing, uint8 *verdicts)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "realtime ask",
												  ALLOCSET_DEFAULT_SIZES);
	Slice		rest = viewing->job.asks;
	VisibleAsk	ask;

	while (visible_next_ask(&rest, &ask))
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		answer_ask(viewing, &ask, verdicts);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
		verdicts += viewing->job.nchanges;
	}
}

/*
 * Read one row, in a subtransaction: types may call functions of users, so it is
 * done as a client.
 */
static void
read_row(void *arg)
{
	Viewing    *viewing = arg;
	ChangedRow *row = &viewing->rows[viewing->reading];

	if (become(viewing, viewing->as))
		row->row = row_reader_row(&viewing->reader, &row->change, &row->left_out);
	else
		row->failed = true;
}

/*
 * Find a client that rows can be read as; false if there is none, and then
 * nobody may see them.
 */
static bool
find_reader(Viewing *viewing)
{
	Oid			role;

	for (int i = 0; i < viewing->job.nclients; i++)
	{
		viewing->as = &viewing->clients[i];
		if (check_role(viewing, viewing->as, &role))
			return true;
	}
	return false;
}

/*
 * Read all rows.
 */
static void
read_rows(Viewing *viewing)
{
	Slice		rest = viewing->job.changes;
	bool		left_plans;

	viewing->rows = palloc0_array(ChangedRow, viewing->job.nchanges);
	row_reader_init(&viewing->reader, viewing->table);
	for (int i = 0; i < viewing->job.nchanges; i++)
	{
		if (!visible_next_change(&rest, &viewing->rows[i].change))
			elog(ERROR, "a change of the job is malformed");
		viewing->reading = i;
		if (plan_watch_run(read_row, viewing, &left_plans) != NULL)
			viewing->rows[i].failed = true;
		if (left_plans)
			ResetPlanCache();
	}
}

/*
 * Read who asks.
 */
static void
read_clients(Viewing *viewing)
{
	Slice		rest = viewing->job.clients;

	viewing->clients = palloc_array(VisibleClient, viewing->job.nclients);
	for (int i = 0; i < viewing->job.nclients; i++)
	{
		if (!visible_next_client(&rest, &viewing->clients[i]))
			elog(ERROR, "a client of the job is malformed");
	}
}

/*
 * Open a table; NULL if it is gone, or none that there can be changes of.
 */
static Relation
open_table(Oid relid)
{
	Relation	table = try_relation_open(relid, AccessShareLock);

	if (table == NULL || table->rd_rel->relkind == RELKIND_RELATION ||
		table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return table;
	relation_close(table, AccessShareLock);
	return NULL;
}

/*
 * JOB_VISIBLE.
 */
JobOutcome
visible(Slice body, Bytes *answer)
{
	Viewing		viewing = {0};
	Relation	messages;
	size_t		size;

	if (!job_decode_visible(body, &viewing.job))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the question is malformed")));
	messages = policy_cache_open_messages();
	if (messages == NULL)
		return JOB_UNAVAILABLE;
	viewing.messages = RelationGetRelid(messages);
	size = (size_t) viewing.job.nchanges * viewing.job.nasks;
	if (!bytes_reserve(answer, size))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	/* nobody may see anything of a table that is gone */
	memset(answer->data + answer->len, VISIBLE_NO, size);
	viewing.table = open_table(viewing.job.relid);
	if (viewing.table != NULL)
	{
		read_clients(&viewing);
		if (find_reader(&viewing))
		{
			read_rows(&viewing);
			answer_asks(&viewing, (uint8 *) answer->data + answer->len);
		}
		relation_close(viewing.table, NoLock);
	}
	relation_close(messages, NoLock);
	answer->len += size;
	return JOB_DONE;
}
