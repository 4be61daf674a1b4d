/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Limits that hold for all gateways together: what is left of them.
 *
 * What counts for a limit is what gw_stats.c counts anyway, so limits and
 * metrics cannot tell different stories and nobody has to count twice: once a
 * turn, and before a decision, the growth of those counters goes into windows
 * (proto/rate_window.c).
 *
 * Gateways report their growth to the hub every REPORT_INTERVAL_MS while there is
 * any, and get that of the others, which goes into the same windows.  Who uses
 * up more of what is left than its share before that time reports in the same
 * turn.  So together they pass a limit by at most what is let through while a
 * report is on its way.  While there is no limit at all, reports are rare, but
 * there are some: a limit that is set then holds for what was used before, too.
 *
 * src/gateway/limits.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/limits.h"
#include "program/bus_link.h"
#include "program/loop.h"
#include "proto/rate_window.h"

#define REPORT_INTERVAL_MS 50
#define UNLIMITED_INTERVAL_MS 1000
#define STATS_PER_KIND 3

/* The counters that make up what is limited; unused places are the first one. */
static const struct
{
	int			nstats;
	BusStat		stats[STATS_PER_KIND];
	const int64 *per_second;
}			kinds[RATE_KINDS] = {
	[RATE_JOINS] = {1, {BUS_STAT_JOINS_ASKED}, &gw_settings.max_joins_per_second},
	[RATE_EVENTS] = {2, {BUS_STAT_EVENTS, BUS_STAT_CAST_DELIVERIES},
	&gw_settings.max_events_per_second},
	[RATE_PRESENCE] = {3, {BUS_STAT_PRESENCE_CALLS, BUS_STAT_PRESENCE_STATES,
	BUS_STAT_PRESENCE_DIFFS}, &gw_settings.max_presence_events_per_second}
};

static RateWindow windows[RATE_KINDS];
static uint64 seen[RATE_KINDS]; /* of the counters, what is in the windows */
static BusUsage unreported;
static uint64 reported_users;
static uint64 others_users;
static int64 reported_at = -UNLIMITED_INTERVAL_MS;

/*
 * Put what has happened since the last look into a window.
 */
static void
count(RateKind kind)
{
	uint64		sum = 0;
	uint64		growth;

	for (int i = 0; i < kinds[kind].nstats; i++)
		sum += gw_stats[kinds[kind].stats[i]];
	growth = sum - seen[kind];
	if (growth == 0)
		return;
	seen[kind] = sum;
	unreported.used[kind] += growth;
	rate_window_add(&windows[kind], loop_now, gw_settings.rate_window, growth);
}

/*
 * What is left of a rate.
 */
uint64
limits_left(RateKind kind)
{
	int64		per_second = *kinds[kind].per_second;

	if (per_second == 0)
		return LIMIT_NONE;
	count(kind);
	return rate_window_left(&windows[kind], loop_now, gw_settings.rate_window, per_second);
}

/*
 * Compare with all users there are.
 */
bool
limits_users_full(void)
{
	return gw_settings.max_concurrent_users != 0 &&
		gw_stats[BUS_STAT_USERS] + others_users >= (uint64) gw_settings.max_concurrent_users;
}

/*
 * Others have used something.
 */
bool
limits_take_others(Slice body)
{
	BusUsage	usage;

	if (!usage_decode(body, &usage))
		return false;
	others_users = usage.users;
	for (int kind = 0; kind < RATE_KINDS; kind++)
		rate_window_add(&windows[kind], loop_now, gw_settings.rate_window, usage.used[kind]);
	return true;
}

/*
 * Is there any limit?
 */
static bool
is_limited(void)
{
	bool		limited = gw_settings.max_concurrent_users != 0;

	for (int kind = 0; kind < RATE_KINDS; kind++)
		limited = limited || *kinds[kind].per_second != 0;
	return limited;
}

/*
 * Is there something that the hub does not know of yet?
 */
static bool
has_news(void)
{
	if (gw_stats[BUS_STAT_USERS] != reported_users)
		return true;
	for (int kind = 0; kind < RATE_KINDS; kind++)
	{
		if (unreported.used[kind] > 0)
			return true;
	}
	return false;
}

/*
 * Does news use up so much of what is left that the others should know at once?
 * If all of them used as much unknown to each other, half of it would be gone.
 */
static bool
is_urgent(void)
{
	uint64		shares = 2 * (uint64) Max(gw_settings.gateways, 1);
	uint64		users = gw_stats[BUS_STAT_USERS];

	for (int kind = 0; kind < RATE_KINDS; kind++)
	{
		uint64		left;

		if (unreported.used[kind] == 0 || *kinds[kind].per_second == 0)
			continue;
		left = rate_window_left(&windows[kind], loop_now, gw_settings.rate_window,
								*kinds[kind].per_second);
		if (unreported.used[kind] > left / shares)
			return true;
	}
	return gw_settings.max_concurrent_users != 0 && users > reported_users &&
		(users - reported_users) * shares + users + others_users >
		(uint64) gw_settings.max_concurrent_users;
}

/*
 * Count all kinds; report.
 */
void
limits_turn(int64 now)
{
	for (int kind = 0; kind < RATE_KINDS; kind++)
		count(kind);
	if (!has_news() || (now < limits_deadline() && !is_urgent()))
		return;
	unreported.users = reported_users = gw_stats[BUS_STAT_USERS];
	bus_send(BUS_USAGE, &unreported, sizeof(unreported), NULL, 0);
	memset(&unreported, 0, sizeof(unreported));
	reported_at = now;
}

/*
 * When the next report may go.
 */
int64
limits_deadline(void)
{
	if (!has_news())
		return LOOP_NEVER;
	return reported_at + (is_limited() ? REPORT_INTERVAL_MS : UNLIMITED_INTERVAL_MS);
}
