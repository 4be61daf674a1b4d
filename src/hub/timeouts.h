/*-------------------------------------------------------------------------
 *
 * timeouts.h
 *	  Arithmetic of how long the hub may sleep.
 *
 * src/hub/timeouts.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TIMEOUTS_H
#define REALTIME_TIMEOUTS_H

#include "instant.h"

/* The shorter of two times to wait, where -1 stands for ever. */
static inline long
sooner(long a, long b)
{
	if (a < 0)
		return b;
	return b < 0 ? a : Min(a, b);
}

/* Milliseconds from now to then, at least 1. */
static inline long
ms_until(Instant then, Instant now)
{
	return Max((long) ((then - now + 999) / 1000), 1);
}

#endif							/* REALTIME_TIMEOUTS_H */
