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

#include "proto/proto.h"

/* Listen where gw_settings says, unless that is done already. */
extern void listener_configure(void);

/* Stop listening for good. */
extern void listener_close(void);

/* What is due: trying again to listen, or to accept. */
extern void listener_run_timers(int64 now);
extern int64 listener_deadline(void);

#endif							/* REALTIME_LISTENER_H */
