/*-------------------------------------------------------------------------
 *
 * loop.h
 *	  The one place where a program sleeps.
 *
 * src/program/loop.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_LOOP_H
#define REALTIME_LOOP_H

#include <sys/epoll.h>

#include "proto/proto.h"

#define LOOP_NEVER PG_INT64_MAX /* a deadline that does not come */

typedef struct Watch Watch;
typedef void (*WatchReady) (Watch *watch, uint32 events);

/*
 * A watched descriptor, embedded in what it belongs to.  Its memory must last
 * until the turn ends in which it was removed, because an event of it may
 * still be waiting to be handed out.
 */
struct Watch
{
	WatchReady	ready;			/* called with EPOLL... bits */
	int			fd;
	uint32		events;			/* what epoll watches for now */
};

/*
 * Milliseconds of the monotonic clock, taken once per turn after the sleep:
 * everything in one turn happens at the same time.
 */
extern int64 loop_now;

/*
 * Milliseconds of the wall clock since 1970, taken at the same moment.  It may
 * jump: only for what is given as a date, such as a token's end.
 */
extern int64 loop_wall;

extern bool loop_init(void) RT_MUSTCHECK;
extern bool loop_add(Watch *watch, uint32 events) RT_MUSTCHECK;
extern void loop_change(Watch *watch, uint32 events);
extern void loop_remove(Watch *watch);
extern void loop_wait(int64 deadline);

#endif							/* REALTIME_LOOP_H */
