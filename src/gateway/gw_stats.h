/*-------------------------------------------------------------------------
 *
 * gw_stats.h
 *	  What the gateway counts about itself.
 *
 * src/gateway/gw_stats.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_GW_STATS_H
#define REALTIME_GW_STATS_H

#include "proto/bus_frame.h"

extern uint64 gw_stats[BUS_STAT_COUNT];

#define STAT_ADD(stat, n) (gw_stats[stat] += (n))
#define STAT_SUB(stat, n) (gw_stats[stat] -= (n))
#define STAT_INC(stat) STAT_ADD(stat, 1)
#define STAT_DEC(stat) STAT_SUB(stat, 1)

/* Tell the hub. */
extern void gw_stats_send(int64 now);

/* Tell the hub if anything changed and the last report is a second old. */
extern void gw_stats_report(int64 now);

/* When gw_stats_report() wants to be called again; LOOP_NEVER if nothing changed. */
extern int64 gw_stats_deadline(void);

#endif							/* REALTIME_GW_STATS_H */
