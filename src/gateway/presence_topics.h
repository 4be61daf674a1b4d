/*-------------------------------------------------------------------------
 *
 * presence_topics.h
 *	  Topics whose presence somebody here listens to.
 *
 * src/gateway/presence_topics.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_TOPICS_H
#define REALTIME_PRESENCE_TOPICS_H

#include "gateway/dialect.h"
#include "gateway/frame_buf.h"
#include "lib/ilist.h"
#include "proto/presence_frame.h"

struct Channel;
struct Watched;

/* A channel that listens, or may; embedded in what it belongs to. */
typedef struct Listener
{
	struct Channel *channel;
	struct Watched *topic;		/* NULL: does not listen */
	bool		untold;			/* it has changed what it tracks, and nobody was
								 * told of its key since */
	dlist_node	node;			/* among those of the topic */
} Listener;

/* Choose secrets for hashes; false without randomness. */
extern bool presence_topics_init(void) RT_MUSTCHECK;

/*
 * Tell the channel the state, now or when the hub has told it, and every change
 * after it.  It does not listen yet; false without memory.
 */
extern bool presence_topics_listen(Listener *listener) RT_MUSTCHECK;

/* Send it nothing any more; it listens. */
extern void presence_topics_deafen(Listener *listener);

/* Is the state of a topic known? */
extern bool presence_topics_live(const struct Watched *topic);

/*
 * What all share who are told the state in this dialect; it is known.  Good until
 * the end of the turn, NULL without memory.
 */
extern FrameBuf *presence_topics_state(struct Watched *topic, Dialect dialect);

/* Is a key, a JSON string, in that state? */
extern bool presence_topics_told(struct Watched *topic, Slice key_json);

/* BUS_PRESENT and BUS_WATCHED; false if they should not have been sent. */
extern bool presence_topics_present(Slice body) RT_MUSTCHECK;
extern bool presence_topics_watched(Slice body) RT_MUSTCHECK;

/* Queue what changed for those who listen; before the sockets are written. */
extern void presence_topics_tell(int64 now);

/* When that is due again even if nothing happens. */
extern int64 presence_topics_deadline(void);

/* Tell the hub which topics are watched since this turn, or no longer. */
extern void presence_topics_flush(void);

#endif							/* REALTIME_PRESENCE_TOPICS_H */
