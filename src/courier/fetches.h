/*-------------------------------------------------------------------------
 *
 * fetches.h
 *	  Getting what is to be delivered from the database.
 *
 * src/courier/fetches.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_FETCHES_H
#define REALTIME_FETCHES_H

#include "proto/proto.h"

/* There may be something new. */
extern void fetches_want(void);

/* There will be at that time. */
extern void fetches_want_at(int64 time);

/* Ask for more, if it is time and there is room. */
extern void fetches_run(int64 now);

/* When it will be time; LOOP_NEVER while it is up to others. */
extern int64 fetches_deadline(void);

#endif							/* REALTIME_FETCHES_H */
