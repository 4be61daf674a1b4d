/*-------------------------------------------------------------------------
 *
 * audience.c
 *	  Has it recorded how many sockets messages on channels have reached.
 *
 * Gateways report in batches what each of them has counted; here that is added
 * up for a moment, so that most messages get one row of
 * realtime.message_audience and not one for each gateway, and an executor writes
 * it, one batch at a time.
 *
 * Counts are a service, and nobody waits for them.  While no executor can write,
 * they are kept, up to a bound, and then the oldest are dropped and counted.  A
 * batch of which nobody knows whether it was written is taken as lost, rather
 * than written twice, and so is what a hub has when it ends.  A standby writes
 * nothing, so what its gateways reach is not counted at all.
 *
 * src/hub/audience.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "guc.h"
#include "hub/audience.h"
#include "hub/audience_merge.h"
#include "hub/executors.h"
#include "hub/jobs.h"
#include "hub/timeouts.h"
#include "instant.h"
#include "shmem.h"

/* Messages whose counts are kept in memory: 1.3 MB. */
#define MAX_KEPT 32768

/* A batch is sent when it is full or its first count has waited. */
#define BATCH_MS 200

/* After a failure the next attempt waits. */
#define RETRY_MS 500

static AudienceMerge *merge = NULL; /* made when it is needed first */
static Instant waiting_since;	/* of the first that is not taken */
static Instant retry_at = 0;
static bool busy = false;		/* an executor has a batch */

/*
 * Have the merge.  False for want of memory, or of a secret.
 */
static bool
have_merge(void)
{
	uint64		seed;

	if (merge == NULL && pg_strong_random(&seed, sizeof(seed)))
		merge = audience_merge_new(MAX_KEPT, seed);
	return merge != NULL;
}

/*
 * Take a gateway's counts.
 */
bool
audience_take(int slot, Slice body)
{
	uint32		count;
	uint64		dropped = 0;

	if (!job_decode_audience(body, &count))
		return false;
	if (RecoveryInProgress())
		return true;
	if (!have_merge())
	{
		shmem_count(SHARED_AUDIENCES_LOST, count);
		return true;
	}
	if (audience_merge_waiting(merge) == 0)
		waiting_since = instant_now();
	for (uint32 i = 0; i < count; i++)
	{
		AudienceEntry entry;

		job_audience_entry(body, i, &entry);
		dropped += audience_merge_add(merge, &entry);
	}
	if (dropped > 0)
		shmem_count(SHARED_AUDIENCES_LOST, dropped);
	return true;
}

/*
 * A batch was written, or was not.
 */
static void
batch_ended(JobOutcome outcome, Slice body, bool answered)
{
	busy = false;
	/* no executor has had it */
	if (outcome == JOB_BUSY && !answered)
	{
		audience_merge_put_back(merge);
		retry_at = instant_now() + RETRY_MS * INT64CONST(1000);
		return;
	}
	shmem_count(outcome == JOB_DONE ? SHARED_AUDIENCES_RECORDED : SHARED_AUDIENCES_LOST,
				audience_merge_done(merge));
}

/*
 * Send a batch when it is time.
 */
long
audience_tick(Instant now)
{
	Instant due = waiting_since + BATCH_MS * INT64CONST(1000);
	uint32		waiting = merge == NULL ? 0 : audience_merge_waiting(merge);

	if (busy || waiting == 0)
		return -1;
	if (retry_at > now)
		return ms_until(retry_at, now);
	if (waiting < AUDIENCE_MAX_ENTRIES && due > now)
		return ms_until(due, now);
	if (!executors_possible(now))
		return RETRY_MS;
	busy = true;
	waiting_since = now;
	jobs_add_own(JOB_AUDIENCE, audience_merge_take(merge, AUDIENCE_MAX_ENTRIES),
				 slice_make(NULL, 0), batch_ended);
	return -1;
}
