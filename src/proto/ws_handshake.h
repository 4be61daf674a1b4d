/*-------------------------------------------------------------------------
 *
 * ws_handshake.h
 *	  The opening handshake of RFC 6455 section 4.2, server side.
 *
 * No sub-protocol and no extension is ever negotiated (supabase.md 1.1, 1.5).
 *
 * src/proto/ws_handshake.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WS_HANDSHAKE_H
#define REALTIME_WS_HANDSHAKE_H

#include "proto/http_request.h"

#define WS_ACCEPT_BYTES 28		/* base64 of a SHA-1, no NUL */

/*
 * Judge an upgrade request: 101 to accept, else the status to refuse it with:
 * 405 other method than GET, 426 not an upgrade or another version (answer
 * with Upgrade: websocket and Sec-WebSocket-Version: 13), 400 for the rest.
 */
extern int	ws_handshake_check(const HttpRequest *req) RT_MUSTCHECK;

/* Sec-WebSocket-Accept for a key; writes WS_ACCEPT_BYTES bytes. */
extern bool ws_handshake_accept(Slice key, char *accept) RT_MUSTCHECK;

/* Append the 101 response. */
extern bool ws_handshake_response(Bytes *out, const HttpRequest *req) RT_MUSTCHECK;

/*
 * May a page of this origin connect?  `allowed` is "*" or a comma-separated
 * list of origins (scheme://host[:port]) compared exactly, scheme and host in
 * any case.  A request without Origin is no browser and may; two Origin headers
 * may not (reliability.md B5).
 */
extern bool ws_origin_allowed(const HttpRequest *req, const char *allowed);

#endif							/* REALTIME_WS_HANDSHAKE_H */
