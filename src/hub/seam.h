/*-------------------------------------------------------------------------
 *
 * seam.h
 *	  Where history ends and what comes over the bus begins.
 *
 * src/hub/seam.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SEAM_H
#define REALTIME_SEAM_H

#include "access/xlogdefs.h"

#include "proto/job.h"

/* How things stand, set each turn. */
typedef struct SeamBounds
{
	uint64		epoch;
	Place		told;			/* all before it is on the bus, nothing behind */
	XLogRecPtr	recorded_lsn;	/* realtime.commits has all up to here */
	XLogRecPtr	newest_lsn;		/* as in HistoryHead */
} SeamBounds;

extern void seam_set_bounds(const SeamBounds *bounds);

/*
 * A gateway asks: fill in until and newest_lsn, or say at once why the answer
 * is no.  Returns HISTORY_FOUND in the former case.
 */
extern HistoryVerdict seam_admit(HistoryHead *head);

/* Is everything recorded that an admitted question is about? */
extern bool seam_is_ready(const char *body);

#endif							/* REALTIME_SEAM_H */
