/*-------------------------------------------------------------------------
 *
 * events_route.h
 *	  GET .../events: who may listen by server-sent events, and to what.
 *
 * src/gateway/events_route.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EVENTS_ROUTE_H
#define REALTIME_EVENTS_ROUTE_H

#include "gateway/http_exchange.h"

extern const HttpBodyRoute events_route;

#endif							/* REALTIME_EVENTS_ROUTE_H */
