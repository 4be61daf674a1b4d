/*-------------------------------------------------------------------------
 *
 * hub_report.h
 *	  Asking the hub how the whole server does.
 *
 * src/gateway/hub_report.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HUB_REPORT_H
#define REALTIME_HUB_REPORT_H

#include "gateway/http_exchange.h"
#include "proto/metrics_frame.h"

#define HUB_PATIENCE_MS 5000	/* that the hub has for an answer */

/*
 * The hub has answered, or has not for HUB_PATIENCE_MS: then report is NULL.
 * Answers the exchange.
 */
typedef void (*HubReportHandler) (HttpExchange *exchange, const MetricsReport *report);

/*
 * Ask for a report that is made after this, and defer the exchange, whose
 * handler is at work, until it is there.  Where the hub owes an answer for too
 * long already, or there is no memory, the handler is called at once.
 */
extern void hub_report_ask(HttpExchange *exchange, HubReportHandler handler);

/* The lag that a report of the last second tells; -1 if there is none. */
extern int64 hub_report_recent_lag(void);

/* A BUS_METRICS came; false if it is none, or nobody has asked. */
extern bool hub_report_take(Slice body) RT_MUSTCHECK;

/* Step of a turn, and when it is due. */
extern void hub_report_run_timers(int64 now);
extern int64 hub_report_deadline(void);

#endif							/* REALTIME_HUB_REPORT_H */
