/*-------------------------------------------------------------------------
 *
 * frame_buf.c
 *	  Encoded frames, shared by reference between the queues of many sockets.
 *
 * Not thread-safe and need not be.  Memory comes from malloc and may run out,
 * because what a client or a table row sizes must not end the program.
 *
 * src/gateway/frame_buf.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/frame_buf.h"
#include "program/loop.h"

/*
 * Allocate an empty buffer.
 */
FrameBuf *
frame_buf_new(size_t cap)
{
	FrameBuf   *buf;

	if (cap > PG_INT32_MAX)
		return NULL;
	buf = malloc(offsetof(FrameBuf, data) + cap);
	if (buf == NULL)
		return NULL;
	buf->made_at = loop_now;
	buf->refs = 1;
	buf->len = 0;
	buf->cap = (uint32) cap;
	return buf;
}

/*
 * Move a buffer that nobody else knows of.
 */
FrameBuf *
frame_buf_resize(FrameBuf *buf, size_t cap)
{
	FrameBuf   *moved;

	Assert(buf->refs == 1);
	Assert(cap >= buf->len);
	if (cap > PG_INT32_MAX)
		return NULL;
	moved = realloc(buf, offsetof(FrameBuf, data) + cap);
	if (moved != NULL)
		moved->cap = (uint32) cap;
	return moved;
}
