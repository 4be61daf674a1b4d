/*-------------------------------------------------------------------------
 *
 * position.h
 *	  Where the hub goes on after it, or the server, was restarted.
 *
 * src/hub/position.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_POSITION_H
#define REALTIME_POSITION_H

#include "access/xlogdefs.h"

typedef struct HubPosition
{
	uint64		epoch;			/* changes when continuity is lost */
	XLogRecPtr	restart_lsn;	/* read from here */
	XLogRecPtr	released_lsn;	/* leave out what committed up to here */

	/*
	 * What committed up to recorded_lsn is in realtime.commits, or need not
	 * be; reading from recorded_restart_lsn finds the rest.  Each is invalid
	 * where it is not known.
	 */
	XLogRecPtr	recorded_lsn;
	XLogRecPtr	recorded_restart_lsn;
} HubPosition;

/* The position that shared memory holds; its epoch is 0 on a fresh server. */
extern void position_shared(HubPosition *position);

/* A position at the end of the WAL, in a new epoch. */
extern void position_begin_epoch(HubPosition *position);

/*
 * The position left in shared memory or in the data directory, if the WAL from
 * there on is still to be had, and true; else a new epoch and false.
 */
extern bool position_load(HubPosition *position);

/* Can the WAL be read from there on? */
extern bool position_readable(XLogRecPtr restart_lsn);

/* Was everything up to lsn of that timeline part of this server's history? */
extern bool position_in_history(TimeLineID timeline, XLogRecPtr lsn);

/* Remember the position in the data directory; a failure is only logged. */
extern void position_save(const HubPosition *position);

#endif							/* REALTIME_POSITION_H */
