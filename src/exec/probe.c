/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Ask policies with rows that are there: insert, select, roll back.
 *
 * This is upstream's way (supabase.md 7.2, 7.3): slow, because every question
 * costs a transaction id and WAL, but without any doubt, because the statements
 * are real.  realtime.authorization = 'probe' wants it, and policies that look at
 * system columns need it, as does a table that is not as we made it.  The tests hold policy_query.c to what comes out here.
 *
 * The rows to be selected are inserted as the owner of the table, whom its
 * policies do not concern even where they are forced upon him.  Nothing that is
 * inserted here is published.
 *
 * src/exec/probe.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "api/publish.h"
#include "exec/apart.h"
#include "exec/authorise.h"
#include "exec/probe.h"

static const char insert_command[] =
	"INSERT INTO realtime.messages (topic, extension) VALUES ($1, $2)";
static const char insert_returning_command[] =
	"INSERT INTO realtime.messages (topic, extension) VALUES ($1, $2) RETURNING id";
static const char select_command[] =
	"SELECT m.id FROM realtime.messages m WHERE m.id OPERATOR(pg_catalog.=) $1";

/*
 * Run one of the statements above; SPI is connected.
 */
static void
execute(const char *command, int nargs, Oid *types, Datum *values, int expected)
{
	int			rc = SPI_execute_with_args(command, nargs, types, values, NULL, false, 0);

	if (rc != expected)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(rc));
}

/*
 * Insert a row as the current user.
 */
static void
insert_row(const char *command, const Client *client, const char *extension, int expected)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[lengthof(types)];

	values[0] = CStringGetTextDatum(client->topic);
	values[1] = CStringGetTextDatum(extension);
	execute(command, lengthof(types), types, values, expected);
}

/*
 * Insert a row as the table's owner.  Returns its id, good until SPI_finish().
 */
static Datum
insert_as_owner(Relation messages, const Client *client, const char *extension)
{
	Oid			save_user;
	int			save_context;
	bool		isnull;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(messages->rd_rel->relowner, save_context | SECURITY_NOFORCE_RLS);
	insert_row(insert_returning_command, client, extension, SPI_OK_INSERT_RETURNING);
	SetUserIdAndSecContext(save_user, save_context);
	if (SPI_processed != 1)
		elog(ERROR, "a row for realtime.messages was not inserted");
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
}

/*
 * May the current user see a row of that extension?
 */
static bool
may_read(Relation messages, const Client *client, const char *extension)
{
	Oid			type = UUIDOID;
	Datum		id;
	bool		seen;

	SPI_connect();
	id = insert_as_owner(messages, client, extension);
	execute(select_command, 1, &type, &id, SPI_OK_SELECT);
	seen = SPI_processed > 0;
	SPI_finish();
	return seen;
}

/* A row that the current user would insert. */
typedef struct Attempt
{
	const Client *client;
	const char *extension;
} Attempt;

/*
 * Insert it.
 */
static void
attempt_insert(void *arg)
{
	const Attempt *attempt = arg;

	SPI_connect();
	insert_row(insert_command, attempt->client, attempt->extension, SPI_OK_INSERT);
	SPI_finish();
}

/*
 * May the current user insert a row of that extension?
 */
static bool
may_write(const Client *client, const char *extension)
{
	Attempt		attempt = {client, extension};
	ErrorData  *error = run_apart(attempt_insert, &attempt);

	if (error != NULL && error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
		ReThrowError(error);
	return error == NULL;
}

/*
 * Find out which rights the client has.
 */
void
probe_ask(Relation messages, const Client *client, uint8 wanted, uint8 *granted)
{
	/* begun as read-only, before anybody knew of this */
	XactReadOnly = false;
	publish_muted = true;
	PG_TRY();
	{
		for (int i = 0; i < RIGHT_RULES; i++)
		{
			const RightRule *rule = &right_rules[i];
			bool		allowed;

			if ((rule->right & wanted) == 0)
				continue;
			allowed = rule->command == POLICY_READ ?
				may_read(messages, client, rule->extension) :
				may_write(client, rule->extension);
			*granted |= allowed ? rule->right : 0;
		}
	}
	PG_FINALLY();
	{
		publish_muted = false;
	}
	PG_END_TRY();
}
