/*-------------------------------------------------------------------------
 *
 * channels.h
 *	  Channels: what one connection has joined.
 *
 * src/gateway/channels.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANNELS_H
#define REALTIME_CHANNELS_H

#include "gateway/conn.h"
#include "gateway/topics.h"

#define JOIN_REF_MAX 255		/* bytes of raw JSON */

typedef enum ChannelState
{
	CHANNEL_JOINING,			/* answer waits for the hub; next: JOINED */
	CHANNEL_JOINED				/* hears its topic */
} ChannelState;

typedef struct Channel
{
	Conn	   *conn;
	Topic	   *topic;
	struct Channel *next;		/* in the list of the connection */
	struct Channel *prev;
	FrameBuf   *answer;			/* frames to send once JOINED */
	uint32		place;			/* among the members of the topic */
	uint8		state;			/* ChannelState */
	bool		ack;			/* config.broadcast.ack */
	uint8		join_ref_len;
	char		join_ref[FLEXIBLE_ARRAY_MEMBER];	/* raw JSON */
} Channel;

static inline Slice
channel_join_ref(const Channel *channel)
{
	return slice_make(channel->join_ref, channel->join_ref_len);
}

/* The channel of a topic, public or private; hash is topics_hash(name). */
extern Channel *channel_find(const Conn *conn, Slice name, uint32 hash);

/*
 * A new channel, JOINING, member of its topic; NULL without memory.  The
 * connection has no channel of that topic, and join_ref is not too long.
 */
extern Channel *channel_new(Conn *conn, Topic *topic, Slice join_ref);

/* The join is answered from now on. */
extern void channel_joined(Channel *channel);

/* Leave the topic and the connection, and free. */
extern void channel_free(Channel *channel);

/* channel_free() for all of a connection. */
extern void channels_free(Conn *conn);

#endif							/* REALTIME_CHANNELS_H */
