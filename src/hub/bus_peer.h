/*-------------------------------------------------------------------------
 *
 * bus_peer.h
 *	  One end of the bus: a descriptor, what came in and what is to go out.
 *
 * src/hub/bus_peer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_PEER_H
#define REALTIME_BUS_PEER_H

#include "instant.h"
#include "proto/bus_frame.h"

typedef struct BusPeer BusPeer;

typedef struct BusPeerHandlers
{
	/*
	 * One frame came; the body may be changed in place.  False if it should
	 * not have been sent: the peer is lost then.
	 */
	bool		(*frame) (void *owner, const BusHeader *header, Slice body);

	/*
	 * The peer has closed its end, sent what is no frame or cannot be written
	 * to; told once.  The peer still exists: it is freed later, not from
	 * here.
	 */
	void		(*lost) (void *owner, const char *why);
} BusPeerHandlers;

/*
 * Take over a connected descriptor, whose frames have at most max_body bytes
 * behind the header.  The handlers must outlive the peer.
 */
extern BusPeer *bus_peer_create(int fd, size_t max_body,
								const BusPeerHandlers *handlers, void *owner);

/* Close the descriptor and forget what is queued. */
extern void bus_peer_free(BusPeer *peer);

/* Queue a frame whose body is two pieces, either may be empty. */
extern void bus_peer_send(BusPeer *peer, BusFrameType type, Slice head, Slice rest);

/* Write what is queued, as far as the socket takes it. */
extern void bus_peer_flush(BusPeer *peer);

/* Call it lost, if it is not yet; nothing is read from it or written any more. */
extern void bus_peer_lose(BusPeer *peer, const char *why);
extern bool bus_peer_is_lost(const BusPeer *peer);

/* Bytes that the socket has not taken yet. */
extern size_t bus_peer_queued(const BusPeer *peer);

/*
 * When bytes last left or, if later, the queue began; means nothing while
 * nothing is queued.
 */
extern Instant bus_peer_progress_at(const BusPeer *peer);

#endif							/* REALTIME_BUS_PEER_H */
