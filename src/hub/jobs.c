/*-------------------------------------------------------------------------
 *
 * jobs.c
 *	  Work that waits for an executor, and whom to tell of its end.
 *
 * The hub's own jobs come first, then calls, the courier's calls, authorisations,
 * questions about history and changes of rows, and broadcasts to be stored by turns,
 * each kind in
 * the order of arrival: a flood of one kind, which may take no more than a token or
 * a wrong key, must not starve the others.  A question about history waits until
 * what it is about is recorded (hub/seam.c).  Every job gets exactly one answer: an
 * executor's, or one of ours where there is no room for it (JOB_BUSY at once),
 * where it has waited longer than clients do (JOB_BUSY), or where nobody can run it.
 *
 * What waits is bounded by realtime.max_queued_jobs for each kind, for calls by
 * half of it, and by MAX_QUEUED_BYTES for each kind.  The hub's own jobs are one at a time
 * (hub/recorder.c) and not counted.
 *
 * Who runs jobs is executors.c, which asks here and is not known here.
 *
 * src/hub/jobs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "guc.h"
#include "hub/bus_server.h"
#include "hub/courier_server.h"
#include "hub/jobs.h"
#include "hub/seam.h"
#include "instant.h"
#include "proto/change_job.h"
#include "shmem.h"

/* supabase-js gives a join 10 s: an answer should be there before. */
#define MAX_WAIT_MS 8000

/* Of the jobs of one class that wait. */
#define MAX_QUEUED_BYTES (64 * 1024 * 1024)

typedef enum JobClass
{
	CLASS_OWN,
	CLASS_CALL,
	CLASS_COURIER,				/* its calls */
	CLASS_AUTHORISE,			/* what joins wait for */
	CLASS_HISTORY,
	CLASS_VISIBLE,
	CLASS_STORE,
	CLASS_COUNT
} JobClass;

static MemoryContext jobs_context = NULL;
static dlist_head queues[CLASS_COUNT];
static dlist_head running = DLIST_STATIC_INIT(running);
static int	queued[CLASS_COUNT];
static size_t bytes_of[CLASS_COUNT];
static JobClass turn = CLASS_CALL;	/* whose turn it is where several wait */
static uint64 last_id = 0;

/*
 * Set up; once per process.
 */
void
jobs_init(void)
{
	jobs_context = AllocSetContextCreate(TopMemoryContext, "realtime jobs",
										 ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < CLASS_COUNT; i++)
		dlist_init(&queues[i]);
}

/*
 * Which queue a job waits in, by what it is and whose.
 */
static JobClass
class_of(JobKind kind, int asker)
{
	if (asker == COURIER_SLOT)
		return CLASS_COURIER;
	switch (kind)
	{
		case JOB_AUTHORISE:
		case JOB_SUBSCRIBE:
			return CLASS_AUTHORISE;
		case JOB_CALL:
			return CLASS_CALL;
		case JOB_HISTORY:
			return CLASS_HISTORY;
		case JOB_VISIBLE:
			return CLASS_VISIBLE;
		case JOB_STORE:
		case JOB_PUBLISH:
			return CLASS_STORE;
		default:
			return CLASS_OWN;
	}
}

/*
 * Tell a gateway of the end of a job.
 */
static void
answer(int gateway, uint64 gateway_id, JobOutcome outcome, Slice body)
{
	BusResult	result = {0};

	result.id = gateway_id;
	result.outcome = (uint8) outcome;
	if (gateway == COURIER_SLOT)
		courier_server_send(BUS_RESULT,
							slice_make((const char *) &result, sizeof(result)), body);
	else
		bus_server_send(gateway, BUS_RESULT,
						slice_make((const char *) &result, sizeof(result)), body);
}

/*
 * Count how a job has ended.
 */
static void
count_end(JobOutcome outcome)
{
	shmem_count((SharedCounter) (SHARED_JOBS_DONE + outcome), 1);
}

/*
 * Queue a job.  NULL for want of memory.
 */
static Job *
enqueue(JobKind kind, int asker, Slice head, Slice rest)
{
	Job		   *job = MemoryContextAllocExtended(jobs_context,
												 offsetof(Job, body) + head.len + rest.len,
												 MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	if (job == NULL)
		return NULL;
	memset(job, 0, offsetof(Job, body));
	job->id = ++last_id;
	job->kind = kind;
	job->gateway = asker;
	job->queued_at = instant_now();
	job->len = head.len + rest.len;
	if (head.len > 0)
		memcpy(job->body, head.data, head.len);
	if (rest.len > 0)
		memcpy(job->body + head.len, rest.data, rest.len);
	dlist_push_tail(&queues[class_of(kind, asker)], &job->node);
	queued[class_of(kind, asker)]++;
	bytes_of[class_of(kind, asker)] += job->len;
	return job;
}

/*
 * Take a job out of its queue.
 */
static void
dequeue(Job *job)
{
	JobClass	class = class_of(job->kind, job->gateway);

	dlist_delete(&job->node);
	queued[class]--;
	bytes_of[class] -= job->len;
}

/*
 * How large may a gateway's job be?
 */
static size_t
largest_body(JobKind kind)
{
	if (kind == JOB_STORE || kind == JOB_PUBLISH)
		return STORE_MAX_BODY;
	if (kind == JOB_CALL)
		return CALL_MAX_BODY;
	return kind == JOB_SUBSCRIBE || kind == JOB_VISIBLE ? CHANGE_JOB_MAX_BODY : JOB_MAX_BODY;
}

/*
 * Are these for whoever asks?
 */
static bool
may_call(int asker, CallFunction function)
{
	bool		is_couriers = function == CALL_FETCH_WEBHOOKS || function == CALL_FINISH_WEBHOOKS;

	return is_couriers == (asker == COURIER_SLOT) && function != CALL_LOOK_FOR_WEBHOOKS;
}

/*
 * May a gateway or the courier ask for this?
 */
static bool
is_valid(int asker, const BusJob *job, Slice body)
{
	AuthoriseJob authorise;
	CallJob		call;
	HistoryJob	history;
	SubscribeJob subscribe;
	VisibleJob	visible;
	StoreHead	store;
	PublishJob	publish;
	WalMessage	message;

	if (body.len > largest_body((JobKind) job->kind) ||
		(asker == COURIER_SLOT && job->kind != JOB_CALL))
		return false;
	switch (job->kind)
	{
		case JOB_SUBSCRIBE:
			return job_decode_subscribe(body, &subscribe);
		case JOB_VISIBLE:
			return job_decode_visible(body, &visible);
		case JOB_AUTHORISE:
			return job_decode_authorise(body, &authorise);
		case JOB_CALL:
			return job_decode_call(body, &call) &&
				may_call(asker, (CallFunction) call.function);
		case JOB_HISTORY:
			return job_decode_history(body, &history);
		case JOB_STORE:
			return job_decode_store(body, &store, &message);
		case JOB_PUBLISH:
			return job_decode_publish(body, &publish);
		default:
			return false;
	}
}

/*
 * Is there room for one more of a gateway's?  No kind can take that of another.
 */
static bool
has_room(JobClass class, size_t len)
{
	int			most = class == CLASS_CALL ? (realtime_max_queued_jobs + 1) / 2 :
		realtime_max_queued_jobs;

	return queued[class] < most &&
		(bytes_of[class] == 0 || bytes_of[class] + len <= MAX_QUEUED_BYTES);
}

/*
 * Complete a question about history; false if it is answered already.
 */
static bool
admit_history(int gateway, const BusJob *asked, Slice body, HistoryHead *head)
{
	HistoryReply reply = {0};

	memcpy(head, body.data, sizeof(*head));
	reply.verdict = (uint8) seam_admit(head);
	if (reply.verdict == HISTORY_FOUND)
		return true;
	reply.complete = 1;
	reply.until = head->until;
	count_end(JOB_DONE);
	answer(gateway, asked->id, JOB_DONE, slice_make((const char *) &reply, sizeof(reply)));
	return false;
}

/*
 * Queue what a gateway asks for.
 */
bool
jobs_add(int gateway, const BusJob *asked, Slice body)
{
	Job		   *job = NULL;
	HistoryHead history;
	Slice		head = slice_make(NULL, 0);

	if (!is_valid(gateway, asked, body))
		return false;
	if (asked->kind == JOB_HISTORY)
	{
		if (!admit_history(gateway, asked, body, &history))
			return true;
		head = slice_make((const char *) &history, sizeof(history));
		body = slice_make(body.data + head.len, body.len - head.len);
	}
	if (has_room(class_of((JobKind) asked->kind, gateway), head.len + body.len))
		job = enqueue((JobKind) asked->kind, gateway, head, body);
	if (job == NULL)
	{
		count_end(JOB_BUSY);
		answer(gateway, asked->id, JOB_BUSY, slice_make(NULL, 0));
		return true;
	}
	job->gateway_id = asked->id;
	return true;
}

/*
 * Queue a job of the hub's own.
 */
void
jobs_add_own(JobKind kind, Slice head, Slice rest, JobEnded ended)
{
	Job		   *job = enqueue(kind, NO_GATEWAY, head, rest);

	if (job != NULL)
		job->ended = ended;
	else
		ended(JOB_BUSY, slice_make(NULL, 0), false);
}

/*
 * Jobs that wait.
 */
int
jobs_queued(void)
{
	int			n = 0;

	for (int i = 0; i < CLASS_COUNT; i++)
		n += queued[i];
	return n;
}

/*
 * The class whose turn it is after this one.
 */
static JobClass
after(JobClass class)
{
	return class + 1 < CLASS_COUNT ? class + 1 : CLASS_CALL;
}

/*
 * Can a job of this class be taken?
 */
static bool
is_ready(JobClass class)
{
	Job		   *job;

	if (dlist_is_empty(&queues[class]))
		return false;
	if (class != CLASS_HISTORY)
		return true;
	/* who came later wants no less */
	job = dlist_head_element(Job, node, &queues[class]);
	return seam_is_ready(job->body);
}

/*
 * Which queue the next job is taken from; NULL if there is none to take.
 */
static dlist_head *
next_queue(void)
{
	JobClass	class = turn;

	if (is_ready(CLASS_OWN))
		return &queues[CLASS_OWN];
	for (int i = CLASS_CALL; i < CLASS_COUNT; i++, class = after(class))
	{
		if (is_ready(class))
		{
			turn = after(class);
			return &queues[class];
		}
	}
	return NULL;
}

/*
 * Can one be taken?
 */
bool
jobs_ready(void)
{
	for (int i = 0; i < CLASS_COUNT; i++)
	{
		if (is_ready((JobClass) i))
			return true;
	}
	return false;
}

/*
 * Does one wait for commits to be recorded?
 */
bool
jobs_want_record(void)
{
	return !dlist_is_empty(&queues[CLASS_HISTORY]) && !is_ready(CLASS_HISTORY);
}

/*
 * The next job.
 */
Job *
jobs_take(void)
{
	dlist_head *queue = next_queue();
	Job		   *job;

	if (queue == NULL)
		return NULL;
	job = dlist_head_element(Job, node, queue);
	dequeue(job);
	dlist_push_tail(&running, &job->node);
	return job;
}

/*
 * Tell of the end of a job that is in no list any more, and free it.
 */
static void
finish(Job *job, JobOutcome outcome, Slice body, bool answered)
{
	count_end(outcome);
	if (job->ended)
		job->ended(outcome, body, answered);
	else if (job->gateway != NO_GATEWAY)
		answer(job->gateway, job->gateway_id, outcome, body);
	pfree(job);
}

/*
 * A job that was taken has ended.
 */
void
jobs_end(Job *job, JobOutcome outcome, Slice body, bool answered)
{
	dlist_delete(&job->node);
	finish(job, outcome, body, answered);
}

/*
 * End the jobs at a queue's head that were queued at or before a time.
 */
static void
end_until(dlist_head *queue, Instant queued_until, JobOutcome outcome)
{
	while (!dlist_is_empty(queue))
	{
		Job		   *job = dlist_head_element(Job, node, queue);

		if (job->queued_at > queued_until)
			break;
		dequeue(job);
		finish(job, outcome, slice_make(NULL, 0), false);
	}
}

/*
 * End all that wait.
 */
void
jobs_end_queued(JobOutcome outcome)
{
	/* whoever is told may ask for the next one, which has to wait */
	Instant now = instant_now();

	for (int i = 0; i < CLASS_COUNT; i++)
		end_until(&queues[i], now, outcome);
}

/*
 * End those that have waited for too long.
 */
long
jobs_expire(Instant now)
{
	long		soonest = -1;

	for (int i = 0; i < CLASS_COUNT; i++)
	{
		long		left;

		end_until(&queues[i], now - MAX_WAIT_MS * INT64CONST(1000), JOB_BUSY);
		if (dlist_is_empty(&queues[i]))
			continue;
		left = MAX_WAIT_MS -
			(long) ((now - dlist_head_element(Job, node, &queues[i])->queued_at) / 1000);
		if (soonest < 0 || left < soonest)
			soonest = left;
	}
	return soonest;
}

/*
 * A gateway is gone.
 */
void
jobs_forget_gateway(int gateway)
{
	dlist_mutable_iter iter;

	for (int i = 0; i < CLASS_COUNT; i++)
	{
		dlist_foreach_modify(iter, &queues[i])
		{
			Job		   *job = dlist_container(Job, node, iter.cur);

			if (job->gateway != gateway)
				continue;
			dequeue(job);
			pfree(job);
		}
	}
	dlist_foreach_modify(iter, &running)
	{
		Job		   *job = dlist_container(Job, node, iter.cur);

		if (job->gateway == gateway)
			job->gateway = NO_GATEWAY;
	}
}
