/*-------------------------------------------------------------------------
 *
 * change_delivery.c
 *	  From a change of a row to the queues of those who are to be told.
 *
 *		BUS_MESSAGE ► who wants it (change_index) ► terms ► audiences ► members
 *							no row-level security: ► queue of the socket
 *							else: ► held ► verdict (change_verdicts) ► queue
 *
 * A channel is told of changes in the order of the bus.  So while one of them
 * waits for a verdict, those behind it wait as well, decided or not.  A channel
 * for which too many wait is ended, and joins again: no change is ever left
 * out without a word.
 *
 * Changes are parked before anybody looks at them from BUS_TABLES_CHANGED until
 * all answers about tables have been asked for anew, and while as much waits for
 * verdicts as the executors have to do for some time: a row that is parked is kept
 * once, and not once for every channel.
 *
 * src/gateway/change_delivery.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/backpressure.h"
#include "gateway/change_delivery.h"
#include "gateway/change_row.h"
#include "gateway/change_verdicts.h"
#include "gateway/fanout.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/replies.h"
#include "proto/ws_frame.h"

#define PARKED_MAX (64 * 1024 * 1024)	/* bytes */
#define UNPARK_BYTES (256 * 1024)	/* of one turn: as the bus gives */
#define HELD_MARK (64 * 1024 * 1024)	/* bytes in queues of channels */
#define OVERRUN_MESSAGE "Too many changes wait to be authorized"

/* A change that nobody has looked at yet. */
typedef struct Parked
{
	dlist_node	node;
	int64		committed_at;
	uint64		serial;
	size_t		len;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} Parked;

/*
 * A change for one channel, in its queue.
 */
typedef struct HeldChange
{
	dlist_node	node;			/* in changes->held */
	Changes    *changes;
	Audience   *audience;		/* these three are references */
	KeptChange *kept;
	Plan	   *plan;
	uint32		relation;
	uint32		nopen;			/* verdicts that it waits for */
	uint64		told;			/* entries that are to be told */
	uint64		failed;			/* entries that it could not be decided for */
	size_t		weight;			/* bytes of all this */
	uint32		nlinks;			/* in use */
	VerdictLink links[FLEXIBLE_ARRAY_MEMBER];
} HeldChange;

/* The change at hand. */
typedef struct Incoming
{
	Slice		bytes;
	const ChangeRecord *record;
	int64		committed_at;
	uint64		serial;
	KeptChange *kept;			/* made when first needed */
} Incoming;

static dlist_head parked = DLIST_STATIC_INIT(parked);
static size_t parked_bytes;
static size_t held_bytes;
static size_t unpark_left = UNPARK_BYTES;	/* of this turn */
static uint64 last_serial;		/* of the change that came last */
static uint64 hit_serial;		/* of the change at hand */
static Terms *hits;				/* who wants the change at hand */
static uint8 hit_events;		/* CHANGE_ON() of it */

/*
 * A channel could not be told: it must not go on as if nothing had happened.
 */
static void
lost(Conn *conn)
{
	conn_close(conn, WS_CLOSE_RESTART, "changes were lost: reconnect and refetch");
}

/*
 * Tell one channel of entries, those of one group in one frame.
 */
static void
tell_entries(const HeldChange *held, const Telling *telling, uint64 entries, ChangeFault fault)
{
	Audience   *audience = held->audience;

	for (uint32 g = 0; g < audience->terms->ngroups; g++)
	{
		uint64		some = entries & audience->terms->groups[g].entries;
		const AudienceFrame *frame;

		if (some == 0)
			continue;
		frame = change_audience_frame(audience, telling, (int) g, some, fault);
		if (frame == NULL)
			lost(held->changes->conn);
		else
			STAT_ADD(BUS_STAT_CHANGES, change_frame_deliver(held->changes->conn, frame));
	}
}

/*
 * What a held change weighs.
 */
static size_t
held_weight(uint32 nlinks)
{
	return offsetof(HeldChange, links) + nlinks * sizeof(VerdictLink);
}

/*
 * Free a held change.
 */
static void
free_held(HeldChange *held)
{
	dlist_delete(&held->node);
	held->changes->nheld--;
	held_bytes -= held->weight;
	STAT_DEC(BUS_STAT_CHANGES_HELD);
	for (uint32 i = 0; i < held->nlinks; i++)
		change_verdict_leave(&held->links[i]);
	change_audience_unref(held->audience);
	change_kept_unref(held->kept);
	change_plan_unref(held->plan);
	free(held);
}

/*
 * Tell a channel what is decided at the head of its queue.
 */
static void
drain(Changes *changes)
{
	while (!dlist_is_empty(&changes->held))
	{
		HeldChange *held = dlist_head_element(HeldChange, node, &changes->held);
		Telling		telling;

		if (held->nopen > 0)
			return;
		telling.record = &held->kept->record;
		telling.committed_at = held->kept->committed_at;
		telling.serial = held->kept->serial;
		telling.plan = held->plan;
		telling.relation = held->relation;
		tell_entries(held, &telling, held->told, CHANGE_FINE);
		tell_entries(held, &telling, held->failed, CHANGE_POLICY_FAILED);
		free_held(held);
	}
}

/*
 * A verdict is there.
 */
static void
decided(VerdictLink *link, VisibleVerdict verdict)
{
	HeldChange *held = link->owner;

	held->nopen--;
	if (verdict == VISIBLE_YES)
		held->told |= link->entries;
	else if (verdict == VISIBLE_FAILED)
		held->failed |= link->entries;
	if (held->nopen == 0)
		drain(held->changes);
}

/*
 * There will be none.
 */
static void
unanswered(VerdictLink *link, JobOutcome outcome)
{
	HeldChange *held = link->owner;

	join_end(held->changes->channel, outcome == JOB_TIMED_OUT ?
					  "Query was cancelled, please try again" :
					  "Realtime was unable to connect to the project database", END_FOR_NOW);
}

/*
 * Be told of verdicts.
 */
void
change_delivery_init(void)
{
	static const VerdictHandlers handlers = {
		.decided = decided,
		.unanswered = unanswered
	};

	change_verdicts_init(&handlers);
}

/*
 * Forget what waits for a channel.
 */
void
change_delivery_forget(Changes *changes)
{
	while (!dlist_is_empty(&changes->held))
		free_held(dlist_head_element(HeldChange, node, &changes->held));
}

/*
 * Keep the change at hand; false without memory or when too much is kept.
 */
static bool
keep(Incoming *incoming)
{
	if (incoming->kept == NULL)
		incoming->kept = change_keep(incoming->bytes, incoming->committed_at, incoming->serial);
	return incoming->kept != NULL;
}

/*
 * Ask about some entries of a held change.
 */
static bool
ask(HeldChange *held, bool policies, Target *target, uint64 entries)
{
	VerdictLink *link = &held->links[held->nlinks++];
	VerdictQuestion question;

	question.identity = held->changes->identity;
	question.headers = held->changes->conn->headers;
	question.policies = policies;
	question.target = target;
	link->owner = held;
	link->entries = entries;
	if (!change_verdict_ask(held->kept, &question, link))
		return false;
	held->nopen++;
	return true;
}

/*
 * Ask all that has to be asked about a held change.
 */
static bool
ask_all(HeldChange *held, uint64 sure, uint64 unsure)
{
	bool		policies = held->plan->relations[held->relation].ask;

	if (!policies)
		held->told = sure;
	else if (sure != 0 && !ask(held, true, NULL, sure))
		return false;
	for (int i = 0; i < CHANGE_MAX_ENTRIES; i++)
	{
		uint64		entry = UINT64CONST(1) << i;

		if ((unsure & entry) != 0 &&
			!ask(held, policies, held->plan->filtered[i], entry))
			return false;
	}
	return true;
}

/*
 * How many entries are in a set?
 */
static uint32
count_entries(uint64 entries)
{
	uint32		n = 0;

	for (; entries != 0; entries &= entries - 1)
		n++;
	return n;
}

/*
 * Put the change at hand into the queue of a channel.  False if it is full.
 */
static bool
hold(Incoming *incoming, Changes *changes, Audience *audience, uint64 unsure)
{
	const Terms *terms = audience->terms;
	size_t		weight = held_weight(1 + count_entries(unsure));
	HeldChange *held;

	if (changes->nheld >= gw_settings.max_pending_changes || !keep(incoming))
		return false;
	held = calloc(1, weight);
	if (held == NULL)
		return false;
	held->weight = weight;
	held_bytes += weight;
	held->changes = changes;
	held->audience = change_audience_ref(audience);
	held->kept = change_kept_ref(incoming->kept);
	held->plan = change_plan_ref(terms->plan);
	held->relation = terms->relation;
	dlist_push_tail(&changes->held, &held->node);
	changes->nheld++;
	STAT_INC(BUS_STAT_CHANGES_HELD);
	return ask_all(held, terms->wanted & ~unsure, unsure);
}

/*
 * End a channel whose queue is full.
 */
static void
overrun(Changes *changes)
{
	STAT_INC(BUS_STAT_CHANGES_OVERRUN);
	join_end(changes->channel, OVERRUN_MESSAGE, END_FOR_NOW);
}

/*
 * Tell those members who wait for nothing, all entries of a group in one frame.
 */
static void
tell_group(const Incoming *incoming, Audience *audience, int group, uint64 entries)
{
	Telling		telling;
	const AudienceFrame *frame;
	uint32		delivered = 0;

	telling.record = incoming->record;
	telling.committed_at = incoming->committed_at;
	telling.serial = incoming->serial;
	telling.plan = audience->terms->plan;
	telling.relation = audience->terms->relation;
	frame = change_audience_frame(audience, &telling, group, entries, CHANGE_FINE);
	for (uint32 i = 0; i < audience->count; i++)
	{
		Changes    *changes = audience->members[i];

		if (changes->nheld > 0 || incoming->serial <= changes->since)
			continue;
		if (frame == NULL)
			lost(changes->conn);
		else
			delivered += change_frame_deliver(changes->conn, frame);
	}
	STAT_ADD(BUS_STAT_CHANGES, delivered);
}

/*
 * Tell an audience that need not be asked about, but for those members who
 * still wait for something else.
 */
static void
tell_audience(const Incoming *incoming, Audience *audience)
{
	const Terms *terms = audience->terms;

	for (uint32 g = 0; g < terms->ngroups; g++)
	{
		uint64		some = terms->wanted & terms->groups[g].entries;

		if (some != 0)
			tell_group(incoming, audience, (int) g, some);
	}
}

/*
 * Hand the change to an audience.  Members that end are replaced by those who
 * have had their turn, hence backwards.
 */
static void
serve_audience(Incoming *incoming, Audience *audience)
{
	const Terms *terms = audience->terms;
	bool		asks = terms->plan->relations[terms->relation].ask || terms->unsure != 0;

	if (!asks)
		tell_audience(incoming, audience);
	for (uint32 i = audience->count; i-- > 0;)
	{
		Changes    *changes = audience->members[i];

		if ((asks || changes->nheld > 0) && incoming->serial > changes->since &&
			!hold(incoming, changes, audience, terms->unsure))
			overrun(changes);
	}
}

/*
 * Hand the change to all audiences of terms that want it.
 */
static void
serve_terms(Incoming *incoming, Terms *terms)
{
	dlist_node *node = &terms->audiences.head;
	Audience   *audience = NULL;

	while (dlist_has_next(&terms->audiences, node))
	{
		Audience   *before = audience;

		node = dlist_next_node(&terms->audiences, node);
		audience = change_audience_ref(dlist_container(Audience, of_terms, node));
		if (before != NULL)
			change_audience_unref(before);
		serve_audience(incoming, audience);
	}
	if (audience != NULL)
		change_audience_unref(audience);
}

/*
 * The change at hand may be one that a target wants.  A table has one place in
 * a plan, but not the same one in all.
 */
static void
hit(Target *target)
{
	Terms	   *terms = target->plan->terms;
	uint64		bit = UINT64CONST(1) << target->entry;
	FilterVerdict verdict;

	if ((target->events & hit_events) == 0)
		return;
	verdict = change_target_test(target);
	if (verdict == FILTER_NO)
		return;
	if (terms->serial != hit_serial)
	{
		terms->serial = hit_serial;
		terms->wanted = 0;
		terms->unsure = 0;
		terms->relation = target->relation;
		terms->refs++;
		terms->next_hit = hits;
		hits = terms;
	}
	terms->wanted |= bit;
	if (verdict == FILTER_UNSURE)
		terms->unsure |= bit;
}

/*
 * Hand a change to all who want it.
 */
static void
serve(Slice bytes, const ChangeRecord *record, int64 committed_at, uint64 serial)
{
	FollowedTable *table = change_tables_find(record->relid);
	Incoming	incoming = {0};

	if (table == NULL)
		return;
	incoming.bytes = bytes;
	incoming.record = record;
	incoming.committed_at = committed_at;
	incoming.serial = hit_serial = serial;
	hit_events = CHANGE_ON(record->op);
	change_row_begin(record);
	change_index_visit(&table->index, hit);
	while (hits != NULL)
	{
		Terms	   *terms = hits;

		hits = terms->next_hit;
		if (terms->plan != NULL)
			serve_terms(&incoming, terms);
		change_terms_release(terms);
	}
	if (incoming.kept != NULL)
		change_kept_unref(incoming.kept);
}

/*
 * Free a parked change.
 */
static void
free_parked(Parked *change)
{
	dlist_delete(&change->node);
	parked_bytes -= sizeof(Parked) + change->len;
	free(change);
}

/*
 * Hold a change back before anybody looks at it.  Without room for it all who
 * might have been told are ended, and then there is nobody to hold it for.
 */
static void
park(Slice bytes, int64 committed_at, uint64 serial)
{
	Parked	   *change = NULL;

	if (parked_bytes + sizeof(Parked) + bytes.len <= PARKED_MAX)
		change = malloc(offsetof(Parked, bytes) + bytes.len);
	if (change == NULL)
	{
		STAT_INC(BUS_STAT_CHANGES_OVERRUN);
		changes_end_all(OVERRUN_MESSAGE);
		while (!dlist_is_empty(&parked))
			free_parked(dlist_head_element(Parked, node, &parked));
		return;
	}
	change->committed_at = committed_at;
	change->serial = serial;
	change->len = bytes.len;
	memcpy(change->bytes, bytes.data, bytes.len);
	parked_bytes += sizeof(Parked) + bytes.len;
	dlist_push_tail(&parked, &change->node);
}

/*
 * May the next change be looked at?
 */
static bool
may_serve(void)
{
	return change_terms_current() && change_verdicts_room() && held_bytes < HELD_MARK;
}

/*
 * May one that is parked be?  They are not read from the bus any more, so that
 * sockets that are full have to be looked at here.
 */
static bool
may_unpark(void)
{
	return !dlist_is_empty(&parked) && may_serve() && !backpressure_holding();
}

/*
 * Go on with what was parked, a piece of it in each turn.
 */
static void
unpark(void)
{
	while (unpark_left > 0 && may_unpark())
	{
		Parked	   *change = dlist_head_element(Parked, node, &parked);
		Slice		bytes = slice_make(change->bytes, change->len);
		ChangeRecord record;

		if (change_decode(bytes, &record))
			serve(bytes, &record, change->committed_at, change->serial);
		unpark_left -= Min(unpark_left, sizeof(Parked) + change->len);
		free_parked(change);
	}
}

/*
 * A change has come.
 */
bool
change_delivery_take(const BusMessageHead *head, const WalMessage *message)
{
	ChangeRecord record;

	if (!change_decode(message->payload, &record))
		return false;
	STAT_INC(BUS_STAT_MESSAGES);
	backpressure_bus_read(loop_now);
	fanout_settle();
	unpark();
	last_serial++;
	if (dlist_is_empty(&parked) && may_serve())
		serve(message->payload, &record, head->committed_at, last_serial);
	else
		park(message->payload, head->committed_at, last_serial);
	return true;
}

/*
 * Who begins to follow now is told of what comes behind this one.
 */
uint64
change_delivery_serial(void)
{
	return last_serial;
}

/*
 * The end of a turn.
 */
void
change_delivery_flush(void)
{
	unpark();
	unpark_left = UNPARK_BYTES;
	change_verdicts_flush();
	change_audiences_end();
}

/*
 * When the next turn is due.  What hinders us wakes the loop when it is over.
 */
int64
change_delivery_deadline(void)
{
	return may_unpark() ? loop_now : LOOP_NEVER;
}
