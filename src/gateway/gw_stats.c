/*-------------------------------------------------------------------------
 *
 * gw_stats.c
 *	  What the gateway counts about itself.
 *
 * Counters are plain numbers that anybody here adds to.  The hub gets all of
 * them at most once a second, and never while nothing changed: an idle gateway
 * does not wake up.  Events that a crowd of clients can cause many of in a
 * second are logged from here, too, as one line with their number.
 *
 * src/gateway/gw_stats.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_histograms.h"
#include "gateway/gw_stats.h"
#include "program/bus_link.h"
#include "program/loop.h"

#define REPORT_INTERVAL_MS 1000

uint64		gw_stats[BUS_STAT_COUNT];

static uint64 reported[BUS_STAT_COUNT];
static int64 reported_at = -REPORT_INTERVAL_MS;

/*
 * How much a counter grew since the last report.
 */
static unsigned long long
growth(BusStat stat)
{
	return (unsigned long long) (gw_stats[stat] - reported[stat]);
}

/*
 * One line for each sort of closed connections since the last report.
 */
static void
log_closed(void)
{
	if (growth(BUS_STAT_SLOW_CLOSED) > 0)
		bus_log(BUS_LOG_INFO, "connections closed for reading too slowly: %llu",
				growth(BUS_STAT_SLOW_CLOSED));
	if (growth(BUS_STAT_PROTOCOL_ERRORS) > 0)
		bus_log(BUS_LOG_INFO, "connections closed for breaking the WebSocket protocol: %llu",
				growth(BUS_STAT_PROTOCOL_ERRORS));
}

/*
 * Send all counters, and what has been measured.
 */
void
gw_stats_send(int64 now)
{
	if (gw_histograms_changed())
		gw_histograms_report();
	log_closed();
	bus_send(BUS_STATS, gw_stats, sizeof(gw_stats), NULL, 0);
	memcpy(reported, gw_stats, sizeof(reported));
	reported_at = now;
}

/*
 * The same at most once a second.
 */
void
gw_stats_report(int64 now)
{
	if (now >= gw_stats_deadline())
		gw_stats_send(now);
}

/*
 * When the next report may go, if there is anything to report.
 */
int64
gw_stats_deadline(void)
{
	if (memcmp(reported, gw_stats, sizeof(reported)) == 0 && !gw_histograms_changed())
		return LOOP_NEVER;
	return reported_at + REPORT_INTERVAL_MS;
}
