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

#include "gateway/identities.h"
#include "gateway/request_headers.h"
#include "gateway/topics.h"
#include "gateway/waiters.h"
#include "proto/job.h"

typedef struct Asker Asker;

/* The asker is told: rights only count where the outcome is JOB_DONE. */
typedef void (*DecisionHandler) (Asker *asker, JobOutcome outcome, uint8 rights);

/*
 * Embedded in whoever asks, who sets `told` before.
 */
struct Asker
{
	Waiter		wait;
	DecisionHandler told;
};

/* Which of the rights wanted does an identity have on a topic? */
typedef struct Question
{
	Identity   *identity;		/* the asker holds these three */
	RequestHeaders *headers;
	Topic	   *topic;
	uint8		wanted;			/* RIGHT_... */
} Question;

/*
 * Ask.  The asker, who does not wait for anything, is told in a later turn
 * unless it leaves before.  False without memory.
 */
extern bool decision_ask(Asker *asker, const Question *question) RT_MUSTCHECK;

/* Put the questions of this turn on the bus. */
extern void decisions_flush(void);

#endif							/* REALTIME_DECISIONS_H */
