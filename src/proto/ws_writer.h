/*-------------------------------------------------------------------------
 *
 * ws_writer.h
 *	  A WebSocket frame whose length is known when it is written.
 *
 * A frame is begun with room for the header that its estimated size calls for,
 * and moved by a few bytes where that was wrong.
 *
 * src/proto/ws_writer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WS_WRITER_H
#define REALTIME_WS_WRITER_H

#include "proto/bytes.h"

/* A frame being written. */
typedef struct WsWriter
{
	Bytes	   *out;
	size_t		start;			/* of the frame in out */
	int			header;			/* bytes left free for its header */
} WsWriter;

/*
 * Begin a frame of about this many bytes of payload, which is appended to *out
 * then.  If there is no memory, that does nothing and ws_writer_end() says so.
 */
extern void ws_writer_begin(WsWriter *w, Bytes *out, size_t estimate);

/*
 * Write the header, now that the length is known.  False for want of memory,
 * and then *out has what it had before.
 */
extern bool ws_writer_end(WsWriter *w, uint8 opcode);

#endif							/* REALTIME_WS_WRITER_H */
