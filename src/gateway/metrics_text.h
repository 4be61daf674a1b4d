/*-------------------------------------------------------------------------
 *
 * metrics_text.h
 *	  The metrics of the whole server as Prometheus reads them.
 *
 * src/gateway/metrics_text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_METRICS_TEXT_H
#define REALTIME_METRICS_TEXT_H

#include "proto/bytes.h"
#include "proto/metrics_frame.h"

/* Append them in text format 0.0.4; false without memory. */
extern bool metrics_text(const MetricsReport *report, Bytes *out) RT_MUSTCHECK;

#endif							/* REALTIME_METRICS_TEXT_H */
