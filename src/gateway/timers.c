/*-------------------------------------------------------------------------
 *
 * timers.c
 *	  Deadlines of connections, as lists in the order of their start.
 *
 * Every connection has exactly one timer running, and all timers of a kind are
 * equally long.  So the list of a kind is ordered by itself: starting a timer
 * puts it at the tail, and only the head can be due.  A heartbeat of one of
 * 100,000 clients costs two pointer swaps and no heap.  That the length is
 * given when asking, not when starting, lets a reload change it for all.
 *
 * src/gateway/timers.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/timers.h"
#include "program/loop.h"

static dlist_head lists[TIMER_KINDS];

/*
 * To the tail of its kind.
 */
void
timer_start(Timer *timer, TimerKind kind, int64 now)
{
	timer->since = now;
	dlist_push_tail(&lists[kind], &timer->node);
}

/*
 * To the tail of its kind, from wherever it is.
 */
void
timer_restart(Timer *timer, TimerKind kind, int64 now)
{
	dlist_delete(&timer->node);
	timer_start(timer, kind, now);
}

/*
 * Out of its list.
 */
void
timer_stop(Timer *timer)
{
	dlist_delete(&timer->node);
}

/*
 * The head of a list.
 */
Timer *
timer_first(TimerKind kind)
{
	if (dlist_is_empty(&lists[kind]))
		return NULL;
	return dlist_head_element(Timer, node, &lists[kind]);
}

/*
 * The one behind another in a list.
 */
Timer *
timer_next(TimerKind kind, Timer *timer)
{
	if (!dlist_has_next(&lists[kind], &timer->node))
		return NULL;
	return dlist_container(Timer, node, dlist_next_node(&lists[kind], &timer->node));
}

/*
 * The head of a list, if it is due.
 */
Timer *
timer_expired(TimerKind kind, int64 length, int64 now)
{
	Timer	   *first = timer_first(kind);

	return first != NULL && first->since + length <= now ? first : NULL;
}

/*
 * When the head of a list is due.
 */
int64
timer_deadline(TimerKind kind, int64 length)
{
	Timer	   *first = timer_first(kind);

	return first != NULL ? first->since + length : LOOP_NEVER;
}
