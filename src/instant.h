/*-------------------------------------------------------------------------
 *
 * instant.h
 *	  Moments for everything that waits: the clock that never jumps.
 *
 * The wall clock does, by NTP or by hand.  Set back an hour, it would keep what
 * waits a second waiting for an hour; set forward, it would end all that is
 * being waited for.  So TimestampTz is for dates that are stored or shown, and
 * whatever is a delay, a deadline or an age is reckoned in Instants.  All
 * processes of a machine have the same ones.
 *
 * src/instant.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_INSTANT_H
#define REALTIME_INSTANT_H

#include <time.h>

/* Microseconds; 0 is long ago, also on a machine that has just been started. */
typedef int64 Instant;

#define INSTANT_OF_BOOT (INT64CONST(30) * 86400 * 1000000)

/*
 * Now.
 */
static inline Instant
instant_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return INSTANT_OF_BOOT + now.tv_sec * INT64CONST(1000000) + now.tv_nsec / 1000;
}

/*
 * Milliseconds from then to now.
 */
static inline int64
ms_since(Instant then, Instant now)
{
	return (now - then) / 1000;
}

/*
 * The moment so many milliseconds later.
 */
static inline Instant
ms_after(Instant then, int64 ms)
{
	return then + ms * 1000;
}

#endif							/* REALTIME_INSTANT_H */
