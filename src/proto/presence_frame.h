/*-------------------------------------------------------------------------
 *
 * presence_frame.h
 *	  Frames of the bus that carry presence: who is on which topic.
 *
 * The hub decides.  Gateways tell it what their channels track (BUS_TRACK) and
 * which topics they want to know about (BUS_WATCH); it answers the latter with
 * the state of the topic, as PRESENCE_BEGIN and a PRESENCE_JOIN for each
 * member, and from then on with every change in one order for all gateways.
 * BUS_WATCHED follows the state.
 *
 *	  BUS_TRACK    BusTrack | topic | key | meta		gateway to hub
 *	  BUS_WATCH    BusWatch | topic						gateway to hub
 *	  BUS_PRESENT  BusPresent | topic | key | meta		hub to gateway
 *	  BUS_WATCHED  u64: the state of all topics whose BUS_WATCH has at most
 *				   this seq has been sent				hub to gateway
 *	  BUS_TRACK_REFUSED  u64 member: there is no room	hub to gateway
 *
 * A member is a channel of a gateway, by a number that the gateway chooses.
 * What a member tracks has a ref, which the hub gives it and which changes
 * with its meta; no two have the same one, not even after a restart, because
 * clients tell them apart by nothing else (supabase.md 5.2).
 *
 * Topics have no prefix; keys are plain UTF-8; metas are JSON objects as the
 * client sent them.
 *
 * src/proto/presence_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_FRAME_H
#define REALTIME_PRESENCE_FRAME_H

#include "proto/proto.h"

#define PRESENCE_KEY_MAX_BYTES 1024
#define PRESENCE_META_MAX_BYTES (3000 * 1024)

/* The longest body of all, that of a BUS_TRACK. */
#define PRESENCE_MAX_BODY \
	(sizeof(BusTrack) + TOPIC_MAX_BYTES + PRESENCE_KEY_MAX_BYTES + PRESENCE_META_MAX_BYTES)

typedef enum TrackOp
{
	TRACK_NO_MORE = 0,			/* neither topic, key nor meta follow */
	TRACK_META = 1				/* for the first time, or another meta */
} TrackOp;

typedef enum PresenceOp
{
	PRESENCE_LEAVE = 0,			/* ref is gone; no key, no meta */
	PRESENCE_JOIN = 1,			/* ref is new */
	PRESENCE_UPDATE = 2,		/* ref replaces prev_ref, which has the same
								 * key */
	PRESENCE_BEGIN = 3			/* the state follows: forget what was known of
								 * the topic; no ref, no key, no meta */
} PresenceOp;

/* Fixed part of BUS_TRACK. */
typedef struct BusTrack
{
	uint64		member;
	uint8		op;				/* TrackOp */
	uint8		is_private;		/* which of the two rooms of that name */
	uint16		topic_len;
	uint16		key_len;
	uint16		reserved;		/* zero */
	uint32		meta_len;
	uint32		reserved2;		/* zero */
} BusTrack;

/* Fixed part of BUS_WATCH. */
typedef struct BusWatch
{
	uint64		seq;			/* counts up from 1 on each bus */
	uint8		add;			/* 1 = watches the topic, 0 = no longer */
	uint8		is_private;
	uint8		reserved[6];	/* zero */
} BusWatch;

/* Fixed part of BUS_PRESENT. */
typedef struct BusPresent
{
	uint64		ref;
	uint64		prev_ref;		/* of an update, else zero */
	uint8		op;				/* PresenceOp */
	uint8		is_private;
	uint16		topic_len;
	uint16		key_len;
	uint16		reserved;		/* zero */
	uint32		meta_len;
	uint32		reserved2;		/* zero */
} BusPresent;

/* What follows the fixed part of BUS_TRACK and BUS_PRESENT. */
typedef struct PresenceParts
{
	Slice		topic;
	Slice		key;
	Slice		meta;
} PresenceParts;

/*
 * The heads that go with these parts.  What is not given is zero; lengths are
 * within their limits.
 */
extern BusTrack presence_track_head(uint64 member, TrackOp op, bool is_private,
									const PresenceParts *parts);
extern BusPresent presence_head(PresenceOp op, bool is_private, const PresenceParts *parts);

/*
 * Take a body apart; the slices point into it.  False unless every length and
 * value is as above, keys are UTF-8 without NUL and metas are JSON objects.
 */
extern bool presence_decode_track(Slice body, BusTrack *head, PresenceParts *parts) RT_MUSTCHECK;
extern bool presence_decode_present(Slice body, BusPresent *head, PresenceParts *parts) RT_MUSTCHECK;
extern bool presence_decode_watch(Slice body, BusWatch *head, Slice *topic) RT_MUSTCHECK;

/* A body that is one number. */
extern bool presence_decode_number(Slice body, uint64 *number) RT_MUSTCHECK;

#endif							/* REALTIME_PRESENCE_FRAME_H */
