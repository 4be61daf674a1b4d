/*-------------------------------------------------------------------------
 *
 * history.h
 *	  Stored messages of a topic, for those who come back or ask for the past.
 *
 * src/exec/history.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EXEC_HISTORY_H
#define REALTIME_EXEC_HISTORY_H

#include "proto/job.h"

/* JOB_HISTORY: read-only. */
extern JobOutcome history_read(Slice body, Bytes *answer);

#endif							/* REALTIME_EXEC_HISTORY_H */
