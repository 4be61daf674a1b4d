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

/* The token in the headers of a request; empty where there is none. */
extern Slice request_token(const HttpRequest *req);

/* Whose it is.  With a reference for the caller; NULL if that is nobody who may. */
extern Identity *request_identity(const HttpRequest *req);

#endif							/* REALTIME_REQUEST_TOKEN_H */
