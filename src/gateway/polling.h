/*-------------------------------------------------------------------------
 *
 * polling.h
 *	  Engine.IO sessions that are polled by HTTP requests.
 *
 * src/gateway/polling.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_POLLING_H
#define REALTIME_POLLING_H

#include "gateway/http_exchange.h"

typedef struct Polling Polling;

/*
 * Begin a session; takes over the references.  NULL for want of memory or random
 * numbers.
 */
extern Polling *polling_begin(struct RequestHeaders *headers);

/* The session of an id; NULL if none is polled by it. */
extern Polling *polling_find(Slice sid);

/* How many there are. */
extern uint32 polling_count(void);

/* Its connection, which has no socket. */
extern Conn *polling_session(const Polling *polling);

/*
 * The head of a request with packets has come on this connection.  False if
 * another one is under way, which ends the session.
 */
extern bool polling_expect(Polling *polling, Conn *conn);

/*
 * All of it has come, on a connection that was expected: handles and answers it.
 * False, and it is not answered, if the session has ended meanwhile.
 */
extern bool polling_take(HttpExchange *exchange, Slice body) RT_MUSTCHECK;

/*
 * A request wants what the session has to say: it is answered as soon as there is
 * something.  False if another one waits, which ends the session; that one is not
 * answered here.
 */
extern bool polling_wait(Polling *polling, HttpExchange *exchange) RT_MUSTCHECK;

/*
 * Called by conn_output.c: give what the session's connection has queued to the
 * request that waits, if one does.  Returns the bytes taken off the queue;
 * *told_end becomes true when the client knows that the session is over.
 */
extern size_t polling_deliver(Conn *session, bool *told_end);

/*
 * Called by conn_input.c: packets that had to wait can be handled.
 */
extern void polling_resume(Conn *session);

/* Called by conn.c: a connection that has to do with polling is on its way out. */
extern void polling_leave(Conn *conn);

/*
 * A WebSocket wants to carry the session.  False if another one does.  While it
 * is probed, no request waits for long.
 */
extern bool polling_begin_probe(Polling *polling, Conn *websocket) RT_MUSTCHECK;
extern void polling_probed(Polling *polling);
extern bool polling_is_probed(const Polling *polling);

/*
 * The session is polled no more: a WebSocket takes over.  False if packets that
 * were polled are not all handled yet, and then nothing is done.
 */
extern bool polling_end(Polling *polling) RT_MUSTCHECK;

/* A step of a turn, and when it is due. */
extern void polling_run(void);
extern int64 polling_deadline(void);

#endif							/* REALTIME_POLLING_H */
