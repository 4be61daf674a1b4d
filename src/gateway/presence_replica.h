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

/* Take a change from the hub, at a time of the wall clock. */
extern ReplicaVerdict presence_replica_apply(PresenceReplica *replica, const BusPresent *head,
											 const PresenceParts *parts,
											 int64 wall) RT_MUSTCHECK;

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

/* Is there something that they have not been told? */
extern bool presence_replica_has_news(const PresenceReplica *replica);

/*
 * Append that, as the payload of presence_diff, or nothing if all is told.
 * False without memory, and then *out is as before.
 */
extern bool presence_replica_diff(const PresenceReplica *replica, Bytes *out) RT_MUSTCHECK;

/* From now on it counts as told. */
extern void presence_replica_settle(PresenceReplica *replica);

/*
 * For other forms than Phoenix's: its keys one by one, all or those with news,
 * in the order of their coming or of their change.
 */
typedef struct ReplicaKey ReplicaKey;
typedef void (*ReplicaKeyVisitor) (ReplicaKey *key, void *arg);

extern void presence_replica_visit(PresenceReplica *replica, bool news_only,
								   ReplicaKeyVisitor visit, void *arg);

/* A key, as a JSON string. */
extern Slice replica_key_json(const ReplicaKey *key);

/* What clients were told of it, or will have been. */
typedef enum ReplicaVersion
{
	REPLICA_TOLD,
	REPLICA_NEW
} ReplicaVersion;

/* A meta: a JSON object, whose first member is phx_ref, and when it came. */
typedef void (*ReplicaMetaVisitor) (Slice meta, int64 seen_at, void *arg);

/* Its metas in a version, the oldest one first. */
extern void replica_key_visit_metas(const ReplicaKey *key, ReplicaVersion version,
									ReplicaMetaVisitor visit, void *arg);

/* The fields of a meta but for phx_ref: what is between the braces. */
extern Slice replica_meta_fields(Slice meta);

/* Note where in the frames of this diff it is told of a key. */
extern void replica_key_note_news(ReplicaKey *key, size_t start, size_t end);

/* Have clients been told of a key?  It is a JSON string. */
extern bool presence_replica_was_told(const PresenceReplica *replica, Slice json);

/*
 * Is a key in the diff at hand, and where was it noted to be told?  That may be
 * nowhere.
 */
extern bool presence_replica_own_news(PresenceReplica *replica, Slice json,
									  uint32 *start, uint32 *end);

#endif							/* REALTIME_PRESENCE_REPLICA_H */
