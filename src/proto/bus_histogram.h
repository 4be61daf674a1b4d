/*-------------------------------------------------------------------------
 *
 * bus_histogram.h
 *	  How often something took how long, or was how large.
 *
 * src/proto/bus_histogram.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_HISTOGRAM_H
#define REALTIME_BUS_HISTOGRAM_H

#include "proto/proto.h"

#define HISTOGRAM_BOUNDS 14

typedef enum HistogramKind
{
	HISTOGRAM_PAYLOAD,			/* bytes of a message's payload */
	HISTOGRAM_COMMITTED,		/* microseconds from commit to gateway */
	HISTOGRAM_INSERTED,			/* the same from realtime.send() */
	HISTOGRAM_READ_CHECK,		/* microseconds of a decision: may it hear? */
	HISTOGRAM_WRITE_CHECK,		/* the same: may it write? */
	HISTOGRAM_KINDS
} HistogramKind;

/* Only ever grows; an array of u64. */
typedef struct Histogram
{
	uint64		buckets[HISTOGRAM_BOUNDS + 1];	/* not cumulative; the last one
												 * has no bound */
	uint64		sum;			/* of all values */
} Histogram;

/* The upper bounds of a kind, each included in its bucket. */
extern const uint64 *histogram_bounds(HistogramKind kind);

/* Count a value. */
extern void histogram_add(Histogram *histogram, HistogramKind kind, uint64 value);

/* Add what another one has counted. */
extern void histogram_merge(Histogram *histogram, const Histogram *other);

#endif							/* REALTIME_BUS_HISTOGRAM_H */
