/*-------------------------------------------------------------------------
 *
 * held.h
 *	  Messages of a topic that are held for channels that catch up.
 *
 * src/gateway/held.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HELD_H
#define REALTIME_HELD_H

#include "lib/ilist.h"

#include "gateway/message_frame.h"

typedef struct HeldMessage HeldMessage;

/*
 * Of one topic; exists while a channel catches up there.
 */
typedef struct Held
{
	dlist_head	channels;		/* catch_up.c: those that catch up */
	HeldMessage *first;
	HeldMessage *last;
	uint64		next_seq;		/* messages that came so far */
	uint64		first_seq;		/* the first one that is still here */
	size_t		bytes;			/* of all that are here */
	bool		wanted[DIALECTS];	/* dialects that messages are held in */
} Held;

/* NULL without memory. */
extern Held *held_new(void);

/* With all that is in it. */
extern void held_free(Held *held);

/* From now on there is a channel that catches up in this dialect. */
extern void held_want(Held *held, Dialect dialect);

/*
 * Hold a message.  Where there is no room for it none are held any more: that
 * shows in first_seq, and is counted.
 */
extern void held_add(Held *held, const Topic *topic, const WalMessage *message,
					 const Place *place, const MessageMeta *meta);

/*
 * The frames of all that is behind a commit, in a buffer with one reference;
 * an empty one if nothing is.  NULL without memory.
 */
extern FrameBuf *held_frames(const Held *held, uint64 lsn, Dialect dialect);

#endif							/* REALTIME_HELD_H */
