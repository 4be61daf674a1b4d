/*-------------------------------------------------------------------------
 *
 * bus_server.h
 *	  The hub's side of the bus to its gateways: who wants which topic.
 *
 * Gateways are named by their slots.  What is sent to a slot that has none is
 * dropped.
 *
 * src/hub/bus_server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_SERVER_H
#define REALTIME_BUS_SERVER_H

#include "instant.h"
#include "proto/bus_frame.h"
#include "proto/wal_record.h"
#include "shmem.h"

typedef struct BusCallbacks
{
	/*
	 * A gateway closed its end, sent what is no frame, or stopped reading.
	 * It is still known; whoever is told removes it later.
	 */
	void		(*lost) (int slot, const char *why);

	/* A READY or STATS frame came. */
	void		(*ready) (int slot, Slice addresses);
	void		(*stats) (int slot, const uint64 *stats);

	/* A job came; false if it is none that a gateway may ask for. */
	bool		(*job) (int slot, const BusJob *job, Slice body);

	/* A BUS_TRACK or BUS_WATCH came; false if it should not have been sent. */
	bool		(*presence) (int slot, BusFrameType type, Slice body);

	/* A BUS_USAGE came; false if it is none. */
	bool		(*usage) (int slot, Slice body);

	/* The same for a BUS_AUDIENCE. */
	bool		(*audience) (int slot, Slice body);

	/* The same for a BUS_HISTOGRAMS or BUS_ASK_METRICS. */
	bool		(*metrics) (int slot, BusFrameType type, Slice body);
} BusCallbacks;

extern void bus_server_init(const BusCallbacks *callbacks);

/* Take over a connected descriptor as the gateway of a slot. */
extern void bus_server_add(int slot, int fd);

/* Forget a gateway, its queue and its interest; closes the descriptor. */
extern void bus_server_remove(int slot);

/* Queue a frame whose body is two pieces, either may be empty. */
extern void bus_server_send(int slot, BusFrameType type, Slice head, Slice rest);

/*
 * The same with what a gateway must not miss while its queue is bounded by
 * nothing else: past `limit` bytes of it, the gateway is lost.
 */
extern void bus_server_send_bounded(int slot, BusFrameType type, Slice head, Slice rest,
									size_t limit);

/* Queue a frame for every gateway. */
extern void bus_server_send_all(BusFrameType type, Slice head, Slice rest);

/* Queue a message for the gateways that want its topic, or follow its table. */
extern void bus_server_publish(const BusMessageHead *head, const WalMessage *message,
							   Slice record);

/* False while a gateway's queue is so long that nothing should be published. */
extern bool bus_server_has_room(void);

/*
 * Acknowledge interest and write what is queued, as far as the sockets take it.
 * `told` is the place up to which messages were published.
 */
extern void bus_server_flush(const Place *told);

/*
 * Report gateways that have not read for too long.  Returns the milliseconds
 * until it should be asked again, -1 if nothing waits.
 */
extern long bus_server_check_stalled(Instant now);

#endif							/* REALTIME_BUS_SERVER_H */
