/*-------------------------------------------------------------------------
 *
 * bus_server.h
 *	  The hub's side of the bus: peers, their queues, who wants which topic.
 *
 * src/hub/bus_server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_SERVER_H
#define REALTIME_BUS_SERVER_H

#include "datatype/timestamp.h"

#include "proto/bus_frame.h"
#include "proto/wal_record.h"
#include "shmem.h"

typedef struct BusPeer BusPeer;

/*
 * Told of a peer that closed its end, sent what is no frame, or stopped
 * reading.  The peer still exists; whoever is told removes it.
 */
typedef void (*BusPeerLost) (int slot, const char *why);

/* A READY or STATS frame came. */
typedef void (*BusPeerReady) (int slot, Slice addresses);
typedef void (*BusPeerStats) (int slot, const uint64 *stats);

typedef struct BusCallbacks
{
	BusPeerLost lost;
	BusPeerReady ready;
	BusPeerStats stats;
} BusCallbacks;

extern void bus_server_init(const BusCallbacks *callbacks);

/* Take over a connected descriptor as the peer of a slot. */
extern BusPeer *bus_server_add(int slot, int fd);

/* Forget a peer, its queue and its interest; closes the descriptor. */
extern void bus_server_remove(BusPeer *peer);

/* Queue a frame whose body is two pieces, either may be empty. */
extern void bus_server_send(BusPeer *peer, BusFrameType type, Slice head, Slice rest);

/* Queue it for every peer. */
extern void bus_server_send_all(BusFrameType type, Slice head, Slice rest);

/* Queue a message for the peers that want its topic. */
extern void bus_server_publish(const BusMessageHead *head, const WalMessage *message,
							   Slice record);

/* False while a peer's queue is so long that nothing should be published. */
extern bool bus_server_has_room(void);

/* Write what is queued, as far as the sockets take it. */
extern void bus_server_flush(void);

/*
 * Report peers that have not read for too long.  Returns the milliseconds
 * until it should be asked again, -1 if nothing waits.
 */
extern long bus_server_check_stalled(TimestampTz now);

#endif							/* REALTIME_BUS_SERVER_H */
