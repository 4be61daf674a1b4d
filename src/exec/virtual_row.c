/*-------------------------------------------------------------------------
 *
 * virtual_row.c
 *	  Rows that are not there, and what policies say of them.
 *
 * A virtual row of realtime.messages has the values that a row with just this topic
 * and extension would get by its INSERT: those are what policies written for Supabase
 * see, so event and payload are null and private is false, although it is a private
 * channel that is asked for (supabase.md 7.2).  The one value that cannot be had
 * without writing is xid; the row shows the id that the next transaction gets.  Its
 * number is that of the first message.
 * The row of a message that is published on a channel is the one that is about to be
 * inserted, with everything in it.
 * Those of other tables come from their changes (change_row.c).
 *
 * src/exec/virtual_row.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "api/uuid_v7.h"
#include "exec/virtual_row.h"
#include "pg_compat.h"

/* Names the query in whatever watches statements. */
static const char query_text[] = "/* realtime */ policies";

/* Takes the rows that a plan gives. */
typedef struct VerdictReceiver
{
	DestReceiver pub;
	Verdict    *verdicts;
	int			count;			/* taken so far */
	int			expected;
} VerdictReceiver;

/*
 * A row as a value of the table's row type.  With an extension it is one that was
 * inserted with nothing but that and its topic.
 */
static Datum
make_row(Relation messages, const MessageRow *row, FullTransactionId xid,
		 const char *extension)
{
	TupleDesc	desc = RelationGetDescr(messages);
	MessageAttnums attnums;
	Datum	   *values = palloc0_array(Datum, desc->natts);
	bool	   *nulls = palloc_array(bool, desc->natts);

	message_attnums(desc, &attnums);
	memset(nulls, true, desc->natts * sizeof(bool));
	message_row_values(row, xid, &attnums, values, nulls);
	if (extension != NULL)
		values[attnums.of[MESSAGE_EXTENSION] - 1] = CStringGetTextDatum(extension);
	return heap_copy_tuple_as_datum(heap_form_tuple(desc, values, nulls), desc);
}

/*
 * The parameters of a plan: an array of rows, and room for others.
 */
ParamListInfo
virtual_row_params(Relation table, Datum *rows, int n, int nothers)
{
	Oid			type = table->rd_rel->reltype;
	ParamListInfo params = makeParamList(1 + nothers);

	params->params[0].value =
		PointerGetDatum(construct_array(rows, n, type, -1, false, TYPALIGN_DOUBLE));
	params->params[0].isnull = false;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = get_array_type(type);
	return params;
}

/*
 * DestReceiver: one row's verdict.
 */
static bool
receive_verdict(TupleTableSlot *slot, DestReceiver *self)
{
	VerdictReceiver *receiver = (VerdictReceiver *) self;
	bool		isnull;
	bool		value = DatumGetBool(slot_getattr(slot, 1, &isnull));

	if (receiver->count == receiver->expected)
		elog(ERROR, "policies gave more than %d verdicts", receiver->expected);
	receiver->verdicts[receiver->count++] = isnull ? VERDICT_NULL :
		value ? VERDICT_TRUE : VERDICT_FALSE;
	return true;
}

/*
 * DestReceiver: nothing to begin.
 */
static void
begin_verdicts(DestReceiver *self, int operation, TupleDesc desc)
{
}

/*
 * DestReceiver: nothing to end.
 */
static void
end_verdicts(DestReceiver *self)
{
}

/*
 * Run a plan.
 */
void
virtual_row_run(PlannedStmt *plan, ParamListInfo params, int n, Verdict *verdicts)
{
	VerdictReceiver receiver = {
		{receive_verdict, begin_verdicts, end_verdicts, end_verdicts, DestNone},
		verdicts, 0, n
	};
	QueryDesc  *desc;

	/* taken after all locks: what they kept away is seen */
	PushActiveSnapshot(GetTransactionSnapshot());
	desc = CreateQueryDesc(plan, query_text, GetActiveSnapshot(), InvalidSnapshot,
						   &receiver.pub, params, NULL, 0);
	ExecutorStart(desc, 0);
	RunWholeQuery(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	PopActiveSnapshot();
	if (receiver.count != n)
		elog(ERROR, "policies gave %d verdicts instead of %d", receiver.count, n);
}

/*
 * Ask about rows of realtime.messages.
 */
void
virtual_row_ask(PlannedStmt *plan, Relation messages, const char *topic,
				const char *const *extensions, int n, Verdict *verdicts)
{
	MessageRow	row = {.topic = cstring_to_text(topic), .number = 1};
	Datum	   *rows = palloc_array(Datum, n);

	for (int i = 0; i < n; i++)
	{
		uuid_v7_generate(&row.id);
		row.inserted_at = GetCurrentTimestamp();
		rows[i] = make_row(messages, &row, ReadNextFullTransactionId(), extensions[i]);
	}
	virtual_row_run(plan, virtual_row_params(messages, rows, n, 0), n, verdicts);
}

/*
 * Ask about the row of a message that is about to be inserted.
 */
Verdict
virtual_row_ask_message(PlannedStmt *plan, Relation messages, const MessageRow *row)
{
	Datum		value = make_row(messages, row, GetTopFullTransactionId(), NULL);
	Verdict		verdict;

	virtual_row_run(plan, virtual_row_params(messages, &value, 1, 0), 1, &verdict);
	return verdict;
}
