/*-------------------------------------------------------------------------
 *
 * bus_jobs.c
 *	  What a program has asked the executors, and who waits for it.
 *
 * A program never waits for SQL: it sends a job over the bus and goes on,
 * and the result finds its way back by the job's id.  How many jobs may wait,
 * and for how long, is the hub's affair, which answers every one of them.
 *
 * Whoever asks must be there when the answer comes, whatever has become of the
 * client; there is no way to take a question back.
 *
 * src/program/bus_jobs.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "program/bus_jobs.h"
#include "program/bus_link.h"
#include "proto/chain_table.h"
#include "proto/change_job.h"

typedef struct Job
{
	ChainNode	node;			/* by id */
	uint64		id;
	JobHandler	handler;
	void	   *arg;
} Job;

static ChainTable table;
static uint64 last_id;

/*
 * May another job be put on the bus?
 */
bool
bus_jobs_room(void)
{
	return bus_queued() < BUS_OUT_MARK;
}

/*
 * Put a job on the bus.
 */
bool
bus_jobs_ask(JobKind kind, Slice body, JobHandler handler, void *arg)
{
	BusJob		head = {0};
	Job		   *job;

	Assert(body.len <= STORE_MAX_BODY);
	if (!bus_jobs_room())
		return false;
	job = malloc(sizeof(Job));
	if (job == NULL)
		return false;
	job->id = ++last_id;
	job->handler = handler;
	job->arg = arg;
	/* ids count up, so they fill the table evenly */
	chain_insert(&table, &job->node, (uint32) job->id);

	head.id = job->id;
	head.kind = (uint8) kind;
	bus_send(BUS_JOB, &head, sizeof(head), body.data, body.len);
	return true;
}

/*
 * Take the job of this id out of the table; NULL if there is none.
 */
static Job *
take_job(uint64 id)
{
	for (ChainNode *node = chain_first(&table, (uint32) id); node != NULL; node = chain_next(node))
	{
		Job		   *job = chain_container(Job, node, node);

		if (job->id == id)
		{
			chain_remove(&table, node);
			return job;
		}
	}
	return NULL;
}

/*
 * Hand a result to whoever waits for it.
 */
bool
bus_jobs_result(Slice frame)
{
	BusResult	result;
	Slice		body;
	Job		   *job;

	if (!bus_decode_result(frame, &result, &body) || !JOB_OUTCOME_VALID(result.outcome))
		return false;
	job = take_job(result.id);
	if (job == NULL)
		return false;
	if (result.outcome != JOB_DONE)
		body = slice_make(NULL, 0);
	job->handler((JobOutcome) result.outcome, body, job->arg);
	free(job);
	return true;
}
