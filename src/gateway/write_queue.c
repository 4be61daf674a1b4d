/*-------------------------------------------------------------------------
 *
 * write_queue.c
 *	  What a channel says before it is decided whether it may.
 *
 * On a private channel the first broadcast or track asks the policies for the
 * rights to write.  What comes until they have answered waits here, whatever
 * its kind, in the order of its coming.  The answer holds until the channel's
 * token changes (supabase.md 7.4).  Broadcasts wait as well while one before them
 * is being stored.
 *
 * src/gateway/write_queue.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/fanout.h"
#include "gateway/write_queue.h"

/* What one channel may have waiting. */
#define WAITING_MAX 256
#define WAITING_MAX_BYTES (1024 * 1024)

/* What all of them may. */
#define ALL_MAX_BYTES (64 * 1024 * 1024)

/* Ref, then body. */
typedef struct WaitingWrite
{
	struct WaitingWrite *next;
	WriteHandler handler;
	uint32		body_len;
	uint8		ref_len;
	char		data[FLEXIBLE_ARRAY_MEMBER];
} WaitingWrite;

struct WriteQueue
{
	WaitingWrite *first;
	WaitingWrite **tail;
	uint32		count;
	size_t		bytes;
};

static size_t all_bytes;

/*
 * The queue of a channel, made if it has none; NULL without memory.
 */
static struct WriteQueue *
get_queue(Channel *channel)
{
	if (channel->writes == NULL)
	{
		channel->writes = calloc(1, sizeof(struct WriteQueue));
		if (channel->writes != NULL)
			channel->writes->tail = &channel->writes->first;
	}
	return channel->writes;
}

/*
 * Is there room in a queue?  The first thing may be as large as any message.
 */
static bool
has_room(const struct WriteQueue *queue, size_t len)
{
	return queue->count < WAITING_MAX && all_bytes + len <= ALL_MAX_BYTES &&
		(queue->count == 0 || queue->bytes + len <= WAITING_MAX_BYTES);
}

/*
 * Keep something.
 */
char *
write_queue_keep(Channel *channel, WriteHandler handler, Slice ref, size_t len)
{
	struct WriteQueue *queue = get_queue(channel);
	WaitingWrite *item;

	if (queue == NULL || !has_room(queue, len))
		return NULL;
	item = malloc(offsetof(WaitingWrite, data) + ref.len + len);
	if (item == NULL)
		return NULL;
	item->next = NULL;
	item->handler = handler;
	item->ref_len = (uint8) ref.len;
	item->body_len = (uint32) len;
	if (ref.len > 0)
		memcpy(item->data, ref.data, ref.len);
	*queue->tail = item;
	queue->tail = &item->next;
	queue->count++;
	queue->bytes += len;
	all_bytes += len;
	return item->data + ref.len;
}

/*
 * Does anything wait?  A queue may be empty where there was no room.
 */
bool
write_queue_waits(const Channel *channel)
{
	return channel->writes != NULL && channel->writes->count > 0;
}

/*
 * Take the first thing out of a queue; the caller frees it.
 */
static WaitingWrite *
take_first(struct WriteQueue *queue)
{
	WaitingWrite *item = queue->first;

	queue->first = item->next;
	if (queue->first == NULL)
		queue->tail = &queue->first;
	queue->count--;
	queue->bytes -= item->body_len;
	all_bytes -= item->body_len;
	return item;
}

/*
 * Hand out what has waited, up to something that is to be stored: what comes
 * behind that waits until it is.  A reply may close the connection, and with it
 * the queue is gone only at the end of the turn.
 */
void
write_queue_decided(Channel *channel, JobOutcome outcome)
{
	if (channel->writes == NULL)
		return;
	while (channel->writes->first != NULL && channel->storing == NULL)
	{
		WaitingWrite *item = take_first(channel->writes);

		item->handler(channel, slice_make(item->data, item->ref_len),
					  slice_make(item->data + item->ref_len, item->body_len), outcome);
		free(item);
	}
	fanout_settle();
	if (channel->writes->first == NULL)
		write_queue_forget(channel);
}

/*
 * Why not.
 */
const char *
write_refusal(const Channel *channel, uint8 right, JobOutcome outcome)
{
	switch (outcome)
	{
		case JOB_DONE:
			return (channel->rights & right) != 0 ? NULL : "unauthorized";
		case JOB_BUSY:
			return "increase_connection_pool";
		case JOB_UNAVAILABLE:
			return "unable_to_connect_to_project";
		case JOB_TIMED_OUT:
			return "query_canceled";
		case JOB_REFUSED:
			return "unauthorized";
		case JOB_FAILED:
			return "rls_policy_error";
	}
	return "unauthorized";
}

/*
 * Forget what waits.
 */
void
write_queue_forget(Channel *channel)
{
	struct WriteQueue *queue = channel->writes;

	if (queue == NULL)
		return;
	while (queue->first != NULL)
	{
		WaitingWrite *item = queue->first;

		queue->first = item->next;
		free(item);
	}
	all_bytes -= queue->bytes;
	free(queue);
	channel->writes = NULL;
}
