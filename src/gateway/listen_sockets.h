/*-------------------------------------------------------------------------
 *
 * listen_sockets.h
 *	  Opening the sockets that clients connect to.
 *
 * src/gateway/listen_sockets.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_LISTEN_SOCKETS_H
#define REALTIME_LISTEN_SOCKETS_H

#include "proto/proto.h"

#define LISTEN_MAX 64			/* sockets */
#define LISTEN_SEPARATORS ", \t\n\""	/* between names, as GUC lists have them */

/* Where what went wrong with a name is told. */
typedef void (*ListenComplaint) (const char *fmt,...) pg_attribute_printf(1, 2);

/*
 * Open sockets for all addresses of all names, "*" being everything, and put
 * them into fds[0..LISTEN_MAX).  Returns how many; may wait for a name server.
 * Cuts `names` into pieces.
 */
extern int	listen_sockets_open(char *names, int port, int *fds, ListenComplaint complain);

#endif							/* REALTIME_LISTEN_SOCKETS_H */
