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
#include "gateway/decisions.h"
#include "gateway/identities.h"
#include "gateway/topics.h"

#define JOIN_REF_MAX 255		/* bytes of raw JSON */

/* Either of these lets a channel hear what is sent to its topic. */
#define RIGHTS_HEAR (RIGHT_BROADCAST_READ | RIGHT_SUBSCRIBE)

typedef enum ChannelState
{
	CHANNEL_AUTHORISING,		/* an executor decides; next: JOINING */
	CHANNEL_JOINING,			/* answer waits for the hub; next: JOINED */
	CHANNEL_JOINED				/* the join is answered */
} ChannelState;

typedef struct Channel
{
	Conn	   *conn;
	Topic	   *topic;			/* held */
	struct Channel *next;		/* in the list of the connection */
	struct Channel *prev;
	FrameBuf   *answer;			/* members of the response, until JOINED */
	Identity   *identity;		/* of the newest token; a reference */
	dlist_node	of_identity;	/* among its channels */
	Asker		asker;			/* for a decision; .wait is for one on its name,
								 * too */
	struct WriteQueue *writes;	/* write_queue.c: for a right to write */
	struct CatchUp *catch_up;	/* catch_up.c: gets what it has missed */
	struct Storing *storing;	/* broadcasts.c: what is being stored */
	struct Presence *presence;	/* presence.c; NULL = takes no part */
	struct Changes *changes;	/* changes.c; NULL = follows no tables */
	struct Subscription *subscription;	/* sio_channels.c; NULL = none of
										 * Socket.IO */
	uint32		place;			/* among the members of the topic */
	uint8		state;			/* ChannelState */
	uint8		wanted;			/* RIGHT_... to ask for; of a private channel */
	uint8		rights;			/* RIGHT_... it has */
	uint8		asked;			/* RIGHT_... of the question about writing */
	bool		write_decided;	/* rights to write are known */
	bool		write_wanted;	/* ask for them when nothing else is asked */
	bool		asks_write;		/* it is them that it waits for */
	bool		ask_again;		/* a newer token came while waiting */
	bool		member;			/* hears its topic */
	bool		ack;			/* config.broadcast.ack */
	bool		self;			/* config.broadcast.self */
	bool		presence_enabled;	/* by the join or a track */
	bool		replication_ready;	/* config.broadcast.replication_ready */
	uint8		join_ref_len;
	uint8		ref_len;
	char		join_ref[FLEXIBLE_ARRAY_MEMBER];	/* raw JSON; ref behind it */
} Channel;

static inline Slice
channel_join_ref(const Channel *channel)
{
	return slice_make(channel->join_ref, channel->join_ref_len);
}

/* Ref of the join, for its answer. */
static inline Slice
channel_ref(const Channel *channel)
{
	return slice_make(channel->join_ref + channel->join_ref_len, channel->ref_len);
}

/* Does it wait for a decision? */
static inline bool
channel_waits(const Channel *channel)
{
	return channel->asker.wait.waits;
}

/* The channel that a waiter is embedded in. */
static inline Channel *
channel_of_waiter(Waiter *waiter)
{
	return (Channel *) ((char *) waiter - offsetof(Channel, asker.wait));
}

/* The channel of a topic, public or private; hash is topics_hash(name). */
extern Channel *channel_find(const Conn *conn, Slice name, uint32 hash);

/*
 * A new channel, AUTHORISING, that does not hear its topic yet; NULL without
 * memory.  It takes over the caller's hold of the topic and reference to the
 * identity, whatever the outcome.  The connection has no channel of that
 * topic, and the refs have JOIN_REF_MAX bytes at most.
 */
extern Channel *channel_new(Conn *conn, Topic *topic, Identity *identity,
							Slice join_ref, Slice ref);

/*
 * Use another identity from now on, and take over the caller's reference to
 * it; false without memory, and then the channel has the old one.
 */
extern bool channel_identify(Channel *channel, Identity *identity) RT_MUSTCHECK;

/* Become a member of the topic; false without memory. */
extern bool channel_listen(Channel *channel) RT_MUSTCHECK;

/*
 * Keep what the request says that its answer repeats; false without memory or
 * when too much is kept for all channels together.
 */
extern bool channel_keep_answer(Channel *channel, Slice members) RT_MUSTCHECK;

/* Let go of it. */
extern void channel_drop_answer(Channel *channel);

/* The one way to the next state. */
extern void channel_set_state(Channel *channel, ChannelState state);

/*
 * Have all channels of a connection, which are members of their topics, told in
 * another dialect; false without memory, and then some are members no more.
 */
extern bool channels_change_dialect(Conn *conn, Dialect dialect) RT_MUSTCHECK;

/* Leave the topic and the connection, and free. */
extern void channel_free(Channel *channel);

/* channel_free() for all of a connection. */
extern void channels_free(Conn *conn);

#endif							/* REALTIME_CHANNELS_H */
