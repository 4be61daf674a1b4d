/*-------------------------------------------------------------------------
 *
 * sio_channels.c
 *	  Channels as Socket.IO clients subscribe to them.
 *
 * insforge-oaura.md 1.3 to 1.7 and 2.4.  A subscription is a channel like that
 * of a private topic of Phoenix, and goes the ways of joins.c, access.c and
 * catch_up.c; what differs is which right is asked for, that its answer tells who
 * is there, and that whoever subscribes is there.
 *
 * Clients subscribe again to what they have subscribed to, without hurry or
 * while the first answer is on its way: all who ask are answered with the state
 * as it is then, and nothing else happens.
 *
 * What is answered here are events of the client's, with or without an ack id;
 * to one without it only errors are told.
 *
 * src/gateway/sio_channels.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/admission.h"
#include "gateway/catch_up.h"
#include "gateway/conn_output.h"
#include "gateway/engine_session.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/limits.h"
#include "gateway/outbox.h"
#include "gateway/place.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"
#include "gateway/sio_channels.h"
#include "gateway/sio_frame.h"
#include "gateway/sio_presence.h"
#include "gateway/sio_reply.h"
#include "program/loop.h"
#include "proto/ws_frame.h"

/* Bytes of what a channel tracks, which is kept with it. */
#define TRACK_MAX_PAYLOAD (64 * 1024)

#define ACKS_MAX_BYTES 4096		/* of those who wait for one answer */

static Bytes name_text;			/* of the channel of the event at hand */
static Bytes event_text;		/* of what it publishes */
static Bytes json;				/* an answer being put together */
static Bytes tail;				/* its end */
static Bytes frame;				/* being encoded for one client */

/*
 * Begin an answer that is good, in `json`, with the channel's name.
 */
static void
begin_ok(Slice name)
{
	scratch_reset(&json);
	bytes_append_cstr(&json, "{\"ok\":true,\"channel\":");
	jslice_append_string(&json, name);
}

/*
 * Read the channel that an event is about.  False if there is none, and then
 * the client knows.
 */
static bool
read_channel(Conn *conn, Slice ack, Slice argument, Slice *name)
{
	static const SioError bad = {SIO_INVALID_INPUT, "channel: must be a text of 1 to 246 bytes"};

	scratch_reset(&name_text);
	if (jslice_type(argument) == JSLICE_OBJECT &&
		jslice_unescape(jslice_get(argument, "channel"), &name_text) &&
		name_text.len >= 1 && name_text.len <= TOPIC_MAX_BYTES)
	{
		*name = bytes_slice(&name_text);
		return true;
	}
	sio_refuse(conn, ack, slice_make(NULL, 0), &bad);
	return false;
}

StaticAssertDecl(TOPIC_MAX_BYTES == 246, "the error above names the limit");

/*
 * The channel of that name; NULL if it is not subscribed to.
 */
static Channel *
find_channel(const Conn *conn, Slice name)
{
	return channel_find(conn, name, topics_hash(name));
}

/*
 * The same if the subscription has been answered.  If not, the client knows.
 */
static Channel *
find_joined(Conn *conn, Slice ack, Slice name, const SioError *error)
{
	Channel    *channel = find_channel(conn, name);

	if (channel != NULL && channel->state == CHANNEL_JOINED)
		return channel;
	sio_refuse(conn, ack, name, error);
	return NULL;
}

/*
 * Note who waits for the answer to a subscription; false if too many do.
 */
static bool
note_ack(Subscription *subscription, Slice ack)
{
	if (ack.len == 0)
		return true;
	if (subscription->acks.len > ACKS_MAX_BYTES)
		return false;
	bytes_append_slice(&subscription->acks, ack);
	return bytes_append_byte(&subscription->acks, ' ');
}

/*
 * Take the next one of them; false if there are no more.
 */
static bool
next_ack(Slice *acks, Slice *ack)
{
	const char *blank;

	if (acks->len == 0)
		return false;
	blank = memchr(acks->data, ' ', acks->len);
	*ack = slice_make(acks->data, blank - acks->data);
	*acks = slice_make(blank + 1, acks->len - ack->len - 1);
	return true;
}

/*
 * Refuse all who wait for the answer.
 */
static void
refuse_acks(Channel *channel, const SioError *error)
{
	Slice		acks = bytes_slice(&channel->subscription->acks);
	Slice		name = topic_name(channel->topic);
	Slice		ack;

	if (acks.len == 0)
		sio_send_error(channel->conn, name, error);
	while (next_ack(&acks, &ack))
		sio_refuse(channel->conn, ack, name, error);
}

/*
 * Send one answer: its beginning, in `json`, and its end, in `tail`, are the
 * channel's, and what is between them is queued by reference.
 */
static void
send_state(Conn *conn, Slice ack, FrameBuf *members)
{
	bool		good = !json.failed && !tail.failed &&
	socket_io_encode_ack_head(&frame, ack, bytes_slice(&json), members->len + tail.len);

	sio_send(conn, &frame, good);
	if (!good)
		return;
	if (members->len > 0)
		(void) conn_deliver(conn, members, 0, members->len);
	conn_write(conn, tail.data, tail.len);
}

/*
 * Tell those who wait for it that the channel is subscribed to, and who is there.
 */
static void
answer_acks(Channel *channel, const JoinNews *news)
{
	Slice		acks = bytes_slice(&channel->subscription->acks);
	bool		own;
	FrameBuf   *members = sio_presence_snapshot(channel, &own);
	char		cursor[CURSOR_TEXT_BYTES];
	Slice		ack;

	if (members == NULL)
	{
		reply_no_memory(channel->conn);
		return;
	}
	begin_ok(topic_name(channel->topic));
	bytes_append_cstr(&json, ",\"presence\":{\"members\":[");
	scratch_reset(&tail);
	if (own)
	{
		if (members->len > 0)
			bytes_append_byte(&tail, ',');
		sio_member_append(&tail, channel);
	}
	bytes_append_cstr(&tail, "]}");
	if (news->from.lsn != 0)
	{
		place_write_cursor(&news->from, cursor);
		bytes_append_cstr(&tail, ",\"cursor\":\"");
		bytes_append(&tail, cursor, sizeof(cursor));
		bytes_append_byte(&tail, '"');
	}
	if (news->recovery == RECOVERY_DONE)
		bytes_append_cstr(&tail, ",\"recovered\":true");
	else if (news->recovery == RECOVERY_FAILED)
		bytes_printf(&tail, ",\"recovered\":false,\"reason\":\"%s\"", news->reason);
	bytes_append_cstr(&tail, "}]");
	while (next_ack(&acks, &ack))
		send_state(channel->conn, ack, members);
	bytes_free(&channel->subscription->acks);
}

/*
 * Tell the others what the channel tracks; false without memory.
 */
static bool
tell_others(Channel *channel)
{
	scratch_reset(&json);
	channel->subscription->is_tracked = true;
	return sio_member_append(&json, channel) &&
		presence_track(channel->presence, bytes_slice(&json));
}

/*
 * It may hear its topic, so it may know who is there: the answer tells.
 */
bool
sio_channel_allow(Channel *channel, uint8 rights)
{
	if (presence_listen(channel->presence))
		return true;
	reply_no_memory(channel->conn);
	return false;
}

/*
 * Is it known who is there?
 */
bool
sio_channel_ready(Channel *channel)
{
	return presence_topics_live(presence_listener(channel->presence)->topic);
}

/*
 * The subscription is good.
 */
void
sio_channel_answer(Channel *channel, const JoinNews *news)
{
	Subscription *subscription = channel->subscription;
	bool		good = true;

	iso_time_write(loop_wall, subscription->joined_at);
	subscription->is_tracked = subscription->is_member;
	answer_acks(channel, news);
	if (subscription->is_member)
		good = tell_others(channel);
	if (!good)
		reply_no_memory(channel->conn);
}

/*
 * What a client is told of the reason for which a join is refused.
 */
static const SioError *
error_of_reason(const char *reason)
{
	static const SioError denied = {SIO_UNAUTHORIZED,
	"Not authorized to subscribe to this channel"};
	static const SioError unavailable = {SIO_UNAVAILABLE, "Failed to subscribe to channel"};
	static const SioError failed = {SIO_INTERNAL_ERROR, "Failed to subscribe to channel"};

	switch (refusal_status(reason))
	{
		case 403:
			return &denied;
		case 429:
		case 503:
			return &unavailable;
		default:
			return &failed;
	}
}

/*
 * It is not.
 */
void
sio_channel_refuse(Channel *channel, const char *reason)
{
	refuse_acks(channel, error_of_reason(reason));
	channel_free(channel);
}

/*
 * It is over.  No packet tells a client that, so one that ought to subscribe
 * again is made to by ending its connection.
 */
void
sio_channel_end(Channel *channel, const char *reason, ChannelEnd end)
{
	static const SioError over = {SIO_UNAUTHORIZED, "The subscription has ended"};
	Conn	   *conn = channel->conn;

	if (end == END_FOR_GOOD)
		sio_send_error(conn, topic_name(channel->topic), &over);
	channel_free(channel);
	if (end == END_FOR_NOW)
		conn_close(conn, WS_CLOSE_TRY_LATER, reason);
}

/*
 * It is subscribed all the same, but nobody is told that it is there.
 */
void
sio_channel_untracked(Channel *channel)
{
	static const SioError full = {SIO_RATE_LIMITED, "Presence limit exceeded"};

	channel->subscription->is_tracked = false;
	sio_send_error(channel->conn, topic_name(channel->topic), &full);
}

/*
 * The channel ends.
 */
void
subscription_free(Subscription *subscription)
{
	bytes_free(&subscription->acks);
	bytes_free(&subscription->payload);
	free(subscription);
}

/*
 * Key of a client's presence, as a JSON string; false without memory.
 */
static bool
write_key(const Conn *conn, Bytes *key)
{
	const SioSession *session = &conn->engine->sio;

	if (session->is_user)
		return jslice_append_string(key, conn->identity->claims.sub);
	return jslice_append_string(key, sio_session_id(session));
}

/*
 * Make the channel of a subscription; NULL without memory.
 */
static Channel *
make_channel(Conn *conn, Slice name)
{
	Topic	   *topic = topics_get(true, name, topics_hash(name));
	Channel    *channel;
	Bytes		key;

	if (topic == NULL)
		return NULL;
	channel = channel_new(conn, topic, identity_ref(conn->identity), NO_REF, NO_REF);
	if (channel == NULL)
		return NULL;
	channel->subscription = calloc(1, sizeof(Subscription));
	bytes_init(&key);
	if (channel->subscription != NULL && write_key(conn, &key))
		channel->presence = presence_open(channel, bytes_slice(&key));
	bytes_free(&key);
	if (channel->presence != NULL)
		return channel;
	channel_free(channel);
	return NULL;
}

/*
 * May one more channel be subscribed to?  If not, the client knows.
 */
static bool
admit(Conn *conn, Slice ack, Slice name)
{
	static const SioError users = {SIO_RATE_LIMITED, TOO_MANY_USERS};
	static const SioError joins = {SIO_RATE_LIMITED, TOO_MANY_JOINS};
	static const SioError channels = {SIO_RATE_LIMITED, "Too many channels"};
	const SioError *error = NULL;

	switch (admission_join(conn))
	{
		case JOIN_ADMITTED:
			break;
		case JOIN_TOO_MANY_USERS:
			error = &users;
			break;
		case JOIN_TOO_MANY_JOINS:
			error = &joins;
			break;
	}
	if (error == NULL && conn->channels.count >= gw_settings.max_channels_per_client)
	{
		STAT_INC(BUS_STAT_CHANNELS_LIMITED);
		error = &channels;
	}
	if (error == NULL)
		return true;
	STAT_INC(BUS_STAT_JOIN_ERRORS);
	sio_refuse(conn, ack, name, error);
	return false;
}

/*
 * Find out whether a new subscription is good.
 */
static void
begin_subscription(Conn *conn, Slice ack, Slice name, Slice argument)
{
	static const SioError failed = {SIO_INTERNAL_ERROR, "Failed to subscribe to channel"};
	PhxJoin		settings = {.is_private = true};
	Channel    *channel = make_channel(conn, name);

	if (channel == NULL)
	{
		reply_no_memory(conn);
		return;
	}
	channel->subscription->is_member = jslice_bool(jslice_get(argument, "presence"), true);
	settings.resume = jslice_get(argument, "resume");
	if (jslice_type(settings.resume) != JSLICE_STRING)
		settings.resume = slice_make(NULL, 0);
	if (!note_ack(channel->subscription, ack) || catch_up_open(channel, &settings) != NULL)
	{
		sio_refuse(conn, ack, name, &failed);
		channel_free(channel);
		return;
	}
	channel->wanted = RIGHT_SUBSCRIBE;
	access_ask_join(channel);
}

/*
 * realtime:subscribe.
 */
void
sio_subscribe(Conn *conn, Slice ack, Slice argument)
{
	static const SioError too_many = {SIO_RATE_LIMITED, "Too many subscriptions wait"};
	JoinNews	news = {.recovery = RECOVERY_NOT_ASKED};
	Channel    *channel;
	Slice		name;

	if (!read_channel(conn, ack, argument, &name))
		return;
	channel = find_channel(conn, name);
	if (channel == NULL)
	{
		if (admit(conn, ack, name))
			begin_subscription(conn, ack, name, argument);
		return;
	}
	if (!note_ack(channel->subscription, ack))
	{
		sio_refuse(conn, ack, name, &too_many);
		return;
	}
	if (channel->state != CHANNEL_JOINED)
		return;
	if (channel->member)
		news.from = *place_now();
	answer_acks(channel, &news);
}

/*
 * realtime:unsubscribe.  Who still waits to be subscribed is told.
 */
void
sio_unsubscribe(Conn *conn, Slice ack, Slice argument)
{
	static const SioError cancelled = {"SUBSCRIPTION_CANCELLED",
	"Unsubscribed before the subscription was complete"};
	Channel    *channel;
	Slice		name;

	if (!read_channel(conn, ack, argument, &name))
		return;
	channel = find_channel(conn, name);
	if (channel != NULL)
	{
		if (channel->subscription->acks.len > 0)
			refuse_acks(channel, &cancelled);
		channel_free(channel);
	}
	begin_ok(name);
	bytes_append_byte(&json, '}');
	sio_answer(conn, ack, &json);
}

/*
 * Read what is to be published; NULL, or why it is not.
 */
static const SioError *
read_publication(Slice argument, Publication *publication)
{
	static const SioError no_event = {SIO_INVALID_INPUT,
	"event: must be a text of 1 to 255 bytes"};
	static const SioError reserved = {SIO_INVALID_EVENT, "This event name is reserved"};
	static const SioError no_type = {SIO_INVALID_INPUT,
	"type: must be \\\"message\\\" or \\\"broadcast\\\""};
	static const SioError too_large = {SIO_INVALID_INPUT, "payload: too large"};
	Slice		type = jslice_get(argument, "type");

	scratch_reset(&event_text);
	if (!jslice_unescape(jslice_get(argument, "event"), &event_text) ||
		event_text.len < 1 || event_text.len > EVENT_MAX_BYTES)
		return &no_event;
	publication->event = bytes_slice(&event_text);
	if (!sio_event_is_free(publication->event))
		return &reserved;
	publication->is_broadcast = jslice_string_equals(type, SLICE_LIT("broadcast"));
	if (jslice_type(type) > JSLICE_NULL && !publication->is_broadcast &&
		!jslice_string_equals(type, SLICE_LIT("message")))
		return &no_type;
	publication->payload = jslice_get(argument, "payload");
	if (publication->payload.len == 0)
		publication->payload = SLICE_LIT("{}");
	if (publication->payload.len <=
		(size_t) Min(gw_settings.max_message_size, PUBLICATION_MAX_PAYLOAD))
		return NULL;
	STAT_INC(BUS_STAT_PAYLOADS_LIMITED);
	return &too_large;
}

StaticAssertDecl(EVENT_MAX_BYTES == 255, "the error above names the limit");

/*
 * realtime:publish.
 */
void
sio_publish(Conn *conn, Slice ack, Slice argument)
{
	static const SioError not_subscribed = {SIO_NOT_SUBSCRIBED,
	"Must subscribe to channel before publishing messages"};
	static const SioError too_many = {SIO_RATE_LIMITED, "Too many messages per second"};
	static const SioError no_room = {SIO_UNAVAILABLE, "Failed to publish message"};
	Publication publication = {.ack = ack};
	const SioError *error;
	Channel    *channel;
	Slice		name;

	if (!read_channel(conn, ack, argument, &name))
		return;
	channel = find_joined(conn, ack, name, &not_subscribed);
	if (channel == NULL)
		return;
	error = read_publication(argument, &publication);
	if (error == NULL && !admission_count_event())
		error = &too_many;
	if (error == NULL && !outboxes_have_room())
		error = &no_room;
	if (error != NULL)
		sio_refuse(conn, ack, name, error);
	else if (!outbox_publish(&conn->engine->sio, channel, &publication))
		reply_no_memory(conn);
}

/*
 * What a channel tracks has changed: tell the others and the client.
 */
static void
settle_track(Channel *channel, Slice ack)
{
	if (!tell_others(channel))
	{
		reply_no_memory(channel->conn);
		return;
	}
	begin_ok(topic_name(channel->topic));
	bytes_append_cstr(&json, ",\"member\":");
	sio_member_append(&json, channel);
	bytes_append_byte(&json, '}');
	sio_answer(channel->conn, ack, &json);
}

/*
 * The channel that wants to track or untrack, with its name in *name; NULL if it
 * may not, and then the client knows.
 */
static Channel *
find_tracker(Conn *conn, Slice ack, Slice argument, Slice *name)
{
	static const SioError not_subscribed = {SIO_NOT_SUBSCRIBED,
	"Must subscribe to channel before tracking presence"};
	static const SioError too_many = {SIO_RATE_LIMITED, "Too many presence messages per second"};
	Channel    *channel;

	if (!read_channel(conn, ack, argument, name))
		return NULL;
	channel = find_joined(conn, ack, *name, &not_subscribed);
	if (channel == NULL)
		return NULL;
	if (limits_left(RATE_PRESENCE) > 0)
	{
		STAT_INC(BUS_STAT_PRESENCE_CALLS);
		return channel;
	}
	STAT_INC(BUS_STAT_PRESENCE_EVENTS_LIMITED);
	sio_refuse(conn, ack, *name, &too_many);
	return NULL;
}

/*
 * realtime:track.
 */
void
sio_track(Conn *conn, Slice ack, Slice argument)
{
	static const SioError no_object = {SIO_INVALID_INPUT, "payload: must be an object"};
	static const SioError too_large = {SIO_INVALID_INPUT, "payload: too large"};
	Slice		payload = jslice_get(argument, "payload");
	Subscription *subscription;
	Channel    *channel;
	Slice		name;

	channel = find_tracker(conn, ack, argument, &name);
	if (channel == NULL)
		return;
	if (jslice_type(payload) != JSLICE_OBJECT)
	{
		sio_refuse(conn, ack, name, &no_object);
		return;
	}
	if (payload.len > (size_t) Min(gw_settings.max_message_size, TRACK_MAX_PAYLOAD))
	{
		sio_refuse(conn, ack, name, &too_large);
		return;
	}
	subscription = channel->subscription;
	if (!subscription->is_tracked)
		iso_time_write(loop_wall, subscription->joined_at);
	subscription->payload.len = 0;
	if (bytes_append_slice(&subscription->payload, payload))
		settle_track(channel, ack);
	else
		reply_no_memory(conn);
}

/*
 * realtime:untrack.  Whoever is there because it subscribed stays.
 */
void
sio_untrack(Conn *conn, Slice ack, Slice argument)
{
	Channel    *channel;
	Slice		name;

	channel = find_tracker(conn, ack, argument, &name);
	if (channel == NULL)
		return;
	bytes_free(&channel->subscription->payload);
	if (channel->subscription->is_member)
	{
		settle_track(channel, ack);
		return;
	}
	presence_untrack(channel->presence);
	channel->subscription->is_tracked = false;
	begin_ok(name);
	bytes_append_byte(&json, '}');
	sio_answer(conn, ack, &json);
}

/*
 * Is this a newer token of the same client?
 */
static bool
is_renewal(const SioSession *session, const Identity *identity)
{
	const JwtClaims *old = &session->conn->identity->claims;

	if (session->is_user)
		return slice_equals(identity->claims.sub, old->sub);
	return identity->claims.sub.len == 0 && slice_equals(identity->claims.role, old->role);
}

/*
 * realtime:auth: what the client says from now on, and whether it has to go when
 * keys change, depends on the new token.
 */
void
sio_auth(Conn *conn, Slice ack, Slice argument)
{
	static const SioError refused = {SIO_UNAUTHORIZED, "Invalid token"};
	static const SioError other = {SIO_UNAUTHORIZED, "This token is of another user"};
	Slice		none = slice_make(NULL, 0);
	TokenRefusal refusal = {JWT_MALFORMED, 0};
	Identity   *identity = NULL;
	Bytes		token;

	bytes_init(&token);
	if (jslice_unescape(jslice_get(argument, "token"), &token))
		identity = identity_get(bytes_slice(&token), &refusal);
	bytes_free(&token);
	if (identity == NULL)
	{
		sio_refuse(conn, ack, none, &refused);
		return;
	}
	if (!is_renewal(&conn->engine->sio, identity))
	{
		identity_unref(identity);
		sio_refuse(conn, ack, none, &other);
		return;
	}
	identity_unref(conn->identity);
	conn->identity = identity;
	for (Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
	{
		/* nothing is attached, which is all that could fail */
		if (!channel_identify(channel, identity_ref(identity)))
			reply_no_memory(conn);
	}
	scratch_reset(&json);
	bytes_append_cstr(&json, "{\"ok\":true}");
	sio_answer(conn, ack, &json);
}
