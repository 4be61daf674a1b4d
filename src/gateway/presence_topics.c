/*-------------------------------------------------------------------------
 *
 * presence_topics.c
 *	  Topics whose presence somebody here listens to.
 *
 * The hub is asked for each of them, what it sends goes into a replica
 * (presence_replica.c), and what is here tells of it; in which form, is a matter
 * of the dialect (presence_form.h).
 *
 * State before diffs.  A watched topic is one of two things: not live, then
 * all its listeners wait, and get the state when the hub has sent it; or live,
 * then a listener gets the state as it was last told, at once, and the next diff
 * with everybody else.
 *
 * What it costs.  A diff is encoded once per dialect and queued by reference.  It costs a delivery per listener, so a topic with many of them
 * is told less often: DELIVERIES_PER_MS is what all diffs of one topic may come
 * to.  A change of a topic with few listeners goes out in the turn it came; at
 * 10,000 listeners changes gather for 400 ms while they keep coming.  While they
 * join at 1,000/s that is 20 writes for each; twice as many cost the kernel 1.6
 * times the CPU for the same bytes (bench/bare_presence.c).
 *
 * src/gateway/presence_topics.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/channels.h"
#include "gateway/gw_stats.h"
#include "gateway/presence_form.h"
#include "program/bus_link.h"
#include "proto/chain_table.h"
#include "proto/ws_frame.h"

#define DELIVERIES_PER_MS 25
#define STATE_MAX_AGE_MS 1000	/* of an encoded state: a frame's age counts
								 * from when it was made */
#define KEEP_BYTES (64 * 1024)	/* scratch memory kept between turns */

/*
 * A topic that somebody here listens to.  It stays to the end of the turn in
 * which the last listener left.
 */
typedef struct Watched
{
	ChainNode	node;			/* in watched */
	PresenceReplica replica;
	dlist_head	listeners[DIALECTS];
	uint32		nlisteners;
	bool		is_private;
	uint8		name_len;		/* without prefix */
	bool		asked;			/* the hub knows that it is watched */
	bool		broken;			/* there was no memory: all who listen are
								 * closed */
	bool		in_asked;
	bool		in_changed;
	bool		in_untold;
	bool		in_encoded;
	uint64		asked_seq;		/* of the BUS_WATCH */
	int64		tell_at;		/* the next diff not before this */
	int64		encoded_at;		/* the states below */
	FrameBuf   *state[DIALECTS];	/* NULL = not encoded */
	dlist_node	asked_node;		/* in asked_topics, by asked_seq */
	dlist_node	changed_node;	/* in changed_topics */
	dlist_node	untold_node;	/* in untold_topics */
	dlist_node	encoded_node;	/* in encoded_topics, by encoded_at */
	char		full_name[FLEXIBLE_ARRAY_MEMBER];	/* with TOPIC_PREFIX */
} Watched;

static ChainTable watched;		/* by name */
static uint64 watch_seq;		/* of the last BUS_WATCH */
static int64 next_due = LOOP_NEVER;

static dlist_head asked_topics = DLIST_STATIC_INIT(asked_topics);
static dlist_head changed_topics = DLIST_STATIC_INIT(changed_topics);
static dlist_head untold_topics = DLIST_STATIC_INIT(untold_topics);
static dlist_head encoded_topics = DLIST_STATIC_INIT(encoded_topics);

static Bytes scratch;			/* a state or a diff being encoded */

/* Who listens to server-sent events hears nothing of presence. */
static const PresenceForm *const forms[DIALECTS] = {
	[DIALECT_V1] = &presence_phoenix_form,
	[DIALECT_V2] = &presence_phoenix_form,
	[DIALECT_SOCKET_IO] = &sio_presence_form
};

/*
 * Set up.
 */
bool
presence_topics_init(void)
{
	uint64		secret;

	if (!pg_strong_random(&secret, sizeof(secret)))
		return false;
	presence_replicas_init(secret);
	return true;
}

/*
 * Empty a scratch buffer and give memory back that it does not usually need.
 */
static void
reset_scratch(Bytes *bytes)
{
	if (bytes->failed || bytes->cap > KEEP_BYTES)
		bytes_free(bytes);
	bytes->len = 0;
}

/*
 * Name of a topic, with and without prefix.
 */
static Slice
full_name(const Watched *topic)
{
	return slice_make(topic->full_name, TOPIC_PREFIX_LEN + topic->name_len);
}

static Slice
plain_name(const Watched *topic)
{
	return slice_make(topic->full_name + TOPIC_PREFIX_LEN, topic->name_len);
}

/*
 * Put a topic into a list that it is in at most once, or take it out.
 */
static void
enlist(dlist_head *list, dlist_node *node, bool *is_in)
{
	if (!*is_in)
		dlist_push_tail(list, node);
	*is_in = true;
}

static void
delist(dlist_node *node, bool *is_in)
{
	if (*is_in)
		dlist_delete(node);
	*is_in = false;
}

/*
 * Look a topic up; NULL if nobody listens to it.
 */
static Watched *
find_watched(bool is_private, Slice name, uint32 hash)
{
	ChainNode  *node = chain_first(&watched, hash);

	for (; node != NULL; node = chain_next(node))
	{
		Watched    *topic = chain_container(Watched, node, node);

		if (topic->is_private == is_private && slice_equals(plain_name(topic), name))
			return topic;
	}
	return NULL;
}

/*
 * Look the topic of a channel up, or make it; NULL without memory.
 */
static Watched *
get_watched(const Topic *topic)
{
	Slice		name = topic_name(topic);
	Watched    *found = find_watched(topic->is_private, name, topic->hash);

	if (found != NULL)
		return found;
	found = calloc(1, offsetof(Watched, full_name) + TOPIC_PREFIX_LEN + name.len);
	if (found == NULL)
		return NULL;
	presence_replica_init(&found->replica);
	for (int v = 0; v < DIALECTS; v++)
		dlist_init(&found->listeners[v]);
	found->is_private = topic->is_private;
	found->name_len = topic->name_len;
	memcpy(found->full_name, topic->full_name, TOPIC_PREFIX_LEN + name.len);
	chain_insert(&watched, &found->node, topic->hash);
	return found;
}

/*
 * Give up the encoded states.
 */
static void
drop_states(Watched *topic)
{
	for (int v = 0; v < DIALECTS; v++)
	{
		if (topic->state[v] != NULL)
			frame_buf_unref(topic->state[v]);
		topic->state[v] = NULL;
	}
	delist(&topic->encoded_node, &topic->in_encoded);
}

/*
 * Free a topic that nobody listens to.
 */
static void
free_watched(Watched *topic)
{
	Assert(topic->nlisteners == 0);
	presence_replica_clear(&topic->replica);
	drop_states(topic);
	delist(&topic->asked_node, &topic->in_asked);
	delist(&topic->changed_node, &topic->in_changed);
	delist(&topic->untold_node, &topic->in_untold);
	chain_remove(&watched, &topic->node);
	free(topic);
}

/*
 * Call a function for every channel that listens.  It may close connections,
 * because closing frees nothing.
 */
static void
for_each_listener(Watched *topic, void (*call) (Watched *topic, Channel *channel))
{
	for (int v = 0; v < DIALECTS; v++)
	{
		dlist_iter	iter;

		dlist_foreach(iter, &topic->listeners[v])
			call(topic, dlist_container(Listener, node, iter.cur)->channel);
	}
}

/*
 * Close a connection that we have no memory to serve.
 */
static void
close_no_memory(Watched *topic, Channel *channel)
{
	conn_close(channel->conn, WS_CLOSE_TRY_LATER, "out of memory");
}

/*
 * What we know of a topic is incomplete.  Nobody may go on as if nothing had
 * happened: with the last listener the topic goes, and those who come back
 * begin anew.
 */
static void
break_watched(Watched *topic)
{
	topic->broken = true;
	presence_replica_clear(&topic->replica);
	drop_states(topic);
	delist(&topic->asked_node, &topic->in_asked);
	delist(&topic->untold_node, &topic->in_untold);
	for_each_listener(topic, close_no_memory);
}

/*
 * Encode the state for one dialect; NULL without memory.
 */
static FrameBuf *
encode_state(Watched *topic, Dialect dialect)
{
	FrameBuf   *buf = NULL;

	if (forms[dialect]->encode_state(&topic->replica, dialect, &scratch))
		buf = frame_buf_new(scratch.len);
	if (buf != NULL && scratch.len > 0)
		frame_buf_append(buf, scratch.data, scratch.len);
	reset_scratch(&scratch);
	return buf;
}

/*
 * The state for one dialect, encoded for this channel or for one before it.
 */
FrameBuf *
presence_topics_state(Watched *topic, Dialect dialect)
{
	Assert(topic->replica.stage == REPLICA_LIVE);
	if (topic->state[dialect] == NULL)
	{
		topic->state[dialect] = encode_state(topic, dialect);
		if (topic->state[dialect] == NULL)
			return NULL;
	}
	if (!topic->in_encoded)
	{
		topic->encoded_at = loop_now;
		enlist(&encoded_topics, &topic->encoded_node, &topic->in_encoded);
	}
	return topic->state[dialect];
}

/*
 * The state is there for a channel.
 */
static void
tell_state(Watched *topic, Channel *channel)
{
	forms[channel->conn->version]->tell_state(topic, channel);
}

/*
 * Queue what has changed for those who listen in one dialect; false without
 * memory.
 */
static bool
send_diff(Watched *topic, Dialect dialect)
{
	const PresenceForm *form = forms[dialect];
	FrameBuf   *buf = NULL;
	dlist_iter	iter;

	if (dlist_is_empty(&topic->listeners[dialect]))
		return true;
	if (form->encode_diff(&topic->replica, dialect, full_name(topic), &scratch))
		buf = frame_buf_new(scratch.len);
	if (buf != NULL && scratch.len > 0)
		frame_buf_append(buf, scratch.data, scratch.len);
	reset_scratch(&scratch);
	if (buf == NULL)
		return false;
	dlist_foreach(iter, &topic->listeners[dialect])
	{
		Listener   *listener = dlist_container(Listener, node, iter.cur);

		STAT_ADD(BUS_STAT_PRESENCE_DIFFS,
				 form->deliver_diff(&topic->replica, listener, buf));
	}
	frame_buf_unref(buf);
	return true;
}

/*
 * Tell those who listen what has changed.
 */
static void
tell(Watched *topic, int64 now)
{
	bool		ok = true;

	delist(&topic->untold_node, &topic->in_untold);
	if (presence_replica_has_news(&topic->replica))
	{
		drop_states(topic);
		topic->tell_at = now + topic->nlisteners / DELIVERIES_PER_MS;
		for (int v = 0; v < DIALECTS; v++)
			ok = ok && send_diff(topic, v);
	}
	if (ok)
		presence_replica_settle(&topic->replica);
	else
		break_watched(topic);
}

/*
 * Forget states that were encoded too long ago.
 */
static void
drop_old_states(int64 now)
{
	while (!dlist_is_empty(&encoded_topics))
	{
		Watched    *topic = dlist_head_element(Watched, encoded_node, &encoded_topics);

		if (topic->encoded_at + STATE_MAX_AGE_MS > now)
		{
			next_due = Min(next_due, topic->encoded_at + STATE_MAX_AGE_MS);
			break;
		}
		drop_states(topic);
	}
}

/*
 * Tell of the topics whose time has come.
 */
void
presence_topics_tell(int64 now)
{
	dlist_mutable_iter iter;

	next_due = LOOP_NEVER;
	dlist_foreach_modify(iter, &untold_topics)
	{
		Watched    *topic = dlist_container(Watched, untold_node, iter.cur);

		if (topic->tell_at <= now)
			tell(topic, now);
		else
			next_due = Min(next_due, topic->tell_at);
	}
	drop_old_states(now);
}

/*
 * The earliest time at which something is to be told or forgotten.
 */
int64
presence_topics_deadline(void)
{
	return next_due;
}

/*
 * Is its state known?
 */
bool
presence_topics_live(const Watched *topic)
{
	return topic->replica.stage == REPLICA_LIVE;
}

/*
 * Was a key told of?
 */
bool
presence_topics_told(Watched *topic, Slice key_json)
{
	return presence_replica_was_told(&topic->replica, key_json);
}

/*
 * Join those who listen.
 */
bool
presence_topics_listen(Listener *listener)
{
	Channel    *channel = listener->channel;
	Watched    *topic = get_watched(channel->topic);

	Assert(listener->topic == NULL);
	if (topic == NULL || topic->broken)
		return false;
	listener->topic = topic;
	dlist_push_tail(&topic->listeners[channel->conn->version], &listener->node);
	if (topic->nlisteners++ == 0)
		enlist(&changed_topics, &topic->changed_node, &topic->in_changed);
	if (topic->replica.stage == REPLICA_LIVE)
		tell_state(topic, channel);
	return true;
}

/*
 * Leave those who listen.
 */
void
presence_topics_deafen(Listener *listener)
{
	Watched    *topic = listener->topic;

	listener->topic = NULL;
	dlist_delete(&listener->node);
	if (--topic->nlisteners == 0)
		enlist(&changed_topics, &topic->changed_node, &topic->in_changed);
}

/*
 * BUS_PRESENT.  The last of an earlier watch may come when nobody listens any
 * more.
 */
bool
presence_topics_present(Slice body)
{
	BusPresent	head;
	PresenceParts parts;
	Watched    *topic;

	if (!presence_decode_present(body, &head, &parts))
		return false;
	topic = find_watched(head.is_private, parts.topic, topics_hash(parts.topic));
	if (topic == NULL || topic->broken)
		return true;
	switch (presence_replica_apply(&topic->replica, &head, &parts, loop_wall))
	{
		case REPLICA_OK:
			if (presence_replica_changed(&topic->replica))
				enlist(&untold_topics, &topic->untold_node, &topic->in_untold);
			return true;
		case REPLICA_NO_MEMORY:
			break_watched(topic);
			return true;
		case REPLICA_CONTRADICTION:
			break;
	}
	return false;
}

/*
 * BUS_WATCHED: the state of the topics that it covers is complete.
 */
bool
presence_topics_watched(Slice body)
{
	uint64		seq;

	if (!presence_decode_number(body, &seq) || seq > watch_seq)
		return false;
	while (!dlist_is_empty(&asked_topics))
	{
		Watched    *topic = dlist_head_element(Watched, asked_node, &asked_topics);

		if (topic->asked_seq > seq)
			break;
		delist(&topic->asked_node, &topic->in_asked);
		if (!presence_replica_go_live(&topic->replica))
			return false;
		for_each_listener(topic, tell_state);
	}
	return true;
}

/*
 * Queue a BUS_WATCH; returns its number.
 */
static uint64
send_watch(const Watched *topic, bool add)
{
	BusWatch	watch = {0};

	watch.seq = ++watch_seq;
	watch.add = add;
	watch.is_private = topic->is_private;
	bus_send(BUS_WATCH, &watch, sizeof(watch), plain_name(topic).data, plain_name(topic).len);
	return watch.seq;
}

/*
 * Ask for a topic that got its first listener, or give up one that lost its
 * last.
 */
static void
settle_watch(Watched *topic)
{
	if (topic->nlisteners == 0)
	{
		if (topic->asked)
			send_watch(topic, false);
		free_watched(topic);
	}
	else if (!topic->asked)
	{
		topic->asked = true;
		topic->asked_seq = send_watch(topic, true);
		enlist(&asked_topics, &topic->asked_node, &topic->in_asked);
	}
}

/*
 * A queue of bytes to the hub that is long already is left alone: the rest
 * waits for a later turn.
 */
void
presence_topics_flush(void)
{
	while (!dlist_is_empty(&changed_topics) && bus_queued() < BUS_OUT_MARK)
	{
		Watched    *topic = dlist_head_element(Watched, changed_node, &changed_topics);

		delist(&topic->changed_node, &topic->in_changed);
		settle_watch(topic);
	}
}
