/*-------------------------------------------------------------------------
 *
 * catch_up.h
 *	  Channels that get what they have missed before they hear what is new.
 *
 * src/gateway/catch_up.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CATCH_UP_H
#define REALTIME_CATCH_UP_H

#include "gateway/channels.h"
#include "gateway/message_frame.h"

typedef struct CatchUp CatchUp;

/*
 * What a join says about the past is read; an error reason if it cannot be done,
 * and then the channel is as before.  NULL, with channel->catch_up set, if the
 * channel has to catch up.
 */
extern const char *catch_up_open(Channel *channel, const PhxJoin *join);

/*
 * A JOINING channel that has to catch up may hear its topic: its join is answered
 * when the first page has come.  False without memory.
 */
extern bool catch_up_begin(Channel *channel) RT_MUSTCHECK;

/* Interest in the topic has become HELD. */
extern void catch_up_topic_held(Topic *topic);

/* A stored message of a topic with channels that catch up. */
extern void catch_up_hold(Topic *topic, const WalMessage *message, const Place *place,
						  const MessageMeta *meta);

/* A client's broadcast there: those of them that are JOINED hear it at once. */
extern void catch_up_cast(Topic *topic, const Channel *sender, const WalMessage *message);

/* One of the channels that catch up on a topic; NULL if there is none. */
extern Channel *catch_up_any(const Topic *topic);

/* The channel ends. */
extern void catch_up_close(CatchUp *catch_up);

/* Steps of a turn, and when the next is due. */
extern void catch_up_flush(void);
extern int64 catch_up_deadline(void);

#endif							/* REALTIME_CATCH_UP_H */
