/*-------------------------------------------------------------------------
 *
 * job_session.h
 *	  The database session of an executor, kept as it began.
 *
 * src/exec/job_session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JOB_SESSION_H
#define REALTIME_JOB_SESSION_H

/* Once per process, when it is connected to its database. */
extern void session_init(void);

/* Read the configuration again; between jobs. */
extern void session_reload(void);

/*
 * Before each job: ends the process if the session is not what it was when it
 * began (reliability.md D8).  From here on the job can be cancelled, and is
 * after so many milliseconds.
 */
extern void session_begin_job(int timeout_ms);

/* Time is up for whatever runs: now is the time to put things right. */
extern void session_stop_clock(void);

/*
 * Within a job's transaction: ends the process if the role that it logged in as
 * has got more power than what runs here should find.
 */
extern void session_check_role(void);

/*
 * After each job, whose transaction has ended: drops what outlives one.  For
 * is_internal see plan_watch_end_job().
 */
extern void session_end_job(bool committed, bool is_internal);

#endif							/* REALTIME_JOB_SESSION_H */
