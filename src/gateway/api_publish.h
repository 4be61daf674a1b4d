/*-------------------------------------------------------------------------
 *
 * api_publish.h
 *	  POST /api/realtime/publish.
 *
 * src/gateway/api_publish.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_API_PUBLISH_H
#define REALTIME_API_PUBLISH_H

#include "gateway/api_caller.h"

/* Publish what the body, which is valid JSON, says; answers the request. */
extern void api_publish(HttpExchange *exchange, const HttpRequest *req, Slice body,
						const ApiCaller *caller);

#endif							/* REALTIME_API_PUBLISH_H */
