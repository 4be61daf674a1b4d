/*-------------------------------------------------------------------------
 *
 * request_headers.h
 *	  The headers of a client's request, for policies.
 *
 * src/gateway/request_headers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REQUEST_HEADERS_H
#define REALTIME_REQUEST_HEADERS_H

#include "proto/http_request.h"

typedef struct RequestHeaders
{
	uint32		refs;
	uint32		len;
	char		json[FLEXIBLE_ARRAY_MEMBER];	/* an object, not empty */
} RequestHeaders;

/* Which headers are kept; those that are secrets never are. */
typedef enum HeaderChoice
{
	HEADERS_X,					/* x-..., of an upgrade */
	HEADERS_ALL					/* of any other request */
} HeaderChoice;

/*
 * Keep headers of a request; *headers is NULL where there are none.  Returns
 * 0, or the status to refuse the request with.
 */
extern int	request_headers_take(const HttpRequest *req, HeaderChoice choice,
								 RequestHeaders **headers) RT_MUSTCHECK;

/* The object; {} for NULL. */
extern Slice request_headers_json(const RequestHeaders *headers);

/* Another reference; give one back.  NULL is allowed. */
extern RequestHeaders *request_headers_ref(RequestHeaders *headers);
extern void request_headers_unref(RequestHeaders *headers);

#endif							/* REALTIME_REQUEST_HEADERS_H */
