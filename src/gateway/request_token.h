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

/*
 * Who shows this token?  `there` tells how it was found: 0 = not, below 0 = it
 * cannot be read.  NULL if it is nobody who may connect, and then what to refuse
 * the request with (supabase.md 1.4).
 */
extern Identity *connect_identity(int there, Slice token, int *status, const char **error);

#endif							/* REALTIME_REQUEST_TOKEN_H */
