/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  What becomes of a delivery after an attempt.
 *
 * Only what may go better the next time is tried again: no answer, or one that
 * says so.  A redirect is not followed, because whoever may be posted to is
 * checked for the URL that the channel names.
 *
 * The pause before an attempt is a random part of a time that triples ("full
 * jitter"), so that what failed together does not come back together.
 *
 * src/courier/verdict.c
 *
 *-------------------------------------------------------------------------
 */
#include "courier/verdict.h"

#define PAUSE_MAX_MS (6 * 60 * 60 * INT64CONST(1000))

/* Longer than that nobody has the right to keep us waiting. */
#define RETRY_AFTER_MAX (60 * 60)

/*
 * What a status says.
 */
Verdict
verdict_of_status(long status)
{
	if (status >= 200 && status <= 299)
		return VERDICT_DELIVERED;
	return status_is_trouble(status) || status == 425 ? VERDICT_RETRY : VERDICT_DEAD;
}

/*
 * RFC 9110: 408 and 429 ask for another attempt, 5xx are the server's fault.
 */
bool
status_is_trouble(long status)
{
	return status == 408 || status == 429 || (status >= 500 && status <= 599);
}

/*
 * How long to wait.
 */
int64
retry_pause(int attempts, int64 first, double random, int64 retry_after)
{
	int64		most = first;

	for (int i = 1; i < attempts && most < PAUSE_MAX_MS; i++)
		most *= 3;
	most = (int64) (Min(most, PAUSE_MAX_MS) * random);
	return Max(most, Min(Max(retry_after, 0), RETRY_AFTER_MAX) * 1000);
}
