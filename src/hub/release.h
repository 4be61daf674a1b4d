/*-------------------------------------------------------------------------
 *
 * release.h
 *	  Hand a committed transaction's messages to the bus.
 *
 * src/hub/release.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_RELEASE_H
#define REALTIME_RELEASE_H

#include "hub/wal_reader.h"
#include "hub/xact_buffer.h"
#include "proto/job.h"

typedef enum RelVerdict
{
	RELEASE_DONE,				/* all is on the bus; the entry is dropped */
	RELEASE_HELD,				/* the commit is not visible yet */
	RELEASE_BUSY,				/* not through: call again, once there is room */
	RELEASE_GAP					/* spilled messages are gone from the WAL */
} RelVerdict;

/*
 * Begin with a transaction whose commit record was just read, on that timeline.
 * One that was told of before is only counted.
 */
extern void release_begin(BufferedXact *xact, const WalEvent *commit, TimeLineID timeline,
						  bool told_before);

/* Is one begun and not done? */
extern bool release_pending(void);

/* Go on with it. */
extern RelVerdict release_step(void);

/* Has it begun to be told? */
extern bool release_under_way(void);

/* If so, and for the first time, behind which of its messages are we?  Else false. */
extern bool release_place(Place *place);

/* Forget it, when it is done or after a gap. */
extern void release_abandon(void);

/*
 * What is to be recorded of a transaction that is done: all but restart_lsn and
 * is_early.  entry->xid is 0 if it had nothing that asks for it.
 */
extern void release_describe(CommitEntry *entry);

#endif							/* REALTIME_RELEASE_H */
