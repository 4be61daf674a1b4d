/*-------------------------------------------------------------------------
 *
 * api_caller.h
 *	  Who sends a request to /api/realtime.
 *
 * src/gateway/api_caller.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_API_CALLER_H
#define REALTIME_API_CALLER_H

#include "gateway/api_error.h"
#include "gateway/identities.h"

typedef enum ApiCallerKind
{
	API_ADMIN,					/* has a token of the role project_admin */
	API_ADMIN_KEY,				/* shows a key that may be an administrator's */
	API_CLIENT,					/* has a token of a client's role */
	API_ANON_KEY				/* shows a key that may be one of the role
								 * anon */
} ApiCallerKind;

typedef struct ApiCaller
{
	ApiCallerKind kind;
	Slice		key;			/* of the keys; points into the request */
	Identity   *identity;		/* API_CLIENT: a reference; else NULL */
} ApiCaller;

/*
 * Find out who it is.  NULL and *caller, whose identity is to be given back; or
 * what to refuse the request with.  Clients are refused unless they may.
 */
extern const ApiError *api_caller_find(const HttpRequest *req, bool clients_may,
									   ApiCaller *caller) RT_MUSTCHECK;

/*
 * Append what SQL is told of an administrator: a member of an object of JSON.
 */
extern void api_caller_append(Bytes *out, const ApiCaller *caller);

#endif							/* REALTIME_API_CALLER_H */
