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

typedef enum RelVerdict
{
	RELEASE_DONE,				/* all is on the bus; the entry is dropped */
	RELEASE_HELD,				/* the commit is not visible yet */
	RELEASE_BUSY,				/* not through: call again, once there is room */
	RELEASE_GAP					/* spilled messages are gone from the WAL */
} RelVerdict;

/* Begin with a transaction whose commit record was just read. */
extern void release_begin(BufferedXact *xact, const WalEvent *commit);

/* Is one begun and not done? */
extern bool release_pending(void);

/* Go on with it. */
extern RelVerdict release_step(void);

/* Forget it, after a gap. */
extern void release_abandon(void);

/* End and time of the commit in hand. */
extern XLogRecPtr release_commit_lsn(void);
extern TimestampTz release_committed_at(void);

#endif							/* REALTIME_RELEASE_H */
