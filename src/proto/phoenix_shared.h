/*-------------------------------------------------------------------------
 *
 * phoenix_shared.h
 *	  Text messages to many clients whose payload is one and the same.
 *
 * A client's join ref stands before the payload, so such messages differ at
 * their beginning only.  That is encoded for each client; the payload and what
 * follows it is encoded once and queued by reference.
 *
 * src/proto/phoenix_shared.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PHOENIX_SHARED_H
#define REALTIME_PHOENIX_SHARED_H

#include "proto/phoenix.h"

/*
 * What follows the payload in a text message without ref.
 */
extern Slice phx_shared_tail(PhxVersion version);

/*
 * Append what stands before the payload, WebSocket header included; ref is
 * null.  payload_len does not count the tail.  False only for want of memory,
 * and then *out is as before.
 */
extern bool phx_encode_shared_head(Bytes *out, PhxVersion version, Slice join_ref,
								   Slice topic, const char *event, size_t payload_len);

#endif							/* REALTIME_PHOENIX_SHARED_H */
