/*-------------------------------------------------------------------------
 *
 * usage_frame.h
 *	  What gateways tell each other, by way of the hub, of limits that hold for
 *	  all of them together.
 *
 * src/proto/usage_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_USAGE_FRAME_H
#define REALTIME_USAGE_FRAME_H

#include "proto/proto.h"

/* What there is a limit per second for. */
typedef enum RateKind
{
	RATE_JOINS,
	RATE_EVENTS,
	RATE_PRESENCE,
	RATE_KINDS
} RateKind;

/*
 * Body of BUS_USAGE, of one gateway, and of BUS_USAGE_OTHERS, of all the others.
 */
typedef struct BusUsage
{
	uint64		users;			/* connections that have joined something, now */
	uint64		used[RATE_KINDS];	/* what was counted since the last of these */
} BusUsage;

/* False if a body is of another length. */
extern bool usage_decode(Slice body, BusUsage *usage) RT_MUSTCHECK;

#endif							/* REALTIME_USAGE_FRAME_H */
