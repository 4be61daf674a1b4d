/*-------------------------------------------------------------------------
 *
 * tls_accept.h
 *	  Whether clients speak TLS, and how that begins.
 *
 * src/gateway/tls_accept.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TLS_ACCEPT_H
#define REALTIME_TLS_ACCEPT_H

#include "gateway/stream.h"

/* Do new connections begin with a handshake? */
extern bool tls_wanted(void);

/* Can they?  False while there is no certificate. */
extern bool tls_possible(void);

/*
 * New settings have come.  Connections that are there keep what they have begun
 * with.
 */
extern void tls_settings_changed(void);

typedef enum TlsProgress
{
	TLS_DONE,
	TLS_WANTS_READ,
	TLS_WANTS_WRITE,
	TLS_NEXT_TURN,				/* others have had all that there is for it */
	TLS_IS_HTTP,				/* it speaks HTTP: the stream is a plain one */
	TLS_REFUSED,				/* no TLS that we speak, and it has been told; the
								 * stream is a plain one */
	TLS_GONE					/* the peer, or our memory */
} TlsProgress;

/* Go on with the handshake of a new stream. */
extern TlsProgress tls_handshake(Stream *stream, int fd) RT_MUSTCHECK;

/* A step of a turn: from here on there is something for handshakes again. */
extern void tls_end_turn(void);

#endif							/* REALTIME_TLS_ACCEPT_H */
