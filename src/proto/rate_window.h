/*-------------------------------------------------------------------------
 *
 * rate_window.h
 *	  How often something happened lately.
 *
 * A window of some time is a ring of buckets; what is older than that falls out
 * bucket by bucket.  A rate is the average over the window, so that a burst far
 * above the number per second passes as long as the window has room for it
 * (supabase.md section 9).  Time is a parameter: milliseconds of any clock that
 * does not go back.
 *
 * src/proto/rate_window.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_RATE_WINDOW_H
#define REALTIME_RATE_WINDOW_H

#include "proto/proto.h"

#define RATE_BUCKETS 12

/* All zero at first. */
typedef struct RateWindow
{
	int64		bucket_ms;		/* length of a bucket; 0 = nothing counted yet */
	int64		period;			/* now / bucket_ms of the newest bucket */
	uint64		total;			/* of all buckets */
	uint64		buckets[RATE_BUCKETS];	/* by period % RATE_BUCKETS */
} RateWindow;

/*
 * Count n at `now`, in a window of window_ms.  When that is another length than
 * before, what was counted is kept as if it were new.
 */
extern void rate_window_add(RateWindow *window, int64 now, int64 window_ms, uint64 n);

/* What was counted within window_ms. */
extern uint64 rate_window_total(RateWindow *window, int64 now, int64 window_ms);

/*
 * How much more may be counted now so that the average over the window is at
 * most per_second.
 */
extern uint64 rate_window_left(RateWindow *window, int64 now, int64 window_ms,
							   int64 per_second);

#endif							/* REALTIME_RATE_WINDOW_H */
