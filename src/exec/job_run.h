/*-------------------------------------------------------------------------
 *
 * job_run.h
 *	  One job, in a transaction of its own.
 *
 * src/exec/job_run.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JOB_RUN_H
#define REALTIME_JOB_RUN_H

#include "proto/job.h"

/*
 * Run a job.  Raises no error: what goes wrong is logged and becomes an
 * outcome.  With JOB_DONE, what proto/job.h promises is in *answer; else that
 * stays empty.
 */
extern JobOutcome job_run(JobKind kind, Slice body, Bytes *answer) RT_MUSTCHECK;

/*
 * Called by a job that writes, before it returns JOB_DONE: its transaction is to
 * be rolled back all the same.
 */
extern void job_roll_back(void);

#endif							/* REALTIME_JOB_RUN_H */
