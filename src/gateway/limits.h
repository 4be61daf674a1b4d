/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  Limits that hold for all gateways together: what is left of them.
 *
 * What clients are told when nothing is left: admission.h.
 *
 * src/gateway/limits.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_LIMITS_H
#define REALTIME_LIMITS_H

#include "proto/usage_frame.h"

#define LIMIT_NONE PG_UINT64_MAX

/* How much more of this kind may happen now; LIMIT_NONE if there is no limit. */
extern uint64 limits_left(RateKind kind);

/* May no more users come? */
extern bool limits_users_full(void);

/* A BUS_USAGE_OTHERS came; false if it is none. */
extern bool limits_take_others(Slice body) RT_MUSTCHECK;

/* Step of a turn: count what happened, and report it now and then. */
extern void limits_turn(int64 now);

/* When limits_turn() wants to be called again; LOOP_NEVER if nothing waits. */
extern int64 limits_deadline(void);

#endif							/* REALTIME_LIMITS_H */
