/*-------------------------------------------------------------------------
 *
 * sealed.c
 *	  Which messages in the WAL are ours: the served database's, genuine.
 *
 * realtime.database names the database; records carry its OID.  The hub is
 * connected to no database, but pg_database is shared, so the name is looked up
 * when a message comes and nothing is known: the database may be created, or
 * dropped and created again, while we run.
 *
 * src/hub/sealed.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/syscache.h"

#include "hub/sealed.h"
#include "seal.h"
#include "served_database.h"

static Oid	served = InvalidOid;
static bool served_known = false;

/*
 * pg_database has changed.
 */
static void
forget_database(Datum arg, int cacheid, uint32 hashvalue)
{
	served_known = false;
}

/*
 * Watch pg_database.
 */
void
sealed_init(void)
{
	CacheRegisterSyscacheCallback(DATABASEOID, forget_database, (Datum) 0);
}

/*
 * Is this the OID of the served database?
 */
static bool
is_served(Oid database)
{
	if (served_known && served == database)
		return true;

	/* what we know may be older than the record: the WAL tells of both */
	AcceptInvalidationMessages();
	if (!served_known)
	{
		served = served_database_lookup(NULL);
		served_known = true;
	}
	return served == database;
}

/*
 * Judge a message.
 */
SealedVerdict
sealed_open(const WalEvent *event, WalMessage *message, Slice *body)
{
	const char *content = event->content.data;

	if (!is_served(event->database))
		return SEALED_FOREIGN;
	if (event->content.len < WAL_RECORD_SEAL_BYTES)
		return SEALED_MALFORMED;
	*body = slice_make(content, event->content.len - WAL_RECORD_SEAL_BYTES);
	if (!wal_record_decode(body->data, body->len, message))
		return SEALED_MALFORMED;
	if (!seal_verify(event->database, *body, (const uint8 *) content + body->len))
		return SEALED_FORGED;
	return SEALED_GENUINE;
}

/*
 * The served database, as of the last message.
 */
Oid
sealed_database(void)
{
	return served;
}
