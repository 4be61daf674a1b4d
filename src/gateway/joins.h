/*-------------------------------------------------------------------------
 *
 * joins.h
 *	  From a wish to hear a topic to its answer, and to the end.
 *
 * src/gateway/joins.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JOINS_H
#define REALTIME_JOINS_H

#include "gateway/protocol.h"
#include "proto/cursor.h"

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

/* A JOINED channel is over; it is gone. */
extern void join_end(Channel *channel, const char *reason, ChannelEnd end);

/* Something is there that the answer to a channel's join may wait for. */
extern void join_continue(Channel *channel);

/* Interest in the topic has become HELD: answer the joins that wait for it. */
extern void join_topic_held(Topic *topic);

#endif							/* REALTIME_JOINS_H */
