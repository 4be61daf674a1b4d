/*-------------------------------------------------------------------------
 *
 * tls_stream.h
 *	  Bytes to and from a client over TLS.
 *
 * src/gateway/tls_stream.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TLS_STREAM_H
#define REALTIME_TLS_STREAM_H

#include "gateway/stream.h"

/* After the handshake. */
extern const StreamOps stream_tls;

#endif							/* REALTIME_TLS_STREAM_H */
