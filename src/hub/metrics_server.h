/*-------------------------------------------------------------------------
 *
 * metrics_server.h
 *	  Figures of the whole server, for the gateway that is asked for them.
 *
 * src/hub/metrics_server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_METRICS_SERVER_H
#define REALTIME_METRICS_SERVER_H

#include "proto/bus_frame.h"

/* A BUS_HISTOGRAMS or BUS_ASK_METRICS came; false if it is none. */
extern bool metrics_server_take(int slot, BusFrameType type, Slice body) RT_MUSTCHECK;

/* The gateway of a slot is gone; what it has counted stays. */
extern void metrics_server_remove(int slot);

#endif							/* REALTIME_METRICS_SERVER_H */
