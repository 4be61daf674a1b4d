/*-------------------------------------------------------------------------
 *
 * audience_counts.h
 *	  How many sockets of this gateway messages on channels have reached.
 *
 * src/gateway/audience_counts.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_AUDIENCE_COUNTS_H
#define REALTIME_AUDIENCE_COUNTS_H

#include "proto/wal_record.h"

#include "gateway/dialect.h"

/*
 * A stored message is about to be delivered.  True if it is counted: then the
 * next two say to whom.
 */
extern bool audience_note(const WalMessage *message);

/* The message noted last waits for the members of a dialect. */
extern void audience_wait(Dialect dialect);

/* All that waits in a dialect was queued to so many sockets. */
extern void audience_reach(Dialect dialect, uint32 sockets);

/* What was noted so far reaches nobody else. */
extern void audience_settle(void);

/* Report what is settled, when it is time. */
extern void audience_report(int64 now);

/* When that is. */
extern int64 audience_deadline(void);

#endif							/* REALTIME_AUDIENCE_COUNTS_H */
