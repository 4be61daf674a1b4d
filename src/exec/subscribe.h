/*-------------------------------------------------------------------------
 *
 * subscribe.h
 *	  What does a role follow that asks for this?
 *
 * src/exec/subscribe.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SUBSCRIBE_H
#define REALTIME_SUBSCRIBE_H

#include "proto/bytes.h"
#include "proto/job.h"

/* JOB_SUBSCRIBE. */
extern JobOutcome subscribe(Slice body, Bytes *answer) RT_MUSTCHECK;

#endif							/* REALTIME_SUBSCRIBE_H */
