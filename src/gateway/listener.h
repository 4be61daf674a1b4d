/*-------------------------------------------------------------------------
 *
 * listener.h
 *	  The sockets that clients connect to.
 *
 * src/gateway/listener.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_LISTENER_H
#define REALTIME_LISTENER_H

#include "gateway/conn.h"

/*
 * Start the process that opens sockets; title is argv[0], which it writes its
 * name to.  False with errno set on failure.
 */
extern bool listener_init(char *title) RT_MUSTCHECK;

/* Listen where gw_settings says, unless that is done already. */
extern void listener_configure(void);

/*
 * Take over the socket of a client, which begins with a handshake if it has to
 * speak TLS; NULL, and it is closed, if there are too many.
 */
extern Conn *listener_take(int fd, bool by_tls);

/*
 * That process is gone and is needed: only another gateway can listen where it
 * should.
 */
extern bool listener_is_lost(void);

/* Stop listening for good. */
extern void listener_close(void);

/* What is due: trying again to listen, or to accept. */
extern void listener_run_timers(int64 now);
extern int64 listener_deadline(void);

#endif							/* REALTIME_LISTENER_H */
