/*-------------------------------------------------------------------------
 *
 * session.c
 *	  The Phoenix conversation with one client.
 *
 * supabase.md section 3.  What a message means depends only on its event and
 * on whether its topic is joined on this connection.  A message that does not
 * decode is counted and dropped, the connection stays.
 *
 * src/gateway/session.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/admission.h"
#include "gateway/broadcasts.h"
#include "gateway/fanout.h"
#include "gateway/gw_stats.h"
#include "gateway/phoenix_join.h"
#include "gateway/replies.h"
#include "gateway/session.h"
#include "gateway/tracking.h"

typedef void (*EventHandler) (Conn *conn, const ClientMessage *msg, Channel *channel);

/*
 * phx_join (3.1, 3.3).
 */
static void
handle_join(Conn *conn, const ClientMessage *msg, Channel *channel)
{
	phoenix_join_request(conn, msg);
}

/*
 * phx_leave (3.6).  A stale join ref means a channel that is gone already.
 */
static void
handle_leave(Conn *conn, const ClientMessage *msg, Channel *channel)
{
	if (channel == NULL)
	{
		reply_ok(conn, msg->join_ref, msg->ref, msg->topic);
		return;
	}
	if (msg->join_ref.len > 0 &&
		!slice_equals(msg->join_ref, channel_join_ref(channel)))
		return;
	reply_ok(conn, channel_join_ref(channel), msg->ref, msg->topic);
	reply_end_channel(channel, NULL, END_FOR_GOOD);
}

/*
 * heartbeat on topic "phoenix" (3.7).
 */
static void
handle_heartbeat(Conn *conn, const ClientMessage *msg, Channel *channel)
{
	reply_ok(conn, NO_REF, msg->ref, msg->topic);
}

/*
 * broadcast (4.1).
 */
static void
handle_broadcast(Conn *conn, const ClientMessage *msg, Channel *channel)
{
	broadcast_request(channel, msg);
}

/*
 * presence (5.1).
 */
static void
handle_presence(Conn *conn, const ClientMessage *msg, Channel *channel)
{
	tracking_request(channel, msg);
}

/*
 * access_token (3.8): never answered if all is well.
 */
static void
handle_access_token(Conn *conn, const ClientMessage *msg, Channel *channel)
{
	access_token(channel, msg->payload);
}

/*
 * Any event on a topic that is not joined.
 */
static void
handle_unmatched(Conn *conn, const ClientMessage *msg, Channel *channel)
{
	reply_error(conn, NO_REF, msg->ref, msg->topic, "unmatched topic");
}

/*
 * An unknown event, which a joined channel takes without a word.
 */
static void
handle_ignored(Conn *conn, const ClientMessage *msg, Channel *channel)
{
}

/*
 * May it be talked on?
 */
static bool
is_joined(const Channel *channel)
{
	return channel != NULL && channel->state == CHANNEL_JOINED;
}

/*
 * Find out who handles a message.  channel is NULL if its topic is not joined.
 */
static EventHandler
route(const ClientMessage *msg, const Channel *channel)
{
	if (msg->is_push)
		return is_joined(channel) ? handle_broadcast : handle_unmatched;
	if (slice_equals_cstr(msg->event, "phx_join"))
		return handle_join;
	if (slice_equals_cstr(msg->event, "phx_leave"))
		return handle_leave;
	if (slice_equals_cstr(msg->topic, "phoenix") &&
		slice_equals_cstr(msg->event, "heartbeat"))
		return handle_heartbeat;
	if (channel == NULL)
		return handle_unmatched;
	if (slice_equals_cstr(msg->event, "broadcast"))
		return is_joined(channel) ? handle_broadcast : handle_unmatched;
	if (slice_equals_cstr(msg->event, "presence"))
		return is_joined(channel) ? handle_presence : handle_unmatched;
	if (slice_equals_cstr(msg->event, "access_token"))
		return handle_access_token;
	return handle_ignored;
}

/*
 * Is it an event on a channel that counts for the limit of all events?
 */
static bool
is_counted(EventHandler handler)
{
	return handler == handle_broadcast || handler == handle_access_token ||
		handler == handle_ignored;
}

/*
 * Decode a message and hand it to whoever handles its event.
 */
void
session_message(Conn *conn, Slice message, bool binary)
{
	ClientMessage msg;
	Channel    *channel = NULL;
	EventHandler handler;

	STAT_INC(BUS_STAT_FRAMES_IN);
	if (!client_message_decode(conn->version, message, binary, &msg))
	{
		STAT_INC(BUS_STAT_MALFORMED);
		return;
	}
	if (msg.name.data != NULL)
		channel = channel_find(conn, msg.name, msg.hash);
	handler = route(&msg, channel);
	/* answers come behind what was broadcast before */
	if (handler != handle_broadcast)
		fanout_settle();
	if (is_counted(handler) && !admission_event(channel))
		return;
	handler(conn, &msg, channel);
}
