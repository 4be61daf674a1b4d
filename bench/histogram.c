/*-------------------------------------------------------------------------
 *
 * histogram.c
 *	  Reading what histogram_add() collected.
 *
 * bench/histogram.c
 *
 *-------------------------------------------------------------------------
 */
#include "histogram.h"

#include <math.h>

/*
 * Middle of the values that fall into a bucket.
 */
static int64
bucket_value(int index)
{
	int			shift;
	int64		low;

	if (index < 2 * HISTOGRAM_STEPS)
		return index;
	shift = index / HISTOGRAM_STEPS - 1;
	low = (int64) (index - shift * HISTOGRAM_STEPS) << shift;
	return low + ((int64) 1 << shift) / 2;
}

/*
 * Value below which `percent` of the values lie; 0 if there is none.
 */
int64
histogram_percentile(const Histogram *h, double percent)
{
	uint64		wanted = (uint64) ceil((double) h->count * percent / 100.0);
	uint64		seen = 0;

	if (h->count == 0)
		return 0;
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
	{
		seen += h->buckets[i];
		if (seen >= wanted && seen > 0)
			return Min(bucket_value(i), h->max);
	}
	return h->max;
}

/*
 * Print the percentiles as key=value lines that start with `name`.
 */
void
histogram_print(const Histogram *h, const char *name)
{
	printf("%s_count=%llu\n", name, (unsigned long long) h->count);
	printf("%s_p50_us=%lld\n", name, (long long) histogram_percentile(h, 50));
	printf("%s_p90_us=%lld\n", name, (long long) histogram_percentile(h, 90));
	printf("%s_p99_us=%lld\n", name, (long long) histogram_percentile(h, 99));
	printf("%s_p999_us=%lld\n", name, (long long) histogram_percentile(h, 99.9));
	printf("%s_max_us=%lld\n", name, (long long) h->max);
}
