/*-------------------------------------------------------------------------
 *
 * recorder.h
 *	  Has every transaction that had messages recorded in realtime.commits.
 *
 * src/hub/recorder.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_RECORDER_H
#define REALTIME_RECORDER_H

#include "hub/position.h"
#include "instant.h"
#include "proto/job.h"

/*
 * Begin at the position that the hub starts from, whose restart_lsn is lowered
 * where recording has more to read again than delivery.  `fresh` means that the
 * position begins a new epoch, for want of another one.
 */
extern void recorder_init(HubPosition *position, bool fresh);

/* Is what committed at lsn still to be noted? */
extern bool recorder_wants(XLogRecPtr lsn);

/*
 * Note a transaction, and on which timeline it was committed.  All are noted, in
 * the order of their commits, as far as recorder_wants() them.
 */
extern void recorder_note(const CommitEntry *entry, TimeLineID timeline);

/*
 * All that committed up to lsn is noted if it had messages; what commits later
 * is found from restart_lsn on.
 */
extern void recorder_read(XLogRecPtr lsn, XLogRecPtr restart_lsn);

/* Set what position->recorded_... should be. */
extern void recorder_position(HubPosition *position);

/*
 * Continuity was lost: what commits from now on belongs to another epoch, which
 * begins at this position.
 */
extern void recorder_begin_epoch(const HubPosition *position);

/* This server is no standby any more. */
extern void recorder_promoted(void);

/*
 * Send what is to be sent to the executors, at once if somebody waits for it.
 * Returns the milliseconds until it should be called again, -1 for never.
 */
extern long recorder_tick(Instant now, bool hurry);

/*
 * Up to where realtime.commits has everything.  A standby, where others write
 * it, cannot tell: there it is without bound, and *newest_lsn is the newest
 * commit that it has to have, as far as that is known; else that is invalid.
 */
extern void recorder_bounds(Instant now, XLogRecPtr *recorded_lsn, XLogRecPtr *newest_lsn);

typedef enum RecorderAdvice
{
	RECORDER_GO_ON,
	RECORDER_WAIT,				/* it is not known yet whether the epoch,
								 * begun at start, stays: let in no clients */
	RECORDER_READ_AGAIN,		/* go on from *position, and tell
								 * recorder_reads_again(); an invalid
								 * released_lsn stands for the present one */
	RECORDER_ADOPT,				/* go on in position->epoch, of the primary,
								 * and tell recorder_adopts() */
	RECORDER_LOST				/* transactions cannot be recorded: begin a
								 * new epoch */
} RecorderAdvice;

/* What should the hub do? */
extern RecorderAdvice recorder_advice(HubPosition *position);
extern void recorder_reads_again(void);
extern void recorder_adopts(void);

/* Transactions that are still to be recorded. */
extern int	recorder_backlog(void);

/*
 * Asked while WAL is read again: false while so many wait, and are being
 * written, that more would be forgotten and had to be read once more.
 */
extern bool recorder_has_room(void);

#endif							/* REALTIME_RECORDER_H */
