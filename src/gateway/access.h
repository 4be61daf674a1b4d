/*-------------------------------------------------------------------------
 *
 * access.h
 *	  What a channel may hear, and for how long.
 *
 * src/gateway/access.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ACCESS_H
#define REALTIME_ACCESS_H

#include "gateway/channels.h"

/* Be told of names of agent channels. */
extern void access_init(void);

/*
 * Ask what an AUTHORISING channel of a private topic may hear: it is joined, or
 * refused, with the answer.
 */
extern void access_ask_join(Channel *channel);

/*
 * Ask whether a JOINED channel may write; what write_queue.c keeps is told.
 * Asked once for all who want to know meanwhile.
 */
extern void access_ask_write(Channel *channel);

/*
 * The same for a channel that wants to track: may it hear of presence as well?
 * Until that is decided, nothing is known of its rights to write either.
 */
extern void access_ask_track(Channel *channel);

/* Is it decided? */
extern bool access_track_decided(const Channel *channel);

/*
 * A JOINED channel may not hear its topic any more, or that could not be found
 * out: it is ended as after a refresh.
 */
extern void access_end_refused(Channel *channel, JobOutcome outcome);

/* The same for one that wants to have its broadcasts stored. */
extern void access_ask_persist(Channel *channel);
extern bool access_persist_decided(const Channel *channel);

/* An access_token event of a channel; its payload is raw JSON. */
extern void access_token(Channel *channel, Slice payload);

/* Settings have changed: close the connections that they do not allow. */
extern void access_settings_changed(void);

/* End the channels whose tokens have expired. */
extern void access_run_expiry(void);

#endif							/* REALTIME_ACCESS_H */
