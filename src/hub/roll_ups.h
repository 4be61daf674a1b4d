/*-------------------------------------------------------------------------
 *
 * roll_ups.h
 *	  Has messages on channels counted for realtime.message_stats().
 *
 * src/hub/roll_ups.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ROLL_UPS_H
#define REALTIME_ROLL_UPS_H

#include "instant.h"

/* A message on a channel that has a row was committed. */
extern void roll_ups_note(void);

/*
 * Send a job when it is time.  Returns the milliseconds until it should be asked
 * again, -1 if there is nothing to do.
 */
extern long roll_ups_tick(Instant now);

#endif							/* REALTIME_ROLL_UPS_H */
