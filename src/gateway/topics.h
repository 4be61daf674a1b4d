/*-------------------------------------------------------------------------
 *
 * topics.h
 *	  Which channels of this gateway hear which topic.
 *
 * src/gateway/topics.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TOPICS_H
#define REALTIME_TOPICS_H

#include "gateway/dialect.h"
#include "gateway/frame_buf.h"
#include "lib/ilist.h"

struct AgentName;
struct Channel;

/* What the hub knows of our interest in a topic. */
typedef enum TopicInterest
{
	INTEREST_NONE,				/* nothing; next: ASKED */
	INTEREST_ASKED,				/* told, not acknowledged; next: HELD */
	INTEREST_HELD				/* acknowledged: nothing can be missed */
} TopicInterest;

/*
 * A dense array of channels, so that a fan-out walks memory in order.  The
 * first one lives inside.
 */
typedef struct Members
{
	uint32		count;
	uint32		cap;			/* 0 = `one` is used */
	union
	{
		struct Channel *one;
		struct Channel **array;
	};
} Members;

/*
 * A topic exists while somebody holds it, and to the end of the turn in which
 * the last one released it.  Channels hold their topic; those that hear it are
 * its members.  As long as its interest is not HELD, no message goes to them.
 */
typedef struct Topic
{
	struct Topic *next_in_bucket;
	uint32		hash;
	bool		is_private;
	uint8		name_len;		/* without prefix */
	uint8		interest;		/* TopicInterest */
	bool		changed;		/* in the list of changed topics */
	uint32		holders;
	uint64		asked_seq;		/* of the BUS_INTEREST that asked */
	dlist_node	changed_node;
	dlist_node	asked_node;		/* in the list of those that are ASKED */
	struct Held *held;			/* NULL while no channel catches up */
	struct AgentName *agent_name;	/* agent_channels.c: NULL for other names */
	Members		members[DIALECTS];
	FrameBuf   *open[DIALECTS]; /* fanout.c: frames of this turn */
	struct Topic *next_open;	/* fanout.c: topics with an open buffer */
	char		full_name[FLEXIBLE_ARRAY_MEMBER];	/* with TOPIC_PREFIX */
} Topic;

static inline Slice
topic_full_name(const Topic *topic)
{
	return slice_make(topic->full_name, TOPIC_PREFIX_LEN + topic->name_len);
}

static inline Slice
topic_name(const Topic *topic)
{
	return slice_make(topic->full_name + TOPIC_PREFIX_LEN, topic->name_len);
}

static inline struct Channel **
members_array(Members *members)
{
	return members->cap == 0 ? &members->one : members->array;
}

/* Choose a secret for the hash; false without randomness. */
extern bool topics_init(void) RT_MUSTCHECK;

/* Hash of a topic name, the same for its private and its public room. */
extern uint32 topics_hash(Slice name);

/* The topic, or NULL; hash is topics_hash(name). */
extern Topic *topics_find(bool is_private, Slice name, uint32 hash);

/*
 * The topic, made if it did not exist, and held for the caller; NULL without
 * memory.
 */
extern Topic *topics_get(bool is_private, Slice name, uint32 hash);

/* Hold a topic that somebody holds already, and let it go again. */
extern void topics_hold(Topic *topic);
extern void topics_release(Topic *topic);

/* Call visit() for every topic there is; it must not make or end any. */
extern void topics_visit(void (*visit) (Topic *topic));

/*
 * Add a member at the end of the array of its dialect, and store its place in
 * *place; false without memory.  A member holds the topic by other means.
 */
extern bool topics_add_member(Topic *topic, Dialect dialect,
							  struct Channel *channel, uint32 *place) RT_MUSTCHECK;

/*
 * Remove the member at `place`.  Returns the member that has moved to its
 * place, NULL if it was the last one.
 */
extern struct Channel *topics_remove_member(Topic *topic, Dialect dialect, uint32 place);

/*
 * Have messages held for channels that catch up, which count as members; false
 * without memory.  Harmless where it is so already.
 */
extern bool topics_begin_hold(Topic *topic) RT_MUSTCHECK;
extern void topics_end_hold(Topic *topic);

/* Is it heard by anybody? */
extern bool topic_has_members(const Topic *topic);

/* Tell the hub what changed in this turn, and free topics that nobody holds. */
extern void topics_flush_interest(void);

/*
 * The next topic that the hub's acknowledgement of `seq` covers; NULL when
 * there is none.  Its interest is HELD from now on.
 */
extern Topic *topics_acknowledged(uint64 seq);

#endif							/* REALTIME_TOPICS_H */
