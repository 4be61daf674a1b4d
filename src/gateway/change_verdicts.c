/*-------------------------------------------------------------------------
 *
 * change_verdicts.c
 *	  Who may see a change: questions to the executors.
 *
 * A question is about one change, one client (a token and its request headers),
 * the policies of the table and, where only SQL can tell, the conditions of a
 * filter.  All who ask the same share it.
 *
 * A job takes as many changes of a table as have the same questions: while the
 * jobs at hand are being answered, more of them gather, and so what an executor
 * does once per job and client is done the more seldom the more there is to do.
 *
 * src/gateway/change_verdicts.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/change_verdicts.h"
#include "gateway/gw_stats.h"
#include "program/bus_jobs.h"

#define KEPT_MAX (64 * 1024 * 1024) /* bytes of changes that are kept */
#define KEPT_MARK (16 * 1024 * 1024)	/* from here on, others had better wait */
#define JOBS_MAX 4				/* with the executors at a time */
#define JOB_ASKS 1024			/* of a job: questions about each change, */
#define JOB_CHANGES 64			/* changes, */
#define JOB_BYTES (1536 * 1024)	/* and bytes of either */

StaticAssertDecl(JOB_ASKS * JOB_CHANGES <= VISIBLE_MAX_VERDICTS,
				 "a job may have too many verdicts");

typedef struct Ask
{
	ChainNode	node;			/* in the table of the change */
	dlist_node	list_node;		/* among the unasked ones */
	VerdictQuestion question;	/* identity and headers are references */
	Plan	   *plan;			/* of the target, a reference; or NULL */
	dlist_head	links;			/* of VerdictLink */
} Ask;

/* A job: ask a of change c is asks[c * nasks + a]. */
typedef struct VisibleRun
{
	uint32		nchanges;
	uint32		nasks;
	KeptChange *changes[JOB_CHANGES];	/* references */
	Ask		  **asks;
} VisibleRun;

static const VerdictHandlers *told;
static dlist_head to_ask = DLIST_STATIC_INIT(to_ask);	/* of KeptChange */
static size_t kept_bytes;
static uint32 njobs;

/* Parts of a job being encoded. */
static Bytes changes;
static Bytes clients;
static Bytes asks;
static Bytes conditions;
static Bytes body;

/*
 * Be told of verdicts.
 */
void
change_verdicts_init(const VerdictHandlers *handlers)
{
	told = handlers;
}

/*
 * Keep a change.
 */
KeptChange *
change_keep(Slice bytes, int64 committed_at, uint64 serial)
{
	KeptChange *kept;

	if (kept_bytes + sizeof(KeptChange) + bytes.len > KEPT_MAX)
		return NULL;
	kept = calloc(1, offsetof(KeptChange, bytes) + bytes.len);
	if (kept == NULL)
		return NULL;
	memcpy(kept->bytes, bytes.data, bytes.len);
	kept->len = bytes.len;
	if (!change_decode(slice_make(kept->bytes, kept->len), &kept->record))
	{
		free(kept);
		return NULL;
	}
	kept->refs = 1;
	kept->serial = serial;
	kept->committed_at = committed_at;
	dlist_init(&kept->unasked);
	kept_bytes += sizeof(KeptChange) + kept->len;
	return kept;
}

/*
 * Is there room for more?
 */
bool
change_verdicts_room(void)
{
	return kept_bytes < KEPT_MARK;
}

/*
 * Hold it.
 */
KeptChange *
change_kept_ref(KeptChange *kept)
{
	kept->refs++;
	return kept;
}

/*
 * Free a question.
 */
static void
free_ask(ChainNode *node, void *arg)
{
	KeptChange *kept = arg;
	Ask		   *ask = chain_container(Ask, node, node);

	Assert(dlist_is_empty(&ask->links));
	chain_remove(&kept->asks, node);
	kept_bytes -= sizeof(Ask);
	identity_unref(ask->question.identity);
	request_headers_unref(ask->question.headers);
	if (ask->plan != NULL)
		change_plan_unref(ask->plan);
	free(ask);
}

/*
 * Let go of it.
 */
void
change_kept_unref(KeptChange *kept)
{
	Assert(kept->refs > 0);
	if (--kept->refs > 0)
		return;
	Assert(!kept->listed);
	chain_visit(&kept->asks, free_ask, kept);
	chain_free(&kept->asks);
	kept_bytes -= sizeof(KeptChange) + kept->len;
	free(kept);
}

/*
 * Hash of a question.  Nobody can choose addresses.
 */
static uint32
question_hash(const VerdictQuestion *question)
{
	return hash_combine((uint32) ((uintptr_t) question->identity >> 4),
						(uint32) ((uintptr_t) question->target >> 4) + question->policies);
}

/*
 * Are these one question about the same change?
 */
static bool
same_question(const VerdictQuestion *a, const VerdictQuestion *b)
{
	return a->identity == b->identity && a->target == b->target &&
		a->policies == b->policies &&
		(a->headers == b->headers ||
		 slice_equals(request_headers_json(a->headers), request_headers_json(b->headers)));
}

/*
 * Put a change into the list of those to be asked about.
 */
static void
list_change(KeptChange *kept)
{
	if (kept->listed)
		return;
	kept->listed = true;
	dlist_push_tail(&to_ask, &change_kept_ref(kept)->node);
}

/*
 * Make a question; NULL without memory.
 */
static Ask *
make_ask(KeptChange *kept, const VerdictQuestion *question, uint32 hash)
{
	Ask		   *ask = calloc(1, sizeof(Ask));

	if (ask == NULL)
		return NULL;
	ask->question = *question;
	identity_ref(question->identity);
	request_headers_ref(question->headers);
	if (question->target != NULL)
		ask->plan = change_plan_ref(question->target->plan);
	dlist_init(&ask->links);
	kept_bytes += sizeof(Ask);
	chain_insert(&kept->asks, &ask->node, hash);
	dlist_push_tail(&kept->unasked, &ask->list_node);
	kept->nunasked++;
	list_change(kept);
	return ask;
}

/*
 * Ask.
 */
bool
change_verdict_ask(KeptChange *kept, const VerdictQuestion *question, VerdictLink *link)
{
	uint32		hash = question_hash(question);
	Ask		   *ask = NULL;

	for (ChainNode *node = chain_first(&kept->asks, hash); node != NULL; node = chain_next(node))
	{
		ask = chain_container(Ask, node, node);
		if (same_question(&ask->question, question))
			break;
		ask = NULL;
	}
	if (ask == NULL)
		ask = make_ask(kept, question, hash);
	if (ask == NULL)
		return false;
	dlist_push_tail(&ask->links, &link->node);
	link->waits = true;
	return true;
}

/*
 * Stop waiting.
 */
void
change_verdict_leave(VerdictLink *link)
{
	if (link->waits)
		dlist_delete(&link->node);
	link->waits = false;
}

/*
 * Take the next one who waits for an answer; NULL if there is none.
 */
static VerdictLink *
take_link(Ask *ask)
{
	VerdictLink *link;

	if (dlist_is_empty(&ask->links))
		return NULL;
	link = dlist_head_element(VerdictLink, node, &ask->links);
	change_verdict_leave(link);
	return link;
}

/*
 * Tell who waits for one question.
 */
static void
tell(Ask *ask, JobOutcome outcome, VisibleVerdict verdict)
{
	VerdictLink *link;

	while ((link = take_link(ask)) != NULL)
	{
		if (outcome == JOB_DONE)
			told->decided(link, verdict);
		else
			told->unanswered(link, outcome);
	}
}

/*
 * Free a job.
 */
static void
free_run(VisibleRun *run)
{
	for (uint32 c = 0; c < run->nchanges; c++)
		change_kept_unref(run->changes[c]);
	free(run->asks);
	free(run);
}

/*
 * Tell all, one change after the other, which is the order of their commits.
 */
static void
finish_run(VisibleRun *run, JobOutcome outcome, Slice verdicts)
{
	for (uint32 c = 0; c < run->nchanges; c++)
	{
		for (uint32 a = 0; a < run->nasks; a++)
		{
			VisibleVerdict verdict = VISIBLE_NO;

			if (outcome == JOB_DONE)
				verdict = (VisibleVerdict) verdicts.data[a * run->nchanges + c];
			tell(run->asks[c * run->nasks + a], outcome, verdict);
		}
	}
	free_run(run);
}

/*
 * A job is answered.
 */
static void
answered(JobOutcome outcome, Slice verdicts, void *arg)
{
	VisibleRun *run = arg;
	VisibleJob	job = {0};

	njobs--;
	job.nchanges = (uint16) run->nchanges;
	job.nasks = (uint16) run->nasks;
	if (outcome == JOB_DONE && !job_decode_verdicts(verdicts, &job))
		outcome = JOB_FAILED;
	finish_run(run, outcome, verdicts);
}

/*
 * Append a question to the job.
 */
static void
append_ask(const Ask *ask, uint16 place)
{
	const VerdictQuestion *question = &ask->question;
	const JwtClaims *claims = &question->identity->claims;
	VisibleClient client = {0};
	VisibleAsk	item = {0};

	client.role = claims->role;
	client.sub = claims->sub;
	client.claims = claims->json;
	client.headers = request_headers_json(question->headers);
	(void) visible_append_client(&clients, &client);

	conditions.len = 0;
	if (question->target != NULL)
	{
		item.nconditions = question->target->nconditions;
		for (int i = 0; i < item.nconditions; i++)
			(void) visible_append_condition(&conditions,
											&question->target->conditions[i].condition);
	}
	item.client = place;
	item.policies = question->policies;
	item.conditions = bytes_slice(&conditions);
	(void) visible_append_ask(&asks, &item);
}

/*
 * How many of the first change's questions fit into a job; their parts are
 * encoded.
 */
static uint32
append_asks(KeptChange *first)
{
	uint32		n = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &first->unasked)
	{
		append_ask(dlist_container(Ask, list_node, iter.cur), (uint16) n);
		n++;
		if (n == JOB_ASKS || clients.len + asks.len > JOB_BYTES)
			break;
	}
	return n;
}

/*
 * Are the questions about two changes the same, in the same order?
 */
static bool
has_same_asks(KeptChange *a, KeptChange *b)
{
	dlist_node *x = &a->unasked.head;
	dlist_node *y = &b->unasked.head;

	if (a->record.relid != b->record.relid || a->nunasked != b->nunasked)
		return false;
	for (uint32 i = 0; i < a->nunasked; i++)
	{
		x = x->next;
		y = y->next;
		if (!same_question(&dlist_container(Ask, list_node, x)->question,
						   &dlist_container(Ask, list_node, y)->question))
			return false;
	}
	return true;
}

/*
 * Choose the changes of a job whose first one is at the head of the list.
 */
static void
choose_changes(VisibleRun *run, KeptChange *first)
{
	dlist_node *node = &first->node;
	size_t		bytes = first->len;

	run->changes[run->nchanges++] = first;
	if (run->nasks < first->nunasked)
		return;
	for (int seen = 1; seen < JOB_CHANGES && dlist_has_next(&to_ask, node); seen++)
	{
		KeptChange *kept;

		node = dlist_next_node(&to_ask, node);
		kept = dlist_container(KeptChange, node, node);
		if (bytes + kept->len > JOB_BYTES)
			return;
		if (has_same_asks(first, kept))
		{
			run->changes[run->nchanges++] = kept;
			bytes += kept->len;
		}
	}
}

/*
 * Move the questions of a change into the job, and the change off the list if
 * they were all.
 */
static void
take_asks(VisibleRun *run, uint32 c)
{
	KeptChange *kept = run->changes[c];

	for (uint32 a = 0; a < run->nasks; a++)
	{
		dlist_node *node = dlist_pop_head_node(&kept->unasked);

		run->asks[c * run->nasks + a] = dlist_container(Ask, list_node, node);
		kept->nunasked--;
	}
	change_kept_ref(kept);
	(void) visible_append_change(&changes, slice_make(kept->bytes, kept->len));
	if (kept->nunasked > 0)
		return;
	dlist_delete(&kept->node);
	kept->listed = false;
	change_kept_unref(kept);
}

/*
 * Begin with an empty job.
 */
static void
clear_parts(void)
{
	bytes_free(&changes);
	bytes_free(&clients);
	bytes_free(&asks);
	bytes_free(&conditions);
	bytes_free(&body);
}

/*
 * Put the parts together; false without memory.
 */
static bool
encode_body(const VisibleRun *run)
{
	VisibleJob	job = {0};

	if (changes.failed || clients.failed || asks.failed || conditions.failed)
		return false;
	job.relid = run->changes[0]->record.relid;
	job.nchanges = (uint16) run->nchanges;
	job.nclients = (uint16) run->nasks;
	job.nasks = (uint16) run->nasks;
	job.changes = bytes_slice(&changes);
	job.clients = bytes_slice(&clients);
	job.asks = bytes_slice(&asks);
	return job_encode_visible(&body, &job);
}

/*
 * Make a job of what is at the head of the list; NULL without memory.
 */
static VisibleRun *
make_run(void)
{
	KeptChange *first = dlist_head_element(KeptChange, node, &to_ask);
	VisibleRun *run = calloc(1, sizeof(VisibleRun));

	if (run == NULL)
		return NULL;
	clear_parts();
	run->nasks = append_asks(first);
	choose_changes(run, first);
	run->asks = calloc((size_t) run->nchanges * run->nasks, sizeof(Ask *));
	if (run->asks == NULL)
	{
		free(run);
		return NULL;
	}
	for (uint32 c = 0; c < run->nchanges; c++)
		take_asks(run, c);
	return run;
}

/*
 * Put the questions of this turn on the bus.  Without memory for that they wait
 * for the next turn.
 */
void
change_verdicts_flush(void)
{
	while (!dlist_is_empty(&to_ask) && njobs < JOBS_MAX && bus_jobs_room())
	{
		VisibleRun *run = make_run();

		if (run == NULL)
			break;
		STAT_ADD(BUS_STAT_CHANGES_ASKED, (uint64) run->nchanges * run->nasks);
		njobs++;
		if (!encode_body(run) ||
			!bus_jobs_ask(JOB_VISIBLE, bytes_slice(&body), answered, run))
		{
			njobs--;
			finish_run(run, JOB_UNAVAILABLE, slice_make(NULL, 0));
		}
	}
	clear_parts();
}
