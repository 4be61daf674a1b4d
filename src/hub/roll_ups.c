/*-------------------------------------------------------------------------
 *
 * roll_ups.c
 *	  Has messages on channels counted for realtime.message_stats().
 *
 * Statistics read one by one what is not counted yet, so it is counted in small
 * steps while messages come: realtime.roll_up(), by an executor.  They are right
 * at any time, and so nothing is lost if a step fails or comes late.
 *
 * src/hub/roll_ups.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "hub/executors.h"
#include "hub/jobs.h"
#include "hub/roll_ups.h"
#include "hub/timeouts.h"
#include "instant.h"

/* Between two steps, unless there is more to count than one takes. */
#define PAUSE_MS 10000

/* Before a step that goes on: executors have other work, too. */
#define GO_ON_MS 100

static bool noted = true;		/* a hub before us may have left some */
static bool busy = false;
static Instant due = 0;		/* 0 = this hub has just begun */

/*
 * There is something to count.
 */
void
roll_ups_note(void)
{
	noted = true;
}

/*
 * A step was done, or was not.
 */
static void
step_ended(JobOutcome outcome, Slice body, bool answered)
{
	bool		more = outcome == JOB_DONE && body.len == 1 && body.data[0] == 1;

	busy = false;
	/* without the extension there is nothing to do until it says something */
	noted = noted || more || (outcome != JOB_DONE && outcome != JOB_UNAVAILABLE);
	due = instant_now() + (more ? GO_ON_MS : PAUSE_MS) * INT64CONST(1000);
}

/*
 * Have a step done when it is time.
 */
long
roll_ups_tick(Instant now)
{
	if (busy || !noted || RecoveryInProgress())
		return -1;
	if (due == 0)
		due = now + PAUSE_MS * INT64CONST(1000);
	if (due > now)
		return ms_until(due, now);
	if (!executors_possible(now))
		return PAUSE_MS;
	busy = true;
	noted = false;
	jobs_add_own(JOB_ROLL_UP, slice_make(NULL, 0), slice_make(NULL, 0), step_ended);
	return -1;
}
