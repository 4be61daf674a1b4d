/*-------------------------------------------------------------------------
 *
 * seam.c
 *	  Where history ends and what comes over the bus begins.
 *
 * A channel that comes back gets what is in the tables, and then what comes over
 * the bus, without a gap or a duplicate at the seam.  The seam is made here.  A
 * gateway asks when its channel is entitled to what is published from then on;
 * the hub takes note of the last commit that it has published when it gets the
 * question (`until`), and an executor reads up to that one.  All behind it
 * comes over the bus after the question, and is held by the gateway until the
 * answer has come:
 *
 *	  - what is published before the question arrives is at or before `until`,
 *		and the answer has it;
 *	  - what is published later is behind it, and goes to the gateway, because
 *		its interest was acknowledged before it asked.
 *
 * A transaction of which some is published and some is not counts as published,
 * and the answer has all of it.
 *
 * The executor is asked once realtime.commits has everything up to `until`.  On
 * a standby that cannot be known here, so it looks for the newest commit that
 * was noted.
 *
 * src/hub/seam.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hub/seam.h"
#include "hub/position.h"

static SeamBounds bounds;

/*
 * Take note of how things stand.
 */
void
seam_set_bounds(const SeamBounds *given)
{
	bounds = *given;
}

/*
 * Is a cursor a place of our history?
 */
static HistoryVerdict
judge(const Cursor *after)
{
	if (after->epoch != bounds.epoch)
		return HISTORY_EPOCH;
	if (after->place.lsn > bounds.told.lsn ||
		!position_in_history(after->place.timeline, after->place.lsn))
		return HISTORY_DIVERGED;
	return HISTORY_FOUND;
}

/*
 * Admit a question, or answer it.
 */
HistoryVerdict
seam_admit(HistoryHead *head)
{
	head->until = bounds.told;
	head->until.number = PLACE_WHOLE;
	head->newest_lsn = bounds.newest_lsn;
	return head->kind == HISTORY_RESUME ? judge(&head->after) : HISTORY_FOUND;
}

/*
 * May it be asked?
 */
bool
seam_is_ready(const char *body)
{
	HistoryHead head;

	memcpy(&head, body, sizeof(head));
	return head.until.lsn <= bounds.recorded_lsn;
}
