/*-------------------------------------------------------------------------
 *
 * pace.h
 *	  How often the hub flushes WAL, and when it waits for company.
 *
 * src/hub/pace.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PACE_H
#define REALTIME_PACE_H

#include "access/xlogdefs.h"

#include "instant.h"

/*
 * Flush the WAL up to the latest asynchronous commit that sent something, if
 * that is due.  Returns the milliseconds until it is, -1 if there is nothing to
 * flush.
 */
extern long pace_flush_wal(Instant now);

/* Say whether we sleep until a flush is due. */
extern void pace_time_flush(bool timed);

/* Before sleeping, with the end of the last commit released: nap if it pays. */
extern void pace_gather(XLogRecPtr released_lsn, bool more);

#endif							/* REALTIME_PACE_H */
