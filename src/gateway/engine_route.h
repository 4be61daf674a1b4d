/*-------------------------------------------------------------------------
 *
 * engine_route.h
 *	  Requests for /socket.io/: whose they are, and what is wrong with them.
 *
 * src/gateway/engine_route.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENGINE_ROUTE_H
#define REALTIME_ENGINE_ROUTE_H

#include "gateway/http_exchange.h"

extern const HttpBodyRoute engine_route;

#endif							/* REALTIME_ENGINE_ROUTE_H */
