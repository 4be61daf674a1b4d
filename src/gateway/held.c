/*-------------------------------------------------------------------------
 *
 * held.c
 *	  Messages of a topic that are held for channels that catch up.
 *
 * While history is read for a channel, what comes over the bus must wait.  It is
 * held once per topic, encoded, for all its channels that catch up, in the
 * dialects that these have had since somebody began to; which part of it a
 * channel gets, the answer of the hub says (hub/seam.c).
 *
 * There is room for a part of what a socket's queue may hold, because all of it
 * will be put there at once, and for HELD_MAX over all topics.  When that is used
 * up all is dropped, and the channels ask for the history of that, too.
 *
 * src/gateway/held.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/held.h"
#include "gateway/replies.h"

#define QUEUE_PART 4			/* of max_send_queue, for a topic */
#define HELD_MAX (64 * 1024 * 1024) /* bytes of all topics */

struct HeldMessage
{
	HeldMessage *next;
	uint64		lsn;			/* of its commit */
	uint32		len[DIALECTS];	/* of its frames */
	char		frames[FLEXIBLE_ARRAY_MEMBER];	/* one behind the other */
};

static size_t total;			/* bytes of all topics */

/*
 * Begin to hold.
 */
Held *
held_new(void)
{
	Held	   *held = calloc(1, sizeof(Held));

	if (held != NULL)
		dlist_init(&held->channels);
	return held;
}

/*
 * Drop all.
 */
static void
drop(Held *held)
{
	while (held->first != NULL)
	{
		HeldMessage *message = held->first;

		held->first = message->next;
		free(message);
	}
	held->last = NULL;
	total -= held->bytes;
	held->bytes = 0;
	held->first_seq = held->next_seq;
}

/*
 * The end.
 */
void
held_free(Held *held)
{
	drop(held);
	free(held);
}

/*
 * Hold in this dialect, too.  What was held before is in the history that the
 * channel has yet to ask for.
 */
void
held_want(Held *held, Dialect dialect)
{
	held->wanted[dialect] = true;
}

/*
 * Encode a message in the dialects that are wanted; NULL without memory.
 */
static HeldMessage *
encode(const bool *wanted, const Topic *topic, const WalMessage *message,
	   const MessageMeta *meta, size_t *size)
{
	static Bytes frames;
	uint32		len[DIALECTS];
	HeldMessage *held = NULL;

	frames.len = 0;
	for (int v = 0; v < DIALECTS; v++)
	{
		size_t		before = frames.len;

		if (wanted[v] && !message_frame_append(&frames, v, topic, message, meta))
		{
			bytes_free(&frames);
			return NULL;
		}
		len[v] = (uint32) (frames.len - before);
	}
	*size = offsetof(HeldMessage, frames) + frames.len;
	held = malloc(*size);
	if (held != NULL)
	{
		memcpy(held->len, len, sizeof(len));
		if (frames.len > 0)
			memcpy(held->frames, frames.data, frames.len);
	}
	scratch_reset(&frames);
	return held;
}

/*
 * Hold one.
 */
void
held_add(Held *held, const Topic *topic, const WalMessage *message, const Place *place,
		 const MessageMeta *meta)
{
	size_t		size;
	HeldMessage *one = encode(held->wanted, topic, message, meta, &size);

	held->next_seq++;
	if (one == NULL || total + size > HELD_MAX ||
		held->bytes + size > (uint64) gw_settings.max_send_queue / QUEUE_PART)
	{
		free(one);
		drop(held);
		STAT_INC(BUS_STAT_HOLD_OVERRUNS);
		return;
	}
	one->lsn = place->lsn;
	one->next = NULL;
	if (held->last != NULL)
		held->last->next = one;
	else
		held->first = one;
	held->last = one;
	held->bytes += size;
	total += size;
}

/*
 * Where the frame of a dialect begins.
 */
static const char *
frame_of(const HeldMessage *message, Dialect dialect)
{
	const char *frame = message->frames;

	for (int v = 0; v < (int) dialect; v++)
		frame += message->len[v];
	return frame;
}

/*
 * What is behind a commit.
 */
FrameBuf *
held_frames(const Held *held, uint64 lsn, Dialect dialect)
{
	size_t		len = 0;
	FrameBuf   *buf;

	for (const HeldMessage *message = held->first; message != NULL; message = message->next)
		len += message->lsn > lsn ? message->len[dialect] : 0;
	buf = frame_buf_new(len);
	if (buf == NULL)
		return NULL;
	for (const HeldMessage *message = held->first; message != NULL; message = message->next)
	{
		if (message->lsn > lsn)
			frame_buf_append(buf, frame_of(message, dialect), message->len[dialect]);
	}
	return buf;
}
