/*-------------------------------------------------------------------------
 *
 * event_stream.h
 *	  Listening by server-sent events: from the request to the last event.
 *
 * src/gateway/event_stream.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EVENT_STREAM_H
#define REALTIME_EVENT_STREAM_H

#include "gateway/channels.h"
#include "gateway/http_exchange.h"

typedef struct EventStream EventStream;

/*
 * A request is good as far as can be said at once: its answer waits for the
 * decisions about its topics.  Takes over the references; the exchange is being
 * handled.  NULL without memory, and then the request is answered.
 */
extern EventStream *event_stream_new(HttpExchange *exchange, struct Identity *identity,
									 struct RequestHeaders *headers);

/*
 * Listen to a topic, too, unless that is so already; last_event_id is NULL for
 * who wants what comes from now on.
 */
extern void event_stream_add(EventStream *stream, Slice topic, bool is_private,
							 const Slice *last_event_id);

/* There is no memory for that. */
extern void event_stream_no_memory(EventStream *stream);

/* Go on with the streams of which something was decided in this turn. */
extern void event_streams_run(void);

/* When that is due even if nothing happens. */
extern int64 event_streams_deadline(void);

#endif							/* REALTIME_EVENT_STREAM_H */
