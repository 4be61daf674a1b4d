/*-------------------------------------------------------------------------
 *
 * refusals.h
 *	  The texts that tell a client why it may not do something.
 *
 * src/gateway/refusals.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REFUSALS_H
#define REALTIME_REFUSALS_H

#include "gateway/tokens.h"
#include "proto/job.h"

#define REFUSAL_MAX (TOPIC_MAX_BYTES + 160) /* bytes of a text, with its NUL */

typedef struct RefusalText
{
	char		text[REFUSAL_MAX];
} RefusalText;

/* A token that is not accepted: an upgrade's error; *status is the HTTP status. */
extern const char *refusal_of_connect(const TokenRefusal *refusal, int *status);

/* The same as the reason of a join, "Code: message". */
extern const char *refusal_of_join(const TokenRefusal *refusal, RefusalText *room);

/* The same as a system message, without code. */
extern const char *refusal_of_token(const TokenRefusal *refusal, RefusalText *room);

/* A job that did not end in JOB_DONE: the reason of a join. */
extern const char *refusal_of_job(JobOutcome outcome, Slice topic, RefusalText *room);

/* What an HTTP request is answered with that is refused for such a reason. */
extern int	refusal_status(const char *reason);

/* Policies do not allow a topic: the reason of a join. */
extern const char *refusal_of_topic(Slice topic, RefusalText *room);

#endif							/* REALTIME_REFUSALS_H */
