/*-------------------------------------------------------------------------
 *
 * request_token.h
 *	  Which token a request by HTTP shows.
 *
 * src/gateway/request_token.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REQUEST_TOKEN_H
#define REALTIME_REQUEST_TOKEN_H

#include "proto/http_request.h"

/*
 * The token in the headers of a request: that of Authorization, if it is one
 * for bearers, else that of apikey; empty where there is none.
 */
extern Slice request_token(const HttpRequest *req);

#endif							/* REALTIME_REQUEST_TOKEN_H */
