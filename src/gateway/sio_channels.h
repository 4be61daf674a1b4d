/*-------------------------------------------------------------------------
 *
 * sio_channels.h
 *	  Channels as Socket.IO clients subscribe to them.
 *
 * src/gateway/sio_channels.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SIO_CHANNELS_H
#define REALTIME_SIO_CHANNELS_H

#include "gateway/protocol.h"
#include "proto/iso_time.h"

/*
 * What a channel of a Socket.IO client has besides.
 */
typedef struct Subscription
{
	Bytes		acks;			/* of those who wait for the answer: digits, each
								 * with a blank behind */
	bool		is_member;		/* because it subscribed */
	bool		is_tracked;		/* others are told that it is there */
	char		joined_at[ISO_TIME_BYTES];	/* since when */
	Bytes		payload;		/* that it tracks, JSON; empty = none */
} Subscription;

/* Events of a connected client; ack is empty where no answer is wanted. */
extern void sio_subscribe(Conn *conn, Slice ack, Slice argument);
extern void sio_unsubscribe(Conn *conn, Slice ack, Slice argument);
extern void sio_publish(Conn *conn, Slice ack, Slice argument);
extern void sio_track(Conn *conn, Slice ack, Slice argument);
extern void sio_untrack(Conn *conn, Slice ack, Slice argument);
extern void sio_auth(Conn *conn, Slice ack, Slice argument);

/* Operations of socket_io_protocol; see protocol.h. */
extern bool sio_channel_allow(Channel *channel, uint8 rights);
extern bool sio_channel_ready(Channel *channel);
extern void sio_channel_answer(Channel *channel, const struct JoinNews *news);
extern void sio_channel_refuse(Channel *channel, const char *reason);
extern void sio_channel_end(Channel *channel, const char *reason, ChannelEnd end);
extern void sio_channel_untracked(Channel *channel);

/* The channel ends. */
extern void subscription_free(Subscription *subscription);

#endif							/* REALTIME_SIO_CHANNELS_H */
