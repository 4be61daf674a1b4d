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
#include "gateway/joins.h"
#include "gateway/limits.h"

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
 * The first join makes a connection a user, until it ends.
 */
JoinAdmission
admission_join(Conn *conn)
{
	if (!conn->is_user && limits_users_full())
	{
		STAT_INC(BUS_STAT_USERS_LIMITED);
		return JOIN_TOO_MANY_USERS;
	}
	if (limits_left(RATE_JOINS) == 0)
	{
		STAT_INC(BUS_STAT_JOINS_LIMITED);
		return JOIN_TOO_MANY_JOINS;
	}
	STAT_INC(BUS_STAT_JOINS_ASKED);
	admission_user(conn);
	return JOIN_ADMITTED;
}

/*
 * Count one that is let through.
 */
bool
admission_count_event(void)
{
	if (limits_left(RATE_EVENTS) == 0)
	{
		STAT_INC(BUS_STAT_EVENTS_LIMITED);
		return false;
	}
	STAT_INC(BUS_STAT_EVENTS);
	return true;
}

/*
 * What was broadcast before comes before the end of the channel.
 */
bool
admission_event(Channel *channel)
{
	if (admission_count_event())
		return true;
	fanout_settle();
	join_end(channel, "Too many messages per second", END_FOR_GOOD);
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
	join_end(channel, "Too many presence messages per second", END_FOR_GOOD);
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
