/*-------------------------------------------------------------------------
 *
 * bus_jobs.h
 *	  What a program has asked the executors, and who waits for it.
 *
 * src/program/bus_jobs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_JOBS_H
#define REALTIME_BUS_JOBS_H

#include "proto/job.h"

/* The answer to a job; body is empty unless outcome is JOB_DONE. */
typedef void (*JobHandler) (JobOutcome outcome, Slice body, void *arg);

/*
 * Ask; the handler is called once, in a later turn.  False, and the handler
 * is never called, without memory or while too much waits for the hub.
 */
extern bool bus_jobs_ask(JobKind kind, Slice body, JobHandler handler, void *arg) RT_MUSTCHECK;

/* Is there room for a job on the bus?  Whoever can wait looks here first. */
extern bool bus_jobs_room(void);

/* The body of a BUS_RESULT; false if it is not the answer to a job of ours. */
extern bool bus_jobs_result(Slice frame) RT_MUSTCHECK;

#endif							/* REALTIME_BUS_JOBS_H */
