/*-------------------------------------------------------------------------
 *
 * http_routes.h
 *	  What the gateway answers before a connection is a WebSocket.
 *
 * src/gateway/http_routes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HTTP_ROUTES_H
#define REALTIME_HTTP_ROUTES_H

#include "gateway/conn.h"

/*
 * Answer the requests in buf[0..len).  Returns how many bytes were taken: the
 * rest is an incomplete head or, if the connection is OPEN now, frames.
 */
extern size_t http_routes_input(Conn *conn, RecvState *state, const char *buf, size_t len);

#endif							/* REALTIME_HTTP_ROUTES_H */
