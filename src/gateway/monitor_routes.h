/*-------------------------------------------------------------------------
 *
 * monitor_routes.h
 *	  GET /healthz and GET /metrics.
 *
 * src/gateway/monitor_routes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_MONITOR_ROUTES_H
#define REALTIME_MONITOR_ROUTES_H

#include "gateway/http_exchange.h"

extern const HttpBodyRoute health_route;
extern const HttpBodyRoute metrics_route;

#endif							/* REALTIME_MONITOR_ROUTES_H */
