/*-------------------------------------------------------------------------
 *
 * decisions.h
 *	  What policies allow: questions to the executors, shared by all who ask
 *	  the same one.
 *
 * src/gateway/decisions.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_DECISIONS_H
#define REALTIME_DECISIONS_H

#include "gateway/channels.h"
#include "proto/job.h"

/* A channel is told: rights only count where the outcome is JOB_DONE. */
typedef void (*DecisionHandler) (Channel *channel, JobOutcome outcome, uint8 rights);

/* Whom to tell, for all decisions. */
extern void decisions_init(DecisionHandler handler);

/*
 * Ask which of the rights wanted the channel's present identity has on its topic.  The
 * channel, which does not wait for anything, is told in a later turn unless it
 * ends before.  False without memory.
 */
extern bool decision_ask(Channel *channel, uint8 wanted) RT_MUSTCHECK;

/* Put the questions of this turn on the bus. */
extern void decisions_flush(void);

#endif							/* REALTIME_DECISIONS_H */
