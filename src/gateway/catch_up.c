/*-------------------------------------------------------------------------
 *
 * catch_up.c
 *	  Channels that get what they have missed before they hear what is new.
 *
 * Two kinds of joins ask for the past: `resume` for all behind a cursor, and
 * `replay` (supabase.md 4.7) for some of the newest messages.  Such a channel
 * is no member of its topic at first:
 *
 *	  1. The hub acknowledges our interest, as for any join.
 *	  2. What is published from now on is held (held.c), and a page of history is
 *		 asked for.  The hub notes where it is when it gets the question.
 *	  3. The page has come.  With the first one the join is answered.
 *	  4. If the page ends where the hub was, what is held from behind there is
 *		 sent, and the channel is a member.  Else step 2 again, from the end of
 *		 the page.
 *
 * Nothing is missed: what is published before the question arrives is in the
 * history, and what comes later is held.  Nothing comes twice: of what is held
 * only that is sent which is behind the place where the history ends.  If too
 * much came meanwhile to be held, step 2 again.
 *
 * A channel whose socket has enough to do waits with the next page, and on a
 * private topic the policies are asked again before each one.
 *
 * Broadcasts of clients have no place in that order, so nobody waits for them.
 *
 * src/gateway/catch_up.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "datatype/timestamp.h"

#include "gateway/access.h"
#include "gateway/catch_up.h"
#include "gateway/conn_output.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/held.h"
#include "gateway/history_pages.h"
#include "gateway/joins.h"
#include "gateway/place.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"
#include "program/loop.h"

#define QUEUE_PART 4			/* of max_send_queue: then a socket has enough */
#define DEFAULT_REPLAY 25

/* A standby waits for what its primary writes. */
#define FIRST_PAUSE_MS 10
#define MAX_PAUSE_MS 200
#define PATIENCE_MS 5000

#define UNABLE "UnableToReplayMessages: "
#define USEC_PER_MS INT64CONST(1000)
#define EPOCH_DIFFERENCE_MS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

typedef enum CatchUpState
{
	CATCH_UP_JOINING,			/* its interest is not HELD; next: ASKING */
	CATCH_UP_ASKING,			/* waits for a page; next: the others, or gone */
	CATCH_UP_PAUSED,			/* asks again after a while; next: ASKING */
	CATCH_UP_FULL,				/* has a full socket; next: DECIDING, ASKING */
	CATCH_UP_DECIDING			/* may it have more? next: ASKING, or gone */
} CatchUpState;

struct CatchUp
{
	Channel    *channel;
	dlist_node	of_topic;		/* in topic->held; not yet if `channel` is no
								 * JOINING one */
	bool		listed;			/* in it */
	uint8		state;			/* CatchUpState */
	bool		waits;			/* PAUSED or FULL: in the list of those */
	dlist_node	wait_node;
	HistoryHead wanted;			/* the next page */
	PageAsker	page;
	Asker		right;			/* to the next page */
	uint64		hold_from;		/* what is held from here on concerns it */
	int			pause_ms;
	int64		due;			/* when it asks again; PAUSED */
	int64		gives_up;
};

static dlist_head waiting = DLIST_STATIC_INIT(waiting);

/*
 * A number that JSON spells without fraction and exponent; false for others.
 */
static bool
read_integer(Slice value, int64 *result)
{
	char		text[24];
	char	   *end;

	value = jslice_trim(value);
	if (jslice_type(value) != JSLICE_NUMBER || value.len >= sizeof(text))
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	errno = 0;
	*result = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0';
}

/*
 * What a replay wants; false if that is not to be understood.
 */
static bool
read_replay(Slice replay, HistoryHead *wanted)
{
	Slice		since = jslice_get(replay, "since");
	Slice		limit = jslice_get(replay, "limit");
	int64		ms = 0;
	int64		n = DEFAULT_REPLAY;

	if ((since.len > 0 && !read_integer(since, &ms)) ||
		(limit.len > 0 && !read_integer(limit, &n)))
		return false;
	/* any date that a client may mean; the server has a limit of its own */
	ms = Max(Min(ms, INT64CONST(1) << 48), -(INT64CONST(1) << 46));
	wanted->kind = HISTORY_REPLAY;
	wanted->since = (ms - EPOCH_DIFFERENCE_MS) * USEC_PER_MS;
	wanted->limit = (uint32) Max(Min(n, PG_INT32_MAX), 1);
	return true;
}

/*
 * What a resume wants.  A cursor that is none cannot be of this epoch.
 */
static void
read_resume(Slice resume, HistoryHead *wanted)
{
	Bytes		text;
	bool		good;

	bytes_init(&text);
	good = jslice_unescape(resume, &text) && cursor_parse(bytes_slice(&text), &wanted->after);
	bytes_free(&text);
	wanted->kind = HISTORY_RESUME;
	wanted->is_first = 1;
	if (!good)
		wanted->after = (Cursor) {.place.lsn = 1};
}

/*
 * Does the join ask for the past?
 */
const char *
catch_up_open(Channel *channel, const PhxJoin *join)
{
	HistoryHead wanted = {0};
	CatchUp    *catch_up;

	if (join->resume.len > 0)
		read_resume(join->resume, &wanted);
	else if (join->replay.len > 0 && !join->is_private)
		return UNABLE "Replay is not allowed for public channels";
	else if (join->replay.len > 0 && !read_replay(join->replay, &wanted))
		return UNABLE "Replay params are not valid";
	if (wanted.kind == 0)
		return NULL;
	catch_up = calloc(1, sizeof(CatchUp));
	if (catch_up == NULL)
		return UNABLE "Realtime was unable to replay messages";
	wanted.is_private = channel->topic->is_private;
	catch_up->channel = channel;
	catch_up->wanted = wanted;
	channel->catch_up = catch_up;
	return NULL;
}

/*
 * Into another state.
 */
static void
set_state(CatchUp *catch_up, CatchUpState state)
{
	bool		waits = state == CATCH_UP_PAUSED || state == CATCH_UP_FULL;

	catch_up->state = (uint8) state;
	if (waits && !catch_up->waits)
		dlist_push_tail(&waiting, &catch_up->wait_node);
	else if (!waits && catch_up->waits)
		dlist_delete(&catch_up->wait_node);
	catch_up->waits = waits;
}

/*
 * The channel is joined, or ended, or gone: no more of this.
 */
void
catch_up_close(CatchUp *catch_up)
{
	Topic	   *topic = catch_up->channel->topic;

	set_state(catch_up, CATCH_UP_JOINING);
	waiter_leave(&catch_up->page.wait);
	waiter_leave(&catch_up->right.wait);
	if (catch_up->listed)
	{
		dlist_delete(&catch_up->of_topic);
		if (dlist_is_empty(&topic->held->channels))
			topics_end_hold(topic);
	}
	catch_up->channel->catch_up = NULL;
	free(catch_up);
}

/*
 * It did not work, and that is our fault: the client tries again by itself.
 */
static void
fail(CatchUp *catch_up)
{
	Channel    *channel = catch_up->channel;

	if (channel->state == CHANNEL_JOINED)
		join_end(channel, "Realtime was unable to replay messages", END_FOR_NOW);
	else
		join_refuse(channel, UNABLE "Realtime was unable to replay messages");
}

/*
 * Send a buffer.
 */
static void
send_frames(const CatchUp *catch_up, FrameBuf *buf, uint32 messages)
{
	if (buf->len > 0 && conn_deliver(catch_up->channel->conn, buf, 0, buf->len))
		STAT_ADD(BUS_STAT_DELIVERIES, messages);
}

/*
 * Ask for a page.
 */
static void
ask(CatchUp *catch_up)
{
	Channel    *channel = catch_up->channel;

	set_state(catch_up, CATCH_UP_ASKING);
	catch_up->hold_from = channel->topic->held->next_seq;
	if (!history_page_ask(&catch_up->page, channel->topic, &catch_up->wanted))
		reply_no_memory(channel->conn);
}

/*
 * Policies were asked again.
 */
static void
decided(Asker *asker, JobOutcome outcome, uint8 rights)
{
	CatchUp    *catch_up = (CatchUp *) ((char *) asker - offsetof(CatchUp, right));

	if (outcome == JOB_DONE && (rights & RIGHTS_HEAR) != 0)
		ask(catch_up);
	else
		access_end_refused(catch_up->channel, outcome);
}

/*
 * Ask for another page, when the client can take it.
 */
static void
go_on(CatchUp *catch_up)
{
	Channel    *channel = catch_up->channel;
	Question	question;

	if (out_queue_weight(&channel->conn->out) > (uint64) gw_settings.max_send_queue / QUEUE_PART)
	{
		set_state(catch_up, CATCH_UP_FULL);
		return;
	}
	if (!channel->topic->is_private)
	{
		ask(catch_up);
		return;
	}
	set_state(catch_up, CATCH_UP_DECIDING);
	question.identity = channel->identity;
	question.headers = channel->conn->headers;
	question.topic = channel->topic;
	question.wanted = channel->wanted & RIGHTS_HEAR;
	catch_up->right.told = decided;
	if (!decision_ask(&catch_up->right, &question))
		reply_no_memory(channel->conn);
}

/*
 * The same, from a place on.
 */
static void
go_on_from(CatchUp *catch_up, const Place *place)
{
	catch_up->wanted.kind = HISTORY_RESUME;
	catch_up->wanted.is_first = 0;
	catch_up->wanted.limit = 0;
	catch_up->wanted.since = 0;
	catch_up->wanted.after = place_cursor(place);
	go_on(catch_up);
}

/*
 * Ask the same again a little later, but not for ever.
 */
static void
pause_for_primary(CatchUp *catch_up)
{
	if (catch_up->pause_ms == 0)
		catch_up->gives_up = loop_now + PATIENCE_MS;
	if (loop_now >= catch_up->gives_up)
	{
		fail(catch_up);
		return;
	}
	catch_up->pause_ms = Min(Max(catch_up->pause_ms * 2, FIRST_PAUSE_MS), MAX_PAUSE_MS);
	catch_up->due = loop_now + catch_up->pause_ms;
	set_state(catch_up, CATCH_UP_PAUSED);
}

/*
 * The channel has everything up to a place: send what is held from behind it,
 * and be like the others.  If too much came to be held, there is more to read.
 */
static void
arrive(CatchUp *catch_up, const Place *until)
{
	Channel    *channel = catch_up->channel;
	Held	   *held = channel->topic->held;
	FrameBuf   *buf;

	if (catch_up->hold_from < held->first_seq)
	{
		go_on_from(catch_up, until);
		return;
	}
	buf = held_frames(held, until->lsn, channel->conn->version);
	if (buf == NULL)
	{
		reply_no_memory(channel->conn);
		return;
	}
	send_frames(catch_up, buf, 0);
	frame_buf_unref(buf);
	/* first one, then the other, lest the hub be told that nobody listens */
	if (!channel_listen(channel))
		reply_no_memory(channel->conn);
	catch_up_close(catch_up);
	if (channel->conn->protocol->caught_up != NULL)
		channel->conn->protocol->caught_up(channel);
}

/*
 * Messages have come.
 */
static void
take_messages(CatchUp *catch_up, HistoryPage *page)
{
	const HistoryReply *reply = history_page_reply(page);
	Channel    *channel = catch_up->channel;
	bool		is_resume = catch_up->wanted.kind == HISTORY_RESUME;
	FrameBuf   *buf = history_page_frames(page, channel->conn->version);

	if (buf == NULL)
	{
		reply_no_memory(channel->conn);
		return;
	}
	if (channel->state != CHANNEL_JOINED)
	{
		JoinNews	news = {.from = is_resume ? catch_up->wanted.after.place : reply->until};

		news.recovery = is_resume ? RECOVERY_DONE : RECOVERY_NOT_ASKED;
		STAT_ADD(BUS_STAT_RECOVERED, is_resume ? 1 : 0);
		join_answer(channel, &news);
	}
	send_frames(catch_up, buf, reply->count);
	STAT_ADD(BUS_STAT_REPLAYED, reply->count);
	if (reply->complete != 0)
	{
		arrive(catch_up, &reply->until);
		return;
	}
	go_on_from(catch_up, &reply->last);
}

/*
 * Not all of it can be told: the client hears what is new from now on, and has
 * to look after the rest.
 */
static void
give_up(CatchUp *catch_up, const HistoryReply *reply)
{
	static const char *const reasons[] = {
		[HISTORY_EXPIRED] = "expired",
		[HISTORY_EPOCH] = "epoch",
		[HISTORY_DIVERGED] = "diverged",
		[HISTORY_LIMIT] = "limit",
	};
	JoinNews	news = {.from = reply->until,.recovery = RECOVERY_FAILED};

	/* after the first page: the client comes back and is told */
	if (catch_up->channel->state == CHANNEL_JOINED)
	{
		fail(catch_up);
		return;
	}
	news.reason = reasons[reply->verdict];
	STAT_INC(BUS_STAT_NOT_RECOVERED);
	join_answer(catch_up->channel, &news);
	arrive(catch_up, &reply->until);
}

/*
 * A page has come, or has not.
 */
static void
take_page(PageAsker *asker, HistoryPage *page)
{
	CatchUp    *catch_up = (CatchUp *) ((char *) asker - offsetof(CatchUp, page));
	const HistoryReply *reply = history_page_reply(page);

	if (catch_up->channel->conn->state != CONN_OPEN)
		return;
	if (history_page_outcome(page) != JOB_DONE)
		fail(catch_up);
	else if (reply->verdict == HISTORY_NOT_YET)
		pause_for_primary(catch_up);
	else if (reply->verdict == HISTORY_FOUND)
		take_messages(catch_up, page);
	else
		give_up(catch_up, reply);
}

/*
 * The channel may hear its topic.
 */
bool
catch_up_begin(Channel *channel)
{
	CatchUp    *catch_up = channel->catch_up;

	if (!topics_begin_hold(channel->topic))
		return false;
	catch_up->page.told = take_page;
	held_want(channel->topic->held, channel->conn->version);
	dlist_push_tail(&channel->topic->held->channels, &catch_up->of_topic);
	catch_up->listed = true;
	if (channel->topic->interest == INTEREST_HELD)
		ask(catch_up);
	return true;
}

/*
 * The hub has acknowledged.
 */
void
catch_up_topic_held(Topic *topic)
{
	dlist_iter	iter;

	dlist_foreach(iter, &topic->held->channels)
	{
		CatchUp    *catch_up = dlist_container(CatchUp, of_topic, iter.cur);

		if (catch_up->state == CATCH_UP_JOINING)
			ask(catch_up);
	}
}

/*
 * Hold a message.
 */
void
catch_up_hold(Topic *topic, const WalMessage *message, const Place *place,
			  const MessageMeta *meta)
{
	held_add(topic->held, topic, message, place, meta);
}

/*
 * A client says something.
 */
void
catch_up_cast(Topic *topic, const Channel *sender, const WalMessage *message)
{
	static Bytes frame;
	MessageMeta meta = {0};
	dlist_iter	iter;

	dlist_foreach(iter, &topic->held->channels)
	{
		Channel    *channel = dlist_container(CatchUp, of_topic, iter.cur)->channel;

		if (channel == sender || channel->state != CHANNEL_JOINED)
			continue;
		scratch_reset(&frame);
		if (message_frame_append(&frame, channel->conn->version, topic, message, &meta))
			conn_write(channel->conn, frame.data, frame.len);
		else
			reply_no_memory(channel->conn);
	}
	scratch_reset(&frame);
}

/*
 * One of those that catch up.
 */
Channel *
catch_up_any(const Topic *topic)
{
	if (topic->held == NULL)
		return NULL;
	return dlist_head_element(CatchUp, of_topic, &topic->held->channels)->channel;
}

/*
 * Have those go on that can, and put questions on the bus.
 */
void
catch_up_flush(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &waiting)
	{
		CatchUp    *catch_up = dlist_container(CatchUp, wait_node, iter.cur);

		if (catch_up->channel->conn->state != CONN_OPEN)
			continue;
		if (catch_up->state == CATCH_UP_FULL)
			go_on(catch_up);
		else if (catch_up->due <= loop_now)
			ask(catch_up);
	}
	history_pages_flush();
}

/*
 * When one asks again.  A socket that takes bytes wakes us by itself.
 */
int64
catch_up_deadline(void)
{
	int64		deadline = LOOP_NEVER;
	dlist_iter	iter;

	dlist_foreach(iter, &waiting)
	{
		const CatchUp *catch_up = dlist_container(CatchUp, wait_node, iter.cur);

		if (catch_up->state == CATCH_UP_PAUSED)
			deadline = Min(deadline, catch_up->due);
	}
	return deadline;
}
