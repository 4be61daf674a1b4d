/*-------------------------------------------------------------------------
 *
 * engine_connect.h
 *	  From a request to an Engine.IO session on a WebSocket.
 *
 * src/gateway/engine_connect.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENGINE_CONNECT_H
#define REALTIME_ENGINE_CONNECT_H

#include "gateway/conn.h"
#include "proto/http_request.h"

/*
 * Is there room for one more session?  0, or the status to refuse its request
 * with and the reason.
 */
extern int	engine_connect_judge(const char **reason);

/*
 * A good request to begin one on a WebSocket: the connection is OPEN, or ends.
 */
extern void engine_connect(Conn *conn, const HttpRequest *req);

#endif							/* REALTIME_ENGINE_CONNECT_H */
