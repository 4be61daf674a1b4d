/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  What clients are told when a limit of the whole server is reached.
 *
 * supabase.md sections 3.3, 5.4 and 9: the texts are upstream's to the letter.
 *
 * Only those who ask for something are refused.  What has been said is delivered
 * to everybody who listens, past any limit: upstream leaves out deliveries and
 * messages of the database, which nobody would know of.  So messages of the
 * database do not count for a limit either, and neither does whoever only
 * listens have to go.
 *
 * What is refused does not count, or a client that tries again and again could
 * keep everybody else out.
 *
 * src/gateway/admission.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/fanout.h"
#include "gateway/gw_stats.h"
#include "gateway/limits.h"
#include "gateway/replies.h"
#include "proto/ws_frame.h"

#define TOO_MANY_USERS "Too many connected users"
#define TOO_MANY_JOINS "Too many joins per second"

/*
 * A socket that joins nothing is no user yet (max_connections bounds those).
 */
const char *
admission_connect(void)
{
	if (limits_users_full())
	{
		STAT_INC(BUS_STAT_USERS_LIMITED);
		return TOO_MANY_USERS;
	}
	if (limits_left(RATE_JOINS) == 0)
	{
		STAT_INC(BUS_STAT_JOINS_LIMITED);
		return TOO_MANY_JOINS;
	}
	return NULL;
}

/*
 * Each topic is a join.
 */
const char *
admission_listen(uint64 topics)
{
	const char *error = admission_connect();

	if (error != NULL)
		return error;
	if (limits_left(RATE_JOINS) < topics)
	{
		STAT_INC(BUS_STAT_JOINS_LIMITED);
		return TOO_MANY_JOINS;
	}
	STAT_ADD(BUS_STAT_JOINS_ASKED, topics);
	return NULL;
}

/*
 * Others may have become users since it was asked for.
 */
const char *
admission_stream(void)
{
	if (!limits_users_full())
		return NULL;
	STAT_INC(BUS_STAT_USERS_LIMITED);
	return TOO_MANY_USERS;
}

/*
 * Count it once.
 */
void
admission_user(Conn *conn)
{
	Assert(conn->state == CONN_OPEN);
	if (!conn->is_user)
		STAT_INC(BUS_STAT_USERS);
	conn->is_user = true;
}

/*
 * Refuse a join.
 */
static void
refuse_join(Conn *conn, const ClientMessage *msg, const char *reason)
{
	STAT_INC(BUS_STAT_JOIN_ERRORS);
	reply_error(conn, msg->join_ref, msg->ref, msg->topic, reason);
}

/*
 * The first join makes a connection a user, until it ends.
 */
bool
admission_join(Conn *conn, const ClientMessage *msg)
{
	if (!conn->is_user && limits_users_full())
	{
		STAT_INC(BUS_STAT_USERS_LIMITED);
		refuse_join(conn, msg, "ConnectionRateLimitReached: " TOO_MANY_USERS);
		return false;
	}
	if (limits_left(RATE_JOINS) == 0)
	{
		STAT_INC(BUS_STAT_JOINS_LIMITED);
		refuse_join(conn, msg, "ClientJoinRateLimitReached: " TOO_MANY_JOINS);
		conn_close(conn, WS_CLOSE_TRY_LATER, TOO_MANY_JOINS);
		return false;
	}
	STAT_INC(BUS_STAT_JOINS_ASKED);
	admission_user(conn);
	return true;
}

/*
 * What was broadcast before comes before the end of the channel.
 */
bool
admission_event(Channel *channel)
{
	if (limits_left(RATE_EVENTS) > 0)
	{
		STAT_INC(BUS_STAT_EVENTS);
		return true;
	}
	STAT_INC(BUS_STAT_EVENTS_LIMITED);
	fanout_settle();
	reply_end_channel(channel, "Too many messages per second", END_FOR_GOOD);
	return false;
}

/*
 * Untrack as well: the end of the channel does it.
 */
bool
admission_presence(Channel *channel)
{
	if (limits_left(RATE_PRESENCE) > 0)
		return true;
	STAT_INC(BUS_STAT_PRESENCE_EVENTS_LIMITED);
	reply_end_channel(channel, "Too many presence messages per second", END_FOR_GOOD);
	return false;
}

/*
 * All of a request or nothing.
 */
const char *
admission_batch(uint32 n)
{
	uint64		left = limits_left(RATE_EVENTS);

	if (left >= n)
	{
		STAT_ADD(BUS_STAT_EVENTS, n);
		return NULL;
	}
	STAT_INC(BUS_STAT_EVENTS_LIMITED);
	return left == 0 ? "You have exceeded your rate limit" :
		"Too many messages to broadcast, please reduce the batch size";
}
