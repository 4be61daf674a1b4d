/*-------------------------------------------------------------------------
 *
 * access.c
 *	  What a channel may hear, and for how long.
 *
 * It is decided when the channel is joined, and again with every new token
 * (supabase.md 3.8, 7.4); it ends when the token expires (3.9) or when the
 * server's keys or rules refuse it.  Public channels need no decision, but a
 * token all the same.
 *
 * While a new token is looked at, messages to the channel flow by the old
 * decision, and what it broadcasts waits for the new one.  A channel
 * has one question with the executors at most: a token that comes meanwhile
 * waits, and only the newest one is asked for then.  It expires as of its
 * newest token, though, because that one has been verified.
 *
 * How a channel ends tells the client what to do (3.6).  After phx_close it
 * stays away: its token is no good.  After phx_error it joins again by itself,
 * with its newest token: that is for trouble that is ours, where upstream sends
 * phx_close and leaves a client of a busy server deaf for good.
 *
 * src/gateway/access.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/agent_channels.h"
#include "gateway/changes.h"
#include "gateway/conn_timers.h"
#include "gateway/decisions.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"
#include "gateway/tracking.h"
#include "gateway/write_queue.h"
#include "program/loop.h"
#include "proto/ws_frame.h"

#define DISCONNECT_MESSAGE "Server requested disconnect"
#define BAD_NAME_REASON "Unauthorized: invalid channel signature"

/* Asked for once a channel wants to make use of them. */
#define RIGHTS_ON_DEMAND (RIGHT_PRESENCE_READ | RIGHT_PERSISTENCE_WRITE)

static void decided(Asker *asker, JobOutcome outcome, uint8 rights);

/*
 * Ask which of these rights a channel has.
 */
static void
ask_rights(Channel *channel, uint8 wanted)
{
	Question	question;

	question.identity = channel->identity;
	question.headers = channel->conn->headers;
	question.topic = channel->topic;
	question.wanted = wanted;
	channel->asker.told = decided;
	if (!decision_ask(&channel->asker, &question))
		reply_no_memory(channel->conn);
}

/*
 * Ask what a channel may hear.
 */
static void
ask(Channel *channel)
{
	channel->ask_again = false;
	ask_rights(channel, channel->wanted);
}

/*
 * Somebody wants to join.
 */
void
access_ask_join(Channel *channel)
{
	ask(channel);
}

/*
 * Ask whether a channel may write, and hear of presence if it wants to.
 */
static void
ask_write(Channel *channel)
{
	channel->write_wanted = false;
	channel->asks_write = true;
	channel->asked = RIGHTS_WRITE | (channel->wanted & RIGHTS_ON_DEMAND);
	ask_rights(channel, channel->asked);
}

/*
 * Somebody wants to know whether it may.  One question at a time.
 */
void
access_ask_write(Channel *channel)
{
	if (channel->asks_write)
		return;
	if (channel_waits(channel))
		channel->write_wanted = true;
	else
		ask_write(channel);
}

/*
 * Ask for the rights to write, and for one more.
 */
static void
ask_on_demand(Channel *channel, uint8 right)
{
	if ((channel->wanted & right) == 0)
	{
		channel->wanted |= right;
		channel->write_decided = false;
	}
	access_ask_write(channel);
}

/*
 * Somebody wants to track.
 */
void
access_ask_track(Channel *channel)
{
	ask_on_demand(channel, RIGHT_PRESENCE_READ);
}

/*
 * Somebody wants to store.
 */
void
access_ask_persist(Channel *channel)
{
	ask_on_demand(channel, RIGHT_PERSISTENCE_WRITE);
}

/*
 * Is it known whether it may?
 */
bool
access_persist_decided(const Channel *channel)
{
	return channel->write_decided && (channel->wanted & RIGHT_PERSISTENCE_WRITE) != 0;
}

/*
 * Are all rights known that matter to one who tracks?
 */
bool
access_track_decided(const Channel *channel)
{
	return channel->write_decided && (channel->wanted & RIGHT_PRESENCE_READ) != 0;
}

/*
 * Go on with what was put off while the executors were asked.
 */
static void
ask_next(Channel *channel)
{
	if (channel->ask_again)
		ask(channel);
	else if (channel->write_wanted)
		ask_write(channel);
}

/*
 * Refuse a join for what an executor said.
 */
static void
refuse_join(Channel *channel, JobOutcome outcome)
{
	RefusalText room;
	Slice		name = topic_name(channel->topic);

	if (outcome == JOB_DONE || outcome == JOB_REFUSED || outcome == JOB_FAILED)
		STAT_INC(BUS_STAT_DENIED);
	join_refuse(channel, outcome == JOB_DONE ? refusal_of_topic(name, &room) :
				refusal_of_job(outcome, name, &room));
}

/*
 * A join is decided, unless a newer token came meanwhile.
 */
static void
decide_join(Channel *channel, JobOutcome outcome, uint8 rights)
{
	if (outcome != JOB_DONE || rights == 0)
		refuse_join(channel, outcome);
	else if (channel->ask_again)
		ask(channel);
	else
		join_allow(channel, rights);
}

/*
 * End a channel with a message about its topic.
 */
static void
end_for_topic(Channel *channel, const char *message)
{
	RefusalText room;

	snprintf(room.text, sizeof(room.text), "%s: " SLICE_FMT, message,
			 SLICE_ARG(topic_name(channel->topic)));
	join_end(channel, room.text, END_FOR_GOOD);
}

/*
 * End a channel whose new token does not give it what it had, or could not be
 * looked at.
 */
void
access_end_refused(Channel *channel, JobOutcome outcome)
{
	switch (outcome)
	{
		case JOB_DONE:
			end_for_topic(channel, "You no longer have permission to read from this Channel topic");
			break;
		case JOB_BUSY:
		case JOB_UNAVAILABLE:
			join_end(channel, "Realtime was unable to connect to the project database",
							  END_FOR_NOW);
			break;
		case JOB_TIMED_OUT:
			join_end(channel, "Query was cancelled, please try again", END_FOR_NOW);
			break;
		default:
			end_for_topic(channel, "You do not have permissions to read from this Channel topic");
			break;
	}
}

/*
 * Whether a channel may write is decided, unless its token has changed
 * meanwhile: then that is looked at first.  Or unless it has begun to track:
 * then there is more to ask.
 */
static void
decide_write(Channel *channel, JobOutcome outcome, uint8 rights)
{
	channel->asks_write = false;
	if (channel->ask_again)
	{
		channel->write_wanted = true;
		ask(channel);
		return;
	}
	if ((channel->wanted & RIGHTS_ON_DEMAND & ~channel->asked) != 0)
	{
		ask_write(channel);
		return;
	}
	channel->write_decided = outcome == JOB_DONE;
	channel->rights = (channel->rights & RIGHTS_READ) | rights;
	write_queue_decided(channel, outcome);
	tracking_listen(channel);
}

/*
 * The new token of a channel is decided.  As upstream, one that takes away any
 * right to read ends the channel; rights to write are asked for when they are
 * needed.
 */
static void
decide_refresh(Channel *channel, JobOutcome outcome, uint8 rights)
{
	if (outcome != JOB_DONE ||
		(channel->rights & (RIGHTS_READ | RIGHTS_HEAR) & ~rights) != 0)
	{
		if (channel->state == CHANNEL_JOINED)
			access_end_refused(channel, outcome);
		else
			refuse_join(channel, outcome);
		return;
	}
	channel->rights = rights;
	channel->write_decided = false;
	if (channel->state == CHANNEL_JOINED)
		tracking_listen(channel);
	if ((rights & RIGHTS_HEAR) != 0 && !channel->member &&
		channel->catch_up == NULL && !channel_listen(channel))
		reply_no_memory(channel->conn);
	else
		ask_next(channel);
}

/*
 * Policies were asked.
 */
static void
decided(Asker *asker, JobOutcome outcome, uint8 rights)
{
	Channel    *channel = channel_of_waiter(&asker->wait);

	if (channel->state == CHANNEL_AUTHORISING)
		decide_join(channel, outcome, rights);
	else if (channel->asks_write)
		decide_write(channel, outcome, rights);
	else
		decide_refresh(channel, outcome, rights);
}

/*
 * The name of an agent channel is a good one.
 */
static void
name_good(Channel *channel)
{
	join_allow(channel, RIGHTS_READ);
}

/*
 * It is not, or that could not be found out.  That SQL failed is no fault of
 * the client's.
 */
static void
name_bad(Channel *channel, JobOutcome outcome)
{
	RefusalText room;

	if (outcome == JOB_DONE)
		join_refuse(channel, BAD_NAME_REASON);
	else
		join_refuse(channel, refusal_of_job(outcome == JOB_BUSY || outcome == JOB_TIMED_OUT ?
											outcome : JOB_UNAVAILABLE,
											topic_name(channel->topic), &room));
}

/*
 * It was good, and is no longer.
 */
static void
name_expired(Channel *channel)
{
	if (channel->state == CHANNEL_JOINED)
		join_end(channel, "Channel name has expired", END_FOR_GOOD);
	else
		join_refuse(channel, BAD_NAME_REASON);
}

/*
 * Be told of all that.
 */
void
access_init(void)
{
	static const AgentHandlers agent_handlers = {
		.good = name_good,
		.bad = name_bad,
		.expired = name_expired
	};

	agent_channels_init(&agent_handlers);
}

/*
 * End a channel, joined or not, for its token.
 */
static void
refuse_token(Channel *channel, const TokenRefusal *refusal)
{
	RefusalText room;

	if (channel->state == CHANNEL_JOINED)
		join_end(channel, refusal_of_token(refusal, &room), END_FOR_GOOD);
	else
		join_refuse(channel, refusal_of_join(refusal, &room));
}

/*
 * A channel has another identity: what is it allowed to hear now?
 */
static void
identified(Channel *channel)
{
	changes_identified(channel);
	if (!channel->topic->is_private)
		return;
	channel->write_decided = false;
	if (channel_waits(channel))
		channel->ask_again = true;
	else
		ask(channel);
}

/*
 * A channel has a new token, or says so.
 */
void
access_token(Channel *channel, Slice payload)
{
	TokenRefusal refusal;
	Identity   *identity = identity_from_json(jslice_get(payload, "access_token"),
											  channel->identity, &refusal);

	if (identity == NULL)
		refuse_token(channel, &refusal);
	else if (identity == channel->identity)
		identity_unref(identity);
	else if (!channel_identify(channel, identity))
		reply_no_memory(channel->conn);
	else
		identified(channel);
}

/*
 * All tokens whose time has come.
 */
void
access_run_expiry(void)
{
	Identity   *identity;

	while ((identity = identities_take_expired()) != NULL)
	{
		TokenRefusal refusal = {JWT_EXPIRED, identity->claims.exp};

		while (!dlist_is_empty(&identity->channels))
		{
			STAT_INC(BUS_STAT_EXPIRED);
			refuse_token(dlist_head_element(Channel, of_identity, &identity->channels),
						 &refusal);
		}
		identity_unref(identity);
	}
}

/*
 * Do the present settings not allow something that this connection does?
 */
static bool
must_leave(const Conn *conn)
{
	if (conn->identity != NULL && conn->identity->revoked)
		return true;
	for (Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
	{
		if (channel->identity->revoked ||
			(gw_settings.private_only && !channel->topic->is_private))
			return true;
	}
	return false;
}

/*
 * Close a connection as upstream does when its rules change (3.5): the client
 * comes back and is looked at anew.
 */
static void
disconnect(Conn *conn)
{
	for (Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
	{
		if (channel->state == CHANNEL_JOINED && conn->protocol->announce_end != NULL)
			conn->protocol->announce_end(channel, DISCONNECT_MESSAGE);
	}
	conn_close(conn, WS_CLOSE_RESTART, DISCONNECT_MESSAGE);
}

/*
 * Hold all connections against new settings.
 */
void
access_settings_changed(void)
{
	bool		revoked = tokens_configure() && identities_verify_again();
	Conn	   *conn = conn_first_open();

	agent_channels_changed();
	if (!revoked && !gw_settings.private_only)
		return;
	while (conn != NULL)
	{
		Conn	   *next = conn_next_open(conn);

		if (must_leave(conn))
			disconnect(conn);
		conn = next;
	}
}
