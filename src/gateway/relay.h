/*-------------------------------------------------------------------------
 *
 * relay.h
 *	  TLS connections that go on in another gateway.
 *
 * src/gateway/relay.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_RELAY_H
#define REALTIME_RELAY_H

#include "gateway/stream.h"

/*
 * Take over a stream, which becomes a plain one, and its socket.  Returns a
 * socket that carries the same bytes without TLS, for another process; -1, and
 * both are closed, if that cannot be.
 */
extern int	relay_begin(Stream *stream, int fd) RT_MUSTCHECK;

/* How many there are. */
extern uint32 relay_count(void);

/* Steps of a turn, and when the next is due. */
extern void relay_run_timers(int64 now);
extern void relay_reap(void);
extern int64 relay_deadline(void);

#endif							/* REALTIME_RELAY_H */
