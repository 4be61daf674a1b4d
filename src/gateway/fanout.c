/*-------------------------------------------------------------------------
 *
 * fanout.c
 *	  From a committed message to the queues of those who hear its topic.
 *
 * A message is encoded once per dialect that has members, into the
 * open buffer of its topic.  Messages of one topic that come in one piece of
 * the bus thus lie behind each other, and so many of them are one run in a
 * socket's queue and one stretch of memory for one send().
 *
 * While messages of the same topic follow each other, they are only appended;
 * the members' queues are touched once for all of them when another topic has
 * its turn or the piece of the bus ends.  A connection's queue therefore has
 * the order of the bus, which is commit order, over all topics.
 *
 * As long as nobody has been given a run of it, a buffer can move and grows
 * like any array.  After that it stays where it is; when it is full, a larger
 * one follows.
 *
 * src/gateway/fanout.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/audience_counts.h"
#include "gateway/backpressure.h"
#include "gateway/catch_up.h"
#include "gateway/channels.h"
#include "gateway/conn_output.h"
#include "gateway/fanout.h"
#include "gateway/gw_stats.h"
#include "gateway/message_frame.h"
#include "gateway/place.h"
#include "gateway/stores.h"
#include "proto/ws_frame.h"

#define BUF_MAX (64 * 1024)		/* a buffer of several messages */
#define KEEP_BYTES (1024 * 1024)	/* scratch memory kept between messages */

/*
 * Messages that are encoded but in no queue yet: all of one topic.
 */
typedef struct Batch
{
	uint32		start;			/* in topic->open[dialect] */
	uint32		messages;
	uint32		casts;			/* of them, what clients said */
} Batch;

static Topic *batch_topic;
static const Channel *batch_sender; /* hears none of it; NULL = all hear it */
static Batch batches[DIALECTS];
static Topic *open_topics;		/* those with an open buffer */
static Bytes frame;				/* one encoded message */

/*
 * Give the members of one dialect what waits for them.
 */
static void
distribute(Topic *topic, Dialect dialect)
{
	Members    *members = &topic->members[dialect];
	struct Channel **array = members_array(members);
	FrameBuf   *buf = topic->open[dialect];
	Batch	   *batch = &batches[dialect];
	uint32		delivered = 0;

	if (batch->messages == 0)
		return;
	for (uint32 i = 0; i < members->count; i++)
	{
		if (array[i] != batch_sender)
			delivered += conn_deliver(array[i]->conn, buf, batch->start, buf->len);
	}
	STAT_ADD(BUS_STAT_DELIVERIES, (uint64) delivered * batch->messages);
	STAT_ADD(BUS_STAT_CAST_DELIVERIES, (uint64) delivered * batch->casts);
	audience_reach(dialect, delivered);
	batch->start = buf->len;
	batch->messages = 0;
	batch->casts = 0;
}

/*
 * Hand out the batch, if there is one.
 */
void
fanout_settle(void)
{
	if (batch_topic == NULL)
		return;
	for (int v = 0; v < DIALECTS; v++)
		distribute(batch_topic, v);
	audience_settle();
	batch_topic = NULL;
	batch_sender = NULL;
}

/*
 * Settle, and give up our references to the buffers of this piece.
 */
void
fanout_end(void)
{
	fanout_settle();
	while (open_topics != NULL)
	{
		Topic	   *topic = open_topics;

		open_topics = topic->next_open;
		topic->next_open = NULL;
		for (int v = 0; v < DIALECTS; v++)
		{
			if (topic->open[v] != NULL)
				frame_buf_unref(topic->open[v]);
			topic->open[v] = NULL;
		}
	}
}

/*
 * Have fanout_end() close the buffers of a topic.
 */
static void
note_open(Topic *topic)
{
	for (int v = 0; v < DIALECTS; v++)
	{
		if (topic->open[v] != NULL)
			return;
	}
	topic->next_open = open_topics;
	open_topics = topic;
}

/*
 * Begin with a new buffer for a message of len bytes; false without memory.
 */
static bool
replace_buffer(Topic *topic, Dialect dialect, size_t len)
{
	FrameBuf   *old = topic->open[dialect];
	size_t		cap = len;
	FrameBuf   *buf;

	if (old != NULL)
		cap = Max(len, Min((size_t) old->cap * 2, BUF_MAX));
	buf = frame_buf_new(cap);
	if (buf == NULL)
		return false;
	distribute(topic, dialect);
	if (old != NULL)
		frame_buf_unref(old);
	else
		note_open(topic);
	topic->open[dialect] = buf;
	batches[dialect].start = 0;
	return true;
}

/*
 * Make room for len more bytes in the open buffer; false without memory.
 */
static bool
make_room(Topic *topic, Dialect dialect, size_t len)
{
	FrameBuf   *buf = topic->open[dialect];
	FrameBuf   *moved;

	if (buf == NULL || buf->len + len > BUF_MAX)
		return replace_buffer(topic, dialect, len);
	if (frame_buf_room(buf) >= len)
		return true;
	if (buf->refs > 1)
		return replace_buffer(topic, dialect, len);
	moved = frame_buf_resize(buf, Min(Max((size_t) buf->cap * 2, buf->len + len), BUF_MAX));
	if (moved == NULL)
		return false;
	topic->open[dialect] = moved;
	return true;
}

/*
 * A message that cannot be delivered must not be skipped silently: those who
 * should have heard it are closed and come back.
 */
static void
close_members(Topic *topic, Dialect dialect)
{
	Members    *members = &topic->members[dialect];

	distribute(topic, dialect);
	for (uint32 i = 0; i < members->count; i++)
		conn_close(members_array(members)[i]->conn, WS_CLOSE_RESTART,
				   "messages were lost: reconnect and refetch");
}

/*
 * Append a message to the open buffer of one dialect; false without memory.
 */
static bool
append(Topic *topic, Dialect dialect, const WalMessage *message,
	   const MessageMeta *meta, bool is_counted)
{
	frame.len = 0;
	if (!message_frame_append(&frame, dialect, topic, message, meta))
		return false;
	if (frame.len == 0)			/* cannot be told in this dialect */
		return true;
	if (!make_room(topic, dialect, frame.len))
		return false;
	frame_buf_append(topic->open[dialect], frame.data, frame.len);
	batches[dialect].messages++;
	batches[dialect].casts += message->kind == WAL_MESSAGE_CAST;
	if (is_counted)
		audience_wait(dialect);
	return true;
}

/*
 * Make a topic the one that is being batched, for all but a sender.
 */
static void
begin_batch(Topic *topic, const Channel *sender)
{
	if (batch_topic == topic && batch_sender == sender)
		return;
	fanout_settle();
	batch_topic = topic;
	batch_sender = sender;
	for (int v = 0; v < DIALECTS; v++)
	{
		Assert(batches[v].messages == 0);
		batches[v].start = topic->open[v] != NULL ? topic->open[v]->len : 0;
	}
}

/*
 * Encode a message for those who hear its topic.
 */
static void
deliver(Topic *topic, const Channel *sender, const WalMessage *message,
		const MessageMeta *meta)
{
	bool		is_counted;

	begin_batch(topic, sender);
	is_counted = audience_note(message);
	for (int v = 0; v < DIALECTS; v++)
	{
		if (topic->members[v].count > 0 && !append(topic, v, message, meta, is_counted))
			close_members(topic, v);
	}
	if (frame.failed || frame.cap > KEEP_BYTES)
		bytes_free(&frame);
}

/*
 * A message has come over the bus: the topic that is to hear it, or NULL.
 */
static Topic *
topic_of(const WalMessage *message)
{
	bool		is_private = (message->flags & WAL_MESSAGE_PRIVATE) != 0;
	Topic	   *topic = topics_find(is_private, message->topic, topics_hash(message->topic));

	STAT_INC(BUS_STAT_MESSAGES);
	backpressure_bus_read(loop_now);
	return topic != NULL && topic->interest == INTEREST_HELD ? topic : NULL;
}

/*
 * One of the database's; on some channels these are not stored.
 */
void
fanout_stored(const WalMessage *message, const Place *place)
{
	Topic	   *topic = topic_of(message);
	MessageMeta meta;

	place_pass(place);
	if (topic == NULL)
		return;
	message_meta_stored(&meta, message, place, false);
	if (topic->held != NULL && (message->flags & WAL_MESSAGE_UNSTORED) != 0)
		catch_up_cast(topic, NULL, message);
	else if (topic->held != NULL)
		catch_up_hold(topic, message, place, &meta);
	deliver(topic, stores_sender(message), message, &meta);
}

/*
 * What a client says to others, here or elsewhere.
 */
static void
cast(Topic *topic, const Channel *sender, const WalMessage *message)
{
	MessageMeta meta = {0};

	if (topic->held != NULL)
		catch_up_cast(topic, sender, message);
	deliver(topic, sender, message, &meta);
}

/*
 * A client of another gateway says something.
 */
void
fanout_relayed(const WalMessage *message)
{
	Topic	   *topic = topic_of(message);

	if (topic != NULL)
		cast(topic, NULL, message);
}

/*
 * A client of ours says something.
 */
void
fanout_cast(Topic *topic, const Channel *sender, const WalMessage *message)
{
	backpressure_message(loop_now);
	if (topic->interest == INTEREST_HELD)
		cast(topic, sender, message);
}
