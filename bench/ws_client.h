/*-------------------------------------------------------------------------
 *
 * ws_client.h
 *	  A client's end of a WebSocket connection, as simple as it can be.
 *
 * bench/ws_client.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_WS_CLIENT_H
#define BENCH_WS_CLIENT_H

#include "postgres_fe.h"

/* How the answer to the upgrade begins. */
#define WS_UPGRADED "HTTP/1.1 101"

/*
 * Connect to a port on loopback and ask for the upgrade of an endpoint, named by
 * its path and query; returns the descriptor.  The program ends if that cannot be
 * done.
 */
extern int	ws_connect(int64 port, const char *target);

/* Send one text frame of at most 900 bytes, likewise. */
extern void ws_send_text(int fd, const char *text);

#endif							/* BENCH_WS_CLIENT_H */
