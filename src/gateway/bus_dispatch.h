/*-------------------------------------------------------------------------
 *
 * bus_dispatch.h
 *	  What the frames of the hub mean.
 *
 * src/gateway/bus_dispatch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_DISPATCH_H
#define REALTIME_BUS_DISPATCH_H

#include "proto/bus_frame.h"

/* Act on a frame; false if it is none that a hub sends. */
extern bool bus_dispatch(BusFrameType type, Slice body);

/* Why the hub wants us to end; NULL while it does not. */
extern const char *bus_dispatch_shutdown_reason(void);

#endif							/* REALTIME_BUS_DISPATCH_H */
