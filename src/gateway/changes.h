/*-------------------------------------------------------------------------
 *
 * changes.h
 *	  Channels that follow tables: from their join to their end.
 *
 * src/gateway/changes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGES_H
#define REALTIME_CHANGES_H

#include "gateway/change_audience.h"
#include "gateway/channels.h"

/*
 * What a channel has to do with tables.
 *
 *		waits ──► ready ──► answered: has an audience ──► another role: waits
 *			└───► failed: has an error					  with the old audience
 */
typedef struct Changes
{
	struct Channel *channel;
	Conn	   *conn;			/* of the channel */
	Identity   *identity;		/* whose rights to rows count; a reference */
	Terms	   *terms;			/* a reference; NULL if there is an error */
	TermsWaiter wait;			/* for the terms */
	Audience   *audience;		/* a reference; NULL until the join is answered */
	uint32		place;			/* among its members */
	uint64		since;			/* it is told of changes with higher serials */
	dlist_head	held;			/* change_delivery.c: what waits for a verdict,
								 * or behind something that does */
	uint32		nheld;
	bool		legacy;			/* joined without a configuration */
	bool		reply_waits;	/* errors are for the answer to the join */
	char	   *error;			/* why nothing is followed, or NULL */
} Changes;

/* Be told of what becomes of questions. */
extern void changes_init(void);

/*
 * Look at what the join of a new channel asks for of tables, and ask the
 * database about it.  False without memory.
 */
extern bool changes_open(Channel *channel, Slice payload, const PhxJoin *settings) RT_MUSTCHECK;

/* Is there nothing to wait for before the join is answered? */
extern bool changes_ready(Channel *channel);

/*
 * Why the join is not to be answered with ok; NULL if it is.  The text is good
 * until the channel ends or the next one is asked for.
 */
extern const char *changes_refusal(const Channel *channel);

/* The join is answered: changes flow from now on, and the channel is told so. */
extern void changes_answered(Channel *channel);

/*
 * The channel has another identity.  It may be ended, and free, for want of
 * memory.
 */
extern void changes_identified(Channel *channel);

/* End the channel's part. */
extern void changes_close(Channel *channel);

/* End all channels that follow tables; they come back by themselves. */
extern void changes_end_all(const char *message);

#endif							/* REALTIME_CHANGES_H */
