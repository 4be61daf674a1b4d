/*-------------------------------------------------------------------------
 *
 * change_terms.c
 *	  What clients of one role that ask for the same tables get of them.
 *
 *		JOB_SUBSCRIBE ► answer ► plan ► BUS_FOLLOW ► acknowledged: ready
 *			▲												│
 *			└─────────────── BUS_TABLES_CHANGED ────────────┘
 *
 * An answer depends on nothing but the role and the entries, so all clients
 * who have these in common share it.  Who comes later asks once more, because not
 * all that it depends on is in what the hub hears of; who comes while a job is
 * under way waits for the next one, with all others who do (as in waiters.h).
 *
 * When the hub says that tables have changed, all terms are asked for again.
 * Until all answers that are in use are there, changes are held back
 * (change_delivery.c): a table's row-level security may just have been switched
 * on.
 *
 * src/gateway/change_terms.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/change_terms.h"
#include "gateway/topics.h"
#include "program/bus_jobs.h"

#define TERMS_MAX (256 * 1024 * 1024)	/* bytes of all of them */
#define JOBS_MAX 32				/* with the executors at a time */

static const TermsHandlers *told;
static ChainTable table;		/* of Terms */
static dlist_head to_ask = DLIST_STATIC_INIT(to_ask);
static size_t total;			/* weight of all */
static uint32 njobs;
static uint32 noutdated;		/* with a plan that is being asked for again */
static Bytes question;			/* being encoded */

/*
 * Be told what becomes of questions.
 */
void
change_terms_init(const TermsHandlers *handlers)
{
	told = handlers;
}

/*
 * Is its plan one that may not hold any more?
 */
static bool
is_outdated(const Terms *terms)
{
	return terms->plan != NULL && terms->answered < terms->needed;
}

/*
 * Change one of these numbers, and keep the count of those that are outdated.
 */
static void
set_number(Terms *terms, uint32 *number, uint32 value)
{
	noutdated -= is_outdated(terms);
	*number = value;
	noutdated += is_outdated(terms);
}

/*
 * Another plan, or none.
 */
static void
set_plan(Terms *terms, Plan *plan)
{
	noutdated -= is_outdated(terms);
	if (terms->plan != NULL)
	{
		total -= change_plan_weight(terms->plan);
		change_plan_end(terms->plan);
		change_plan_unref(terms->plan);
	}
	terms->plan = plan;
	if (plan != NULL)
		total += change_plan_weight(plan);
	noutdated += is_outdated(terms);
}

/*
 * Do all answers hold?
 */
bool
change_terms_current(void)
{
	return noutdated == 0;
}

/*
 * Have change_terms_flush() ask.
 */
static void
ask_later(Terms *terms)
{
	if (terms->listed)
		return;
	dlist_push_tail(&to_ask, &terms->ask_node);
	terms->listed = true;
}

/*
 * Nobody who comes later may have them.
 */
static void
bury(Terms *terms)
{
	if (terms->dead)
		return;
	chain_remove(&table, &terms->node);
	terms->dead = true;
}

/*
 * Give up a reference.
 */
void
change_terms_release(Terms *terms)
{
	Assert(terms->refs > 0);
	if (--terms->refs > 0)
		return;
	Assert(!terms->asking && dlist_is_empty(&terms->waiters) &&
		   dlist_is_empty(&terms->audiences));
	bury(terms);
	if (terms->listed)
		dlist_delete(&terms->ask_node);
	set_plan(terms, NULL);
	total -= terms->weight;
	free(terms->names);
	free(terms);
}

/*
 * Do two lists of names have the same members?  Their order does not matter to
 * who looks names up in them, but equal ones usually are in the same order.
 */
static bool
same_names(const Slice *a, uint32 na, const Slice *b, uint32 nb)
{
	if (na != nb)
		return false;
	for (uint32 i = 0; i < na; i++)
	{
		if (!slice_equals(a[i], b[i]))
			return false;
	}
	return true;
}

/*
 * Put an entry into the group that selects the same columns.
 */
static void
add_to_group(Terms *terms, const Slice *wanted, uint32 nwanted, uint32 entry)
{
	SelectGroup *group = terms->groups;
	SelectGroup *end = group + terms->ngroups;

	while (group < end && !same_names(group->wanted, group->nwanted, wanted, nwanted))
		group++;
	if (group == end)
	{
		terms->ngroups++;
		group->entries = 0;
		group->wanted = wanted;
		group->nwanted = nwanted;
	}
	group->entries |= UINT64CONST(1) << entry;
}

/*
 * Read from the question what does not need an answer; false without memory.
 */
static bool
read_entries(Terms *terms)
{
	SubscribeJob job;
	SubscribeEntry entry;
	Slice		rest;
	uint32		nnames = 0;
	Slice	   *next;

	if (!job_decode_subscribe(slice_make(terms->question, terms->len), &job))
		return false;
	rest = job.entries;
	while (subscribe_next_entry(&rest, &entry))
		nnames += entry.nselect;
	terms->names = next = calloc(nnames + 1, sizeof(Slice));
	if (next == NULL)
		return false;
	rest = job.entries;
	while (terms->nentries < CHANGE_MAX_ENTRIES && subscribe_next_entry(&rest, &entry))
	{
		const Slice *wanted = next;

		while (subscribe_next_name(&entry.select, next))
			next++;
		terms->events[terms->nentries] = entry.op == 0 ? CHANGE_ON_ALL : CHANGE_ON(entry.op);
		add_to_group(terms, wanted, (uint32) (next - wanted), terms->nentries);
		terms->nentries++;
	}
	return true;
}

/*
 * Make the terms of the question that was encoded; NULL without memory.
 */
static Terms *
make_terms(uint32 hash)
{
	size_t		weight = sizeof(Terms) + question.len * 2;
	Terms	   *terms;

	if (total + weight > TERMS_MAX || question.len > CHANGE_JOB_MAX_BODY)
		return NULL;
	terms = calloc(1, offsetof(Terms, question) + question.len);
	if (terms == NULL)
		return NULL;
	memcpy(terms->question, question.data, question.len);
	terms->len = question.len;
	if (!read_entries(terms))
	{
		free(terms->names);
		free(terms);
		return NULL;
	}
	terms->weight = weight;
	total += weight;
	dlist_init(&terms->waiters);
	dlist_init(&terms->audiences);
	chain_insert(&table, &terms->node, hash);
	return terms;
}

/*
 * The terms of the question that was encoded.
 */
static Terms *
get_terms(void)
{
	Slice		wanted = bytes_slice(&question);
	uint32		hash;
	Terms	   *terms;

	if (question.failed)
		return NULL;
	hash = topics_hash(wanted);
	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		terms = chain_container(Terms, node, node);
		if (slice_equals(slice_make(terms->question, terms->len), wanted))
		{
			terms->refs++;
			return terms;
		}
	}
	terms = make_terms(hash);
	if (terms != NULL)
		terms->refs++;
	return terms;
}

/*
 * The one operation that events are about, 0 if they are about all.
 */
static uint8
op_of(uint8 events)
{
	uint8		op = CHANGE_INSERT;

	if (events == CHANGE_ON_ALL)
		return 0;
	while (events != CHANGE_ON(op))
		op++;
	return op;
}

/*
 * Append an entry to the list of a question.
 */
static void
append_entry(Bytes *list, const ChangeEntry *entry)
{
	SubscribeEntry item = {0};
	Bytes		names = {0};

	for (uint32 i = 0; i < entry->nnames; i++)
		(void) subscribe_append_name(&names, entry->names[i]);
	item.op = op_of(entry->events);
	item.has_select = entry->nnames > 0;
	item.nselect = (uint16) entry->nnames;
	item.schema = entry->schema;
	item.table = entry->table;
	item.filter = entry->filter;
	item.select = bytes_slice(&names);
	if (names.failed || entry->nnames > PG_UINT16_MAX)
		list->failed = true;
	(void) subscribe_append_entry(list, &item);
	bytes_free(&names);
}

/*
 * The terms of a role for entries.
 */
Terms *
change_terms_get(Slice role, const ChangeEntries *entries)
{
	SubscribeJob job = {0};
	Bytes		list = {0};
	Terms	   *terms = NULL;

	for (uint32 i = 0; i < entries->count; i++)
		append_entry(&list, &entries->entries[i]);
	job.role = role;
	job.nentries = (uint16) entries->count;
	job.entries = bytes_slice(&list);
	bytes_free(&question);
	if (!list.failed && job_encode_subscribe(&question, &job))
		terms = get_terms();
	bytes_free(&list);
	bytes_free(&question);
	return terms;
}

/*
 * The same entries for another role.
 */
Terms *
change_terms_of_role(const Terms *other, Slice role)
{
	SubscribeJob job;
	Terms	   *terms = NULL;

	if (!job_decode_subscribe(slice_make(other->question, other->len), &job))
		return NULL;
	job.role = role;
	bytes_free(&question);
	if (job_encode_subscribe(&question, &job))
		terms = get_terms();
	bytes_free(&question);
	return terms;
}

/*
 * Can a channel go on with them?
 */
bool
change_terms_ready(const Terms *terms)
{
	return terms->plan != NULL && terms->plan->nwaiting == 0 && !is_outdated(terms);
}

/*
 * Ask.
 */
void
change_terms_check(Terms *terms)
{
	if (!terms->dead)
		ask_later(terms);
}

/*
 * Ask and wait.
 */
void
change_terms_wait(Terms *terms, TermsWaiter *waiter)
{
	Assert(!waiter->waits && !terms->dead);
	waiter->job = terms->asked + 1;
	dlist_push_tail(&terms->waiters, &waiter->node);
	waiter->waits = true;
	ask_later(terms);
}

/*
 * Stop waiting.
 */
void
change_terms_leave(TermsWaiter *waiter)
{
	if (waiter->waits)
		dlist_delete(&waiter->node);
	waiter->waits = false;
}

/*
 * Take the next one who waits for a job up to this one; NULL if there is none.
 */
static TermsWaiter *
take_waiter(Terms *terms, uint32 job)
{
	TermsWaiter *waiter;

	if (dlist_is_empty(&terms->waiters))
		return NULL;
	waiter = dlist_head_element(TermsWaiter, node, &terms->waiters);
	if (waiter->job > job)
		return NULL;
	change_terms_leave(waiter);
	return waiter;
}

/*
 * Tell those who wait, if they are ready.
 */
static void
tell_ready(Terms *terms)
{
	TermsWaiter *waiter;

	terms->refs++;
	while (change_terms_ready(terms) &&
		   (waiter = take_waiter(terms, terms->answered)) != NULL)
		told->ready(waiter);
	change_terms_release(terms);
}

/*
 * There is no plan any more.  Who has asked since then waits on; else the terms
 * are of no use.
 */
static void
drop_plan(Terms *terms)
{
	set_plan(terms, NULL);
	if (dlist_is_empty(&terms->waiters))
		bury(terms);
}

/*
 * Tell those who asked that there is no answer, and those who have an old one if
 * it does not hold any more and no other one is on its way.  The caller holds the
 * terms.
 */
static void
tell_unanswered(Terms *terms, JobOutcome outcome)
{
	TermsWaiter *waiter;

	while ((waiter = take_waiter(terms, terms->asked)) != NULL)
		told->unanswered(waiter, outcome);
	if (terms->listed || (terms->plan != NULL && !is_outdated(terms)))
		return;
	told->unanswered_all(terms);
	drop_plan(terms);
}

/*
 * Tell everybody that nothing is followed.
 */
static void
tell_failed(Terms *terms, Slice error)
{
	TermsWaiter *waiter;

	while ((waiter = take_waiter(terms, terms->answered)) != NULL)
		told->failed(waiter, error);
	told->failed_all(terms, error);
	drop_plan(terms);
}

/*
 * The error of the first entry that has one; empty if all are good.
 */
static Slice
find_error(const SubscribeAnswer *answer)
{
	Slice		rest = answer->results;
	SubscribeResult result;

	while (subscribe_next_result(&rest, &result))
	{
		if (result.failed)
			return result.error;
	}
	return slice_make(NULL, 0);
}

/*
 * Put an answer into force, unless it is the one that is.  False without memory.
 */
static bool
take_plan(Terms *terms, Slice body)
{
	Plan	   *plan;

	if (terms->plan != NULL && slice_equals(bytes_slice(&terms->plan->body), body))
		return true;
	plan = change_plan_make(body, terms->events, terms->nentries);
	if (plan == NULL)
		return false;
	if (total + change_plan_weight(plan) > TERMS_MAX || !change_plan_begin(plan, terms))
	{
		change_plan_unref(plan);
		return false;
	}
	set_plan(terms, plan);
	return true;
}

/*
 * Act on an answer.
 */
static void
take_answer(Terms *terms, Slice body)
{
	SubscribeAnswer answer;
	Slice		error;

	if (!job_decode_subscribe_answer(body, &answer) || answer.nresults != terms->nentries)
	{
		tell_unanswered(terms, JOB_FAILED);
		return;
	}
	error = find_error(&answer);
	if (error.len == 0 && !take_plan(terms, body))
	{
		tell_unanswered(terms, JOB_UNAVAILABLE);
		return;
	}
	set_number(terms, &terms->answered, terms->asked);
	if (error.len > 0)
		tell_failed(terms, error);
	else
		tell_ready(terms);
}

/*
 * A job is answered.
 */
static void
answered(JobOutcome outcome, Slice body, void *arg)
{
	Terms	   *terms = arg;

	njobs--;
	terms->asking = false;
	/* otherwise nobody is left who wants to know */
	if (terms->refs > 1)
	{
		if (outcome == JOB_DONE)
			take_answer(terms, body);
		else
			tell_unanswered(terms, outcome);
	}
	change_terms_release(terms);
}

/*
 * Put one question on the bus.
 */
static void
ask_now(Terms *terms)
{
	terms->refs++;
	terms->asking = true;
	terms->asked++;
	njobs++;
	if (!bus_jobs_ask(JOB_SUBSCRIBE, slice_make(terms->question, terms->len), answered, terms))
		answered(JOB_UNAVAILABLE, slice_make(NULL, 0), terms);
}

/*
 * Ask what has to be asked.  One that is being answered is asked again then,
 * because its answer may be older than what has changed.
 */
void
change_terms_flush(void)
{
	dlist_head	later = DLIST_STATIC_INIT(later);

	while (!dlist_is_empty(&to_ask) && njobs < JOBS_MAX && bus_jobs_room())
	{
		Terms	   *terms = dlist_container(Terms, ask_node, dlist_pop_head_node(&to_ask));

		if (terms->asking)
		{
			dlist_push_tail(&later, &terms->ask_node);
			continue;
		}
		terms->listed = false;
		ask_now(terms);
	}
	while (!dlist_is_empty(&later))
		dlist_push_tail(&to_ask, dlist_pop_head_node(&later));
}

/*
 * One of those in use has to be asked for again.
 */
static void
ask_again(ChainNode *node, void *arg)
{
	Terms	   *terms = chain_container(Terms, node, node);

	set_number(terms, &terms->needed, terms->asked + 1);
	ask_later(terms);
}

/*
 * Nothing that was answered needs to hold any more.
 */
void
change_terms_tables_changed(void)
{
	chain_visit(&table, ask_again, NULL);
}

/*
 * A table that was waited for is there.
 */
static void
table_held(FollowedTable *followed)
{
	while (!dlist_is_empty(&followed->waiters))
	{
		PlanRelation *relation = dlist_head_element(PlanRelation, wait_node, &followed->waiters);
		Terms	   *terms = relation->plan->terms;

		dlist_delete(&relation->wait_node);
		relation->waits = false;
		relation->plan->nwaiting--;
		tell_ready(terms);
	}
}

/*
 * It is not: the hub waits for a transaction that does not end.  Whoever has
 * been told to follow it already goes on waiting; the others join again.
 */
static void
table_busy(FollowedTable *followed)
{
	dlist_mutable_iter iter;
	Slice		parts = {NULL, 0};

	followed->holders++;
	dlist_foreach_modify(iter, &followed->waiters)
	{
		PlanRelation *relation = dlist_container(PlanRelation, wait_node, iter.cur);
		Terms	   *terms = relation->plan->terms;
		TermsWaiter *waiter;

		terms->refs++;
		while ((waiter = take_waiter(terms, terms->answered)) != NULL)
			told->unanswered(waiter, JOB_BUSY);
		change_terms_release(terms);
	}
	if (!dlist_is_empty(&followed->waiters))
		parts = dlist_head_element(PlanRelation, wait_node, &followed->waiters)->parts;
	if (parts.data != NULL && change_tables_get(followed->relid, parts) != NULL)
		change_tables_release(followed);
	change_tables_release(followed);
}

/*
 * The hub follows a table, or cannot.
 */
bool
change_terms_acknowledged(Slice body)
{
	FollowedTable *followed;

	if (!change_tables_acknowledged(body, &followed))
		return false;
	if (followed == NULL)
		return true;
	if (followed->state == TABLE_HELD)
		table_held(followed);
	else
		table_busy(followed);
	return true;
}
