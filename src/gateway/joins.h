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
#include "proto/cursor.h"

/*
 * A client wants to join a topic.  A channel that the topic has already on
 * this connection is closed first.
 */
extern void join_request(Conn *conn, const ClientMessage *msg);

/* What became of a wish to get what was missed. */
typedef enum Recovery
{
	RECOVERY_NOT_ASKED,
	RECOVERY_DONE,
	RECOVERY_FAILED				/* for a reason */
} Recovery;

/* What the answer to a join says that its request did not. */
typedef struct JoinNews
{
	Place		from;			/* the channel hears what is behind it; lsn 0 =
								 * not known */
	Recovery	recovery;
	const char *reason;			/* one word */
} JoinNews;

/*
 * It is decided what an AUTHORISING channel may hear: RIGHT_..., at least one
 * for reading.  The answer follows when nothing can be missed any more.
 */
extern void join_allow(Channel *channel, uint8 rights);

/*
 * Find out whether a new channel may hear its topic: it is allowed, or refused,
 * now or later.
 */
extern void join_authorise(Channel *channel, const PhxJoin *settings);

/* Answer the join of a JOINING channel: it is JOINED. */
extern void join_answer(Channel *channel, const JoinNews *news);

/* A channel that is not JOINED may hear nothing; it is gone. */
extern void join_refuse(Channel *channel, const char *reason);

/* All is known about the tables that a channel wants to follow. */
extern void join_changes_ready(Channel *channel);

/* Interest in the topic has become HELD: answer the joins that wait for it. */
extern void join_topic_held(Topic *topic);

#endif							/* REALTIME_JOINS_H */
