/*-------------------------------------------------------------------------
 *
 * webhook_url.h
 *	  Where a webhook's URL leads.
 *
 * src/proto/webhook_url.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WEBHOOK_URL_H
#define REALTIME_WEBHOOK_URL_H

#include "proto/proto.h"

#define WEBHOOK_URL_MAX 4096	/* bytes; a longer one is none */

/* What stands for the endpoint of a URL that has none. */
#define WEBHOOK_NO_ENDPOINT "invalid:"

/* Bytes that an endpoint may have more than its URL: a port. */
#define WEBHOOK_ENDPOINT_EXTRA 6

/*
 * Write the endpoint of a URL, "scheme://host:port" in lower case and without
 * user or password, to dst, which has room for the URL and
 * WEBHOOK_ENDPOINT_EXTRA bytes.  Returns its length, or 0 if this is no absolute
 * http or https URL.
 *
 * Endpoints tell servers apart, for counting requests to them and for logs.
 * Who is at the other end is found out by resolving the name, and not here.
 */
extern size_t webhook_endpoint(Slice url, char *dst);

#endif							/* REALTIME_WEBHOOK_URL_H */
