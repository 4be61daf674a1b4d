/*-------------------------------------------------------------------------
 *
 * frame_buf.h
 *	  Encoded frames, shared by reference between the queues of many sockets.
 *
 * A buffer only ever grows at its end, so a stretch [start, end) that somebody
 * queued never changes.  Whoever keeps a pointer holds one of the `refs`.
 *
 * src/gateway/frame_buf.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_FRAME_BUF_H
#define REALTIME_FRAME_BUF_H

#include "proto/proto.h"

typedef struct FrameBuf
{
	int64		made_at;		/* loop_now of the turn its content is from */
	uint32		refs;
	uint32		len;			/* bytes used */
	uint32		cap;			/* bytes allocated in data */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} FrameBuf;

/* A buffer with one reference and room for cap bytes; NULL without memory. */
extern FrameBuf *frame_buf_new(size_t cap);

/*
 * Give a buffer that nobody else refers to a new capacity; NULL without
 * memory, and then the old one is as it was.
 */
extern FrameBuf *frame_buf_resize(FrameBuf *buf, size_t cap);

static inline size_t
frame_buf_room(const FrameBuf *buf)
{
	return buf->cap - buf->len;
}

/* Append what fits: the caller has looked at frame_buf_room(). */
static inline void
frame_buf_append(FrameBuf *buf, const char *data, size_t len)
{
	Assert(len <= frame_buf_room(buf));
	memcpy(buf->data + buf->len, data, len);
	buf->len += (uint32) len;
}

static inline FrameBuf *
frame_buf_ref(FrameBuf *buf)
{
	buf->refs++;
	return buf;
}

static inline void
frame_buf_unref(FrameBuf *buf)
{
	Assert(buf->refs > 0);
	if (--buf->refs == 0)
		free(buf);
}

#endif							/* REALTIME_FRAME_BUF_H */
