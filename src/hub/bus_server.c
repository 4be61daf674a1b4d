/*-------------------------------------------------------------------------
 *
 * bus_server.c
 *	  The hub's side of the bus: peers, their queues, who wants which topic.
 *
 * Queues are bounded by the hub asking bus_server_has_room() before it
 * publishes: what waits then waits in the WAL.  A peer that reads nothing for
 * STALL_MS while its queue is not empty is reported lost, so that the others
 * wait for it that long at most.
 *
 * Frames are written once per turn.  An acknowledgement of interest is queued
 * behind every message published before the interest was known and before any
 * published after, so that a join answered on it misses nothing.
 *
 * src/hub/bus_server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "hub/bus_server.h"
#include "hub/events.h"
#include "hub/interest.h"

/* Bytes queued for one peer above which nothing more is published. */
#define QUEUE_LIMIT (8 * 1024 * 1024)

/* A queue buffer beyond this is given back when it is empty. */
#define QUEUE_KEEP (1024 * 1024)

#define STALL_MS 5000

/* Most bytes read from one peer per turn, and of one frame from a program. */
#define READ_BYTES (64 * 1024)
#define MAX_PROGRAM_BODY (16 * 1024)

struct BusPeer
{
	EventSource source;
	int			slot;
	bool		dead;			/* reported lost: nothing more is done with it */
	bool		wants_write;	/* EPOLLOUT is asked for */

	char	   *in;				/* READ_BYTES long */
	size_t		in_len;

	char	   *out;			/* queued bytes are out[out_done..out_len) */
	size_t		out_done;
	size_t		out_len;
	size_t		out_size;
	TimestampTz progress_at;	/* last time bytes left, or the queue began */

	uint64		interest_seq;	/* highest seq taken */
	uint64		interest_acked; /* highest seq acknowledged */
};

static BusCallbacks callbacks;
static BusPeer *peers[MAX_GATEWAYS];
static int	npeers = 0;			/* highest slot in use, plus one */

static void peer_event(EventSource *source, uint32 bits);

/*
 * Set up; once per process.
 */
void
bus_server_init(const BusCallbacks *given)
{
	callbacks = *given;
	interest_init();
}

/*
 * Take over a descriptor.
 */
BusPeer *
bus_server_add(int slot, int fd)
{
	BusPeer    *peer = MemoryContextAllocZero(TopMemoryContext, sizeof(BusPeer));

	Assert(slot >= 0 && slot < MAX_GATEWAYS && peers[slot] == NULL);
	if (!pg_set_noblock(fd))
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not set a bus socket to nonblocking mode: %m")));
	peer->slot = slot;
	peer->in = MemoryContextAlloc(TopMemoryContext, READ_BYTES);
	peer->source.fd = fd;
	peer->source.handler = peer_event;
	peer->source.owner = peer;
	events_add(&peer->source, EPOLLIN);
	peers[slot] = peer;
	npeers = Max(npeers, slot + 1);
	return peer;
}

/*
 * Forget a peer.
 */
void
bus_server_remove(BusPeer *peer)
{
	events_remove(&peer->source);
	close(peer->source.fd);
	interest_forget(peer->slot);
	peers[peer->slot] = NULL;
	while (npeers > 0 && peers[npeers - 1] == NULL)
		npeers--;
	pfree(peer->in);
	if (peer->out)
		pfree(peer->out);
	pfree(peer);
}

/*
 * Report a peer as lost, once.
 */
static void
peer_lost(BusPeer *peer, const char *why)
{
	if (peer->dead)
		return;
	peer->dead = true;
	/* a closed socket would be reported ready again and again */
	events_remove(&peer->source);
	callbacks.lost(peer->slot, why);
}

/*
 * Have room for n more bytes in a peer's queue; returns where they go.
 */
static char *
queue_reserve(BusPeer *peer, size_t n)
{
	size_t		size = peer->out_size ? peer->out_size : 64 * 1024;
	size_t		waiting = peer->out_len - peer->out_done;

	if (waiting == 0)
	{
		peer->out_done = peer->out_len = 0;
		peer->progress_at = GetCurrentTimestamp();
	}
	if (peer->out_size - peer->out_len < n && peer->out_done > 0)
	{
		memmove(peer->out, peer->out + peer->out_done, waiting);
		peer->out_done = 0;
		peer->out_len = waiting;
	}
	if (peer->out_size - peer->out_len < n)
	{
		while (size - peer->out_len < n)
			size *= 2;
		peer->out = peer->out ? repalloc_huge(peer->out, size) :
			MemoryContextAllocHuge(TopMemoryContext, size);
		peer->out_size = size;
	}
	return peer->out + peer->out_len;
}

/*
 * Queue one frame.
 */
void
bus_server_send(BusPeer *peer, BusFrameType type, Slice head, Slice rest)
{
	char	   *dst;

	if (peer->dead)
		return;
	dst = queue_reserve(peer, BUS_HEADER_BYTES + head.len + rest.len);
	bus_frame_header(dst, type, head.len + rest.len);
	dst += BUS_HEADER_BYTES;
	if (head.len > 0)
		memcpy(dst, head.data, head.len);
	if (rest.len > 0)
		memcpy(dst + head.len, rest.data, rest.len);
	peer->out_len += BUS_HEADER_BYTES + head.len + rest.len;
}

/*
 * Queue one frame for everybody.
 */
void
bus_server_send_all(BusFrameType type, Slice head, Slice rest)
{
	for (int i = 0; i < npeers; i++)
	{
		if (peers[i] != NULL)
			bus_server_send(peers[i], type, head, rest);
	}
}

/*
 * Queue a message where it is wanted.
 */
void
bus_server_publish(const BusMessageHead *head, const WalMessage *message, Slice record)
{
	uint64		slots = interest_lookup((message->flags & WAL_MESSAGE_PRIVATE) != 0,
										message->topic);

	for (int i = 0; slots != 0; i++, slots >>= 1)
	{
		if ((slots & 1) != 0 && peers[i] != NULL)
			bus_server_send(peers[i], BUS_MESSAGE,
							slice_make((const char *) head, sizeof(*head)), record);
	}
}

/*
 * May more be published?
 */
bool
bus_server_has_room(void)
{
	for (int i = 0; i < npeers; i++)
	{
		if (peers[i] != NULL && !peers[i]->dead &&
			peers[i]->out_len - peers[i]->out_done > QUEUE_LIMIT)
			return false;
	}
	return true;
}

/*
 * Ask to be told when the socket takes bytes, or no longer.
 */
static void
set_wants_write(BusPeer *peer, bool wants_write)
{
	if (peer->wants_write == wants_write)
		return;
	peer->wants_write = wants_write;
	events_modify(&peer->source, EPOLLIN | (wants_write ? EPOLLOUT : 0));
}

/*
 * Write what is queued for one peer.
 */
static void
flush_peer(BusPeer *peer)
{
	while (peer->out_done < peer->out_len)
	{
		ssize_t		n = send(peer->source.fd, peer->out + peer->out_done,
							 peer->out_len - peer->out_done,
							 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0)
		{
			peer_lost(peer, "could not be written to");
			return;
		}
		peer->out_done += n;
		peer->progress_at = GetCurrentTimestamp();
	}
	set_wants_write(peer, peer->out_done < peer->out_len);
	if (peer->out_done == peer->out_len && peer->out_size > QUEUE_KEEP)
	{
		pfree(peer->out);
		peer->out = NULL;
		peer->out_size = peer->out_len = peer->out_done = 0;
	}
}

/*
 * Acknowledge interest and write all queues.
 */
void
bus_server_flush(void)
{
	for (int i = 0; i < npeers; i++)
	{
		BusPeer    *peer = peers[i];

		if (peer == NULL || peer->dead)
			continue;
		if (peer->interest_acked < peer->interest_seq)
		{
			peer->interest_acked = peer->interest_seq;
			bus_server_send(peer, BUS_INTEREST_ACK,
							slice_make((const char *) &peer->interest_acked, sizeof(uint64)),
							slice_make(NULL, 0));
		}
		/* a queue that waits for EPOLLOUT is written from there */
		if (peer->out_done < peer->out_len && !peer->wants_write)
			flush_peer(peer);
	}
}

/*
 * Report peers that do not read.
 */
long
bus_server_check_stalled(TimestampTz now)
{
	long		soonest = -1;

	for (int i = 0; i < npeers; i++)
	{
		BusPeer    *peer = peers[i];
		long		left;

		if (peer == NULL || peer->dead || peer->out_done == peer->out_len)
			continue;
		left = STALL_MS - (long) ((now - peer->progress_at) / 1000);
		if (left <= 0)
			peer_lost(peer, "has stopped reading");
		else if (soonest < 0 || left < soonest)
			soonest = left;
	}
	return soonest;
}

/*
 * A gateway's interest in a topic.
 */
static bool
take_interest(BusPeer *peer, Slice body)
{
	BusInterest interest;
	Slice		topic;

	if (!bus_decode_interest(body, &interest, &topic) ||
		interest.seq != peer->interest_seq + 1)
		return false;
	peer->interest_seq = interest.seq;
	if (interest.add)
		interest_add(peer->slot, interest.is_private, topic);
	else
		interest_remove(peer->slot, interest.is_private, topic);
	return true;
}

/*
 * A program's text, for the log, which is in the server's encoding: nothing
 * else is shown as it is.  Changes it in place, in the peer's input.
 */
static Slice
printable(Slice text)
{
	char	   *s = unconstify(char *, text.data);

	for (size_t i = 0; i < text.len; i++)
	{
		if ((unsigned char) s[i] < ' ' || (unsigned char) s[i] > '~')
			s[i] = '?';
	}
	return text;
}

/*
 * A line for the server's log.
 */
static bool
take_log(BusPeer *peer, Slice body)
{
	int			level;

	if (body.len < 1 || (uint8) body.data[0] > BUS_LOG_FATAL)
		return false;
	level = body.data[0] == BUS_LOG_DEBUG ? DEBUG1 :
		body.data[0] == BUS_LOG_INFO ? LOG : WARNING;

	body = printable(slice_make(body.data + 1, body.len - 1));
	ereport(level, (errmsg("realtime gateway %d: " SLICE_FMT, peer->slot + 1,
						   SLICE_ARG(body))));
	return true;
}

/*
 * One frame from a program.  False if it should not have been sent.
 */
static bool
take_frame(BusPeer *peer, const BusHeader *header, Slice body)
{
	uint64		stats[BUS_STAT_COUNT];

	switch (header->type)
	{
		case BUS_INTEREST:
			return take_interest(peer, body);
		case BUS_LOG:
			return take_log(peer, body);
		case BUS_READY:
			callbacks.ready(peer->slot, printable(body));
			return true;
		case BUS_STATS:
			if (body.len != sizeof(stats))
				return false;
			memcpy(stats, body.data, sizeof(stats));
			callbacks.stats(peer->slot, stats);
			return true;
		default:
			return false;
	}
}

/*
 * Take the whole frames out of a peer's input.  False if one was bad.
 */
static bool
take_frames(BusPeer *peer)
{
	size_t		done = 0;
	BusHeader	header;
	Slice		body;
	ssize_t		n;

	while ((n = bus_frame_decode(peer->in + done, peer->in_len - done, &header, &body)) > 0)
	{
		if (!take_frame(peer, &header, body))
			return false;
		done += n;
	}
	if (n < 0 ||
		(peer->in_len - done >= BUS_HEADER_BYTES && header.length > MAX_PROGRAM_BODY))
		return false;
	memmove(peer->in, peer->in + done, peer->in_len - done);
	peer->in_len -= done;
	return true;
}

/*
 * Something happened at a peer's socket.
 */
static void
peer_event(EventSource *source, uint32 bits)
{
	BusPeer    *peer = source->owner;
	ssize_t		n;

	if (peer->dead)
		return;
	if (bits & EPOLLOUT)
		flush_peer(peer);
	if (peer->dead || (bits & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;

	n = recv(source->fd, peer->in + peer->in_len, READ_BYTES - peer->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0)
	{
		peer_lost(peer, "has closed its end of the bus");
		return;
	}
	peer->in_len += n;
	if (!take_frames(peer))
		peer_lost(peer, "has sent what is no frame of the bus");
}
