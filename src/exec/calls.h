/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  SQL functions that gateways may have called.
 *
 * src/exec/calls.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CALLS_H
#define REALTIME_CALLS_H

#include "proto/job.h"

/* Does the function that a JOB_CALL wants write? */
extern bool call_writes(Slice body);

/* Is it for nobody but us?  See plan_watch_end_job(). */
extern bool call_is_internal(Slice body);

/* JOB_CALL. */
extern JobOutcome call_function(Slice body, Bytes *answer) RT_MUSTCHECK;

#endif							/* REALTIME_CALLS_H */
