/*-------------------------------------------------------------------------
 *
 * commits.c
 *	  realtime.commits, as the hub writes and reads it.
 *
 * Tens of thousands of transactions a second may have to be recorded, so a
 * batch is one statement over arrays, planned once.  Where a row may be there
 * already, because the hub reads some WAL a second time or has had no answer, it is
 * left alone.  Triggers
 * that others put on the table can change nothing of the session.
 *
 * src/exec/commits.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "exec/commits.h"
#include "exec/extension_object.h"
#include "exec/kept_plan.h"
#include "exec/local_setting.h"

#define INSERT_COMMAND \
	"INSERT INTO realtime.commits" \
	" (lsn, xid, messages, committed_at, restart_lsn, early_at, epoch, timeline)" \
	" SELECT c.lsn, c.xid, c.messages, c.committed_at, c.restart_lsn, c.early_at, $7, $8" \
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)," \
	" pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6))" \
	" AS c(lsn, xid, messages, committed_at, restart_lsn, early_at)"

/* By CommitsHead.may_repeat: looking for a row that is there costs a fifth. */
static const char *const insert_commands[] = {
	INSERT_COMMAND,
	INSERT_COMMAND " ON CONFLICT DO NOTHING"
};

static const char position_command[] =
	"SELECT lsn, restart_lsn, epoch, timeline"
	" FROM realtime.commits ORDER BY lsn DESC LIMIT 1";

/* Columns of INSERT_COMMAND that come as arrays. */
typedef struct CommitColumns
{
	Datum	   *lsn;
	Datum	   *xid;
	Datum	   *messages;
	Datum	   *committed_at;
	Datum	   *restart_lsn;
	Datum	   *early_at;
	bool	   *not_early;
} CommitColumns;

/*
 * Can this be a row?
 */
static bool
entry_is_valid(const CommitEntry *entry)
{
	return entry->lsn != 0 && entry->restart_lsn != 0 &&
		entry->restart_lsn <= entry->lsn &&
		FullTransactionIdIsNormal(FullTransactionIdFromU64(entry->xid)) &&
		IS_VALID_TIMESTAMP(entry->committed_at) &&
		(IS_VALID_TIMESTAMP(entry->first_at) || TIMESTAMP_IS_NOBEGIN(entry->first_at)) &&
		entry->messages <= INT_MAX &&
		entry->is_early <= 1;
}

/*
 * Turn entries into columns.  Raises an error for one that can be no row.
 */
static void
read_entries(Slice entries, uint32 count, CommitColumns *columns)
{
	columns->lsn = palloc_array(Datum, count);
	columns->xid = palloc_array(Datum, count);
	columns->messages = palloc_array(Datum, count);
	columns->committed_at = palloc_array(Datum, count);
	columns->restart_lsn = palloc_array(Datum, count);
	columns->early_at = palloc_array(Datum, count);
	columns->not_early = palloc_array(bool, count);
	for (uint32 i = 0; i < count; i++)
	{
		CommitEntry entry;

		job_commit_entry(entries, i, &entry);
		if (!entry_is_valid(&entry))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("commit %u of %u is invalid", i + 1, count)));
		columns->lsn[i] = LSNGetDatum(entry.lsn);
		columns->xid[i] = FullTransactionIdGetDatum(FullTransactionIdFromU64(entry.xid));
		columns->messages[i] = Int32GetDatum((int32) entry.messages);
		columns->committed_at[i] = TimestampTzGetDatum(entry.committed_at);
		columns->restart_lsn[i] = LSNGetDatum(entry.restart_lsn);
		columns->early_at[i] = TimestampTzGetDatum(Min(entry.first_at, entry.committed_at));
		columns->not_early[i] = entry.is_early == 0;
	}
}

/*
 * An array of a type that has eight bytes.
 */
static Datum
array_of_8(Datum *elements, uint32 count, Oid type)
{
	return PointerGetDatum(construct_array(elements, (int) count, type, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * An array of times, some of them null.
 */
static Datum
array_of_times(Datum *elements, bool *nulls, uint32 count)
{
	int			dims = (int) count;
	int			lower = 1;

	return PointerGetDatum(construct_md_array(elements, nulls, 1, &dims, &lower,
											  TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL,
											  TYPALIGN_DOUBLE));
}

/*
 * Insert the rows.
 */
static void
insert_rows(const CommitsHead *head, const CommitColumns *columns)
{
	static SPIPlanPtr plans[lengthof(insert_commands)];
	Oid			types[] = {PG_LSNARRAYOID, XID8ARRAYOID, INT4ARRAYOID,
	TIMESTAMPTZARRAYOID, PG_LSNARRAYOID, TIMESTAMPTZARRAYOID, INT8OID, INT4OID};
	Datum		values[lengthof(types)];
	int			rc;

	values[0] = array_of_8(columns->lsn, head->count, PG_LSNOID);
	values[1] = array_of_8(columns->xid, head->count, XID8OID);
	values[2] = PointerGetDatum(construct_array(columns->messages, (int) head->count,
												INT4OID, 4, true, TYPALIGN_INT));
	values[3] = array_of_8(columns->committed_at, head->count, TIMESTAMPTZOID);
	values[4] = array_of_8(columns->restart_lsn, head->count, PG_LSNOID);
	values[5] = array_of_times(columns->early_at, columns->not_early, head->count);
	values[6] = Int64GetDatum((int64) head->epoch);
	values[7] = Int32GetDatum((int32) head->timeline);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (plans[head->may_repeat] == NULL)
		plans[head->may_repeat] = kept_plan(insert_commands[head->may_repeat],
											lengthof(types), types);
	rc = SPI_execute_plan(plans[head->may_repeat], values, NULL, false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	SPI_finish();
}

/*
 * JOB_COMMITS.
 */
JobOutcome
commits_insert(Slice body, Bytes *answer)
{
	CommitsHead head;
	Slice		entries;
	CommitColumns columns;
	Oid			save_user;
	int			save_context;

	if (!job_decode_commits(body, &head, &entries) ||
		head.epoch > PG_INT64_MAX || head.timeline < 1 || head.timeline > INT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("batch of commits is malformed")));
	if (!OidIsValid(extension_table("commits")))
		return JOB_UNAVAILABLE;

	/* on disk when the hub is told, whatever the server's default */
	set_local("synchronous_commit", "local");
	read_entries(entries, head.count, &columns);
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(save_user, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	insert_rows(&head, &columns);
	SetUserIdAndSecContext(save_user, save_context);
	return JOB_DONE;
}

/*
 * A column of the one row that SPI has.
 */
static Datum
column(int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
									  number, &isnull);

	if (isnull)
		elog(ERROR, "column %d of realtime.commits is null", number);
	return value;
}

/*
 * JOB_POSITION.
 */
JobOutcome
commits_position(Slice body, Bytes *answer)
{
	PositionReply reply = {0};
	int			rc;

	if (!OidIsValid(extension_table("commits")))
		return JOB_UNAVAILABLE;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute(position_command, true, 1);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	if (SPI_processed == 1)
	{
		reply.found = 1;
		reply.lsn = DatumGetLSN(column(1));
		reply.restart_lsn = DatumGetLSN(column(2));
		reply.epoch = (uint64) DatumGetInt64(column(3));
		reply.timeline = (uint32) DatumGetInt32(column(4));
	}
	SPI_finish();
	if (!bytes_append(answer, &reply, sizeof(reply)))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return JOB_DONE;
}
