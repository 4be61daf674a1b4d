/*-------------------------------------------------------------------------
 *
 * conn_timers.h
 *	  The clocks that run for connections, and all connections by them.
 *
 * src/gateway/conn_timers.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CONN_TIMERS_H
#define REALTIME_CONN_TIMERS_H

#include "gateway/conn.h"

/* Walk those that are OPEN, in any order; NULL at the end. */
extern Conn *conn_first_open(void);
extern Conn *conn_next_open(Conn *conn);

/* conn_close() for all, e.g. when messages were lost. */
extern void conn_close_all(int code, const char *reason);

/*
 * Give up the one that has been waited for longest, of those whose next request
 * is not there; false if there is none.
 */
extern bool conn_make_room(void);

/* A step of a turn: end those that are out of time.  And when the next is due. */
extern void conn_run_timers(int64 now);
extern int64 conn_deadline(void);

#endif							/* REALTIME_CONN_TIMERS_H */
