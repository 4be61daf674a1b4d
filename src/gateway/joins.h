/*-------------------------------------------------------------------------
 *
 * joins.h
 *	  phx_join: from the request to its answer.
 *
 * src/gateway/joins.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JOINS_H
#define REALTIME_JOINS_H

#include "gateway/channels.h"
#include "gateway/client_message.h"

/*
 * A client wants to join a topic.  A channel that the topic has already on
 * this connection is closed first.
 */
extern void join_request(Conn *conn, const ClientMessage *msg);

/*
 * It is decided what an AUTHORISING channel may hear: RIGHT_..., at least one
 * for reading.  The answer follows when nothing can be missed any more.
 */
extern void join_allow(Channel *channel, uint8 rights);

/* A channel that is not JOINED may hear nothing; it is gone. */
extern void join_refuse(Channel *channel, const char *reason);

/* All is known about the tables that a channel wants to follow. */
extern void join_changes_ready(Channel *channel);

/* Interest in the topic has become HELD: answer the joins that wait for it. */
extern void join_topic_held(Topic *topic);

#endif							/* REALTIME_JOINS_H */
