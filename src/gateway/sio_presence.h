/*-------------------------------------------------------------------------
 *
 * sio_presence.h
 *	  Who is online, as Socket.IO clients are told: members.
 *
 * src/gateway/sio_presence.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SIO_PRESENCE_H
#define REALTIME_SIO_PRESENCE_H

#include "gateway/presence.h"
#include "gateway/sio_channels.h"

/*
 * Append what a channel tracks, which is how others are told of it; false without
 * memory.
 */
extern bool sio_member_append(Bytes *out, const Channel *channel);

/*
 * All members that have been told of, joined by commas, but for the channel
 * itself if it is tracked and others have not been told yet: then *own is set.
 * Good until the end of the turn; NULL without memory.
 */
extern FrameBuf *sio_presence_snapshot(Channel *channel, bool *own);

#endif							/* REALTIME_SIO_PRESENCE_H */
