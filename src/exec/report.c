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

#include "exec/report.h"
#include "instant.h"

/* Least time between two reports of one kind. */
#define REPORT_INTERVAL_MS 1000

/*
 * Is it time for another one?
 */
bool
report_due(ReportLimit *limit, uint64 *unlogged)
{
	Instant		now = instant_now();

	if (ms_since(limit->at, now) < REPORT_INTERVAL_MS)
	{
		limit->unlogged++;
		return false;
	}
	*unlogged = limit->unlogged;
	limit->at = now;
	limit->unlogged = 0;
	return true;
}

/*
 * What of an error may be logged as its message.
 */
static const char *
loggable_message(const ErrorData *error)
{
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
		return "an error in the data";
	return error->message ? error->message : "missing error text";
}

/*
 * Log what an error has prevented.
 */
void
report_error(ReportLimit *limit, const ErrorData *error, const char *what)
{
	uint64		unlogged;

	if (!report_due(limit, &unlogged))
		return;
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("realtime executor could not %s: %s", what, loggable_message(error)),
			 unlogged > 0 ?
			 errdetail("SQLSTATE is %s; not logged since the last time: %llu.",
					   unpack_sql_state(error->sqlerrcode),
					   (unsigned long long) unlogged) :
			 errdetail("SQLSTATE is %s.", unpack_sql_state(error->sqlerrcode)),
			 error->hint ? errhint("%s", error->hint) : 0));
}
