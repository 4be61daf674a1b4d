/*-------------------------------------------------------------------------
 *
 * presence.h
 *	  The part that channels take in the presence of their topics.
 *
 * src/gateway/presence.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_H
#define REALTIME_PRESENCE_H

#include "gateway/presence_topics.h"

struct Channel;

typedef struct Presence Presence;

/*
 * Begin to take part, neither listening nor tracked.  raw_key is the key of the
 * join, a JSON string or number; where it is empty or too long, the key is a
 * UUID.  NULL without memory.
 */
extern Presence *presence_open(struct Channel *channel, Slice raw_key);

/*
 * Tell the channel the state, now or when the hub has told it, and every change
 * after it, in the form of its dialect.  Nothing happens if it listens; false
 * without memory.
 */
extern bool presence_listen(Presence *presence) RT_MUSTCHECK;

/* Its key, plain. */
extern Slice presence_key(const Presence *presence);

/* What it listens with, and back again. */
extern Listener *presence_listener(Presence *presence);
extern Presence *presence_of_listener(Listener *listener);

/* Send it nothing any more. */
extern void presence_deafen(Presence *presence);

/*
 * Tell the hub what the channel tracks: a valid JSON object of at most
 * PRESENCE_META_MAX_BYTES.  False without memory.
 */
extern bool presence_track(Presence *presence, Slice meta) RT_MUSTCHECK;

/*
 * Count a call of the client's: how many there were, this one included, since
 * the first one of a window of that many milliseconds.
 */
extern uint32 presence_count_call(Presence *presence, int64 now, int64 window);

/* It tracks nothing any more. */
extern void presence_untrack(Presence *presence);

/* Untrack, deafen and free: the channel ends. */
extern void presence_close(Presence *presence);

/*
 * BUS_TRACK_REFUSED: there is no room for what a channel tracks.  *channel is
 * it, or NULL if it has ended.  False if the frame should not have been sent.
 */
extern bool presence_take_refused(Slice body, struct Channel **channel) RT_MUSTCHECK;

/*
 * Tell the hub what changed in this turn, presence_topics_flush() included;
 * before the bus is written.
 */
extern void presence_flush(void);

#endif							/* REALTIME_PRESENCE_H */
