/*-------------------------------------------------------------------------
 *
 * api_routes.h
 *	  /api/realtime: channels and messages for administrators.
 *
 * src/gateway/api_routes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_API_ROUTES_H
#define REALTIME_API_ROUTES_H

#include "gateway/http_exchange.h"

#define API_PREFIX "/api/realtime/"

/* Of all paths with the prefix, and all methods. */
extern const HttpBodyRoute api_route;

#endif							/* REALTIME_API_ROUTES_H */
