/*-------------------------------------------------------------------------
 *
 * test_deadlines.c
 *	  The heap of deadlines against an array, and the clocks it stands between.
 *
 * test/unit/test_deadlines.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "gateway/deadlines.h"
#include "program/loop.h"

#define THINGS 300
#define STEPS 100000
#define LATEST 1000				/* seconds */

int64		loop_now;
int64		loop_wall;

static Deadline things[THINGS];
static int64 set_for[THINGS];	/* 0 = not set */
static Deadlines deadlines;
static bool no_memory;

extern void *__real_realloc(void *p, size_t size);
extern void *__wrap_realloc(void *p, size_t size);

/* What the heap gets. */
void *
__wrap_realloc(void *p, size_t size)
{
	return no_memory ? NULL : __real_realloc(p, size);
}

/* The earliest of those that are set; 0 if none is. */
static int64
earliest(void)
{
	int64		first = 0;

	for (int i = 0; i < THINGS; i++)
	{
		if (set_for[i] != 0 && (first == 0 || set_for[i] < first))
			first = set_for[i];
	}
	return first;
}

/* Take what is due; false if that is not what it should be. */
static bool
take_due(int64 now)
{
	Deadline   *due;

	while ((due = deadlines_take_due(&deadlines, now)) != NULL)
	{
		if (due->place != 0 || due->at != set_for[due - things] || due->at != earliest())
			return false;
		set_for[due - things] = 0;
	}
	return earliest() == 0 || earliest() > now;
}

/* Set, set anew, clear and take in any order. */
static bool
random_steps(void)
{
	for (int step = 0; step < STEPS; step++)
	{
		int			i = (int) tap_below(THINGS);

		switch (tap_below(8))
		{
			case 0:
				deadline_clear(&deadlines, &things[i]);
				set_for[i] = 0;
				break;
			case 1:
				if (!take_due((int64) tap_below(LATEST / 4)))
					return false;
				break;
			default:
				set_for[i] = 1 + (int64) tap_below(LATEST);
				if (!deadline_set(&deadlines, &things[i], set_for[i]))
					return false;
		}
		if ((things[i].place != 0) != (set_for[i] != 0))
			return false;
	}
	return true;
}

/* The loop sleeps by its own clock. */
static void
test_clocks(void)
{
	is_int(deadlines_earliest(&deadlines), LOOP_NEVER, "nothing is set: never");
	loop_now = 5000;
	loop_wall = INT64CONST(1000000000500);
	ok(deadline_set(&deadlines, &things[0], 1000000002), "set");
	is_int(deadlines_earliest(&deadlines), 6500, "so far away by the one, so far by the other");
	loop_wall = INT64CONST(1000000003000);
	is_int(deadlines_earliest(&deadlines), 5000, "overdue: at once");
	ok(deadline_set(&deadlines, &things[0], PG_INT64_MAX), "set for the end of time");
	is_int(deadlines_earliest(&deadlines), 5000 + 10000, "the clock is looked at now and then");
	ok(deadlines_take_due(&deadlines, 1000000003) == NULL, "and it is not due");
	deadline_clear(&deadlines, &things[0]);
}

int
main(void)
{
	ok(random_steps(), "the earliest comes first, whatever happened before");
	ok(take_due(LATEST), "all of them, in order");
	is_int(deadlines.count, 0, "none is left");
	test_clocks();

	no_memory = true;
	for (uint32 i = 0; i < deadlines.cap && i < THINGS; i++)
	{
		if (!deadline_set(&deadlines, &things[i], i + 1))
			ok(false, "there is room for %u", i + 1);
	}
	free(deadlines.heap);
	memset(&deadlines, 0, sizeof(deadlines));
	memset(things, 0, sizeof(things));
	ok(!deadline_set(&deadlines, &things[0], 1), "no memory for the first one");
	is_int(things[0].place, 0, "which is not set then");
	no_memory = false;
	ok(deadline_set(&deadlines, &things[0], 1), "memory");
	no_memory = true;
	ok(deadline_set(&deadlines, &things[0], 2), "setting it anew needs none");
	free(deadlines.heap);
	return done_testing();
}
