/*-------------------------------------------------------------------------
 *
 * phoenix_join.h
 *	  phx_join: what it asks for, and what is said about its channel.
 *
 * src/gateway/phoenix_join.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PHOENIX_JOIN_H
#define REALTIME_PHOENIX_JOIN_H

#include "gateway/client_message.h"
#include "gateway/conn.h"

/*
 * A client wants to join a topic.  A channel that the topic has already on
 * this connection is closed first.
 */
extern void phoenix_join_request(Conn *conn, const ClientMessage *msg);

#endif							/* REALTIME_PHOENIX_JOIN_H */
