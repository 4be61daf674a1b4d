/*-------------------------------------------------------------------------
 *
 * agent_answer.h
 *	  What realtime.check_channels() says of names.
 *
 * src/gateway/agent_answer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_AGENT_ANSWER_H
#define REALTIME_AGENT_ANSWER_H

#include "proto/job.h"

/* What happens to joins of names that are not valid. */
typedef enum AgentMode
{
	AGENT_MODE_OFF,				/* nobody looks at names */
	AGENT_MODE_WARN,			/* they are logged */
	AGENT_MODE_REQUIRE			/* they are refused */
} AgentMode;

/* What is said of one name. */
typedef struct AgentVerdict
{
	Slice		name;			/* raw JSON string */
	bool		valid;
	int64		until;			/* Unix time, 0 = it has no end */
} AgentVerdict;

/*
 * Read the result of a JOB_CALL that asked for `count` names; the slices point
 * into it.  False if it is not an answer of as many.
 */
extern bool agent_answer_read(Slice result, AgentMode *mode, AgentVerdict *verdicts,
							  uint32 count) RT_MUSTCHECK;

#endif							/* REALTIME_AGENT_ANSWER_H */
