/*-------------------------------------------------------------------------
 *
 * rest_broadcast.h
 *	  POST .../api/broadcast: what is said by HTTP.
 *
 * src/gateway/rest_broadcast.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REST_BROADCAST_H
#define REALTIME_REST_BROADCAST_H

#include "gateway/http_exchange.h"

/* .../api/broadcast: a list of messages. */
extern const HttpBodyRoute rest_batch_route;

/* .../api/broadcast/<topic>/events/<event>: one, whose payload is the body. */
extern const HttpBodyRoute rest_single_route;

#endif							/* REALTIME_REST_BROADCAST_H */
