/*-------------------------------------------------------------------------
 *
 * presence_store.h
 *	  Who is on which topic, over all gateways.
 *
 * Gateways are named by their slots, members by slot and a number that the
 * gateway chose.
 *
 * src/hub/presence_store.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_STORE_H
#define REALTIME_PRESENCE_STORE_H

#include "proto/presence_frame.h"

#define PRESENCE_SLOTS 64		/* bits of a set of slots */

typedef enum TrackVerdict
{
	TRACK_TAKEN,
	TRACK_FULL,					/* no room: what was tracked before stays */
	TRACK_CONTRADICTION			/* the member is on another topic, or has
								 * another key */
} TrackVerdict;

/*
 * Told of every change: bit n of `slots` is set if slot n watches the topic.
 * `rest` is what follows the head in a frame.  May not call the store.
 */
typedef void (*PresenceEmit) (uint64 slots, const BusPresent *head, Slice rest);

/*
 * Set up; once per process.  hash_secret is what keeps clients from choosing
 * topics of one hash.  Refs count up from first_ref, which is to be random, so
 * that no ref of an earlier hub comes again.
 */
extern void presence_store_init(uint64 hash_secret, uint64 first_ref, PresenceEmit emit);

/*
 * Take no more members when there are so many, or so many bytes are held.
 * Those that are there stay.
 */
extern void presence_store_limit(uint64 max_members, uint64 max_bytes);

/* A member tracks a meta. */
extern TrackVerdict presence_store_track(int slot, uint64 id, bool is_private,
										 const PresenceParts *parts) RT_MUSTCHECK;

/* A member tracks nothing any more; nothing happens if there is none. */
extern void presence_store_untrack(int slot, uint64 id);

/*
 * A slot wants to be told of a topic: emits its state, to that slot alone.
 * False without memory.
 */
extern bool presence_store_watch(int slot, bool is_private, Slice topic) RT_MUSTCHECK;

/* A slot does not want to be told any more. */
extern void presence_store_unwatch(int slot, bool is_private, Slice topic);

/* A slot watches nothing any more, and then all its members leave. */
extern void presence_store_forget(int slot);

/* What is held. */
extern uint64 presence_store_members(void);
extern uint64 presence_store_bytes(void);

#endif							/* REALTIME_PRESENCE_STORE_H */
