/*-------------------------------------------------------------------------
 *
 * tls_end.h
 *	  An end of a TLS connection, as simple as it can be.
 *
 * Whoever listens here is on loopback and of our own making, so no certificate is
 * checked.  The program ends where something fails.
 *
 * bench/tls_end.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_TLS_END_H
#define BENCH_TLS_END_H

#include "postgres_fe.h"

#include <openssl/ssl.h>

/*
 * Shake hands as the client, or as the server with the files of a certificate and
 * its key.  The descriptor must block.
 */
extern SSL *tls_connect(int fd);
extern SSL *tls_accept(int fd, const char *certificate, const char *key);

/*
 * Read as read() does: as much of what has come as there is room for, 0 at the
 * end, -1 with errno EAGAIN where nothing has come.  Where it fills the room, more
 * may be left that poll() would not tell of.
 */
extern ssize_t tls_read(SSL *tls, char *data, size_t size);

/* Write all of it, for which the socket must have room. */
extern void tls_write(SSL *tls, const char *data, size_t len);

#endif							/* BENCH_TLS_END_H */
