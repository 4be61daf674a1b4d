/*-------------------------------------------------------------------------
 *
 * courier_report.h
 *	  What the courier reports about itself: the body of its BUS_STATS.
 *
 * src/proto/courier_report.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_COURIER_REPORT_H
#define REALTIME_COURIER_REPORT_H

#include "proto/proto.h"

/* All but `held` count what happened since the last report. */
typedef struct CourierReport
{
	uint64		sent;			/* requests made */
	uint64		delivered;		/* that were answered with 2xx */
	uint64		retried;		/* that were not, and will be made again */
	uint64		dead;			/* that were given up */
	uint64		held;			/* deliveries in hand, as things stand */
} CourierReport;

#endif							/* REALTIME_COURIER_REPORT_H */
