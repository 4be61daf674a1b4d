/*-------------------------------------------------------------------------
 *
 * timers.h
 *	  Deadlines of connections, as lists in the order of their start.
 *
 * src/gateway/timers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TIMERS_H
#define REALTIME_TIMERS_H

#include "proto/proto.h"

#include "lib/ilist.h"

/* One list per kind; all timers of a kind run equally long. */
typedef enum TimerKind
{
	TIMER_REQUEST,				/* since we began to wait for a request */
	TIMER_IDLE,					/* since the last frame of the client */
	TIMER_CLOSE,				/* since we want the connection closed */
	TIMER_ANSWER,				/* since an executor was asked for the answer;
								 * never too long, because it will come */
	TIMER_EVENTS,				/* since the last bytes of an event stream */
	TIMER_CONNECT,				/* since a Socket.IO session belongs to nobody */
	TIMER_PING,					/* since it answered a ping */
	TIMER_PONG,					/* since it was sent one */
	TIMER_PROBE,				/* since a WebSocket began to take a session over */
	TIMER_RELAY,				/* since the other side of a relay has ended */
	TIMER_KINDS
} TimerKind;

typedef struct Timer
{
	dlist_node	node;
	int64		since;			/* ms, like loop_now */
} Timer;

/* Start a timer that is in no list. */
extern void timer_start(Timer *timer, TimerKind kind, int64 now);

/* Start a running timer again, maybe as another kind. */
extern void timer_restart(Timer *timer, TimerKind kind, int64 now);

extern void timer_stop(Timer *timer);

/* Any timer of the kind that has run for `length` ms or more, else NULL. */
extern Timer *timer_expired(TimerKind kind, int64 length, int64 now);

/* The timer that started first, NULL if none runs. */
extern Timer *timer_first(TimerKind kind);

/* The one of its kind that started next, NULL if it was the last. */
extern Timer *timer_next(TimerKind kind, Timer *timer);

/* When the first of a kind will have run for `length`; LOOP_NEVER if none. */
extern int64 timer_deadline(TimerKind kind, int64 length);

#endif							/* REALTIME_TIMERS_H */
