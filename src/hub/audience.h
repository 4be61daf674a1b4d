/*-------------------------------------------------------------------------
 *
 * audience.h
 *	  Has it recorded how many sockets messages on channels have reached.
 *
 * src/hub/audience.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_AUDIENCE_H
#define REALTIME_AUDIENCE_H

#include "instant.h"
#include "proto/slice.h"

/* Take a gateway's BUS_AUDIENCE; false if it is none. */
extern bool audience_take(int slot, Slice body);

/*
 * Send what is due.  Returns the milliseconds until it should be asked again,
 * -1 if nothing waits.
 */
extern long audience_tick(Instant now);

#endif							/* REALTIME_AUDIENCE_H */
