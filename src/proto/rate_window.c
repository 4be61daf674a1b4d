/*-------------------------------------------------------------------------
 *
 * rate_window.c
 *	  How often something happened lately.
 *
 * src/proto/rate_window.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/rate_window.h"

/*
 * Give the buckets another length.
 */
static void
set_length(RateWindow *window, int64 now, int64 bucket_ms)
{
	memset(window->buckets, 0, sizeof(window->buckets));
	window->bucket_ms = bucket_ms;
	window->period = now / bucket_ms;
	window->buckets[window->period % RATE_BUCKETS] = window->total;
}

/*
 * Let the buckets fall out whose time is over.  A clock that goes back anyway
 * counts as one that stands still.
 */
static void
move_on(RateWindow *window, int64 now, int64 window_ms)
{
	int64		bucket_ms = Max(window_ms / RATE_BUCKETS, 1);
	int64		passed;

	if (bucket_ms != window->bucket_ms)
		set_length(window, now, bucket_ms);
	passed = now / bucket_ms - window->period;
	for (int64 i = 0; i < Min(passed, RATE_BUCKETS); i++)
	{
		uint64	   *bucket = &window->buckets[(window->period + 1 + i) % RATE_BUCKETS];

		window->total -= *bucket;
		*bucket = 0;
	}
	if (passed > 0)
		window->period += passed;
}

/*
 * Count.
 */
void
rate_window_add(RateWindow *window, int64 now, int64 window_ms, uint64 n)
{
	move_on(window, now, window_ms);
	window->buckets[window->period % RATE_BUCKETS] += n;
	window->total += n;
}

/*
 * Sum up.
 */
uint64
rate_window_total(RateWindow *window, int64 now, int64 window_ms)
{
	move_on(window, now, window_ms);
	return window->total;
}

/*
 * Compare with a rate.
 */
uint64
rate_window_left(RateWindow *window, int64 now, int64 window_ms, int64 per_second)
{
	uint64		most = (uint64) (per_second * window_ms / 1000);
	uint64		total = rate_window_total(window, now, window_ms);

	return most > total ? most - total : 0;
}
