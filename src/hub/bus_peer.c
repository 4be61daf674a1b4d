/*-------------------------------------------------------------------------
 *
 * bus_peer.c
 *	  One end of the bus: a descriptor, what came in and what is to go out.
 *
 * Programs and executors are peers alike; what their frames mean is their
 * owners' business (bus_server.c, courier_server.c, executors.c), and so is when a peer has not
 * read for too long.  Frames are queued by bytes and written once or twice per
 * turn of the hub.
 *
 * What a peer sends sizes nothing without a bound: a frame is at most max_body
 * long, which its header tells before any room is made for it, and a peer that
 * leaves READ_STOP_BYTES unread is not read from until it reads again.
 *
 * src/hub/bus_peer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "utils/memutils.h"

#include "hub/bus_peer.h"
#include "hub/events.h"
#include "instant.h"

/* Most bytes read per turn, and what an input buffer usually has. */
#define READ_BYTES (32 * 1024)

/* An output buffer begins like this, and is given back when empty and beyond that. */
#define OUT_BYTES (32 * 1024)
#define OUT_KEEP_BYTES (1024 * 1024)

/* Above what bus_server.c lets one queue grow to by messages. */
#define READ_STOP_BYTES (16 * 1024 * 1024)

struct BusPeer
{
	EventSource source;
	const BusPeerHandlers *handlers;
	void	   *owner;
	bool		lost;			/* reported: nothing more is done with it */
	uint32		watched;		/* EPOLL... bits asked for */

	size_t		max_body;
	char	   *in;
	size_t		in_len;
	size_t		in_size;

	char	   *out;			/* queued bytes are out[out_done..out_len) */
	size_t		out_done;
	size_t		out_len;
	size_t		out_size;
	Instant progress_at;
};

static void peer_event(EventSource *source, uint32 bits);

/*
 * Take over a descriptor.
 */
BusPeer *
bus_peer_create(int fd, size_t max_body, const BusPeerHandlers *handlers, void *owner)
{
	BusPeer    *peer = MemoryContextAllocZero(TopMemoryContext, sizeof(BusPeer));

	if (!pg_set_noblock(fd))
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not set a bus socket to nonblocking mode: %m")));
	peer->handlers = handlers;
	peer->owner = owner;
	peer->max_body = max_body;
	peer->in_size = READ_BYTES;
	peer->in = MemoryContextAlloc(TopMemoryContext, peer->in_size);
	peer->source.fd = fd;
	peer->source.handler = peer_event;
	peer->source.owner = peer;
	peer->watched = EPOLLIN;
	events_add(&peer->source, peer->watched);
	return peer;
}

/*
 * Forget a peer.
 */
void
bus_peer_free(BusPeer *peer)
{
	if (!peer->lost)
		events_remove(&peer->source);
	close(peer->source.fd);
	pfree(peer->in);
	if (peer->out)
	{
		/* settings that were queued hold secrets */
		explicit_bzero(peer->out, peer->out_size);
		pfree(peer->out);
	}
	pfree(peer);
}

/*
 * Report a peer as lost, once.
 */
void
bus_peer_lose(BusPeer *peer, const char *why)
{
	if (peer->lost)
		return;
	peer->lost = true;
	/* a closed socket would be reported ready again and again */
	events_remove(&peer->source);
	peer->handlers->lost(peer->owner, why);
}

/*
 * Has it been reported?
 */
bool
bus_peer_is_lost(const BusPeer *peer)
{
	return peer->lost;
}

/*
 * Bytes waiting to be written.
 */
size_t
bus_peer_queued(const BusPeer *peer)
{
	return peer->out_len - peer->out_done;
}

/*
 * Last time that bytes left.
 */
Instant
bus_peer_progress_at(const BusPeer *peer)
{
	return peer->progress_at;
}

/*
 * Have room for n more bytes in the queue; returns where they go.
 */
static char *
queue_reserve(BusPeer *peer, size_t n)
{
	size_t		size = peer->out_size ? peer->out_size : OUT_BYTES;
	size_t		waiting = bus_peer_queued(peer);

	if (waiting == 0)
	{
		peer->out_done = peer->out_len = 0;
		peer->progress_at = instant_now();
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
bus_peer_send(BusPeer *peer, BusFrameType type, Slice head, Slice rest)
{
	char	   *dst;

	if (peer->lost)
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
 * Ask to be told of what the queue allows and needs.
 */
static void
watch(BusPeer *peer)
{
	size_t		waiting = bus_peer_queued(peer);
	uint32		wanted = (waiting < READ_STOP_BYTES ? EPOLLIN : 0) |
	(waiting > 0 ? EPOLLOUT : 0);

	if (peer->watched == wanted)
		return;
	peer->watched = wanted;
	events_modify(&peer->source, wanted);
}

/*
 * Write as much as the socket takes.
 */
static void
write_queue(BusPeer *peer)
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
			bus_peer_lose(peer, "could not be written to");
			return;
		}
		peer->out_done += n;
		peer->progress_at = instant_now();
	}
	watch(peer);
	if (peer->out_done == peer->out_len && peer->out_size > OUT_KEEP_BYTES)
	{
		pfree(peer->out);
		peer->out = NULL;
		peer->out_size = peer->out_len = peer->out_done = 0;
	}
}

/*
 * Write what is queued.
 */
void
bus_peer_flush(BusPeer *peer)
{
	if (peer->lost || bus_peer_queued(peer) == 0)
		return;
	/* a queue that waits for EPOLLOUT is written from there */
	if (peer->watched & EPOLLOUT)
		watch(peer);
	else
		write_queue(peer);
}

/*
 * Have room for a frame of which the header is there, or give the room back
 * that the last one needed.  False for want of memory.
 */
static bool
fit_input(BusPeer *peer, size_t need)
{
	size_t		size = Max(need, READ_BYTES);
	char	   *in;

	if (size == peer->in_size || (peer->in_len > 0 && size < peer->in_size))
		return true;
	in = MemoryContextAllocExtended(TopMemoryContext, size, MCXT_ALLOC_NO_OOM);
	if (in == NULL)
		return size < peer->in_size;
	if (peer->in_len > 0)
		memcpy(in, peer->in, peer->in_len);
	pfree(peer->in);
	peer->in = in;
	peer->in_size = size;
	return true;
}

/*
 * Take the whole frames out of the input.
 */
static void
take_frames(BusPeer *peer)
{
	size_t		done = 0;
	BusHeader	header = {0};
	Slice		body;
	ssize_t		n;

	while ((n = bus_frame_decode(peer->in + done, peer->in_len - done, &header, &body)) > 0)
	{
		if (body.len > peer->max_body || !peer->handlers->frame(peer->owner, &header, body))
		{
			bus_peer_lose(peer, "has sent what is no frame of the bus");
			return;
		}
		if (peer->lost)
			return;
		done += n;
	}
	memmove(peer->in, peer->in + done, peer->in_len - done);
	peer->in_len -= done;
	if (n < 0 || (peer->in_len >= BUS_HEADER_BYTES && header.length > peer->max_body))
		bus_peer_lose(peer, "has sent what is no frame of the bus");
	else if (!fit_input(peer, peer->in_len < BUS_HEADER_BYTES ? 0 :
						BUS_HEADER_BYTES + (size_t) header.length))
		bus_peer_lose(peer, "has sent a frame that there is no memory for");
}

/*
 * Something happened at the socket.
 */
static void
peer_event(EventSource *source, uint32 bits)
{
	BusPeer    *peer = source->owner;
	ssize_t		n;

	if (peer->lost)
		return;
	if (bits & EPOLLOUT)
		write_queue(peer);
	if (peer->lost || (bits & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;

	n = recv(source->fd, peer->in + peer->in_len, peer->in_size - peer->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0)
	{
		bus_peer_lose(peer, "has closed its end of the bus");
		return;
	}
	peer->in_len += n;
	take_frames(peer);
}
