/*-------------------------------------------------------------------------
 *
 * report.h
 *	  Log what clients bring about, but not as often as they do.
 *
 * src/exec/report.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REPORT_H
#define REALTIME_REPORT_H

#include "instant.h"

/* Reports of one kind; zero at first. */
typedef struct ReportLimit
{
	Instant		at;				/* of the last one that was logged */
	uint64		unlogged;		/* since then */
} ReportLimit;

/*
 * Is it time for another one?  If not, it is counted; if so, *unlogged is the
 * number of those that were.
 */
extern bool report_due(ReportLimit *limit, uint64 *unlogged);

/*
 * Log what an error has kept an executor from doing, if it is time.  Of what an
 * error holds, that is logged which does not show a client's data.
 */
extern void report_error(ReportLimit *limit, const ErrorData *error, const char *what);

#endif							/* REALTIME_REPORT_H */
