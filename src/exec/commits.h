/*-------------------------------------------------------------------------
 *
 * commits.h
 *	  realtime.commits, as the hub writes and reads it.
 *
 * src/exec/commits.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_COMMITS_H
#define REALTIME_COMMITS_H

#include "proto/job.h"

/*
 * JOB_COMMITS: insert the rows that are not there yet.  What it has inserted is
 * on disk once the transaction is committed.
 */
extern JobOutcome commits_insert(Slice body, Bytes *answer) RT_MUSTCHECK;

/* JOB_POSITION: the row with the highest lsn. */
extern JobOutcome commits_position(Slice body, Bytes *answer) RT_MUSTCHECK;

#endif							/* REALTIME_COMMITS_H */
