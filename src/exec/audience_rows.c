/*-------------------------------------------------------------------------
 *
 * audience_rows.c
 *	  What becomes of messages on channels, as rows.
 *
 * Both jobs are the hub's own, and what they write may be lost with a crash of
 * the server: counts of sockets are, and statistics are made anew from where
 * they were.  So neither waits for a disk.  Like commits.c, a batch is one
 * statement over arrays, planned once, and triggers that others put on the table
 * can change nothing of the session.
 *
 * src/exec/audience_rows.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "exec/audience_rows.h"
#include "exec/extension_object.h"
#include "exec/kept_plan.h"
#include "exec/local_setting.h"

static const char insert_command[] =
	"INSERT INTO realtime.message_audience (message_id, inserted_at, ws_audience)"
	" SELECT a.id, a.inserted_at, a.sockets"
	" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
	" AS a(id, inserted_at, sockets)";

static const char roll_up_command[] = "SELECT realtime.roll_up()";

/*
 * What others made of our tables runs as nobody in particular.
 */
static void
begin_restricted(Oid *save_user, int *save_context)
{
	GetUserIdAndSecContext(save_user, save_context);
	SetUserIdAndSecContext(*save_user,
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/*
 * The end of that.
 */
static void
end_restricted(Oid save_user, int save_context)
{
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * Turn entries into the statement's arguments.  Raises an error for one that can
 * be no row.
 */
static void
read_entries(Slice body, uint32 count, Datum *values)
{
	Datum	   *ids = palloc_array(Datum, count);
	Datum	   *times = palloc_array(Datum, count);
	Datum	   *sockets = palloc_array(Datum, count);
	pg_uuid_t  *uuids = palloc_array(pg_uuid_t, count);

	StaticAssertStmt(sizeof(uuids->data) == MESSAGE_ID_BYTES, "a UUID has another size");
	for (uint32 i = 0; i < count; i++)
	{
		AudienceEntry entry;

		job_audience_entry(body, i, &entry);
		if (entry.sockets > INT_MAX ||
			!(IS_VALID_TIMESTAMP(entry.inserted_at) || TIMESTAMP_NOT_FINITE(entry.inserted_at)))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("audience %u of %u is invalid", i + 1, count)));
		memcpy(uuids[i].data, entry.id, MESSAGE_ID_BYTES);
		ids[i] = UUIDPGetDatum(&uuids[i]);
		times[i] = TimestampTzGetDatum(entry.inserted_at);
		sockets[i] = Int32GetDatum((int32) entry.sockets);
	}
	values[0] = PointerGetDatum(construct_array(ids, (int) count, UUIDOID,
												UUID_LEN, false, TYPALIGN_CHAR));
	values[1] = PointerGetDatum(construct_array(times, (int) count, TIMESTAMPTZOID,
												8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[2] = PointerGetDatum(construct_array(sockets, (int) count, INT4OID,
												4, true, TYPALIGN_INT));
}

/*
 * JOB_AUDIENCE.
 */
JobOutcome
audience_insert(Slice body, Bytes *answer)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {UUIDARRAYOID, TIMESTAMPTZARRAYOID, INT4ARRAYOID};
	Datum		values[lengthof(types)];
	uint32		count;
	Oid			save_user;
	int			save_context;
	int			rc;

	if (!job_decode_audience(body, &count))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("batch of audiences is malformed")));
	if (!OidIsValid(extension_table("message_audience")))
		return JOB_UNAVAILABLE;

	set_local("synchronous_commit", "off");
	read_entries(body, count, values);
	begin_restricted(&save_user, &save_context);
	if (plan == NULL)
		plan = kept_plan(insert_command, lengthof(types), types);
	rc = SPI_execute_plan(plan, values, NULL, false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	end_restricted(save_user, save_context);
	return JOB_DONE;
}

/*
 * JOB_ROLL_UP.
 */
JobOutcome
messages_roll_up(Slice body, Bytes *answer)
{
	Oid			save_user;
	int			save_context;
	bool		isnull;
	bool		more;
	int			rc;

	if (body.len != 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the job is malformed")));
	if (!OidIsValid(extension_function("roll_up", InvalidOid)))
		return JOB_UNAVAILABLE;

	set_local("synchronous_commit", "off");
	begin_restricted(&save_user, &save_context);
	rc = SPI_execute(roll_up_command, false, 0);
	if (rc != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	more = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	end_restricted(save_user, save_context);
	if (!bytes_append_byte(answer, !isnull && more))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return JOB_DONE;
}
