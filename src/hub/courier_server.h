/*-------------------------------------------------------------------------
 *
 * courier_server.h
 *	  The hub's side of the courier: whether it runs, and its end of the bus.
 *
 * src/hub/courier_server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_COURIER_SERVER_H
#define REALTIME_COURIER_SERVER_H

#include "instant.h"
#include "proto/bus_frame.h"
#include "shmem.h"

/* By which jobs name it, beside the slots of gateways. */
#define COURIER_SLOT MAX_GATEWAYS

extern void courier_server_init(void);

/* A committed and visible transaction has left something to be delivered. */
extern void courier_server_due(void);

/*
 * Start the courier where there may be something for it, and end it where there
 * must be none.  Returns the milliseconds until it wants to be called again, -1
 * for never.
 */
extern long courier_server_tick(Instant now);

/* Settings have changed. */
extern void courier_server_reload(void);

/* Queue a frame for it, if it is there. */
extern void courier_server_send(BusFrameType type, Slice head, Slice rest);

/* Write what is queued. */
extern void courier_server_flush(void);

#endif							/* REALTIME_COURIER_SERVER_H */
