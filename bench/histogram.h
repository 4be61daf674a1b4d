/*-------------------------------------------------------------------------
 *
 * histogram.h
 *	  Latencies in buckets that grow with the value.
 *
 * Values below 256 us are exact, larger ones are known to 1/128 (0.8 %).
 * Adding is a few instructions, so that millions of deliveries a second can be
 * recorded by the thread that reads them.
 *
 * bench/histogram.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include "postgres_fe.h"
#include "port/pg_bitutils.h"

#define HISTOGRAM_STEPS 128		/* buckets per doubling */
#define HISTOGRAM_DOUBLINGS 30	/* up to 2^37 us: more than a day */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * (HISTOGRAM_DOUBLINGS + 2))

typedef struct Histogram
{
	uint64		count;
	int64		max;			/* us, exact */
	uint64		buckets[HISTOGRAM_BUCKETS];
} Histogram;

/* Add `count` values of `us` microseconds; negative ones count as 0. */
static inline void
histogram_add(Histogram *h, int64 us, uint64 count)
{
	uint64		value = us > 0 ? (uint64) us : 0;
	int			index;

	if (value < 2 * HISTOGRAM_STEPS)
		index = (int) value;
	else
	{
		int			shift = pg_leftmost_one_pos64(value) - 7;

		index = (int) (value >> shift) + shift * HISTOGRAM_STEPS;
		if (index >= HISTOGRAM_BUCKETS)
			index = HISTOGRAM_BUCKETS - 1;
	}
	h->buckets[index] += count;
	h->count += count;
	if (us > h->max)
		h->max = us;
}

/* Value below which `percent` of the values lie (0..100); 0 if there is none. */
extern int64 histogram_percentile(const Histogram *h, double percent);

/* Print <name>_p50_us=... and so on, one line each. */
extern void histogram_print(const Histogram *h, const char *name);

#endif							/* BENCH_HISTOGRAM_H */
