/*-------------------------------------------------------------------------
 *
 * programs.h
 *	  The child programs of the hub: start, watch, end.
 *
 * src/hub/programs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PROGRAMS_H
#define REALTIME_PROGRAMS_H

#include "instant.h"

extern void programs_init(void);

/*
 * Start what should run and end what should not, as realtime.gateways says.
 * Returns the milliseconds until it wants to be called again, -1 for never.
 */
extern long programs_tick(Instant now);

/* Settings have changed: tell the programs. */
extern void programs_reload(void);

/* Continuity was lost: have every client reconnect. */
extern void programs_tell_gap(uint64 epoch, const char *reason);

#endif							/* REALTIME_PROGRAMS_H */
