/*-------------------------------------------------------------------------
 *
 * metrics_frame.h
 *	  What the hub tells a gateway about the whole server, when it is asked.
 *
 * A body of BUS_METRICS is
 *
 *		BusMetricsHead
 *		head.ngateways times BusGatewayMetrics
 *		key NUL value NUL ...		figures of the hub, as BUS_CONFIG has its
 *									settings; a key is 'c' for a counter or 'g'
 *									for a gauge, and then a name
 *
 * src/proto/metrics_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_METRICS_FRAME_H
#define REALTIME_METRICS_FRAME_H

#include "proto/bus_frame.h"
#include "proto/bus_histogram.h"

typedef struct BusMetricsHead
{
	uint64		lag_ms;			/* of the hub, as far as it is its fault */
	uint64		ngateways;
	uint64		totals[BUS_STAT_COUNT]; /* of all gateways; counters include
										 * those that have ended */
	Histogram	histograms[HISTOGRAM_KINDS];	/* likewise */
} BusMetricsHead;

typedef struct BusGatewayMetrics
{
	uint64		slot;			/* from 0 */
	uint64		starts;			/* programs started in it */
	uint64		stats[BUS_STAT_COUNT];	/* of the one that runs */
} BusGatewayMetrics;

/* A body taken apart; slices point into it. */
typedef struct MetricsReport
{
	BusMetricsHead head;
	Slice		gateways;
	Slice		figures;		/* for bus_next_setting() */
} MetricsReport;

/* False if a body is not as above. */
extern bool metrics_decode(Slice body, MetricsReport *report) RT_MUSTCHECK;

/* The n-th of head.ngateways. */
extern void metrics_gateway(const MetricsReport *report, uint64 n,
							BusGatewayMetrics *gateway);

#endif							/* REALTIME_METRICS_FRAME_H */
