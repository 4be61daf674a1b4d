/*-------------------------------------------------------------------------
 *
 * audience_rows.h
 *	  What becomes of messages on channels, as rows.
 *
 * src/exec/audience_rows.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_AUDIENCE_ROWS_H
#define REALTIME_AUDIENCE_ROWS_H

#include "proto/job.h"

/* JOB_AUDIENCE: add rows to realtime.message_audience. */
extern JobOutcome audience_insert(Slice body, Bytes *answer);

/* JOB_ROLL_UP: one realtime.roll_up(). */
extern JobOutcome messages_roll_up(Slice body, Bytes *answer);

#endif							/* REALTIME_AUDIENCE_ROWS_H */
