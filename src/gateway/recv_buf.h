/*-------------------------------------------------------------------------
 *
 * recv_buf.h
 *	  What a client has sent of a message that is not complete yet.
 *
 * src/gateway/recv_buf.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_RECV_BUF_H
#define REALTIME_RECV_BUF_H

#include "proto/ws_message.h"

/*
 * Where reading stands between two pieces of input.  All of it is as
 * recv_state_init() makes it whenever no request or message is half read.
 */
typedef struct RecvState
{
	size_t		http_scanned;	/* of an incomplete head */
	size_t		http_discard;	/* bytes of a body still to be left out */
	WsMessageState ws;
} RecvState;

typedef struct RecvBuf
{
	size_t		len;			/* bytes used */
	size_t		cap;			/* bytes allocated in data */
	RecvState	state;
	char		data[FLEXIBLE_ARRAY_MEMBER];
} RecvBuf;

extern void recv_state_init(RecvState *state);

/* Is there nothing in it worth keeping? */
extern bool recv_state_idle(const RecvState *state);

/*
 * Make *buf hold at least cap bytes; a NULL one is allocated.  False, and *buf
 * as it was, without memory or when all buffers together are too large.
 */
extern bool recv_buf_reserve(RecvBuf **buf, size_t cap) RT_MUSTCHECK;

/* Give a buffer back; NULL is allowed. */
extern void recv_buf_free(RecvBuf *buf);

#endif							/* REALTIME_RECV_BUF_H */
