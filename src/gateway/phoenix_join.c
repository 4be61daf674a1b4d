/*-------------------------------------------------------------------------
 *
 * phoenix_join.c
 *	  phx_join: what it asks for, and what is said about its channel.
 *
 * supabase.md 3.1 to 3.6.  What the answer repeats of the request is kept with
 * the channel until the join is decided (joins.c).
 *
 * src/gateway/phoenix_join.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/catch_up.h"
#include "gateway/changes.h"
#include "gateway/conn_output.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/phoenix_join.h"
#include "gateway/place.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"
#include "gateway/session.h"
#include "gateway/tracking.h"
#include "proto/ws_frame.h"

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
static void
refuse_channel(Channel *channel, const char *reason)
{
	reply_error(channel->conn, channel_join_ref(channel), channel_ref(channel),
				topic_full_name(channel->topic), reason);
	channel_free(channel);
}

/*
 * Answer a join.
 */
static void
answer_channel(Channel *channel, const JoinNews *news)
{
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
 * A channel joins again by itself and finds out whether there is room.
 */
static void
end_untracked(Channel *channel)
{
	reply_end_channel(channel, "Presence limit exceeded", END_FOR_NOW);
}

/*
 * The client has been silent for too long, if it was read.
 */
static void
end_idle(Conn *conn)
{
	if (conn->input_paused)
	{
		conn_active(conn);
		return;
	}
	STAT_INC(BUS_STAT_IDLE_CLOSED);
	conn_close(conn, WS_CLOSE_GOING_AWAY, "idle");
}

const Protocol phoenix_protocol = {
	.clock = TIMER_IDLE,
	.out_of_time = end_idle,
	.message = session_message,
	.goodbye = conn_write_close,
	.answer = answer_channel,
	.refuse = refuse_channel,
	.end = reply_end_channel,
	.announce_end = reply_system_ok,
	.untracked = end_untracked
};

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
 * Look at a join in the order of supabase.md 3.3.
 */
void
phoenix_join_request(Conn *conn, const ClientMessage *msg)
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
	switch (admission_join(conn))
	{
		case JOIN_ADMITTED:
			break;
		case JOIN_TOO_MANY_USERS:
			refuse_message(conn, msg, msg->join_ref,
						   "ConnectionRateLimitReached: " TOO_MANY_USERS);
			return;
		case JOIN_TOO_MANY_JOINS:
			refuse_message(conn, msg, msg->join_ref,
						   "ClientJoinRateLimitReached: " TOO_MANY_JOINS);
			conn_close(conn, WS_CLOSE_TRY_LATER, TOO_MANY_JOINS);
			return;
	}
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
