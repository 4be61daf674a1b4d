/*-------------------------------------------------------------------------
 *
 * sse.h
 *	  Server-sent events (HTML standard 9.2): what we say.
 *
 * A message is one event without a name, so that EventSource.onmessage sees
 * it, whose data is one JSON object on one line:
 *
 *	  id: <cursor>
 *	  data: {"topic":"room:1","event":"greeting","payload":{},"meta":{}}
 *
 * What the server has to say itself is an event with a name.
 *
 * Each encoder appends a whole block, its empty line included; false only for
 * want of memory, and then *out is as before.
 *
 * src/proto/sse.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SSE_H
#define REALTIME_SSE_H

#include "proto/bytes.h"

/* Nothing but a sign of life. */
#define SSE_KEEP_ALIVE ":\n\n"

/*
 * A broadcast.  id is one line of text, empty = none; topic and event are plain
 * UTF-8, payload is JSON, or bytes, which become the member payload_base64;
 * meta is a JSON object, empty = none.
 */
extern bool sse_encode_broadcast(Bytes *out, Slice id, Slice topic, Slice event,
								 bool binary, Slice payload, Slice meta);

/*
 * A broadcast that came as the whole payload of a Phoenix message: a JSON
 * object, whose members event and payload are told.
 */
extern bool sse_encode_whole(Bytes *out, Slice id, Slice topic, Slice whole, Slice meta);

/* An event with a name; id as above, data is JSON. */
extern bool sse_encode_event(Bytes *out, const char *name, Slice id, Slice data);

/*
 * The beginning of a stream: how long a client waits before it comes back, and
 * a comment.
 */
extern bool sse_encode_start(Bytes *out, uint32 retry_ms, Slice comment);

#endif							/* REALTIME_SSE_H */
