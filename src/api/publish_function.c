/*-------------------------------------------------------------------------
 *
 * publish_function.c
 *	  The SQL function realtime.publish().
 *
 * It is SECURITY DEFINER and not for everybody: who may call it may publish on
 * any channel, under no policy.  What comes of it is a row of realtime.messages
 * that was sent by the system.
 *
 * src/api/publish_function.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "api/channels_table.h"
#include "api/send.h"
#include "api/sql_function.h"
#include "api/utf8_text.h"
#include "api/uuid_v7.h"
#include "proto/event_name.h"

SQL_FUNCTION(realtime_publish);

/*
 * Find the channel, which the caller names.
 */
static bool
find_channel(const text *name, ChannelInfo *channel)
{
	Relation	channels = channels_open();
	bool		found;

	found = channel_find(channels, slice_make(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)), channel);
	relation_close(channels, NoLock);
	return found;
}

/*
 * Raise an error for an event that clients would take for one of their own.
 */
static void
check_event(const text *event)
{
	if (event_name_is_reserved(utf8_text(event)))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("event name \"%s\" is reserved", text_to_cstring(event)),
				 errhint("Client libraries would take it for an event of their own.")));
}

/*
 * Is a message of this type, which its sender has given it, a broadcast?
 */
static bool
is_broadcast(const text *type)
{
	Slice		name = utf8_text(type);

	if (slice_equals_cstr(name, TYPE_BROADCAST))
		return true;
	if (!slice_equals_cstr(name, "message"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("type must be \"message\" or \"broadcast\"")));
	return false;
}

/*
 * realtime.publish(channel text, event text, payload jsonb) returns uuid
 * realtime.publish(channel text, event text, payload jsonb, type text) returns uuid
 *
 * The id of the message; NULL, with a warning, if no enabled channel matches.
 */
static Datum
realtime_publish_body(PG_FUNCTION_ARGS)
{
	ChannelInfo channel;
	MessageRow	row = {.is_private = true, .has_channel = true};
	pg_uuid_t  *id;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		static const char *const names[] = {"channel", "event", "payload", "type"};

		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", names[i])));
	}
	row.topic = PG_GETARG_TEXT_PP(0);
	row.event = PG_GETARG_TEXT_PP(1);
	row.payload = PG_GETARG_JSONB_P(2);
	if (PG_NARGS() > 3)
		row.is_broadcast = is_broadcast(PG_GETARG_TEXT_PP(3));
	check_event(row.event);
	if (!find_channel(row.topic, &channel))
	{
		ereport(WARNING,
				(errmsg("Realtime: No matching channel found for \"%s\"",
						text_to_cstring(row.topic))));
		PG_RETURN_NULL();
	}

	row.channel_id = channel.id;
	row.is_unstored = !channel.persist;
	row.has_webhooks = channel.has_webhooks;
	uuid_v7_generate(&row.id);
	if (!send_message(&row))
		PG_RETURN_NULL();
	id = palloc_object(pg_uuid_t);
	*id = row.id;
	PG_RETURN_UUID_P(id);
}
