/*-------------------------------------------------------------------------
 *
 * publishers.h
 *	  Who broadcasts waits while those who listen cannot follow.
 *
 * src/gateway/publishers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PUBLISHERS_H
#define REALTIME_PUBLISHERS_H

#include "proto/proto.h"

#include "lib/ilist.h"

/* Go on; the publisher does not wait any more and may wait again. */
typedef void (*PublisherResume) (void *owner);

/*
 * Who broadcasts has one; all but the first two is zero at first.
 */
typedef struct Publisher
{
	PublisherResume resume;
	void	   *owner;
	dlist_node	node;
	bool		waits;
} Publisher;

/* May anybody broadcast now?  Looked at before each message. */
extern bool publishers_may_go(void);

/* A broadcast of so many bytes went out. */
extern void publishers_sent(size_t bytes);

/* Be resumed when that is possible again; harmless where it waits already. */
extern void publisher_wait(Publisher *publisher);

/* Wait no longer; harmless for one that does not. */
extern void publisher_leave(Publisher *publisher);

/* A turn begins: resume those who wait, as far as that is possible; true if
 * there were any. */
extern bool publishers_begin_turn(void);

/* When that may be possible though nothing happens; LOOP_NEVER if not. */
extern int64 publishers_deadline(void);

#endif							/* REALTIME_PUBLISHERS_H */
