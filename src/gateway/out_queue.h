/*-------------------------------------------------------------------------
 *
 * out_queue.h
 *	  What waits for one socket: runs of bytes in shared frame buffers.
 *
 * src/gateway/out_queue.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_OUT_QUEUE_H
#define REALTIME_OUT_QUEUE_H

#include <sys/uio.h>

#include "gateway/frame_buf.h"

/*
 * What the bookkeeping of one run weighs when a queue is held against its
 * bound: the run itself and the head of a buffer of its own.
 */
#define RUN_OVERHEAD 64

typedef struct Run
{
	FrameBuf   *buf;			/* holds one reference */
	uint32		start;			/* first byte not written yet */
	uint32		end;
} Run;

/*
 * Runs in sending order.  The first one lives inside; a ring is allocated only
 * when a second one comes and is given back when the queue is empty.
 */
typedef struct OutQueue
{
	uint64		bytes;			/* in all runs */
	uint32		count;			/* of runs */
	uint32		head;			/* index of the first run in the ring */
	uint32		cap;			/* size of the ring, 0 = `one` is used */
	union
	{
		Run			one;
		Run		   *ring;
	};
} OutQueue;

/* Put buf[start..end) behind what is queued; false without memory. */
extern bool out_queue_push(OutQueue *queue, FrameBuf *buf, uint32 start, uint32 end) RT_MUSTCHECK;

/*
 * Put bytes of this socket alone behind what is queued; they are copied.
 * False without memory.
 */
extern bool out_queue_write(OutQueue *queue, const char *data, size_t len) RT_MUSTCHECK;

/* Describe the first runs; returns how many iov were filled, at most max. */
extern int	out_queue_iov(const OutQueue *queue, struct iovec *iov, int max);

/* The first n bytes are written: drop them. */
extern void out_queue_advance(OutQueue *queue, size_t n);

/* Drop everything. */
extern void out_queue_clear(OutQueue *queue);

/* loop_now of when the first run was queued; the queue is not empty. */
extern int64 out_queue_oldest(const OutQueue *queue);

/* What the queue weighs when held against its bound. */
static inline uint64
out_queue_weight(const OutQueue *queue)
{
	return queue->bytes + (uint64) queue->count * RUN_OVERHEAD;
}

#endif							/* REALTIME_OUT_QUEUE_H */
