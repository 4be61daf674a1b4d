/*-------------------------------------------------------------------------
 *
 * session.h
 *	  The Phoenix conversation with one client.
 *
 * src/gateway/session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SESSION_H
#define REALTIME_SESSION_H

#include "gateway/conn.h"

/* A whole WebSocket message of an OPEN connection. */
extern void session_message(Conn *conn, Slice message, bool binary);

#endif							/* REALTIME_SESSION_H */
