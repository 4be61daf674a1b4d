/*-------------------------------------------------------------------------
 *
 * waiters.h
 *	  Those who wait for the answer to one and the same question.
 *
 * Group commit for questions: while one is being answered, whoever comes does
 * not share its answer, which may be older than his asking, but the next one;
 * and that one is for all who have come by then.
 *
 * src/gateway/waiters.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WAITERS_H
#define REALTIME_WAITERS_H

#include "proto/proto.h"

#include "lib/ilist.h"

/*
 * Embedded in whoever waits; all zero at first.
 */
typedef struct Waiter
{
	dlist_node	node;
	bool		waits;			/* in a list */
} Waiter;

typedef struct Waiters
{
	dlist_head	lists[2];		/* of Waiter.node */
	uint8		asked;			/* the list that the question at hand is for */
	bool		asking;			/* there is a question at hand */
} Waiters;

extern void waiters_init(Waiters *waiters);

/* Wait for the next question; who ends before the answer calls waiter_leave(). */
extern void waiters_add(Waiters *waiters, Waiter *waiter);

/* Wait no longer; harmless for one that does not. */
extern void waiter_leave(Waiter *waiter);

/* Does anybody wait for the next question? */
extern bool waiters_waiting(const Waiters *waiters);

/* A question goes out for all who wait now. */
extern void waiters_begin(Waiters *waiters);

/* Take one of those whom the answer is for; NULL when there are no more. */
extern Waiter *waiters_take(Waiters *waiters);

/* All were told. */
extern void waiters_end(Waiters *waiters);

#endif							/* REALTIME_WAITERS_H */
