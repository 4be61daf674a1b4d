/*-------------------------------------------------------------------------
 *
 * tracking.h
 *	  The event presence: what clients track.
 *
 * src/gateway/tracking.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TRACKING_H
#define REALTIME_TRACKING_H

#include "gateway/channels.h"
#include "gateway/client_message.h"

/*
 * A channel is being joined: keep what its join says of presence.  False
 * without memory.
 */
extern bool tracking_open(Channel *channel, const PhxJoin *join) RT_MUSTCHECK;

/*
 * Let a JOINED channel that enabled presence hear it if it may; nothing happens
 * if it does.
 */
extern void tracking_listen(Channel *channel);

/* A presence event of a JOINED channel. */
extern void tracking_request(Channel *channel, const ClientMessage *msg);

/* BUS_TRACK_REFUSED; false if it should not have been sent. */
extern bool tracking_refused(Slice body) RT_MUSTCHECK;

#endif							/* REALTIME_TRACKING_H */
