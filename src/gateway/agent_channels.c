/*-------------------------------------------------------------------------
 *
 * agent_channels.c
 *	  Public channels whose names carry a proof: agent-... and conv-...
 *
 * insforge-oaura.md 8.4.  Which names are good, and until when, is for SQL to
 * say (realtime.check_channels), because the signing keys never leave the
 * database.  A good name is remembered as long as its topic has members; that
 * a name is bad is not remembered at all.  Questions are shared as in
 * decisions.c, and one job asks for as many names as fit.
 *
 * What is remembered may become wrong in two ways.  Agents or keys change: the
 * hub tells so in the order of commits, and all names are asked for again.  Or
 * a name reaches its end, a time that came with the answer.  A name found bad
 * then is taken from its members; their widgets fetch the new one.
 *
 * If the database cannot be asked, members keep a name until its end, and the
 * question is repeated.
 *
 * src/gateway/agent_channels.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/agent_answer.h"
#include "gateway/agent_channels.h"
#include "gateway/catch_up.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/waiters.h"
#include "program/bus_jobs.h"
#include "program/bus_link.h"
#include "program/loop.h"
#include "proto/jslice.h"

#define JOBS_MAX 1				/* at a time: meanwhile names gather, and other
								 * jobs find an executor */
#define BATCH_MAX 256			/* names of one job */
#define BATCH_BYTES (48 * 1024) /* of JSON past which no other is added */
#define RETRY_MS 1000
#define WARN_INTERVAL_MS 1000
#define SHOWN_MAX 100			/* bytes of a name in the log */

/* The list that a name is in. */
typedef enum AgentList
{
	LIST_NONE,
	LIST_TO_ASK,				/* in this turn, or when there is room */
	LIST_TO_RETRY				/* at retry_at */
} AgentList;

/*
 * What is known of the name of a topic; it lasts as long as the topic.
 */
struct AgentName
{
	Topic	   *topic;			/* held while a question is with an executor */
	uint8		list;			/* AgentList */
	bool		good;			/* may be joined */
	bool		outdated;		/* something changed since the question */
	dlist_node	node;
	int64		until;			/* end of a good name, 0 = none is known */
	Deadline	end;			/* set for it */
	Waiters		waiters;		/* joins */
};

/* The names of one job. */
typedef struct Batch
{
	uint32		changes;		/* nchanges when they were asked for */
	uint32		count;
	AgentName  *names[FLEXIBLE_ARRAY_MEMBER];
} Batch;

/*
 * Does anybody look at names?
 */
typedef enum NamesState
{
	NAMES_UNKNOWN,				/* no answer since the last change */
	NAMES_CHECKED,
	NAMES_UNCHECKED
} NamesState;

static const AgentHandlers *handlers;
static dlist_head to_ask = DLIST_STATIC_INIT(to_ask);
static dlist_head to_retry = DLIST_STATIC_INIT(to_retry);
static int64 retry_at = LOOP_NEVER;
static Deadlines ends;
static uint32 njobs;			/* that are with executors */
static uint32 nchanges;			/* calls of agent_channels_changed() */
static NamesState state;
static bool ask_state;			/* even if there is no name to ask for */
static bool visit_again;		/* at retry_at: memory ran out in a visit */

/*
 * Set up.
 */
void
agent_channels_init(const AgentHandlers *callbacks)
{
	handlers = callbacks;
}

/*
 * Does a topic have a name of this kind?
 */
static bool
is_agent_topic(const Topic *topic)
{
	Slice		name = topic_name(topic);

	return !topic->is_private &&
		(slice_has_prefix(name, SLICE_LIT("agent-")) ||
		 slice_has_prefix(name, SLICE_LIT("conv-")));
}

/*
 * Is nobody to look at names?
 */
static bool
is_off(void)
{
	return gw_settings.agent_channels != NULL &&
		strcmp(gw_settings.agent_channels, "off") == 0;
}

/*
 * Put a name into a list, out of the one that it is in.
 */
static void
move_to(AgentName *name, AgentList list)
{
	if (name->list != LIST_NONE)
		dlist_delete(&name->node);
	if (list == LIST_TO_ASK)
		dlist_push_tail(&to_ask, &name->node);
	else if (list == LIST_TO_RETRY)
		dlist_push_tail(&to_retry, &name->node);
	name->list = (uint8) list;
}

/*
 * Repeat a question after a while.
 */
static void
retry_later(void)
{
	if (retry_at == LOOP_NEVER)
		retry_at = loop_now + RETRY_MS;
}

/*
 * What is known of a topic's name, made if there is nothing; NULL without
 * memory.
 */
static AgentName *
get_name(Topic *topic)
{
	AgentName  *name = topic->agent_name;

	if (name != NULL)
		return name;
	name = calloc(1, sizeof(AgentName));
	if (name == NULL)
		return NULL;
	name->topic = topic;
	waiters_init(&name->waiters);
	topic->agent_name = name;
	return name;
}

/*
 * Forget a name.  A question that is with an executor holds the topic, so
 * there is none.
 */
void
agent_name_free(AgentName *name)
{
	if (name == NULL)
		return;
	Assert(!name->waiters.asking);
	move_to(name, LIST_NONE);
	deadline_clear(&ends, &name->end);
	free(name);
}

/*
 * Is the topic's name one that is looked at?  As long as that is not known, it
 * may be.
 */
bool
agent_channel_receive_only(const Topic *topic)
{
	if (!is_agent_topic(topic) || is_off())
		return false;
	ask_state = ask_state || state == NAMES_UNKNOWN;
	return state != NAMES_UNCHECKED;
}

/*
 * Look at the name of a channel that is being joined.
 */
AgentCheck
agent_channel_check(Channel *channel)
{
	AgentName  *name;

	if (!is_agent_topic(channel->topic) || state == NAMES_UNCHECKED || is_off())
		return AGENT_NAME_GOOD;
	name = get_name(channel->topic);
	if (name == NULL)
		return AGENT_NAME_NO_MEMORY;
	if (name->good)
		return AGENT_NAME_GOOD;
	waiters_add(&name->waiters, &channel->asker.wait);
	if (!name->waiters.asking)
		move_to(name, LIST_TO_ASK);
	return AGENT_NAME_ASKED;
}

/*
 * What is known of a name may not be true any more.
 */
static void
doubt(AgentName *name)
{
	name->good = false;
	if (name->waiters.asking)
		name->outdated = true;
	else
		move_to(name, LIST_TO_ASK);
}

/*
 * Look at a topic after a change.
 */
static void
visit_topic(Topic *topic)
{
	AgentName  *name;

	if (!is_agent_topic(topic))
		return;
	name = get_name(topic);
	if (name != NULL)
		doubt(name);
	else
		visit_again = true;
}

/*
 * Agents, keys or the mode have changed.
 */
void
agent_channels_changed(void)
{
	nchanges++;
	state = NAMES_UNKNOWN;
	ask_state = !is_off();
	visit_again = false;
	if (!is_off())
		topics_visit(visit_topic);
	if (visit_again)
		retry_later();
}

/*
 * Take a name from those who have it.
 */
static void
evict(AgentName *name)
{
	Channel    *channel;

	for (int v = 0; v < DIALECTS; v++)
	{
		Members    *members = &name->topic->members[v];

		while (members->count > 0)
		{
			STAT_INC(BUS_STAT_EVICTED);
			handlers->expired(members_array(members)[members->count - 1]);
		}
	}
	while ((channel = catch_up_any(name->topic)) != NULL)
	{
		STAT_INC(BUS_STAT_EVICTED);
		handlers->expired(channel);
	}
}

/*
 * Remember until when a name is good.
 */
static void
set_end(AgentName *name, int64 until)
{
	int64		now = loop_wall / 1000;

	name->until = until;
	deadline_clear(&ends, &name->end);
	if (until == 0)
		return;
	/* the clock of the answer may be a little behind ours */
	if (deadline_set(&ends, &name->end, Max(until, now + 1)))
		return;
	move_to(name, LIST_TO_RETRY);
	retry_later();
}

/*
 * All who waited for the answer are told: is there another question?
 */
static void
end_question(AgentName *name)
{
	waiters_end(&name->waiters);
	if (name->outdated || waiters_waiting(&name->waiters))
		move_to(name, LIST_TO_ASK);
	name->outdated = false;
	topics_release(name->topic);
}

/*
 * Tell a name to the log, without what proves it: what follows the last '-'.
 */
static void
warn(const AgentName *name)
{
	static int64 last_warning = -WARN_INTERVAL_MS;
	Slice		topic = topic_name(name->topic);
	char		shown[SHOWN_MAX + 1];
	size_t		len = topic.len;

	if (loop_now - last_warning < WARN_INTERVAL_MS)
		return;
	last_warning = loop_now;
	while (len > 0 && topic.data[len - 1] != '-')
		len--;
	if (len > SHOWN_MAX)
	{
		len = SHOWN_MAX;
		while (len > 0 && (topic.data[len] & 0xC0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++)
		shown[i] = (unsigned char) topic.data[i] < ' ' || topic.data[i] == 0x7F ?
			'?' : topic.data[i];
	bus_log(BUS_LOG_WARNING, "channel \"%.*s...\" was joined without a valid signature",
			(int) len, shown);
}

/*
 * Act on the answer for one name.
 */
static void
take_verdict(AgentName *name, const AgentVerdict *verdict, AgentMode mode)
{
	bool		allowed = verdict->valid || mode != AGENT_MODE_REQUIRE;
	Waiter	   *waiter;

	if (!verdict->valid && mode == AGENT_MODE_WARN)
		warn(name);
	while ((waiter = waiters_take(&name->waiters)) != NULL)
	{
		if (allowed)
			handlers->good(channel_of_waiter(waiter));
		else
			handlers->bad(channel_of_waiter(waiter), JOB_DONE);
	}
	name->good = allowed && !name->outdated;
	set_end(name, allowed && mode == AGENT_MODE_REQUIRE ? verdict->until : 0);
	if (!allowed)
		evict(name);
	end_question(name);
}

/*
 * A name could not be asked for.
 */
static void
take_failure(AgentName *name, JobOutcome outcome)
{
	Waiter	   *waiter;

	while ((waiter = waiters_take(&name->waiters)) != NULL)
		handlers->bad(channel_of_waiter(waiter), outcome);
	if (name->until != 0 && name->until <= loop_wall / 1000)
		evict(name);
	end_question(name);
	if (name->list == LIST_NONE && topic_has_members(name->topic))
	{
		move_to(name, LIST_TO_RETRY);
		retry_later();
	}
}

/*
 * Are these the verdicts on the names of the batch?
 */
static bool
verdicts_match(const Batch *batch, const AgentVerdict *verdicts)
{
	for (uint32 i = 0; i < batch->count; i++)
	{
		if (!jslice_string_equals(verdicts[i].name, topic_name(batch->names[i]->topic)))
			return false;
	}
	return true;
}

/*
 * The answer to a job.
 */
static void
answered(JobOutcome outcome, Slice result, void *arg)
{
	Batch	   *batch = arg;
	AgentVerdict verdicts[BATCH_MAX];
	AgentMode	mode = AGENT_MODE_REQUIRE;

	njobs--;
	if (outcome == JOB_DONE &&
		!(agent_answer_read(result, &mode, verdicts, batch->count) &&
		  verdicts_match(batch, verdicts)))
		outcome = JOB_FAILED;
	if (outcome == JOB_DONE && batch->changes == nchanges)
		state = mode == AGENT_MODE_OFF ? NAMES_UNCHECKED : NAMES_CHECKED;
	for (uint32 i = 0; i < batch->count; i++)
	{
		if (outcome == JOB_DONE)
			take_verdict(batch->names[i], &verdicts[i], mode);
		else
			take_failure(batch->names[i], outcome);
	}
	free(batch);
}

/*
 * Take names off the list of those to be asked for, and put them into a
 * request.  Those that nobody wants to know about are left out.
 */
static uint32
gather(AgentName **names, Bytes *request)
{
	uint32		count = 0;

	while (!dlist_is_empty(&to_ask) && count < BATCH_MAX && request->len < BATCH_BYTES)
	{
		AgentName  *name = dlist_head_element(AgentName, node, &to_ask);

		move_to(name, LIST_NONE);
		if (!waiters_waiting(&name->waiters) && !topic_has_members(name->topic))
			continue;
		if (count > 0)
			bytes_append_byte(request, ',');
		jslice_append_string(request, topic_name(name->topic));
		waiters_begin(&name->waiters);
		topics_hold(name->topic);
		names[count++] = name;
	}
	return count;
}

/*
 * Put a job on the bus; false if that cannot be done.
 */
static bool
ask(AgentName **names, uint32 count, Slice request)
{
	CallJob		call = {0};
	Batch	   *batch = malloc(offsetof(Batch, names) + count * sizeof(AgentName *));
	Bytes		job;
	bool		asked = false;

	if (batch == NULL)
		return false;
	batch->changes = nchanges;
	batch->count = count;
	memcpy(batch->names, names, count * sizeof(AgentName *));
	bytes_init(&job);
	call.function = CALL_CHECK_CHANNELS;
	call.request = request;
	if (job_encode_call(&job, &call))
		asked = bus_jobs_ask(JOB_CALL, bytes_slice(&job), answered, batch);
	bytes_free(&job);
	if (asked)
		njobs++;
	else
		free(batch);
	return asked;
}

/*
 * Ask for as many names as one job takes.
 */
static void
ask_batch(void)
{
	AgentName  *names[BATCH_MAX];
	Bytes		request;
	uint32		count;

	bytes_init(&request);
	bytes_append_cstr(&request, "{\"names\":[");
	count = gather(names, &request);
	if ((count > 0 || ask_state) &&
		!(bytes_append_cstr(&request, "]}") && ask(names, count, bytes_slice(&request))))
	{
		for (uint32 i = 0; i < count; i++)
			take_failure(names[i], JOB_UNAVAILABLE);
	}
	ask_state = false;
	bytes_free(&request);
}

/*
 * Put the questions of this turn on the bus.
 */
void
agent_channels_flush(void)
{
	while ((!dlist_is_empty(&to_ask) || ask_state) && njobs < JOBS_MAX && bus_jobs_room())
		ask_batch();
}

/*
 * Names that have reached their end are asked for once more: it may have been
 * put off.  So are those that could not be asked for.
 */
void
agent_channels_run_timers(int64 now)
{
	Deadline   *due;

	while ((due = deadlines_take_due(&ends, loop_wall / 1000)) != NULL)
		doubt((AgentName *) ((char *) due - offsetof(AgentName, end)));
	if (retry_at > now)
		return;
	retry_at = LOOP_NEVER;
	while (!dlist_is_empty(&to_retry))
		doubt(dlist_head_element(AgentName, node, &to_retry));
	if (visit_again)
		agent_channels_changed();
}

/*
 * The earlier of two.
 */
int64
agent_channels_deadline(void)
{
	return Min(retry_at, deadlines_earliest(&ends));
}
