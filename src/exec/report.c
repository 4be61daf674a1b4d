/*-------------------------------------------------------------------------
 *
 * report.c
 *	  Log what clients bring about, but not as often as they do.
 *
 * src/exec/report.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "exec/report.h"

/* Least time between two reports of one kind. */
#define REPORT_INTERVAL_MS 1000

/*
 * Is it time for another one?
 */
bool
report_due(ReportLimit *limit, uint64 *unlogged)
{
	TimestampTz now = GetCurrentTimestamp();

	/* a clock that was set back must not silence us */
	if (now >= limit->at &&
		!TimestampDifferenceExceeds(limit->at, now, REPORT_INTERVAL_MS))
	{
		limit->unlogged++;
		return false;
	}
	*unlogged = limit->unlogged;
	limit->at = now;
	limit->unlogged = 0;
	return true;
}
