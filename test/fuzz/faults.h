/*-------------------------------------------------------------------------
 *
 * faults.h
 *	  Which allocation fails: between fuzz.c and replay.c.
 *
 * test/fuzz/faults.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_FAULTS_H
#define REALTIME_FAULTS_H

#include "proto/proto.h"

extern uint64 faults_at;		/* the number of the one that fails; 0 = none */
extern uint64 faults_seen;		/* so many so far; set to 0 before a run */
extern bool faults_hit;			/* it has failed; likewise */

/* Should the one that is asked for fail?  Counts it. */
extern bool faults_strike(void);

#endif							/* REALTIME_FAULTS_H */
