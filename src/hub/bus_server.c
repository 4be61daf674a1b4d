/*-------------------------------------------------------------------------
 *
 * bus_server.c
 *	  The hub's side of the bus to its gateways: who wants which topic.
 *
 * Queues are bounded by the hub asking bus_server_has_room() before it
 * publishes: what waits then waits in the WAL.  A gateway that reads nothing
 * for STALL_MS while its queue is not empty is reported lost, so that the
 * others wait for it that long at most.
 *
 * An acknowledgement of interest is queued behind every message published
 * before the interest was known and before any published after, so that a join
 * answered on it misses nothing.
 *
 * src/hub/bus_server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hub/bus_peer.h"
#include "hub/bus_server.h"
#include "hub/child.h"
#include "hub/follows.h"
#include "hub/interest.h"
#include "proto/change_record.h"
#include "proto/job.h"

/* Bytes queued for one gateway above which nothing more is published. */
#define QUEUE_LIMIT (8 * 1024 * 1024)

#define STALL_MS 5000

/*
 * What clients say to each other waits nowhere: a gateway that is this far
 * behind misses it.
 */
#define RELAY_LIMIT (4 * QUEUE_LIMIT)

/* Of a frame from a gateway: the largest is what a client may send. */
#define MAX_GATEWAY_BODY BUS_MAX_BODY

typedef struct Gateway
{
	BusPeer    *peer;			/* NULL = the slot is empty */
	uint64		interest_seq;	/* highest seq taken */
	uint64		interest_acked; /* highest seq acknowledged */
	uint64		follow_seq;		/* highest seq of BUS_FOLLOW taken */
} Gateway;

static BusCallbacks callbacks;
static Gateway gateways[MAX_GATEWAYS];
static int	ngateways = 0;		/* highest slot in use, plus one */

/*
 * Set up; once per process.
 */
void
bus_server_init(const BusCallbacks *given)
{
	callbacks = *given;
	interest_init();
	follows_init();
}

/*
 * Slot of a peer's owner.
 */
static int
slot_of(void *owner)
{
	return (int) ((Gateway *) owner - gateways);
}

/*
 * A gateway's interest in a topic.
 */
static bool
take_interest(Gateway *gateway, Slice body)
{
	BusInterest interest;
	Slice		topic;

	if (!bus_decode_interest(body, &interest, &topic) ||
		interest.seq != gateway->interest_seq + 1)
		return false;
	gateway->interest_seq = interest.seq;
	if (interest.add)
		interest_add(slot_of(gateway), interest.is_private, topic);
	else
		interest_remove(slot_of(gateway), interest.is_private, topic);
	return true;
}

/*
 * A line for the server's log.
 */
static bool
take_log(Gateway *gateway, Slice body)
{
	char		name[32];

	snprintf(name, sizeof(name), "gateway %d", slot_of(gateway) + 1);
	return child_log(name, body);
}

/*
 * A gateway's statistics.
 */
static bool
take_stats(Gateway *gateway, Slice body)
{
	uint64		stats[BUS_STAT_COUNT];

	if (body.len != sizeof(stats))
		return false;
	memcpy(stats, body.data, sizeof(stats));
	callbacks.stats(slot_of(gateway), stats);
	return true;
}

/*
 * Work for the executors.
 */
static bool
take_job(Gateway *gateway, Slice body)
{
	BusJob		job;
	Slice		rest;

	return bus_decode_job(body, &job, &rest) &&
		callbacks.job(slot_of(gateway), &job, rest);
}

/*
 * What a client says, for the others that want its topic.
 */
static bool
take_cast(Gateway *gateway, Slice body)
{
	WalMessage	message;
	uint64		slots;

	if (!wal_record_decode(body.data, body.len, &message) ||
		message.kind != WAL_MESSAGE_CAST)
		return false;
	slots = interest_lookup((message.flags & WAL_MESSAGE_PRIVATE) != 0, message.topic);
	slots &= ~(UINT64CONST(1) << slot_of(gateway));
	for (int i = 0; slots != 0; i++, slots >>= 1)
	{
		if ((slots & 1) == 0 || gateways[i].peer == NULL)
			continue;
		if (bus_peer_queued(gateways[i].peer) > RELAY_LIMIT)
			shmem_count(SHARED_RELAYS_DROPPED, 1);
		else
			bus_server_send(i, BUS_RELAY, slice_make(NULL, 0), body);
	}
	return true;
}

/*
 * One frame from a gateway.  False if it should not have been sent.
 */
static bool
take_frame(void *owner, const BusHeader *header, Slice body)
{
	Gateway    *gateway = owner;

	switch (header->type)
	{
		case BUS_INTEREST:
			return take_interest(gateway, body);
		case BUS_LOG:
			return take_log(gateway, body);
		case BUS_READY:
			callbacks.ready(slot_of(gateway), child_printable(body));
			return true;
		case BUS_STATS:
			return take_stats(gateway, body);
		case BUS_JOB:
			return take_job(gateway, body);
		case BUS_CAST:
			return take_cast(gateway, body);
		case BUS_FOLLOW:
			return follows_take(slot_of(gateway), gateway->follow_seq, body,
								&gateway->follow_seq);
		case BUS_TRACK:
		case BUS_WATCH:
			return callbacks.presence(slot_of(gateway), header->type, body);
		case BUS_USAGE:
			return callbacks.usage(slot_of(gateway), body);
		case BUS_AUDIENCE:
			return callbacks.audience(slot_of(gateway), body);
		case BUS_ASK_METRICS:
		case BUS_HISTOGRAMS:
			return callbacks.metrics(slot_of(gateway), header->type, body);
		default:
			return false;
	}
}

/*
 * A gateway is lost.
 */
static void
gateway_lost(void *owner, const char *why)
{
	callbacks.lost(slot_of(owner), why);
}

/*
 * Take over a descriptor.
 */
void
bus_server_add(int slot, int fd)
{
	static const BusPeerHandlers handlers = {take_frame, gateway_lost};
	Gateway    *gateway = &gateways[slot];

	Assert(slot >= 0 && slot < MAX_GATEWAYS && gateway->peer == NULL);
	gateway->peer = bus_peer_create(fd, MAX_GATEWAY_BODY, &handlers, gateway);
	gateway->interest_seq = gateway->interest_acked = gateway->follow_seq = 0;
	ngateways = Max(ngateways, slot + 1);
}

/*
 * Forget a gateway.
 */
void
bus_server_remove(int slot)
{
	interest_forget(slot);
	follows_forget(slot);
	bus_peer_free(gateways[slot].peer);
	gateways[slot].peer = NULL;
	while (ngateways > 0 && gateways[ngateways - 1].peer == NULL)
		ngateways--;
}

/*
 * Queue one frame.
 */
void
bus_server_send(int slot, BusFrameType type, Slice head, Slice rest)
{
	if (gateways[slot].peer != NULL)
		bus_peer_send(gateways[slot].peer, type, head, rest);
}

/*
 * Queue one frame, or lose the gateway.
 */
void
bus_server_send_bounded(int slot, BusFrameType type, Slice head, Slice rest, size_t limit)
{
	BusPeer    *peer = gateways[slot].peer;

	if (peer == NULL || bus_peer_is_lost(peer))
		return;
	if (bus_peer_queued(peer) > limit)
		bus_peer_lose(peer, "is too far behind");
	else
		bus_peer_send(peer, type, head, rest);
}

/*
 * Queue one frame for everybody.
 */
void
bus_server_send_all(BusFrameType type, Slice head, Slice rest)
{
	for (int i = 0; i < ngateways; i++)
		bus_server_send(i, type, head, rest);
}

/*
 * Who wants a message.
 */
static uint64
wanted_by(const WalMessage *message)
{
	if (message->kind == WAL_MESSAGE_CHANGE)
		return follows_lookup(change_peek_relid(message->payload));
	return interest_lookup((message->flags & WAL_MESSAGE_PRIVATE) != 0, message->topic);
}

/*
 * Queue a message where it is wanted.
 */
void
bus_server_publish(const BusMessageHead *head, const WalMessage *message, Slice record)
{
	uint64		slots = wanted_by(message);

	for (int i = 0; slots != 0; i++, slots >>= 1)
	{
		if ((slots & 1) != 0)
			bus_server_send(i, BUS_MESSAGE,
							slice_make((const char *) head, sizeof(*head)), record);
	}
}

/*
 * May more be published?
 */
bool
bus_server_has_room(void)
{
	for (int i = 0; i < ngateways; i++)
	{
		BusPeer    *peer = gateways[i].peer;

		if (peer != NULL && !bus_peer_is_lost(peer) && bus_peer_queued(peer) > QUEUE_LIMIT)
			return false;
	}
	return true;
}

/*
 * Acknowledge all interest of a gateway.
 */
static void
acknowledge(Gateway *gateway, const Place *told)
{
	BusInterestAck ack = {0};

	gateway->interest_acked = gateway->interest_seq;
	ack.seq = gateway->interest_seq;
	ack.place = *told;
	bus_peer_send(gateway->peer, BUS_INTEREST_ACK,
				  slice_make((const char *) &ack, sizeof(ack)), slice_make(NULL, 0));
}

/*
 * Acknowledge interest and write all queues.
 */
void
bus_server_flush(const Place *told)
{
	for (int i = 0; i < ngateways; i++)
	{
		Gateway    *gateway = &gateways[i];

		if (gateway->peer == NULL)
			continue;
		if (gateway->interest_acked < gateway->interest_seq)
			acknowledge(gateway, told);
		bus_peer_flush(gateway->peer);
	}
}

/*
 * Report gateways that do not read.
 */
long
bus_server_check_stalled(Instant now)
{
	long		soonest = -1;

	for (int i = 0; i < ngateways; i++)
	{
		BusPeer    *peer = gateways[i].peer;
		long		left;

		if (peer == NULL || bus_peer_is_lost(peer) || bus_peer_queued(peer) == 0)
			continue;
		left = STALL_MS - (long) ((now - bus_peer_progress_at(peer)) / 1000);
		if (left <= 0)
			bus_peer_lose(peer, "has stopped reading");
		else if (soonest < 0 || left < soonest)
			soonest = left;
	}
	return soonest;
}
