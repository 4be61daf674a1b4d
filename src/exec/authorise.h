/*-------------------------------------------------------------------------
 *
 * authorise.h
 *	  Which rights has a client on a private channel?
 *
 * src/exec/authorise.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_AUTHORISE_H
#define REALTIME_AUTHORISE_H

#include "exec/policy_query.h"
#include "proto/job.h"

/* What a right is called, and which row shows whether a client has it. */
typedef struct RightRule
{
	uint8		right;			/* RIGHT_... */
	PolicyCommand command;
	const char *extension;
	const char *action;			/* name in realtime.can() */
} RightRule;

#define RIGHT_RULES 5

extern const RightRule right_rules[RIGHT_RULES];

/* JOB_AUTHORISE. */
extern JobOutcome authorise(Slice body, Bytes *answer) RT_MUSTCHECK;

#endif							/* REALTIME_AUTHORISE_H */
