/*-------------------------------------------------------------------------
 *
 * request_token.h
 *	  Who sends an HTTP request that is no upgrade.
 *
 * src/gateway/request_token.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REQUEST_TOKEN_H
#define REALTIME_REQUEST_TOKEN_H

#include "gateway/identities.h"
#include "proto/http_request.h"

/* With a reference for the caller; NULL if that is nobody who may. */
extern Identity *request_identity(const HttpRequest *req);

#endif							/* REALTIME_REQUEST_TOKEN_H */
