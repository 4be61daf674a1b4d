/*-------------------------------------------------------------------------
 *
 * presence_server.h
 *	  What gateways tell and ask of presence.
 *
 * src/hub/presence_server.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_SERVER_H
#define REALTIME_PRESENCE_SERVER_H

#include "proto/bus_frame.h"

extern void presence_server_init(void);

/* Hold so many members and bytes in all; at the start and on every reload. */
extern void presence_server_limit(uint64 max_members, uint64 max_bytes);

/* A slot has a new gateway; its numbers begin anew. */
extern void presence_server_add(int slot);

/* A BUS_TRACK or BUS_WATCH came; false if it should not have been sent. */
extern bool presence_server_take(int slot, BusFrameType type, Slice body) RT_MUSTCHECK;

/*
 * The gateway of a slot is gone and removed from the bus: its members leave.
 */
extern void presence_server_remove(int slot);

/* What is held. */
extern void presence_server_gauges(uint64 *members, uint64 *bytes);

/* Queue acknowledgements of what was watched; before the queues are written. */
extern void presence_server_acknowledge(void);

#endif							/* REALTIME_PRESENCE_SERVER_H */
