/*-------------------------------------------------------------------------
 *
 * presence_replica.h
 *	  What this gateway knows of the presence of one topic.
 *
 * src/gateway/presence_replica.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_REPLICA_H
#define REALTIME_PRESENCE_REPLICA_H

#include "lib/ilist.h"
#include "proto/bytes.h"
#include "proto/presence_frame.h"

typedef enum ReplicaStage
{
	REPLICA_STALE,				/* what comes is left from an earlier watch;
								 * next: FILLING */
	REPLICA_FILLING,			/* the state comes; next: FILLING, LIVE */
	REPLICA_LIVE				/* changes come, and are to be told */
} ReplicaStage;

/* Embedded in what it belongs to; its fields are presence_replica.c's. */
typedef struct PresenceReplica
{
	dlist_head	keys;			/* in the order of their coming */
	dlist_head	changed;		/* those with metas that came or went */
	size_t		size;			/* about the bytes of the state */
	uint8		stage;			/* ReplicaStage */
} PresenceReplica;

typedef enum ReplicaVerdict
{
	REPLICA_OK,
	REPLICA_NO_MEMORY,			/* the replica is incomplete now */
	REPLICA_CONTRADICTION		/* what came does not fit what came before */
} ReplicaVerdict;

/*
 * Set up, once per process; hash_secret is what keeps clients from choosing
 * keys of one hash.
 */
extern void presence_replicas_init(uint64 hash_secret);

/* An empty replica, STALE. */
extern void presence_replica_init(PresenceReplica *replica);

/* Free what it holds. */
extern void presence_replica_clear(PresenceReplica *replica);

/* Take a change from the hub. */
extern ReplicaVerdict presence_replica_apply(PresenceReplica *replica, const BusPresent *head,
											 const PresenceParts *parts) RT_MUSTCHECK;

/* The state is complete; false if it has not begun. */
extern bool presence_replica_go_live(PresenceReplica *replica) RT_MUSTCHECK;

/* Is there something to tell?  May be true when there turns out to be not. */
static inline bool
presence_replica_changed(const PresenceReplica *replica)
{
	return !dlist_is_empty(unconstify(dlist_head *, &replica->changed));
}

/*
 * Append what clients have been told, as the payload of presence_state; false
 * without memory.
 */
extern bool presence_replica_state(const PresenceReplica *replica, Bytes *out) RT_MUSTCHECK;

/*
 * Append what they have not been told, as the payload of presence_diff, or
 * nothing if all is told; from then on it counts as told.  False without
 * memory, and then the replica is as it was.
 */
extern bool presence_replica_diff(PresenceReplica *replica, Bytes *out) RT_MUSTCHECK;

#endif							/* REALTIME_PRESENCE_REPLICA_H */
