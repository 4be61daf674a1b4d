/*-------------------------------------------------------------------------
 *
 * out_queue.c
 *	  What waits for one socket: runs of bytes in shared frame buffers.
 *
 * Messages of one topic that come in one turn lie behind each other in one
 * buffer (fanout.c), so queueing the next one usually only moves the end of
 * the last run, and a flush finds one stretch of memory to send.
 *
 * src/gateway/out_queue.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/out_queue.h"
#include "program/loop.h"

#define FIRST_RING 4			/* runs; a power of two, like every size */
#define OWN_BUF_BYTES 232		/* least capacity of a buffer for replies */

/*
 * The i-th run from the head.
 */
static Run *
run_at(const OutQueue *queue, uint32 i)
{
	Assert(i < queue->count);
	if (queue->cap == 0)
		return unconstify(Run *, &queue->one);
	return &queue->ring[(queue->head + i) & (queue->cap - 1)];
}

/*
 * Make room for one more run; false without memory.
 */
static bool
make_room(OutQueue *queue)
{
	uint32		cap = Max(queue->cap * 2, FIRST_RING);
	Run		   *ring;

	if (queue->count < Max(queue->cap, 1))
		return true;
	ring = malloc(cap * sizeof(Run));
	if (ring == NULL)
		return false;
	for (uint32 i = 0; i < queue->count; i++)
		ring[i] = *run_at(queue, i);
	if (queue->cap > 0)
		free(queue->ring);
	queue->ring = ring;
	queue->cap = cap;
	queue->head = 0;
	return true;
}

/*
 * Extend the last run, or begin another.
 */
bool
out_queue_push(OutQueue *queue, FrameBuf *buf, uint32 start, uint32 end)
{
	Run		   *run;

	Assert(start < end && end <= buf->len);
	if (queue->count > 0)
	{
		run = run_at(queue, queue->count - 1);
		if (run->buf == buf && run->end == start)
		{
			run->end = end;
			queue->bytes += end - start;
			return true;
		}
	}
	if (!make_room(queue))
		return false;
	queue->count++;
	run = run_at(queue, queue->count - 1);
	run->buf = frame_buf_ref(buf);
	run->start = start;
	run->end = end;
	queue->bytes += end - start;
	return true;
}

/*
 * Room behind the last run that nobody but this queue can see, for replies
 * that follow each other in one turn.  NULL if there is none.
 */
static FrameBuf *
private_tail(const OutQueue *queue, size_t len)
{
	const Run  *tail;

	if (queue->count == 0)
		return NULL;
	tail = run_at(queue, queue->count - 1);
	if (tail->buf->refs != 1 || tail->end != tail->buf->len ||
		frame_buf_room(tail->buf) < len)
		return NULL;
	/* a run has one age, that of its buffer */
	return tail->buf->made_at == loop_now ? tail->buf : NULL;
}

/*
 * Copy bytes behind the last run, or into a new buffer.
 */
bool
out_queue_write(OutQueue *queue, const char *data, size_t len)
{
	FrameBuf   *buf = private_tail(queue, len);
	bool		ok;

	if (buf != NULL)
	{
		uint32		start = buf->len;

		frame_buf_append(buf, data, len);
		return out_queue_push(queue, buf, start, buf->len);
	}
	buf = frame_buf_new(Max(len, OWN_BUF_BYTES));
	if (buf == NULL)
		return false;
	frame_buf_append(buf, data, len);
	ok = out_queue_push(queue, buf, 0, buf->len);
	frame_buf_unref(buf);
	return ok;
}

/*
 * Describe the first runs for writing.
 */
int
out_queue_iov(const OutQueue *queue, struct iovec *iov, int max)
{
	int			n = (int) Min(queue->count, (uint32) max);

	for (int i = 0; i < n; i++)
	{
		const Run  *run = run_at(queue, i);

		iov[i].iov_base = run->buf->data + run->start;
		iov[i].iov_len = run->end - run->start;
	}
	return n;
}

/*
 * Drop the first run.
 */
static void
drop_head(OutQueue *queue)
{
	Run		   *run = run_at(queue, 0);

	queue->bytes -= run->end - run->start;
	frame_buf_unref(run->buf);
	if (queue->cap > 0)
		queue->head = (queue->head + 1) & (queue->cap - 1);
	if (--queue->count == 0 && queue->cap > 0)
	{
		free(queue->ring);
		queue->cap = 0;
		queue->head = 0;
	}
}

/*
 * Forget the first n bytes.
 */
void
out_queue_advance(OutQueue *queue, size_t n)
{
	while (n > 0)
	{
		Run		   *run = run_at(queue, 0);
		size_t		len = run->end - run->start;

		if (n < len)
		{
			run->start += (uint32) n;
			queue->bytes -= n;
			return;
		}
		n -= len;
		drop_head(queue);
	}
}

/*
 * Forget all bytes.
 */
void
out_queue_clear(OutQueue *queue)
{
	while (queue->count > 0)
		drop_head(queue);
	Assert(queue->bytes == 0);
}

/*
 * Age of the first run: that of its buffer.
 */
int64
out_queue_oldest(const OutQueue *queue)
{
	return run_at(queue, 0)->buf->made_at;
}
