/*-------------------------------------------------------------------------
 *
 * broadcasts.c
 *	  What clients say to each other.
 *
 * supabase.md section 4.  A payload is validated where the message is decoded
 * and then forwarded as the bytes that came: to the members here at once, and
 * over the bus to those of other gateways.  Nothing is stored, delivery is at
 * most once, in the order of each sender.
 *
 * On a private channel what comes before the policies have said whether the
 * channel may write waits (write_queue.c).
 *
 * src/gateway/broadcasts.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/agent_channels.h"
#include "gateway/broadcasts.h"
#include "gateway/bus_link.h"
#include "gateway/conn_input.h"
#include "gateway/fanout.h"
#include "gateway/gw_histograms.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/publishers.h"
#include "gateway/replies.h"
#include "gateway/write_queue.h"

static Bytes record;			/* being encoded for the bus */

/*
 * Answer a broadcast whose sender asked for that: ok, or the reason why not.
 */
static void
acknowledge(Channel *channel, Slice ref, const char *error)
{
	if (!channel->ack || ref.len == 0)
		return;
	if (error == NULL)
		reply_ok(channel->conn, channel_join_ref(channel), ref,
				 topic_full_name(channel->topic));
	else
		reply_failure(channel->conn, channel_join_ref(channel), ref,
					  topic_full_name(channel->topic), error);
}

/*
 * Encode a cast into `record`; false without memory.
 */
static bool
encode(const WalMessage *message)
{
	size_t		len = wal_record_size(message);

	scratch_reset(&record);
	if (!bytes_reserve(&record, len))
		return false;
	wal_record_encode(message, record.data);
	record.len = len;
	return true;
}

/*
 * Have the hub tell the other gateways.  Those who broadcast wait long before
 * the queue is so long that this is left out.
 */
static void
relay(const WalMessage *message)
{
	if (bus_queued() <= BUS_OUT_DROP && encode(message))
		bus_send(BUS_CAST, record.data, record.len, NULL, 0);
	else
		STAT_INC(BUS_STAT_CASTS_LOST);
	scratch_reset(&record);
}

/*
 * Deliver here, and have the hub tell the others if there are any.
 */
void
broadcast_send(Topic *topic, const Channel *sender, const WalMessage *message)
{
	STAT_INC(BUS_STAT_CASTS);
	measure_payload(message->payload.len);
	publishers_sent(message->payload.len);
	fanout_cast(topic, sender, message);
	if (gw_settings.gateways > 1)
		relay(message);
}

/*
 * Make a cast of a client's message.  False if it is none: the payload of a
 * text message must be an object, because clients look for members in it.
 */
static bool
make_cast(const Channel *channel, const ClientMessage *msg, WalMessage *cast)
{
	memset(cast, 0, sizeof(*cast));
	cast->kind = WAL_MESSAGE_CAST;
	cast->flags = channel->topic->is_private ? WAL_MESSAGE_PRIVATE : 0;
	cast->topic = topic_name(channel->topic);
	cast->payload = msg->payload;
	if (msg->is_push)
	{
		cast->event = msg->event;
		cast->flags |= msg->is_binary ? WAL_MESSAGE_BINARY : 0;
		return true;
	}
	cast->flags |= WAL_MESSAGE_WHOLE;
	return jslice_type(msg->payload) == JSLICE_OBJECT;
}

/*
 * Send a broadcast, or refuse it.
 */
static void
settle(Channel *channel, Slice ref, const WalMessage *cast, const char *error)
{
	if (error == NULL)
		broadcast_send(channel->topic, channel->self ? NULL : channel, cast);
	else
		STAT_INC(BUS_STAT_CASTS_DENIED);
	acknowledge(channel, ref, error);
}

/*
 * The same with one that has waited.
 */
static void
settle_kept(Channel *channel, Slice ref, Slice body, JobOutcome outcome)
{
	WalMessage	cast;

	/* it was encoded here */
	if (wal_record_decode(body.data, body.len, &cast))
		settle(channel, ref, &cast, write_refusal(channel, RIGHT_BROADCAST_WRITE, outcome));
}

/*
 * Keep a broadcast until it is decided whether it may go out; false if there is
 * no room.
 */
static bool
keep(Channel *channel, Slice ref, const WalMessage *cast)
{
	char	   *copy = write_queue_keep(channel, settle_kept, ref, wal_record_size(cast));

	if (copy != NULL)
		wal_record_encode(cast, copy);
	return copy != NULL;
}

/*
 * A client broadcasts.
 */
void
broadcast_request(Channel *channel, const ClientMessage *msg)
{
	WalMessage	cast;

	conn_input_publishes(channel->conn);
	if (!make_cast(channel, msg, &cast))
		settle(channel, msg->ref, &cast, "invalid_payload");
	else if (cast.payload.len > (size_t) gw_settings.max_message_size)
	{
		STAT_INC(BUS_STAT_PAYLOADS_LIMITED);
		settle(channel, msg->ref, &cast, "payload_size_exceeded");
	}
	else if (agent_channel_receive_only(channel->topic))
		settle(channel, msg->ref, &cast, "unauthorized");
	else if (!channel->topic->is_private)
		settle(channel, msg->ref, &cast, NULL);
	else if (channel->write_decided)
		settle(channel, msg->ref, &cast,
			   write_refusal(channel, RIGHT_BROADCAST_WRITE, JOB_DONE));
	else if (keep(channel, msg->ref, &cast))
		access_ask_write(channel);
	else
		settle(channel, msg->ref, &cast, "increase_connection_pool");
}
