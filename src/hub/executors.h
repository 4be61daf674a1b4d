/*-------------------------------------------------------------------------
 *
 * executors.h
 *	  The workers that run SQL for the hub: launch, supervise, hand out jobs.
 *
 * src/hub/executors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EXECUTORS_H
#define REALTIME_EXECUTORS_H

#include "instant.h"

extern void executors_init(void);

/*
 * Have as many executors as are wanted, and none that does not end its job.
 * Returns the milliseconds until it wants to be called again, -1 for never.
 */
extern long executors_tick(Instant now);

/*
 * Hand the jobs that wait to executors that are idle; end them where there is
 * no executor and cannot be one.
 */
extern void executors_dispatch(Instant now);

/* Can there be an executor? */
extern bool executors_possible(Instant now);

/* Executors that are ready for a job or have one. */
extern int	executors_ready(void);

#endif							/* REALTIME_EXECUTORS_H */
