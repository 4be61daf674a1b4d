/*-------------------------------------------------------------------------
 *
 * presence.c
 *	  The part that channels take in the presence of their topics.
 *
 * The hub keeps who is where (hub/presence_store.c).  A gateway tells it what
 * its own channels track, which is here, and shows its clients what the hub
 * tells of the topics they listen to (presence_topics.c).  A channel may do one
 * without the other: on a private topic each has a right of its own.
 *
 * Towards the hub a channel has at most one thing to say, the latest.  It is
 * said at the end of the turn, as far as the bus has room; so one whose channel
 * has ended may have to stay for its last word.
 *
 * src/gateway/presence.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/channels.h"
#include "gateway/presence.h"
#include "gateway/presence_topics.h"
#include "program/bus_link.h"
#include "proto/chain_table.h"

#define UUID_BYTES 16

/* What the hub is to be told of a member. */
typedef enum PendingWord
{
	PENDING_NOTHING,
	PENDING_TRACK,
	PENDING_UNTRACK
} PendingWord;

struct Presence
{
	ChainNode	node;			/* in presences, by id */
	Listener	listener;		/* its channel is NULL when that has ended,
								 * and only PENDING_UNTRACK keeps it here */
	uint64		id;				/* on the bus */
	uint8		pending;		/* PendingWord; if any, in pending_words */
	bool		tracked;		/* the hub was told to */
	uint32		calls;			/* of the client, since window_start */
	int64		window_start;
	dlist_node	pending_node;
	uint32		meta_len;
	char	   *rest;			/* of PENDING_TRACK: topic, key, meta */
	uint16		key_len;
	char		key[FLEXIBLE_ARRAY_MEMBER]; /* plain */
};

static ChainTable presences;
static uint64 last_id;
static dlist_head pending_words = DLIST_STATIC_INIT(pending_words);

/*
 * A new UUID as text, of version 4 (RFC 9562).
 */
static bool
append_uuid(Bytes *out)
{
	uint8		bytes[UUID_BYTES];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		return false;
	bytes[6] = (bytes[6] & 0x0F) | 0x40;
	bytes[8] = (bytes[8] & 0x3F) | 0x80;
	for (int i = 0; i < UUID_BYTES; i++)
		bytes_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
	return !out->failed;
}

/*
 * Append the plain bytes of the key that a join asked for, or a UUID.
 */
static bool
append_key(Bytes *out, Slice raw_key)
{
	if (jslice_type(raw_key) == JSLICE_NUMBER)
		bytes_append_slice(out, raw_key);
	else if (jslice_type(raw_key) == JSLICE_STRING && !jslice_unescape(raw_key, out))
		return false;
	if (out->len >= 1 && out->len <= PRESENCE_KEY_MAX_BYTES)
		return !out->failed;
	out->len = 0;
	return append_uuid(out);
}

/*
 * Begin to take part.
 */
Presence *
presence_open(Channel *channel, Slice raw_key)
{
	Presence   *presence = NULL;
	Bytes		key;

	bytes_init(&key);
	if (append_key(&key, raw_key))
		presence = calloc(1, offsetof(Presence, key) + key.len);
	if (presence != NULL)
	{
		presence->listener.channel = channel;
		presence->id = ++last_id;
		presence->key_len = (uint16) key.len;
		memcpy(presence->key, key.data, key.len);
		chain_insert(&presences, &presence->node, (uint32) presence->id);
	}
	bytes_free(&key);
	return presence;
}

/*
 * Begin to listen.
 */
bool
presence_listen(Presence *presence)
{
	return presence->listener.topic != NULL || presence_topics_listen(&presence->listener);
}

/*
 * Its key.
 */
Slice
presence_key(const Presence *presence)
{
	return slice_make(presence->key, presence->key_len);
}

/*
 * What it listens with.
 */
Listener *
presence_listener(Presence *presence)
{
	return &presence->listener;
}

/*
 * The part of a listener.
 */
Presence *
presence_of_listener(Listener *listener)
{
	return (Presence *) ((char *) listener - offsetof(Presence, listener));
}

/*
 * Listen no more.
 */
void
presence_deafen(Presence *presence)
{
	if (presence->listener.topic != NULL)
		presence_topics_deafen(&presence->listener);
}

/*
 * Count a call in a window that begins with its first one.
 */
uint32
presence_count_call(Presence *presence, int64 now, int64 window)
{
	if (presence->calls == 0 || now - presence->window_start >= window)
	{
		presence->window_start = now;
		presence->calls = 0;
	}
	return ++presence->calls;
}

/*
 * Have something to say to the hub, in place of what was not said yet; rest is
 * from malloc.
 */
static void
set_pending(Presence *presence, PendingWord word, char *rest, size_t meta_len)
{
	if (presence->pending != PENDING_NOTHING)
		dlist_delete(&presence->pending_node);
	free(presence->rest);
	presence->rest = rest;
	presence->meta_len = (uint32) meta_len;
	presence->pending = (uint8) word;
	if (word != PENDING_NOTHING)
		dlist_push_tail(&pending_words, &presence->pending_node);
}

/*
 * Keep what is tracked until the hub is told.
 */
bool
presence_track(Presence *presence, Slice meta)
{
	Slice		topic = topic_name(presence->listener.channel->topic);
	char	   *rest = malloc(topic.len + presence->key_len + meta.len);

	Assert(meta.len <= PRESENCE_META_MAX_BYTES);
	if (rest == NULL)
		return false;
	presence->listener.untold = true;
	memcpy(rest, topic.data, topic.len);
	memcpy(rest + topic.len, presence->key, presence->key_len);
	memcpy(rest + topic.len + presence->key_len, meta.data, meta.len);
	set_pending(presence, PENDING_TRACK, rest, meta.len);
	return true;
}

/*
 * Take back what the hub was told, or what it would have been.
 */
void
presence_untrack(Presence *presence)
{
	presence->listener.untold = presence->tracked;
	set_pending(presence, presence->tracked ? PENDING_UNTRACK : PENDING_NOTHING, NULL, 0);
}

/*
 * Free one that has nothing to say any more.
 */
static void
free_presence(Presence *presence)
{
	Assert(presence->pending == PENDING_NOTHING && presence->listener.topic == NULL);
	chain_remove(&presences, &presence->node);
	free(presence);
}

/*
 * The channel ends; its last word to the hub may have to wait.
 */
void
presence_close(Presence *presence)
{
	presence_deafen(presence);
	presence_untrack(presence);
	presence->listener.channel = NULL;
	if (presence->pending == PENDING_NOTHING)
		free_presence(presence);
}

/*
 * BUS_TRACK_REFUSED.
 */
bool
presence_take_refused(Slice body, Channel **channel)
{
	uint64		id;
	ChainNode  *node;

	*channel = NULL;
	if (!presence_decode_number(body, &id) || id == 0 || id > last_id)
		return false;
	for (node = chain_first(&presences, (uint32) id); node != NULL; node = chain_next(node))
	{
		Presence   *presence = chain_container(Presence, node, node);

		if (presence->id == id)
			*channel = presence->listener.channel;
	}
	return true;
}

/*
 * Say what a channel has to say.
 */
static void
send_pending(Presence *presence)
{
	bool		track = presence->pending == PENDING_TRACK;
	PresenceParts parts = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
	bool		is_private = false;
	BusTrack	head;

	if (track)
	{
		Topic	   *topic = presence->listener.channel->topic;

		parts.topic = slice_make(presence->rest, topic->name_len);
		parts.key = slice_make(slice_end(parts.topic), presence->key_len);
		parts.meta = slice_make(slice_end(parts.key), presence->meta_len);
		is_private = topic->is_private;
	}
	head = presence_track_head(presence->id, track ? TRACK_META : TRACK_NO_MORE,
							   is_private, &parts);
	bus_send(BUS_TRACK, &head, sizeof(head), presence->rest,
			 parts.topic.len + parts.key.len + parts.meta.len);
	presence->tracked = track;
	set_pending(presence, PENDING_NOTHING, NULL, 0);
	if (presence->listener.channel == NULL)
		free_presence(presence);
}

/*
 * Topics go first, so that who tracks something hears of it as a change.
 */
void
presence_flush(void)
{
	presence_topics_flush();
	while (!dlist_is_empty(&pending_words) && bus_queued() < BUS_OUT_MARK)
		send_pending(dlist_head_element(Presence, pending_node, &pending_words));
}
