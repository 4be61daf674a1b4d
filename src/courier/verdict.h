/*-------------------------------------------------------------------------
 *
 * verdict.h
 *	  What becomes of a delivery after an attempt.
 *
 * src/courier/verdict.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_VERDICT_H
#define REALTIME_VERDICT_H

#include "proto/proto.h"

typedef enum Verdict
{
	VERDICT_DELIVERED,
	VERDICT_RETRY,				/* another attempt may go better */
	VERDICT_DEAD				/* it would not */
} Verdict;

/* What a status of HTTP says. */
extern Verdict verdict_of_status(long status);

/* Is it the endpoint that is in trouble, and not this delivery? */
extern bool status_is_trouble(long status);

/*
 * How many milliseconds to wait before the next attempt after `attempts` of
 * them.  `first` is the longest pause after the first one, `random` is from
 * [0, 1), `retry_after` what the endpoint has asked for, in seconds, or 0.
 */
extern int64 retry_pause(int attempts, int64 first, double random, int64 retry_after);

#endif							/* REALTIME_VERDICT_H */
