/*-------------------------------------------------------------------------
 *
 * deadlines.c
 *	  Points of the wall clock at which something has to be done.
 *
 * A token says when it expires, so these deadlines come in any order, unlike
 * those of timers.c: a binary heap.  Each one knows its place in it and leaves
 * it without a search.
 *
 * The loop sleeps by a clock that nobody can set.  A deadline of the wall clock
 * is therefore translated anew before each sleep, and never into a long one: a
 * clock that is set forward is noticed after WALL_CHECK_MS.
 *
 * src/gateway/deadlines.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/deadlines.h"
#include "program/loop.h"

#define FIRST_CAP 64
#define WALL_CHECK_MS 10000

/*
 * Put a deadline at a place that is free.
 */
static void
put(Deadlines *deadlines, Deadline *deadline, uint32 place)
{
	deadlines->heap[place - 1] = deadline;
	deadline->place = place;
}

/*
 * Find the place for a deadline from a free one upwards; returns it.
 */
static uint32
sift_up(Deadlines *deadlines, int64 at, uint32 place)
{
	while (place > 1 && deadlines->heap[place / 2 - 1]->at > at)
	{
		put(deadlines, deadlines->heap[place / 2 - 1], place);
		place /= 2;
	}
	return place;
}

/*
 * The same downwards.
 */
static uint32
sift_down(Deadlines *deadlines, int64 at, uint32 place)
{
	while (place <= deadlines->count / 2)
	{
		uint32		child = place * 2;

		if (child < deadlines->count &&
			deadlines->heap[child]->at < deadlines->heap[child - 1]->at)
			child++;
		if (deadlines->heap[child - 1]->at >= at)
			break;
		put(deadlines, deadlines->heap[child - 1], place);
		place = child;
	}
	return place;
}

/*
 * Make room for one more; false without memory.
 */
static bool
grow(Deadlines *deadlines)
{
	uint32		cap = Max(deadlines->cap * 2, FIRST_CAP);
	Deadline  **heap;

	if (deadlines->count < deadlines->cap)
		return true;
	if (deadlines->cap > PG_UINT32_MAX / 4)
		return false;
	heap = realloc(deadlines->heap, cap * sizeof(Deadline *));
	if (heap == NULL)
		return false;
	deadlines->heap = heap;
	deadlines->cap = cap;
	return true;
}

/*
 * Set a deadline.
 */
bool
deadline_set(Deadlines *deadlines, Deadline *deadline, int64 at)
{
	deadline_clear(deadlines, deadline);
	if (!grow(deadlines))
		return false;
	deadlines->count++;
	deadline->at = at;
	put(deadlines, deadline, sift_up(deadlines, at, deadlines->count));
	return true;
}

/*
 * Take a deadline out; the last one of the heap moves to where it was.
 */
void
deadline_clear(Deadlines *deadlines, Deadline *deadline)
{
	uint32		place = deadline->place;
	Deadline   *last;

	if (place == 0)
		return;
	Assert(deadlines->heap[place - 1] == deadline);
	deadline->place = 0;
	last = deadlines->heap[--deadlines->count];
	if (last == deadline)
		return;
	place = sift_up(deadlines, last->at, place);
	put(deadlines, last, sift_down(deadlines, last->at, place));
}

/*
 * Take the earliest one, if it is due.
 */
Deadline *
deadlines_take_due(Deadlines *deadlines, int64 now)
{
	Deadline   *first;

	if (deadlines->count == 0 || deadlines->heap[0]->at > now)
		return NULL;
	first = deadlines->heap[0];
	deadline_clear(deadlines, first);
	return first;
}

/*
 * When to look again.
 */
int64
deadlines_earliest(const Deadlines *deadlines)
{
	int64		at;

	if (deadlines->count == 0)
		return LOOP_NEVER;
	at = deadlines->heap[0]->at;
	if (at > loop_wall / 1000 + WALL_CHECK_MS / 1000)
		return loop_now + WALL_CHECK_MS;
	return loop_now + Max(at * 1000 - loop_wall, 0);
}
