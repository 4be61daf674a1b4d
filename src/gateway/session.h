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
#include "gateway/topics.h"

/* A whole WebSocket message of an OPEN connection. */
extern void session_message(Conn *conn, Slice message, bool binary);

/* Interest in the topic has become HELD: answer the joins that wait for it. */
extern void session_topic_held(Topic *topic);

#endif							/* REALTIME_SESSION_H */
