/*-------------------------------------------------------------------------
 *
 * broadcasts.c
 *	  What clients say to each other.
 *
 * supabase.md section 4.  A payload is validated where the message is decoded
 * and then forwarded as the bytes that came: to the members here at once, and
 * over the bus to those of other gateways.  Delivery is at most once, in the
 * order of each sender.
 *
 * Nothing is stored unless the client wants that (persist, 4.8), on a private
 * channel and if the policies allow it.  Then the message goes by way of the
 * database (stores.c).
 *
 * On a private channel what comes before the policies have said whether the
 * channel may write waits (write_queue.c), and so does what comes while a
 * broadcast before it is being stored.
 *
 * src/gateway/broadcasts.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/agent_channels.h"
#include "gateway/broadcasts.h"
#include "gateway/conn_input.h"
#include "gateway/fanout.h"
#include "gateway/gw_histograms.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/persist.h"
#include "gateway/publishers.h"
#include "gateway/replies.h"
#include "gateway/stores.h"
#include "gateway/write_queue.h"
#include "program/bus_link.h"

/* A broadcast of a channel that is being stored. */
struct Storing
{
	Channel    *channel;
	Store	   *store;
	bool		is_answered;
	bool		is_published;
	uint8		ref_len;
	char		ref[FLEXIBLE_ARRAY_MEMBER];
};

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
 * Go on with what has waited behind a broadcast that was being stored.  A newer
 * token may have come meanwhile.
 */
static void
go_on(Channel *channel)
{
	if (!write_queue_waits(channel))
		return;
	if (channel->write_decided)
		write_queue_decided(channel, JOB_DONE);
	else
		access_ask_write(channel);
}

/*
 * One that was being stored is told of, to its sender and to the others.
 */
static void
end_storing(Storing *storing)
{
	Channel    *channel = storing->channel;

	if (!storing->is_answered || !storing->is_published)
		return;
	channel->storing = NULL;
	free(storing);
	go_on(channel);
}

/*
 * An executor has stored it, or could not.
 */
static void
stored(void *owner, JobOutcome outcome, const char *id)
{
	Storing    *storing = owner;
	Channel    *channel = storing->channel;
	Slice		ref = slice_make(storing->ref, storing->ref_len);

	storing->is_answered = true;
	if (outcome != JOB_DONE)
	{
		STAT_INC(BUS_STAT_CASTS_DENIED);
		acknowledge(channel, ref, write_refusal(channel, 0, outcome));
	}
	else if (channel->ack && ref.len > 0)
		reply_id(channel->conn, channel_join_ref(channel), ref,
				 topic_full_name(channel->topic), id);
	end_storing(storing);
}

/*
 * The others have heard it.
 */
static void
published(void *owner)
{
	Storing    *storing = owner;

	storing->is_published = true;
	end_storing(storing);
}

/*
 * The channel ends while something is being stored, which goes on.
 */
void
broadcast_forget(Storing *storing)
{
	store_forget(storing->store);
	free(storing);
}

/*
 * Have a broadcast stored; what the channel says next waits until the others have
 * heard it.
 */
static void
store(Channel *channel, Slice ref, const WalMessage *cast, uint32 ttl)
{
	static const StoreHandlers handlers = {stored, published};
	Storing    *storing = calloc(1, offsetof(Storing, ref) + ref.len);

	if (storing != NULL)
		storing->store = store_begin(cast, ttl, channel, &handlers, storing);
	if (storing == NULL || storing->store == NULL)
	{
		free(storing);
		settle(channel, ref, cast, "increase_connection_pool");
		return;
	}
	STAT_INC(BUS_STAT_CASTS);
	publishers_sent(cast->payload.len);
	storing->channel = channel;
	storing->ref_len = (uint8) ref.len;
	if (ref.len > 0)
		memcpy(storing->ref, ref.data, ref.len);
	channel->storing = storing;
}

/*
 * Send a broadcast of a private channel whose rights are known.  Who may not
 * store it has it delivered all the same.
 */
static void
settle_decided(Channel *channel, Slice ref, const WalMessage *cast, const Persist *persist,
			   JobOutcome outcome)
{
	const char *error = write_refusal(channel, RIGHT_BROADCAST_WRITE, outcome);

	if (error == NULL && persist->wanted && (channel->rights & RIGHT_PERSISTENCE_WRITE) != 0)
		store(channel, ref, cast, persist->ttl);
	else
		settle(channel, ref, cast, error);
}

/*
 * The same with one that has waited.
 */
static void
settle_kept(Channel *channel, Slice ref, Slice body, JobOutcome outcome)
{
	Persist		persist;
	WalMessage	cast;

	memcpy(&persist, body.data, sizeof(persist));
	/* it was encoded here */
	if (wal_record_decode(body.data + sizeof(persist), body.len - sizeof(persist), &cast))
		settle_decided(channel, ref, &cast, &persist, outcome);
}

/*
 * Keep a broadcast until it is its turn; false if there is no room.
 */
static bool
keep(Channel *channel, Slice ref, const WalMessage *cast, const Persist *persist)
{
	char	   *copy = write_queue_keep(channel, settle_kept, ref,
										sizeof(*persist) + wal_record_size(cast));

	if (copy == NULL)
		return false;
	memcpy(copy, persist, sizeof(*persist));
	wal_record_encode(cast, copy + sizeof(*persist));
	return true;
}

/*
 * A broadcast of a private channel.
 */
static void
send_private(Channel *channel, Slice ref, const WalMessage *cast, const Persist *persist)
{
	bool		decided = persist->wanted ? access_persist_decided(channel) : channel->write_decided;

	if (decided && channel->storing == NULL)
		settle_decided(channel, ref, cast, persist, JOB_DONE);
	else if (!keep(channel, ref, cast, persist))
		settle(channel, ref, cast, "increase_connection_pool");
	else if (!decided && persist->wanted)
		access_ask_persist(channel);
	else if (!decided)
		access_ask_write(channel);
}

/*
 * A client broadcasts.
 */
void
broadcast_request(Channel *channel, const ClientMessage *msg)
{
	WalMessage	cast;
	Persist		persist;

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
	else if (!persist_read(jslice_get(msg->metadata, "persist"), &persist))
		settle(channel, msg->ref, &cast, "invalid_persist_ttl");
	else if (channel->topic->is_private)
		send_private(channel, msg->ref, &cast, &persist);
	else
		settle(channel, msg->ref, &cast, persist.wanted ? "persist_on_public_channel" : NULL);
}
