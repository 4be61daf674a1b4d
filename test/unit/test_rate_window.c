/*-------------------------------------------------------------------------
 *
 * test_rate_window.c
 *	  Rates over a window: bursts, recovery, and a list of what was counted.
 *
 * test/unit/test_rate_window.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/rate_window.h"

#define MINUTE 60000
#define STEPS 20000

/*
 * A burst passes up to the average, and what was used comes back as it ages.
 */
static void
test_burst(void)
{
	RateWindow	window = {0};
	int64		now = 1000000 * INT64CONST(5000);

	is_int(rate_window_left(&window, now, MINUTE, 100), 6000, "a window is empty at first");
	rate_window_add(&window, now, MINUTE, 5999);
	is_int(rate_window_left(&window, now, MINUTE, 100), 1, "a burst passes");
	rate_window_add(&window, now, MINUTE, 1);
	is_int(rate_window_left(&window, now, MINUTE, 100), 0, "and one more reaches the limit");
	rate_window_add(&window, now, MINUTE, 500);
	is_int(rate_window_left(&window, now, MINUTE, 100), 0, "no less than nothing is left");
	is_int(rate_window_left(&window, now + 54999, MINUTE, 100), 0, "it stays so");
	is_int(rate_window_left(&window, now + MINUTE, MINUTE, 100), 6000, "until it is forgotten");
	is_int(rate_window_total(&window, now + MINUTE, MINUTE), 0, "all of it");
}

/*
 * Odd times: a long silence, a clock that goes back, a window of no length.
 */
static void
test_odd_times(void)
{
	RateWindow	window = {0};

	rate_window_add(&window, 0, MINUTE, 7);
	is_int(rate_window_total(&window, PG_INT64_MAX / 2, MINUTE), 0, "after a long silence");
	rate_window_add(&window, PG_INT64_MAX / 2, MINUTE, 3);
	rate_window_add(&window, 5, MINUTE, 4);
	is_int(rate_window_total(&window, 5, MINUTE), 7, "a clock that goes back stands still");

	memset(&window, 0, sizeof(window));
	rate_window_add(&window, 1000, 1, 3);
	is_int(rate_window_total(&window, 1000, 1), 3, "a window of a millisecond");
	is_int(rate_window_left(&window, 1000, MINUTE, PG_INT32_MAX),
		   PG_INT32_MAX * INT64CONST(60) - 3, "the largest rate");
}

/*
 * A window that gets another length keeps what it has.
 */
static void
test_change(void)
{
	RateWindow	window = {0};

	rate_window_add(&window, 100000, MINUTE, 10);
	rate_window_add(&window, 130000, MINUTE, 5);
	is_int(rate_window_total(&window, 130000, 2000), 15, "a shorter window");
	is_int(rate_window_total(&window, 132000, 2000), 0, "which passes sooner");
	rate_window_add(&window, 132000, 2000, 2);
	is_int(rate_window_total(&window, 132000, MINUTE), 2, "a longer one");
	is_int(rate_window_total(&window, 180000, MINUTE), 2, "which passes later");
}

/*
 * Against a list of everything that was counted: at any time the total is that
 * of the buckets of time that are not over.
 */
static void
test_list(void)
{
	static int64 when[STEPS];
	static uint64 many[STEPS];
	RateWindow	window = {0};
	int64		now = 777;
	int			first = 0;
	int			i;
	bool		right = true;

	srandom(1);
	for (i = 0; i < STEPS && right; i++)
	{
		uint64		expected = 0;

		now += random() % 10 == 0 ? random() % 20000 : random() % 300;
		when[i] = now;
		many[i] = (uint64) (random() % 50);
		rate_window_add(&window, now, MINUTE, many[i]);
		while (when[first] / 5000 <= now / 5000 - RATE_BUCKETS)
			first++;
		for (int k = first; k <= i; k++)
			expected += many[k];
		right = rate_window_total(&window, now, MINUTE) == expected;
	}
	ok(right, "%d steps against a list", i);
}

int
main(void)
{
	test_burst();
	test_odd_times();
	test_change();
	test_list();
	return done_testing();
}
