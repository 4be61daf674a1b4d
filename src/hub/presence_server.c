/*-------------------------------------------------------------------------
 *
 * presence_server.c
 *	  What gateways tell and ask of presence.
 *
 * Between the bus and presence_store.c: frames in, frames out.  As with
 * interest (bus_server.c), requests are numbered without gaps and answered by
 * the highest number, queued behind all that the requests brought about.
 *
 * A gateway is lost for a frame that contradicts what it said before; it is
 * not for one that finds no room, which is answered.  It is lost as well when
 * it is so far behind that its queue grows without end: a change that was left
 * out would stay wrong for as long as its clients listen.
 *
 * src/hub/presence_server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "hub/bus_server.h"
#include "hub/presence_server.h"
#include "hub/presence_store.h"
#include "instant.h"
#include "shmem.h"

StaticAssertDecl(MAX_GATEWAYS <= PRESENCE_SLOTS, "a set of gateways is 64 bits");

typedef struct Watching
{
	uint64		seq;			/* of the last BUS_WATCH */
	uint64		acked;			/* told by BUS_WATCHED */
} Watching;

#define COMPLAIN_EVERY_MS 60000 /* that there is no room */

/*
 * Bytes queued for a gateway above which it is lost, besides what the state of
 * all topics may come to: it gets that in one go.
 */
#define BEHIND_LIMIT (32 * 1024 * 1024)

static Watching watching[MAX_GATEWAYS];
static size_t queue_limit = SIZE_MAX;

/*
 * A number as the body of a frame.
 */
static Slice
number_body(const uint64 *number)
{
	return slice_make((const char *) number, sizeof(*number));
}

/*
 * Queue a change for the gateways that watch its topic.
 */
static void
emit(uint64 slots, const BusPresent *head, Slice rest)
{
	for (int slot = 0; slots != 0; slot++, slots >>= 1)
	{
		if ((slots & 1) != 0)
			bus_server_send_bounded(slot, BUS_PRESENT,
									slice_make((const char *) head, sizeof(*head)),
									rest, queue_limit);
	}
}

/*
 * Set up; once per process.  Both numbers are random for the reasons that
 * presence_store.h gives.
 */
void
presence_server_init(void)
{
	uint64		numbers[2];

	if (!pg_strong_random(numbers, sizeof(numbers)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random numbers")));
	presence_store_init(numbers[0], numbers[1], emit);
}

/*
 * Change the bounds.
 */
void
presence_server_limit(uint64 max_members, uint64 max_bytes)
{
	presence_store_limit(max_members, max_bytes);
	queue_limit = BEHIND_LIMIT + (size_t) max_bytes;
}

/*
 * Begin with a gateway.
 */
void
presence_server_add(int slot)
{
	Assert(slot >= 0 && slot < MAX_GATEWAYS);
	watching[slot].seq = watching[slot].acked = 0;
}

/*
 * What is held.
 */
void
presence_server_gauges(uint64 *members, uint64 *bytes)
{
	*members = presence_store_members();
	*bytes = presence_store_bytes();
}

/*
 * Count who came or went since there were `before` members.
 */
static void
count_changes(uint64 before)
{
	uint64		now = presence_store_members();

	if (now > before)
		shmem_count(SHARED_PRESENCE_JOINS, now - before);
	else if (now < before)
		shmem_count(SHARED_PRESENCE_LEAVES, before - now);
}

/*
 * There is no room for a member: say so to its gateway, and now and then to
 * the log.
 */
static void
refuse(int slot, uint64 member)
{
	static Instant complained_at = 0;
	Instant now = instant_now();

	shmem_count(SHARED_PRESENCE_REFUSED, 1);
	bus_server_send(slot, BUS_TRACK_REFUSED, number_body(&member), slice_make(NULL, 0));
	if (ms_since(complained_at, now) < COMPLAIN_EVERY_MS)
		return;
	complained_at = now;
	ereport(LOG,
			(errmsg("realtime refuses presence: " UINT64_FORMAT " members use " UINT64_FORMAT " bytes",
					presence_store_members(), presence_store_bytes())));
}

/*
 * A member tracks a meta.
 */
static bool
track(int slot, const BusTrack *head, const PresenceParts *parts)
{
	switch (presence_store_track(slot, head->member, head->is_private, parts))
	{
		case TRACK_TAKEN:
			return true;
		case TRACK_FULL:
			refuse(slot, head->member);
			return true;
		case TRACK_CONTRADICTION:
			break;
	}
	return false;
}

/*
 * BUS_TRACK.
 */
static bool
take_track(int slot, Slice body)
{
	uint64		before = presence_store_members();
	bool		valid = true;
	BusTrack	head;
	PresenceParts parts;

	if (!presence_decode_track(body, &head, &parts))
		return false;
	if (head.op == TRACK_NO_MORE)
		presence_store_untrack(slot, head.member);
	else
		valid = track(slot, &head, &parts);
	count_changes(before);
	return valid;
}

/*
 * BUS_WATCH.  A gateway that cannot be served for want of memory is started
 * anew like one that has gone wrong.
 */
static bool
take_watch(int slot, Slice body)
{
	BusWatch	head;
	Slice		topic;

	if (!presence_decode_watch(body, &head, &topic) || head.seq != watching[slot].seq + 1)
		return false;
	watching[slot].seq = head.seq;
	if (head.add)
		return presence_store_watch(slot, head.is_private, topic);
	presence_store_unwatch(slot, head.is_private, topic);
	return true;
}

/*
 * One frame from a gateway.
 */
bool
presence_server_take(int slot, BusFrameType type, Slice body)
{
	Assert(slot >= 0 && slot < MAX_GATEWAYS);
	switch (type)
	{
		case BUS_TRACK:
			return take_track(slot, body);
		case BUS_WATCH:
			return take_watch(slot, body);
		default:
			return false;
	}
}

/*
 * All members of a gateway leave, in the order of their coming.
 */
void
presence_server_remove(int slot)
{
	uint64		before = presence_store_members();

	Assert(slot >= 0 && slot < MAX_GATEWAYS);
	presence_store_forget(slot);
	count_changes(before);
	watching[slot].acked = watching[slot].seq;
}

/*
 * Acknowledge what every gateway asked for.
 */
void
presence_server_acknowledge(void)
{
	for (int slot = 0; slot < MAX_GATEWAYS; slot++)
	{
		Watching   *w = &watching[slot];

		if (w->acked == w->seq)
			continue;
		w->acked = w->seq;
		bus_server_send(slot, BUS_WATCHED, number_body(&w->acked), slice_make(NULL, 0));
	}
}
