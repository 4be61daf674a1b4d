/*-------------------------------------------------------------------------
 *
 * reports.h
 *	  Telling the database how deliveries ended, in batches.
 *
 * src/courier/reports.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REPORTS_H
#define REALTIME_REPORTS_H

#include "courier/deliveries.h"
#include "proto/courier_report.h"

/* A delivery has ENDED; it is freed once it is reported. */
extern void reports_add(Delivery *delivery, int64 now);

/* Report what has gathered, if it is time. */
extern void reports_run(int64 now, bool at_once);

/* When it will be; LOOP_NEVER while nothing is to be reported. */
extern int64 reports_deadline(void);

/* Is nothing to be reported, nor being so? */
extern bool reports_are_done(void);

/* What was counted since the last time. */
extern void reports_take_counts(CourierReport *counts);

#endif							/* REALTIME_REPORTS_H */
