/*-------------------------------------------------------------------------
 *
 * usage_server.h
 *	  Limits of the whole server: what each gateway is told of the others.
 *
 * src/hub/usage_server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_USAGE_SERVER_H
#define REALTIME_USAGE_SERVER_H

#include "proto/bus_frame.h"

/* A slot has a new gateway. */
extern void usage_server_add(int slot);

/* A BUS_USAGE came; false if it is none. */
extern bool usage_server_take(int slot, Slice body) RT_MUSTCHECK;

/* The gateway of a slot is gone. */
extern void usage_server_remove(int slot);

/* Queue what is new for each gateway; before the queues are written. */
extern void usage_server_tell(void);

#endif							/* REALTIME_USAGE_SERVER_H */
