/*-------------------------------------------------------------------------
 *
 * publish_route.h
 *	  POST /functions/v1/realtime-publish.
 *
 * src/gateway/publish_route.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PUBLISH_ROUTE_H
#define REALTIME_PUBLISH_ROUTE_H

#include "gateway/http_exchange.h"

extern const HttpBodyRoute publish_route;

#endif							/* REALTIME_PUBLISH_ROUTE_H */
