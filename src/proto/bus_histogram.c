/*-------------------------------------------------------------------------
 *
 * bus_histogram.c
 *	  How often something took how long, or was how large.
 *
 * src/proto/bus_histogram.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/bus_histogram.h"

/*
 * Bounds, which are never changed in place: what monitoring has stored goes by
 * them.
 */
const uint64 *
histogram_bounds(HistogramKind kind)
{
	static const uint64 bytes[HISTOGRAM_BOUNDS] = {
		64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536,
		256 * 1024, 1024 * 1024, 4 * 1024 * 1024, 16 * 1024 * 1024
	};
	static const uint64 usec[HISTOGRAM_BOUNDS] = {
		100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000,
		250000, 1000000, 5000000, 15000000
	};

	return kind == HISTOGRAM_PAYLOAD ? bytes : usec;
}

/*
 * Find the bucket of a value.  Most are small.
 */
void
histogram_add(Histogram *histogram, HistogramKind kind, uint64 value)
{
	const uint64 *bounds = histogram_bounds(kind);
	int			i = 0;

	while (i < HISTOGRAM_BOUNDS && value > bounds[i])
		i++;
	histogram->buckets[i]++;
	histogram->sum += value;
}

/*
 * Add.
 */
void
histogram_merge(Histogram *histogram, const Histogram *other)
{
	for (int i = 0; i <= HISTOGRAM_BOUNDS; i++)
		histogram->buckets[i] += other->buckets[i];
	histogram->sum += other->sum;
}
