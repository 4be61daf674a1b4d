/*-------------------------------------------------------------------------
 *
 * backpressure.h
 *	  Who may make the bus wait, and for how long.
 *
 * src/gateway/backpressure.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BACKPRESSURE_H
#define REALTIME_BACKPRESSURE_H

#include "proto/proto.h"

typedef struct Backlog Backlog;

/*
 * What a socket carries about itself.  All zero at first.
 */
typedef struct Pressure
{
	Backlog    *backlog;		/* NULL while everything queued was written */
	uint32		receiver_mark;	/* window in which a message was queued last */
	uint32		freed_tick;		/* when the last backlog ended */
	uint8		spent;			/* ticks of the pause budget used up */
} Pressure;

/* A message was queued; cheap enough for every delivery. */
extern void backpressure_receiver(Pressure *pressure);

/*
 * The socket took less than it was offered: `queued` bytes are left and
 * `in_kernel` are on their way.  owner is given back by backpressure_next().
 * False without memory.
 */
extern bool backpressure_begin(Pressure *pressure, void *owner, uint64 queued,
							   uint64 in_kernel) RT_MUSTCHECK;

/* Its queue has `queued` bytes now, after `written` were written. */
extern void backpressure_update(Pressure *pressure, uint64 queued, uint64 written);

/* The queue is empty, or the socket is gone. */
extern void backpressure_end(Pressure *pressure);

/*
 * A message is about to be handed out: one that came over the bus, which
 * nothing holds up at the moment, or any other.
 */
extern void backpressure_bus_read(int64 now);
extern void backpressure_message(int64 now);

/* Is the bus held for a socket?  It may still read a piece now and then. */
extern bool backpressure_holding(void);

/*
 * When it is time to judge the backlogged sockets anew, each is measured, with
 * its bytes that are on their way, and then all are judged.
 */
extern bool backpressure_due(int64 now);
extern void backpressure_measure(Pressure *pressure, uint64 in_kernel);
extern void backpressure_judge(int64 now);

/* When backpressure_due() will be true; LOOP_NEVER without backlog. */
extern int64 backpressure_deadline(void);

/* Walk the owners of backlogs: NULL gives the first; NULL at the end. */
extern void *backpressure_next(const Pressure *after);

#endif							/* REALTIME_BACKPRESSURE_H */
