/*-------------------------------------------------------------------------
 *
 * deadlines.h
 *	  Points of the wall clock at which something has to be done.
 *
 * src/gateway/deadlines.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_DEADLINES_H
#define REALTIME_DEADLINES_H

#include "proto/proto.h"

/* Embedded in what it belongs to; all zero while it is not set. */
typedef struct Deadline
{
	int64		at;				/* Unix time, seconds */
	uint32		place;			/* in the heap, from 1; 0 = not set */
} Deadline;

/* A heap of deadlines; all zero while it is empty. */
typedef struct Deadlines
{
	Deadline  **heap;			/* heap[i] is at place i + 1 */
	uint32		count;
	uint32		cap;
} Deadlines;

/*
 * Set a deadline, or set it anew; false without memory, which only the former
 * needs.
 */
extern bool deadline_set(Deadlines *deadlines, Deadline *deadline, int64 at) RT_MUSTCHECK;

/* Harmless where it is not set. */
extern void deadline_clear(Deadlines *deadlines, Deadline *deadline);

/* Clear the earliest one that is at or before `now` and return it, or NULL. */
extern Deadline *deadlines_take_due(Deadlines *deadlines, int64 now);

/* When the earliest one is, as loop_now will tell it; LOOP_NEVER without one. */
extern int64 deadlines_earliest(const Deadlines *deadlines);

#endif							/* REALTIME_DEADLINES_H */
