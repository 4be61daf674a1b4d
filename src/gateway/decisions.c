/*-------------------------------------------------------------------------
 *
 * decisions.c
 *	  What policies allow: questions to the executors, shared by all who ask
 *	  the same one.
 *
 * A question is (identity, request headers, topic, rights wanted).  At most one
 * of a kind is with the executors at a time; who asks meanwhile shares the next
 * one.  So 2,000 clients that join a topic with one key cost two evaluations,
 * and yet no decision is older than the asking (waiters.h).
 *
 * Questions go out at the end of the turn, and wait for a later one while the
 * bus is full.  Nothing else waits with them: public joins pass by.
 *
 * Decisions are not kept.  A channel keeps its rights until its token changes.
 *
 * src/gateway/decisions.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/decisions.h"
#include "gateway/gw_histograms.h"
#include "gateway/gw_stats.h"
#include "program/bus_jobs.h"

typedef struct Decision
{
	ChainNode	node;			/* in the table of all */
	bool		listed;			/* in the list of those to be asked */
	dlist_node	ask_node;		/* in it */
	Question	question;		/* what it names is held */
	Waiters		waiters;
	int64		asked_at;		/* measure_now() of the question at hand */
} Decision;

static ChainTable table;
static dlist_head to_ask = DLIST_STATIC_INIT(to_ask);
static Bytes job;				/* being encoded */

/*
 * Hash of a question.  The topic's hash is seeded, an address is not for
 * a client to choose.
 */
static uint32
question_hash(const Question *question)
{
	return hash_combine(question->topic->hash ^ question->wanted,
						(uint32) ((uintptr_t) question->identity >> 4));
}

/*
 * Are these one question?
 */
static bool
same_question(const Question *a, const Question *b)
{
	return a->identity == b->identity && a->topic == b->topic && a->wanted == b->wanted &&
		slice_equals(request_headers_json(a->headers), request_headers_json(b->headers));
}

/*
 * Find the decision on a question, or make it; NULL without memory.
 */
static Decision *
get_decision(const Question *question)
{
	uint32		hash = question_hash(question);
	Decision   *decision;

	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		decision = chain_container(Decision, node, node);
		if (same_question(&decision->question, question))
			return decision;
	}
	decision = calloc(1, sizeof(Decision));
	if (decision == NULL)
		return NULL;
	decision->question = *question;
	identity_ref(question->identity);
	request_headers_ref(question->headers);
	topics_hold(question->topic);
	waiters_init(&decision->waiters);
	chain_insert(&table, &decision->node, hash);
	return decision;
}

/*
 * Forget a question that nobody asks any more.
 */
static void
free_decision(Decision *decision)
{
	chain_remove(&table, &decision->node);
	identity_unref(decision->question.identity);
	request_headers_unref(decision->question.headers);
	topics_release(decision->question.topic);
	free(decision);
}

/*
 * Have decisions_flush() look at a question, unless it is being answered: then
 * it is looked at afterwards.
 */
static void
ask_later(Decision *decision)
{
	if (decision->listed || decision->waiters.asking)
		return;
	dlist_push_tail(&to_ask, &decision->ask_node);
	decision->listed = true;
}

/*
 * Ask.
 */
bool
decision_ask(Asker *asker, const Question *question)
{
	Decision   *decision = get_decision(question);

	if (decision == NULL)
		return false;
	waiters_add(&decision->waiters, &asker->wait);
	ask_later(decision);
	return true;
}

/*
 * Tell all who wait for this answer; who has come meanwhile is next.
 */
static void
tell(Decision *decision, JobOutcome outcome, uint8 rights)
{
	Waiter	   *waiter;

	while ((waiter = waiters_take(&decision->waiters)) != NULL)
	{
		Asker	   *asker = (Asker *) ((char *) waiter - offsetof(Asker, wait));

		asker->told(asker, outcome, rights);
	}
	waiters_end(&decision->waiters);
	if (waiters_waiting(&decision->waiters))
		ask_later(decision);
	else
		free_decision(decision);
}

/*
 * The answer to a job.  An executor never grants what was not asked for.
 */
static void
answered(JobOutcome outcome, Slice body, void *arg)
{
	Decision   *decision = arg;
	uint8		rights = 0;

	measure_check((decision->question.wanted & RIGHTS_WRITE) != 0, decision->asked_at);
	if (outcome == JOB_DONE && !job_decode_rights(body, &rights))
		outcome = JOB_FAILED;
	tell(decision, outcome, rights & decision->question.wanted);
}

/*
 * Encode the job of a question; false without memory.
 */
static bool
encode(const Decision *decision)
{
	const Question *question = &decision->question;
	const JwtClaims *claims = &question->identity->claims;
	AuthoriseJob body = {0};

	body.wanted = question->wanted;
	body.role = claims->role;
	body.sub = claims->sub;
	body.topic = topic_name(question->topic);
	body.claims = claims->json;
	body.headers = request_headers_json(question->headers);
	bytes_free(&job);
	return job_encode_authorise(&job, &body);
}

/*
 * Put one question on the bus.
 */
static void
ask_now(Decision *decision)
{
	waiters_begin(&decision->waiters);
	decision->asked_at = measure_now();
	if (encode(decision) &&
		bus_jobs_ask(JOB_AUTHORISE, bytes_slice(&job), answered, decision))
		STAT_INC(BUS_STAT_AUTHORISATIONS);
	else
		tell(decision, JOB_UNAVAILABLE, 0);
}

/*
 * Put the questions of this turn on the bus, those of them that still have
 * somebody who wants to know.
 */
void
decisions_flush(void)
{
	while (!dlist_is_empty(&to_ask) && bus_jobs_room())
	{
		Decision   *decision = dlist_container(Decision, ask_node,
											   dlist_pop_head_node(&to_ask));

		decision->listed = false;
		if (waiters_waiting(&decision->waiters))
			ask_now(decision);
		else
			free_decision(decision);
	}
}
