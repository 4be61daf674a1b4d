/*-------------------------------------------------------------------------
 *
 * gw_histograms.h
 *	  What the gateway measures about itself.
 *
 * src/gateway/gw_histograms.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_GW_HISTOGRAMS_H
#define REALTIME_GW_HISTOGRAMS_H

#include "proto/bus_frame.h"
#include "proto/bus_histogram.h"
#include "proto/wal_record.h"

/* A message of the database has come over the bus. */
extern void measure_message(const BusMessageHead *head, const WalMessage *message);

/* Step of a turn. */
extern void measure_end_turn(void);

/* A client has said something. */
extern void measure_payload(size_t len);

/* Microseconds of a clock that does not jump, for measure_check(). */
extern int64 measure_now(void);

/* A decision that was asked for at `since` is there. */
extern void measure_check(bool is_write, int64 since);

/* Is there anything that the hub has not been told? */
extern bool gw_histograms_changed(void);

/* Tell it. */
extern void gw_histograms_report(void);

#endif							/* REALTIME_GW_HISTOGRAMS_H */
