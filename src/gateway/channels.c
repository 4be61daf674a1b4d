/*-------------------------------------------------------------------------
 *
 * channels.c
 *	  Channels: what one connection has joined.
 *
 * A channel is in the set of its connection, among the channels of its
 * identity and, when it may hear them, among the members of its topic; it
 * leaves all three in constant time.  Until it is decided that it may hear
 * anything it holds the topic, which gives it a name, but is no member.
 *
 * Most connections have one or two channels and look them up by walking the
 * list; a busy one gets a hash table besides.  The table is only a help:
 * without memory for it, the list goes on to serve.
 *
 * Nothing here is called while messages are being distributed, so members do
 * not move under the fan-out's feet (conn.c defers what a close entails).
 *
 * src/gateway/channels.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/broadcasts.h"
#include "gateway/catch_up.h"
#include "gateway/changes.h"
#include "gateway/gw_stats.h"
#include "gateway/presence.h"
#include "gateway/protocol.h"
#include "gateway/sio_channels.h"
#include "gateway/write_queue.h"

#define LIST_MAX 8				/* channels without a table */
#define KEPT_MAX (64 * 1024 * 1024) /* bytes of answers that wait */

static size_t kept;				/* bytes of answers that wait */

/*
 * Is this the channel of the topic called `name`?
 */
static bool
is_called(const Channel *channel, Slice name, uint32 hash)
{
	return channel->topic->hash == hash &&
		slice_equals(topic_name(channel->topic), name);
}

/*
 * Look a channel up by its topic's name.
 */
Channel *
channel_find(const Conn *conn, Slice name, uint32 hash)
{
	const ChannelSet *set = &conn->channels;

	if (set->table != NULL)
	{
		uint32		mask = set->table_size - 1;

		for (uint32 i = hash & mask; set->table[i] != NULL; i = (i + 1) & mask)
		{
			if (is_called(set->table[i], name, hash))
				return set->table[i];
		}
		return NULL;
	}
	for (Channel *channel = set->first; channel != NULL; channel = channel->next)
	{
		if (is_called(channel, name, hash))
			return channel;
	}
	return NULL;
}

/*
 * Put a channel into the table, which has a free place.
 */
static void
table_insert(ChannelSet *set, Channel *channel)
{
	uint32		mask = set->table_size - 1;
	uint32		i = channel->topic->hash & mask;

	while (set->table[i] != NULL)
		i = (i + 1) & mask;
	set->table[i] = channel;
}

/*
 * Make the table anew for the present number of channels, or do without one.
 */
static void
rebuild_table(ChannelSet *set)
{
	uint32		size = LIST_MAX * 4;

	free(set->table);
	set->table = NULL;
	set->table_size = 0;
	if (set->count <= LIST_MAX)
		return;
	while (size < set->count * UINT64CONST(2))
		size *= 2;
	set->table = calloc(size, sizeof(Channel *));
	if (set->table == NULL)
		return;
	set->table_size = size;
	for (Channel *channel = set->first; channel != NULL; channel = channel->next)
		table_insert(set, channel);
}

/*
 * Take a channel out of the table and close the gap: entries behind it that
 * were pushed over its place move up.
 */
static void
table_remove(ChannelSet *set, const Channel *channel)
{
	uint32		mask = set->table_size - 1;
	uint32		gap = channel->topic->hash & mask;

	while (set->table[gap] != channel)
		gap = (gap + 1) & mask;
	for (uint32 i = (gap + 1) & mask; set->table[i] != NULL; i = (i + 1) & mask)
	{
		uint32		home = set->table[i]->topic->hash & mask;

		if (((i - home) & mask) >= ((i - gap) & mask))
		{
			set->table[gap] = set->table[i];
			gap = i;
		}
	}
	set->table[gap] = NULL;
}

/*
 * Into the set of its connection.
 */
static void
set_insert(ChannelSet *set, Channel *channel)
{
	channel->prev = NULL;
	channel->next = set->first;
	if (set->first != NULL)
		set->first->prev = channel;
	set->first = channel;
	set->count++;
	if (set->count > Max(LIST_MAX, set->table_size / 4 * 3))
		rebuild_table(set);
	else if (set->table != NULL)
		table_insert(set, channel);
}

/*
 * Out of the set of its connection.
 */
static void
set_remove(ChannelSet *set, Channel *channel)
{
	if (set->table != NULL)
		table_remove(set, channel);
	if (channel->prev != NULL)
		channel->prev->next = channel->next;
	else
		set->first = channel->next;
	if (channel->next != NULL)
		channel->next->prev = channel->prev;
	set->count--;
	if (set->table != NULL && set->count * UINT64CONST(8) < set->table_size)
		rebuild_table(set);
}

/*
 * Have a channel end with the token of an identity, if it does; false without
 * memory.
 */
static bool
attach(Channel *channel, Identity *identity)
{
	return channel->conn->protocol->outlives_token ||
		identity_attach(identity, &channel->of_identity);
}

/*
 * No more.
 */
static void
detach(Channel *channel)
{
	if (!channel->conn->protocol->outlives_token)
		identity_detach(channel->identity, &channel->of_identity);
}

/*
 * Make a channel and put it into the set of its connection.
 */
Channel *
channel_new(Conn *conn, Topic *topic, Identity *identity, Slice join_ref, Slice ref)
{
	Channel    *channel;

	Assert(join_ref.len <= JOIN_REF_MAX && ref.len <= JOIN_REF_MAX);
	channel = calloc(1, offsetof(Channel, join_ref) + join_ref.len + ref.len);
	if (channel != NULL)
		channel->conn = conn;
	if (channel == NULL || !attach(channel, identity))
	{
		topics_release(topic);
		identity_unref(identity);
		free(channel);
		return NULL;
	}
	channel->topic = topic;
	channel->identity = identity;
	channel->state = CHANNEL_AUTHORISING;
	channel->join_ref_len = (uint8) join_ref.len;
	channel->ref_len = (uint8) ref.len;
	if (join_ref.len > 0)
		memcpy(channel->join_ref, join_ref.data, join_ref.len);
	if (ref.len > 0)
		memcpy(channel->join_ref + join_ref.len, ref.data, ref.len);
	set_insert(&conn->channels, channel);
	return channel;
}

/*
 * Change the identity.
 */
bool
channel_identify(Channel *channel, Identity *identity)
{
	Identity   *old = channel->identity;

	detach(channel);
	if (!attach(channel, identity))
	{
		/* it was attached a moment ago: there is memory for that */
		if (!attach(channel, old))
			Assert(false);
		identity_unref(identity);
		return false;
	}
	identity_unref(old);
	channel->identity = identity;
	return true;
}

/*
 * Hear the topic from now on.
 */
bool
channel_listen(Channel *channel)
{
	Assert(!channel->member);
	channel->member = topics_add_member(channel->topic, channel->conn->version,
										channel, &channel->place);
	return channel->member;
}

/*
 * Keep the answer of a join.  It is bounded: an executor may take seconds, and
 * what the answer repeats of the request be large.
 */
bool
channel_keep_answer(Channel *channel, Slice members)
{
	if (kept + members.len > KEPT_MAX)
		return false;
	channel->answer = frame_buf_new(members.len);
	if (channel->answer == NULL)
		return false;
	frame_buf_append(channel->answer, members.data, members.len);
	kept += members.len;
	return true;
}

/*
 * Let go of the answer.
 */
void
channel_drop_answer(Channel *channel)
{
	if (channel->answer == NULL)
		return;
	kept -= channel->answer->len;
	frame_buf_unref(channel->answer);
	channel->answer = NULL;
}

/*
 * Go on to the next state.
 */
void
channel_set_state(Channel *channel, ChannelState state)
{
	Assert(state == channel->state + 1);
	channel->state = (uint8) state;
	if (state == CHANNEL_JOINED)
		STAT_INC(BUS_STAT_CHANNELS);
}

/*
 * Take a channel out of the members of its topic.
 */
static void
stop_listening(Channel *channel)
{
	Channel    *moved = topics_remove_member(channel->topic, channel->conn->version,
											 channel->place);

	if (moved != NULL)
		moved->place = channel->place;
	channel->member = false;
}

/*
 * Move all channels from one array of their topics to another.
 */
bool
channels_change_dialect(Conn *conn, Dialect dialect)
{
	for (Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
		stop_listening(channel);
	conn->version = (uint8) dialect;
	for (Channel *channel = conn->channels.first; channel != NULL; channel = channel->next)
	{
		if (!channel_listen(channel))
			return false;
	}
	return true;
}

/*
 * Take a channel out of everything it is in.
 */
void
channel_free(Channel *channel)
{
	if (channel->state == CHANNEL_JOINED)
		STAT_DEC(BUS_STAT_CHANNELS);
	set_remove(&channel->conn->channels, channel);
	if (channel->catch_up != NULL)
		catch_up_close(channel->catch_up);
	if (channel->member)
		stop_listening(channel);
	changes_close(channel);
	waiter_leave(&channel->asker.wait);
	detach(channel);
	identity_unref(channel->identity);
	topics_release(channel->topic);
	channel_drop_answer(channel);
	write_queue_forget(channel);
	if (channel->storing != NULL)
		broadcast_forget(channel->storing);
	if (channel->presence != NULL)
		presence_close(channel->presence);
	if (channel->subscription != NULL)
		subscription_free(channel->subscription);
	free(channel);
}

/*
 * Free all channels of a connection that ends.
 */
void
channels_free(Conn *conn)
{
	/* no use in closing gaps of a table that goes away */
	free(conn->channels.table);
	conn->channels.table = NULL;
	conn->channels.table_size = 0;
	while (conn->channels.first != NULL)
		channel_free(conn->channels.first);
}
