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
#include "gateway/gw_jobs.h"
#include "gateway/gw_stats.h"
#include "gateway/request_headers.h"
#include "gateway/waiters.h"

typedef struct Decision
{
	ChainNode	node;			/* in the table of all */
	uint8		wanted;
	bool		listed;			/* in the list of those to be asked */
	dlist_node	ask_node;		/* in it */
	Identity   *identity;		/* these three are held */
	RequestHeaders *headers;
	Topic	   *topic;
	Waiters		waiters;
} Decision;

static ChainTable table;
static dlist_head to_ask = DLIST_STATIC_INIT(to_ask);
static DecisionHandler told;
static Bytes job;				/* being encoded */

/*
 * Set up.
 */
void
decisions_init(DecisionHandler handler)
{
	told = handler;
}

/*
 * Hash of a question.  The topic's hash is seeded, an address is not for
 * a client to choose.
 */
static uint32
question_hash(const Channel *channel, uint8 wanted)
{
	return hash_combine(channel->topic->hash ^ wanted,
						(uint32) ((uintptr_t) channel->identity >> 4));
}

/*
 * Is this what the channel wants to know?
 */
static bool
is_question(const Decision *decision, const Channel *channel, uint8 wanted)
{
	return decision->identity == channel->identity &&
		decision->topic == channel->topic && decision->wanted == wanted &&
		slice_equals(request_headers_json(decision->headers),
					 request_headers_json(channel->conn->headers));
}

/*
 * Find the channel's question, or make it; NULL without memory.
 */
static Decision *
get_decision(const Channel *channel, uint8 wanted)
{
	uint32		hash = question_hash(channel, wanted);
	Decision   *decision;

	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		decision = chain_container(Decision, node, node);
		if (is_question(decision, channel, wanted))
			return decision;
	}
	decision = calloc(1, sizeof(Decision));
	if (decision == NULL)
		return NULL;
	decision->wanted = wanted;
	decision->identity = identity_ref(channel->identity);
	decision->headers = request_headers_ref(channel->conn->headers);
	decision->topic = channel->topic;
	topics_hold(decision->topic);
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
	identity_unref(decision->identity);
	request_headers_unref(decision->headers);
	topics_release(decision->topic);
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
 * Ask for a channel.
 */
bool
decision_ask(Channel *channel, uint8 wanted)
{
	Decision   *decision = get_decision(channel, wanted);

	if (decision == NULL)
		return false;
	waiters_add(&decision->waiters, channel);
	ask_later(decision);
	return true;
}

/*
 * Tell all who wait for this answer; who has come meanwhile is next.
 */
static void
tell(Decision *decision, JobOutcome outcome, uint8 rights)
{
	Channel    *channel;

	while ((channel = waiters_take(&decision->waiters)) != NULL)
		told(channel, outcome, rights);
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

	if (outcome == JOB_DONE && !job_decode_rights(body, &rights))
		outcome = JOB_FAILED;
	tell(decision, outcome, rights & decision->wanted);
}

/*
 * Encode the job of a question; false without memory.
 */
static bool
encode(const Decision *decision)
{
	AuthoriseJob question = {0};

	question.wanted = decision->wanted;
	question.role = decision->identity->claims.role;
	question.sub = decision->identity->claims.sub;
	question.topic = topic_name(decision->topic);
	question.claims = decision->identity->claims.json;
	question.headers = request_headers_json(decision->headers);
	bytes_free(&job);
	return job_encode_authorise(&job, &question);
}

/*
 * Put one question on the bus.
 */
static void
ask_now(Decision *decision)
{
	waiters_begin(&decision->waiters);
	if (encode(decision) &&
		gw_jobs_ask(JOB_AUTHORISE, bytes_slice(&job), answered, decision))
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
	while (!dlist_is_empty(&to_ask) && gw_jobs_room())
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
