/*-------------------------------------------------------------------------
 *
 * visible.h
 *	  Which clients may see these changes of a table?
 *
 * src/exec/visible.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_VISIBLE_H
#define REALTIME_VISIBLE_H

#include "proto/bytes.h"
#include "proto/job.h"

/* JOB_VISIBLE. */
extern JobOutcome visible(Slice body, Bytes *answer) RT_MUSTCHECK;

#endif							/* REALTIME_VISIBLE_H */
