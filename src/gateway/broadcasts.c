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
 * On a private channel the first broadcast asks the policies whether the
 * channel may write, and what comes until they have answered waits, in order.
 * The answer holds until the token changes (7.4).
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
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/publishers.h"
#include "gateway/replies.h"

/* What one channel may have waiting for a decision. */
#define WAITING_MAX 256
#define WAITING_MAX_BYTES (1024 * 1024) /* unless it is a single one */
#define TOTAL_MAX (64 * 1024 * 1024)	/* bytes of all channels */

/*
 * A broadcast that waits: its ref, then its encoded record.
 */
typedef struct Waiting
{
	struct Waiting *next;
	uint32		record_len;
	uint8		ref_len;
	char		data[FLEXIBLE_ARRAY_MEMBER];
} Waiting;

struct WaitingBroadcasts
{
	Waiting    *first;
	Waiting   **tail;
	uint32		count;
	size_t		bytes;
};

static Bytes record;			/* being encoded for the bus */
static size_t total;			/* bytes that wait, of all channels */

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
 * Keep a broadcast until it is decided whether it may go out; false if there is
 * no room.
 */
static bool
keep_waiting(Channel *channel, Slice ref, const WalMessage *cast)
{
	struct WaitingBroadcasts *queue = channel->waiting;
	size_t		len = wal_record_size(cast);
	Waiting    *item;

	if (queue == NULL)
	{
		queue = calloc(1, sizeof(*queue));
		if (queue == NULL)
			return false;
		queue->tail = &queue->first;
		channel->waiting = queue;
	}
	if (queue->count >= WAITING_MAX || total + len > TOTAL_MAX ||
		(queue->count > 0 && queue->bytes + len > WAITING_MAX_BYTES))
		return false;
	item = malloc(offsetof(Waiting, data) + ref.len + len);
	if (item == NULL)
		return false;
	item->next = NULL;
	item->ref_len = (uint8) ref.len;
	item->record_len = (uint32) len;
	if (ref.len > 0)
		memcpy(item->data, ref.data, ref.len);
	wal_record_encode(cast, item->data + ref.len);
	*queue->tail = item;
	queue->tail = &item->next;
	queue->count++;
	queue->bytes += len;
	total += len;
	return true;
}

/*
 * Forget what waits.
 */
void
broadcasts_forget(Channel *channel)
{
	struct WaitingBroadcasts *queue = channel->waiting;

	if (queue == NULL)
		return;
	total -= queue->bytes;
	while (queue->first != NULL)
	{
		Waiting    *item = queue->first;

		queue->first = item->next;
		free(item);
	}
	free(queue);
	channel->waiting = NULL;
}

/*
 * Why a broadcast was refused (4.3); NULL if it was not.
 */
static const char *
refusal(const Channel *channel, JobOutcome outcome)
{
	switch (outcome)
	{
		case JOB_DONE:
			return (channel->rights & RIGHT_BROADCAST_WRITE) != 0 ? NULL : "unauthorized";
		case JOB_BUSY:
			return "increase_connection_pool";
		case JOB_UNAVAILABLE:
			return "unable_to_connect_to_project";
		case JOB_TIMED_OUT:
			return "query_canceled";
		case JOB_REFUSED:
			return "unauthorized";
		case JOB_FAILED:
			return "rls_policy_error";
	}
	return "unauthorized";
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
 * What has waited goes out, or is refused.  A reply may end the connection, and
 * with it the queue is gone only at the end of the turn.
 */
void
broadcasts_decided(Channel *channel, JobOutcome outcome)
{
	struct WaitingBroadcasts *queue = channel->waiting;
	const char *error = refusal(channel, outcome);

	if (queue == NULL)
		return;
	for (Waiting *item = queue->first; item != NULL; item = item->next)
	{
		WalMessage	cast;

		/* it was encoded here */
		if (wal_record_decode(item->data + item->ref_len, item->record_len, &cast))
			settle(channel, slice_make(item->data, item->ref_len), &cast, error);
	}
	fanout_settle();
	broadcasts_forget(channel);
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
		settle(channel, msg->ref, &cast, "payload_size_exceeded");
	else if (agent_channel_receive_only(channel->topic))
		settle(channel, msg->ref, &cast, "unauthorized");
	else if (!channel->topic->is_private)
		settle(channel, msg->ref, &cast, NULL);
	else if (channel->write_decided)
		settle(channel, msg->ref, &cast, refusal(channel, JOB_DONE));
	else if (keep_waiting(channel, msg->ref, &cast))
		access_ask_write(channel);
	else
		settle(channel, msg->ref, &cast, "increase_connection_pool");
}
