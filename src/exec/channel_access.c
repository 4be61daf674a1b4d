/*-------------------------------------------------------------------------
 *
 * channel_access.c
 *	  May a client subscribe to a channel?
 *
 * It may if it can see one row of realtime.channels that is enabled and whose
 * pattern stands for the name (insforge-oaura.md 2.4).  Which rows these are is
 * known without asking on its behalf, so its policies are asked about those rows
 * only, however many channels there are: as about rows of a followed table
 * (policy_query.c, POLICY_SEE), in a plan that is kept.  Where row-level security
 * does not apply to it, all it takes is that there is such a row.
 *
 * A policy that looks at a system column is asked by a real SELECT; these rows are
 * there.
 *
 * src/exec/channel_access.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"

#include "api/channels_table.h"
#include "exec/apart.h"
#include "exec/channel_access.h"
#include "exec/policy_cache.h"
#include "exec/report.h"
#include "exec/virtual_row.h"

static const char select_command[] =
	"SELECT FROM realtime.channels c"
	" WHERE c.id OPERATOR(pg_catalog.=) ANY ($1) LIMIT 1";

/* What is asked. */
typedef struct Question
{
	const Client *client;
	bool		granted;		/* the answer */
} Question;

/*
 * Is one of the rows seen through the policies?
 */
static bool
ask_policies(PlannedStmt *plan, Relation channels, List *rows)
{
	int			n = list_length(rows);
	Datum	   *values = palloc_array(Datum, n);
	Verdict    *verdicts = palloc_array(Verdict, n);

	for (int i = 0; i < n; i++)
		values[i] = heap_copy_tuple_as_datum(list_nth(rows, i), RelationGetDescr(channels));
	virtual_row_run(plan, virtual_row_params(channels, values, n, 0), n, verdicts);
	for (int i = 0; i < n; i++)
	{
		if (verdicts[i] == VERDICT_TRUE)
			return true;
	}
	return false;
}

/*
 * Is one of them seen by a real SELECT?
 */
static bool
ask_table(Relation channels, List *rows)
{
	int			n = list_length(rows);
	Datum	   *ids = palloc_array(Datum, n);
	Oid			type = UUIDARRAYOID;
	Datum		value;
	bool		seen;
	int			rc;

	for (int i = 0; i < n; i++)
		ids[i] = UUIDPGetDatum(channel_row_id(channels, list_nth(rows, i)));
	value = PointerGetDatum(construct_array(ids, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute_with_args(select_command, 1, &type, &value, NULL, true, 1);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
	seen = SPI_processed > 0;
	SPI_finish();
	return seen;
}

/*
 * Answer a question about an open table.
 */
static bool
ask_about(Relation channels, Slice name)
{
	const PolicyQuery *query = policy_cache_get(channels, POLICY_SEE);
	ChannelInfo ignored;
	List	   *rows;

	switch (query->barrier)
	{
		case BARRIER_SCHEMA:
		case BARRIER_TABLE:
			return false;
		case BARRIER_NONE:
			return channel_find(channels, name, &ignored);
		case BARRIER_POLICIES:
		case BARRIER_REAL_ROW:
			break;
	}
	rows = channel_rows(channels, name);
	if (rows == NIL)
		return false;
	return query->barrier == BARRIER_POLICIES ?
		ask_policies(query->plan, channels, rows) : ask_table(channels, rows);
}

/*
 * Answer a question.
 */
static void
ask(void *arg)
{
	Question   *question = arg;
	Client		client = *question->client;
	Relation	channels;

	/* a question about messages may have had to write */
	XactReadOnly = true;
	client_hide_sub(&client);
	client_set_claims(&client);
	channels = policy_cache_open_channels();
	if (channels == NULL)
		return;
	question->granted = ask_about(channels, slice_make(client.topic, strlen(client.topic)));
	relation_close(channels, NoLock);
}

/*
 * May a client subscribe?
 */
bool
channel_access(const Client *client)
{
	static ReportLimit limit;
	Question	question = {client};
	ErrorData  *error = run_apart(ask, &question);

	if (error == NULL)
		return question.granted;
	report_error(&limit, error, "say who may subscribe to a channel");
	return false;
}
