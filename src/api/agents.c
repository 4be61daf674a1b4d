/*-------------------------------------------------------------------------
 *
 * agents.c
 *	  What the SQL of agents (sql/32_agents.sql) needs C for.
 *
 * Gateways know which names of agent channels were good when clients joined
 * them.  When a transaction changes what that depends on, a record in the WAL
 * says so, in the way of a message: gateways hear of it after the commit, in
 * order with what is published, and never of what was rolled back.
 *
 * src/api/agents.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/builtins.h"

#include "api/emit.h"
#include "api/sql_function.h"

#define SECRET_BYTES 32

SQL_FUNCTION(note_agents_changed);
SQL_FUNCTION(random_secret);

/*
 * realtime.note_agents_changed() returns trigger, AFTER ... FOR EACH STATEMENT
 */
static Datum
note_agents_changed_body(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	WalMessage	msg;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be fired AFTER ... FOR EACH STATEMENT",
						"note_agents_changed")));

	memset(&msg, 0, sizeof(msg));
	msg.kind = WAL_MESSAGE_AGENTS_CHANGED;
	emit_message(&msg);
	return PointerGetDatum(NULL);
}

/*
 * realtime.random_secret() returns text
 *
 * 256 bits that nobody can guess, in lower-case hex.
 */
static Datum
random_secret_body(PG_FUNCTION_ARGS)
{
	uint8		bytes[SECRET_BYTES];
	text	   *secret = palloc(VARHDRSZ + 2 * SECRET_BYTES);

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	SET_VARSIZE(secret, VARHDRSZ + 2 * SECRET_BYTES);
	(void) hex_encode((char *) bytes, sizeof(bytes), VARDATA(secret));
	PG_RETURN_TEXT_P(secret);
}
