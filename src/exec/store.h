/*-------------------------------------------------------------------------
 *
 * store.h
 *	  Broadcasts of clients that are to be stored.
 *
 * src/exec/store.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_STORE_H
#define REALTIME_STORE_H

#include "proto/job.h"

/* JOB_STORE: insert the row, whose commit publishes it. */
extern JobOutcome store_broadcast(Slice body, Bytes *answer) RT_MUSTCHECK;

#endif							/* REALTIME_STORE_H */
