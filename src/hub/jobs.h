/*-------------------------------------------------------------------------
 *
 * jobs.h
 *	  Work that waits for an executor, and whom to tell of its end.
 *
 * src/hub/jobs.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JOBS_H
#define REALTIME_JOBS_H

#include "lib/ilist.h"

#include "instant.h"
#include "proto/bus_frame.h"
#include "proto/job.h"

/*
 * Told of the end of one of the hub's own jobs.  `answered` says whether an
 * executor gave the outcome, or the hub for want of one.
 */
typedef void (*JobEnded) (JobOutcome outcome, Slice body, bool answered);

/* A job is queued, or running on an executor; jobs_end() frees it. */
typedef struct Job
{
	dlist_node	node;			/* of its queue, or of those that run */
	uint64		id;				/* by which the executor knows it */
	JobKind		kind;
	int			gateway;		/* slot to answer to, maybe COURIER_SLOT;
								 * NO_GATEWAY = nobody */
	uint64		gateway_id;		/* by which the gateway knows it */
	JobEnded	ended;			/* of the hub's own jobs, else NULL */
	Instant queued_at;
	size_t		len;
	char		body[FLEXIBLE_ARRAY_MEMBER];
} Job;

#define NO_GATEWAY (-1)

extern void jobs_init(void);

/*
 * Queue what a gateway asks for.  False if no gateway may ask for that, or not
 * like that.  Where the queue is full the answer is on its way at once.
 */
extern bool jobs_add(int gateway, const BusJob *job, Slice body) RT_MUSTCHECK;

/* Queue a job of the hub's own, whose body is two pieces. */
extern void jobs_add_own(JobKind kind, Slice head, Slice rest, JobEnded ended);

/* Jobs that wait. */
extern int	jobs_queued(void);

/* Is there one that can be run now? */
extern bool jobs_ready(void);

/* Does one wait until more is recorded in realtime.commits? */
extern bool jobs_want_record(void);

/* The job to run next; NULL if none is ready. */
extern Job *jobs_take(void);

/* A job has ended: tell who asked for it, and free it. */
extern void jobs_end(Job *job, JobOutcome outcome, Slice body, bool answered);

/* End all that wait. */
extern void jobs_end_queued(JobOutcome outcome);

/*
 * End those that have waited for too long.  Returns the milliseconds until it
 * should be asked again, -1 if none waits.
 */
extern long jobs_expire(Instant now);

/* A gateway is gone: nobody is waiting for its jobs any more. */
extern void jobs_forget_gateway(int gateway);

#endif							/* REALTIME_JOBS_H */
