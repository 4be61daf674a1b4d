/*-------------------------------------------------------------------------
 *
 * joins.c
 *	  From a wish to hear a topic to its answer, and to the end.
 *
 * supabase.md 3.1 to 3.4 and 7.2.  Up to three others are asked before a join is
 * answered, and the connection goes on meanwhile:
 *
 *		AUTHORISING		an executor: may this token hear this private topic?
 *						is this name of an agent channel a good one?
 *		JOINING			the hub: do we get everything that commits from now on?
 *						both: may the tables be followed (changes.c)?
 *						the hub: who is there, where the answer says it
 *		JOINED			answered
 *
 * A client that has read the answer misses nothing that commits from then on.
 * Until it is decided the channel is no member of its topic, and the hub is not
 * told of it.  Joins of one connection may be answered in another order than
 * they came in.
 *
 * What is said to the client is a matter of its protocol.  A channel that wants
 * what it has missed is answered by catch_up.c.
 *
 * src/gateway/joins.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/agent_channels.h"
#include "gateway/catch_up.h"
#include "gateway/changes.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/place.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"

/*
 * Refuse a join.
 */
void
join_refuse(Channel *channel, const char *reason)
{
	Assert(channel->state != CHANNEL_JOINED);
	STAT_INC(BUS_STAT_JOIN_ERRORS);
	channel->conn->protocol->refuse(channel, reason);
}

/*
 * Answer.
 */
void
join_answer(Channel *channel, const JoinNews *news)
{
	channel_set_state(channel, CHANNEL_JOINED);
	STAT_INC(BUS_STAT_JOINS);
	channel->conn->protocol->answer(channel, news);
}

/*
 * The end.
 */
void
join_end(Channel *channel, const char *reason, ChannelEnd end)
{
	Assert(channel->state == CHANNEL_JOINED);
	channel->conn->protocol->end(channel, reason, end);
}

/*
 * Answer where nothing was asked about the past.
 */
static void
answer_join(Channel *channel)
{
	JoinNews	news = {.recovery = RECOVERY_NOT_ASKED};

	if (channel->member)
		news.from = *place_now();
	join_answer(channel, &news);
}

/*
 * Go on with a join that is JOINING, unless something has to be waited for
 * first: what may be followed of tables and what the answer says, then what the
 * channel has missed, or that it misses nothing from now on.  Who may not hear broadcasts misses none,
 * and is no member of the topic.
 */
static void
go_on(Channel *channel)
{
	const Protocol *protocol = channel->conn->protocol;
	const char *refusal;

	if (!changes_ready(channel) || (protocol->ready != NULL && !protocol->ready(channel)))
		return;
	refusal = changes_refusal(channel);
	if (refusal != NULL)
		join_refuse(channel, refusal);
	else if (channel->catch_up != NULL)
	{
		if (!catch_up_begin(channel))
			reply_no_memory(channel->conn);
	}
	else if (!channel->member || channel->topic->interest == INTEREST_HELD)
		answer_join(channel);
}

/*
 * It is decided.  Who may not hear broadcasts misses none, so that the hub need
 * not be asked.
 */
void
join_allow(Channel *channel, uint8 rights)
{
	const Protocol *protocol = channel->conn->protocol;
	RefusalText room;

	if (protocol->allow != NULL && !protocol->allow(channel, rights))
		return;
	if ((rights & RIGHTS_HEAR) == 0 && channel->catch_up != NULL)
	{
		join_refuse(channel, refusal_of_topic(topic_name(channel->topic), &room));
		return;
	}
	channel_set_state(channel, CHANNEL_JOINING);
	channel->rights = rights;
	if (channel->catch_up == NULL && (rights & RIGHTS_HEAR) != 0 &&
		!channel_listen(channel))
		reply_no_memory(channel->conn);
	else
		go_on(channel);
}

/*
 * Something is there that may have been waited for.
 */
void
join_continue(Channel *channel)
{
	if (channel->state == CHANNEL_JOINING)
		go_on(channel);
}

/*
 * Members that were there before have been answered already.  One that is
 * refused after all is replaced by one that has been looked at, hence backwards.
 */
void
join_topic_held(Topic *topic)
{
	for (int v = 0; v < DIALECTS; v++)
	{
		Members    *members = &topic->members[v];

		for (uint32 i = members->count; i-- > 0;)
		{
			Channel    *channel = members_array(members)[i];

			if (channel->state == CHANNEL_JOINING)
				go_on(channel);
		}
	}
	if (topic->held != NULL)
		catch_up_topic_held(topic);
}

/*
 * Find out whether a new channel may hear its topic.
 */
void
join_authorise(Channel *channel, const PhxJoin *settings)
{
	if (settings->is_private)
	{
		channel->wanted = RIGHT_BROADCAST_READ;
		if (settings->presence_enabled)
			channel->wanted |= RIGHT_PRESENCE_READ;
		access_ask_join(channel);
		return;
	}
	switch (agent_channel_check(channel))
	{
		case AGENT_NAME_GOOD:
			join_allow(channel, RIGHTS_READ);
			break;
		case AGENT_NAME_ASKED:
			break;
		case AGENT_NAME_NO_MEMORY:
			reply_no_memory(channel->conn);
			break;
	}
}
