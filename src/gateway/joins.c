/*-------------------------------------------------------------------------
 *
 * joins.c
 *	  phx_join: from the request to its answer.
 *
 * supabase.md 3.1 to 3.4 and 7.2.  Up to three others are asked before a join is
 * answered, and the connection goes on meanwhile:
 *
 *		AUTHORISING		an executor: may this token hear this private topic?
 *						is this name of an agent channel a good one?
 *		JOINING			the hub: do we get everything that commits from now on?
 *						both: may the tables be followed (changes.c)?
 *		JOINED			answered
 *
 * A client that has read the answer misses nothing that commits from then on.
 * Until it is decided the channel is no member of its topic, and the hub is not
 * told of it.  Joins of one connection may be answered in another order than
 * they came in.
 *
 * What the answer repeats of the request is kept with the channel.  A channel
 * that wants what it has missed is answered by catch_up.c.
 *
 * src/gateway/joins.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/admission.h"
#include "gateway/agent_channels.h"
#include "gateway/catch_up.h"
#include "gateway/changes.h"
#include "gateway/event_stream.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/place.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"
#include "gateway/tracking.h"

static Bytes answer;			/* being encoded */
static Bytes json;				/* a response being put together */

/*
 * Can a topic of this name be joined?
 */
static const char *
bad_topic(Slice name)
{
	if (name.data == NULL)
		return "unmatched topic";
	if (name.len == 0)
		return "TopicNameRequired: You must provide a topic name";
	if (name.len > TOPIC_MAX_BYTES)
		return "TopicNameTooLong: A topic name has at most 246 bytes";
	return NULL;
}

StaticAssertDecl(TOPIC_MAX_BYTES == 246, "the reason above names the limit");

/*
 * Append one requested postgres_changes entry as it came, with an id (3.4).
 * Of two members called id, the client sees the last one, ours.
 */
static void
append_change(Slice entry, uint64 id)
{
	Slice		key;
	Slice		value;
	JsliceIter	it;

	if (jslice_type(entry) != JSLICE_OBJECT)
	{
		bytes_append_slice(&json, entry);
		return;
	}
	jslice_iter_init(&it, entry);
	bytes_append(&json, entry.data, entry.len - 1);
	bytes_append_cstr(&json, jslice_iter_next(&it, &key, &value) ? ",\"id\":" : "\"id\":");
	bytes_append_u64(&json, id);
	bytes_append_byte(&json, '}');
}

/*
 * Put what a response repeats of its request into `json`.
 */
static void
repeat_request(const PhxJoin *settings)
{
	JsliceIter	it;
	Slice		key;
	Slice		entry;
	uint64		n = 0;

	scratch_reset(&json);
	bytes_append_cstr(&json, "\"postgres_changes\":[");
	jslice_iter_init(&it, settings->postgres_changes);
	while (jslice_iter_next(&it, &key, &entry))
	{
		if (jslice_type(entry) == JSLICE_NULL)
			continue;
		if (n > 0)
			bytes_append_byte(&json, ',');
		append_change(entry, ++n);
	}
	bytes_append_byte(&json, ']');
}

/*
 * Put the whole response of a join into `json`.
 */
static void
build_response(const Channel *channel, const JoinNews *news)
{
	char		cursor[CURSOR_TEXT_BYTES];

	scratch_reset(&json);
	bytes_append_byte(&json, '{');
	bytes_append(&json, channel->answer->data, channel->answer->len);
	if (news->from.lsn != 0)
	{
		place_write_cursor(&news->from, cursor);
		bytes_append_cstr(&json, ",\"cursor\":\"");
		bytes_append(&json, cursor, sizeof(cursor));
		bytes_append_byte(&json, '"');
	}
	if (news->recovery == RECOVERY_DONE)
		bytes_append_cstr(&json, ",\"recovered\":true");
	else if (news->recovery == RECOVERY_FAILED)
		bytes_printf(&json, ",\"recovered\":false,\"reason\":\"%s\"", news->reason);
	bytes_append_byte(&json, '}');
}

/*
 * Encode into `answer` all that a successful join is answered with.
 */
static void
encode_answer(const Channel *channel, const JoinNews *news)
{
	static const SystemMessage ready = {"system", "ok",
	"Replication connection established", true};
	PhxVersion	version = channel->conn->version;
	Slice		join_ref = channel_join_ref(channel);

	build_response(channel, news);
	scratch_reset(&answer);
	if (json.failed)
		answer.failed = true;
	(void) phx_encode_reply(&answer, version, join_ref, channel_ref(channel),
							topic_full_name(channel->topic), "ok", bytes_slice(&json));
	if (channel->replication_ready)
		(void) reply_encode_system(&answer, version, join_ref, channel->topic, &ready);
	scratch_reset(&json);
}

/*
 * Refuse a join that has no channel yet.
 */
static void
refuse_message(Conn *conn, const ClientMessage *msg, Slice join_ref, const char *reason)
{
	STAT_INC(BUS_STAT_JOIN_ERRORS);
	reply_error(conn, join_ref, msg->ref, msg->topic, reason);
}

/*
 * Refuse a join that has one.
 */
void
join_refuse(Channel *channel, const char *reason)
{
	Assert(channel->state != CHANNEL_JOINED);
	STAT_INC(BUS_STAT_JOIN_ERRORS);
	if (channel->conn->events != NULL)
	{
		event_stream_refuse(channel, reason);
		return;
	}
	reply_error(channel->conn, channel_join_ref(channel), channel_ref(channel),
				topic_full_name(channel->topic), reason);
	channel_free(channel);
}

/*
 * Answer.
 */
void
join_answer(Channel *channel, const JoinNews *news)
{
	channel_set_state(channel, CHANNEL_JOINED);
	STAT_INC(BUS_STAT_JOINS);
	if (channel->conn->events != NULL)
	{
		event_stream_joined(channel, news);
		return;
	}
	encode_answer(channel, news);
	channel_drop_answer(channel);
	if (answer.failed)
		reply_no_memory(channel->conn);
	else
		conn_write(channel->conn, answer.data, answer.len);
	scratch_reset(&answer);
	changes_answered(channel);
	tracking_listen(channel);
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
 * first: what may be followed of tables, then what the channel has missed, or
 * that it misses nothing from now on.  Who may not hear broadcasts misses none,
 * and is no member of the topic.
 */
static void
go_on(Channel *channel)
{
	const char *refusal;

	if (!changes_ready(channel))
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
	RefusalText room;

	if (channel->conn->events != NULL && !event_stream_allow(channel, rights))
		return;
	if ((rights & RIGHT_BROADCAST_READ) == 0 && channel->catch_up != NULL)
	{
		join_refuse(channel, refusal_of_topic(topic_name(channel->topic), &room));
		return;
	}
	channel_set_state(channel, CHANNEL_JOINING);
	channel->rights = rights;
	if (channel->catch_up == NULL && (rights & RIGHT_BROADCAST_READ) != 0 &&
		!channel_listen(channel))
		reply_no_memory(channel->conn);
	else
		go_on(channel);
}

/*
 * What a channel wants of tables is known.
 */
void
join_changes_ready(Channel *channel)
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
 * Who joins?  The token that the join brings, else that of the connection.
 */
static Identity *
identify(const Conn *conn, const ClientMessage *msg, const PhxJoin *settings,
		 TokenRefusal *refusal)
{
	Slice		token = jslice_get(msg->payload, "user_token");

	if (jslice_type(token) != JSLICE_STRING)
		token = settings->access_token;
	return identity_from_json(token, conn->identity, refusal);
}

/*
 * Make the channel of a join, and keep its answer.  NULL if that cannot be
 * done, and then the client knows.
 */
static Channel *
make_channel(Conn *conn, const ClientMessage *msg, const PhxJoin *settings,
			 Identity *identity)
{
	Topic	   *topic = topics_get(settings->is_private, msg->name, msg->hash);
	Channel    *channel;
	const char *reason;

	if (topic == NULL)
	{
		identity_unref(identity);
		reply_no_memory(conn);
		return NULL;
	}
	channel = channel_new(conn, topic, identity, msg->join_ref, msg->ref);
	if (channel == NULL || !tracking_open(channel, settings) ||
		!changes_open(channel, msg->payload, settings))
	{
		reply_no_memory(conn);
		return NULL;
	}
	channel->ack = settings->broadcast_ack;
	channel->self = settings->broadcast_self;
	channel->replication_ready = settings->replication_ready;
	repeat_request(settings);
	reason = catch_up_open(channel, settings);
	if (reason == NULL && (json.failed || !channel_keep_answer(channel, bytes_slice(&json))))
		reason = "IncreaseConnectionPool: Please increase your connection pool size";
	scratch_reset(&json);
	if (reason == NULL)
		return channel;
	join_refuse(channel, reason);
	return NULL;
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

/*
 * Look at a join in the order of supabase.md 3.3.
 */
void
join_request(Conn *conn, const ClientMessage *msg)
{
	const char *reason = bad_topic(msg->name);
	TokenRefusal refusal;
	RefusalText room;
	PhxJoin		settings;
	Identity   *identity;
	Channel    *channel;

	if (reason != NULL)
	{
		/* a topic that no channel serves is answered by the socket itself */
		refuse_message(conn, msg, msg->name.data == NULL ? NO_REF : msg->join_ref, reason);
		return;
	}
	/* clients join again after a timeout of theirs */
	channel = channel_find(conn, msg->name, msg->hash);
	if (channel != NULL)
		reply_end_channel(channel, NULL, END_FOR_GOOD);

	/* an invalid payload falls back to defaults and the join proceeds (3.1) */
	(void) phx_join_parse(msg->payload, &settings);
	if (gw_settings.private_only && !settings.is_private)
	{
		refuse_message(conn, msg, msg->join_ref,
					   "PrivateOnly: This project only allows private channels");
		return;
	}
	if (!admission_join(conn, msg))
		return;
	if (conn->channels.count >= gw_settings.max_channels_per_client)
	{
		STAT_INC(BUS_STAT_CHANNELS_LIMITED);
		refuse_message(conn, msg, msg->join_ref, "ChannelRateLimitReached: Too many channels");
		return;
	}
	identity = identify(conn, msg, &settings, &refusal);
	if (identity == NULL)
	{
		refuse_message(conn, msg, msg->join_ref, refusal_of_join(&refusal, &room));
		return;
	}
	channel = make_channel(conn, msg, &settings, identity);
	if (channel != NULL)
		join_authorise(channel, &settings);
}
