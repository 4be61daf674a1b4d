/*-------------------------------------------------------------------------
 *
 * upgrade.h
 *	  From an HTTP request to a WebSocket: who may connect.
 *
 * src/gateway/upgrade.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_UPGRADE_H
#define REALTIME_UPGRADE_H

#include "gateway/conn.h"
#include "proto/http_request.h"

/* A request for the WebSocket endpoint: the connection is OPEN, or ends. */
extern void upgrade_request(Conn *conn, const HttpRequest *req);

#endif							/* REALTIME_UPGRADE_H */
