/*-------------------------------------------------------------------------
 *
 * store.c
 *	  Broadcasts of clients that are to be stored.
 *
 * supabase.md 4.8.  That the client may do this was decided before, by the
 * policies for extension 'persistence' (authorise.c), so the row is inserted as
 * the table's owner.  It is a row like any other: the table's trigger publishes
 * it.
 *
 * src/exec/store.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "api/message_row.h"
#include "api/utf8_text.h"
#include "exec/extension_object.h"
#include "exec/kept_plan.h"
#include "exec/owner.h"
#include "exec/store.h"

static const char insert_command[] =
	"INSERT INTO realtime.messages"
	" (topic, extension, payload, event, private, id, binary_payload, expires_at)"
	" VALUES ($1, '" EXTENSION_BROADCAST "', $2, $3, true, $4, $5, $6)";

/*
 * Bytes as a value.
 */
static Datum
bytea_value(Slice bytes)
{
	bytea	   *value = palloc(VARHDRSZ + bytes.len);

	SET_VARSIZE(value, VARHDRSZ + bytes.len);
	if (bytes.len > 0)
		memcpy(VARDATA(value), bytes.data, bytes.len);
	return PointerGetDatum(value);
}

/*
 * Insert the row; SPI is connected.
 */
static void
insert_row(const StoreHead *head, const WalMessage *message)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[] = {TEXTOID, JSONBOID, TEXTOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID};
	Datum		values[lengthof(types)];
	char		nulls[] = "      ";
	bool		is_binary = (message->flags & WAL_MESSAGE_BINARY) != 0;
	pg_uuid_t	id;
	int			rc;

	StaticAssertStmt(sizeof(id.data) == MESSAGE_ID_BYTES, "a UUID has another size");
	memcpy(id.data, message->id, sizeof(id.data));
	memset(values, 0, sizeof(values));
	values[0] = CStringGetTextDatum(utf8_to_server(message->topic));
	values[2] = CStringGetTextDatum(utf8_to_server(message->event));
	values[3] = UUIDPGetDatum(&id);
	if (is_binary)
		values[4] = bytea_value(message->payload);
	else
		values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(utf8_to_server(message->payload)));
	nulls[is_binary ? 1 : 4] = 'n';
	if (head->ttl > 0)
		values[5] = TimestampTzGetDatum(TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
																	(int64) head->ttl * 1000));
	else
		nulls[5] = 'n';

	if (plan == NULL)
		plan = kept_plan(insert_command, lengthof(types), types);
	rc = SPI_execute_plan(plan, values, nulls, false, 0);
	if (rc != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
}

/*
 * JOB_STORE.
 */
JobOutcome
store_broadcast(Slice body, Bytes *answer)
{
	StoreHead	head;
	WalMessage	message;
	Oid			messages = extension_table("messages");
	SavedUser	saved;

	if (!job_decode_store(body, &head, &message))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the broadcast is malformed")));
	if (!OidIsValid(messages))
		return JOB_UNAVAILABLE;
	owner_become(messages, &saved);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	insert_row(&head, &message);
	SPI_finish();
	owner_end(&saved);
	return JOB_DONE;
}
