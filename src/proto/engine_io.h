/*-------------------------------------------------------------------------
 *
 * engine_io.h
 *	  Engine.IO, protocol 4: the packets that carry Socket.IO.
 *
 * insforge-oaura.md 1.10.  A packet is a text, whose first character is its
 * type, or the bytes of a binary message.  On a WebSocket each is a message of
 * its own; encoders append whole frames.
 *
 * src/proto/engine_io.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENGINE_IO_H
#define REALTIME_ENGINE_IO_H

#include "proto/bytes.h"
#include "proto/engine_sid.h"

#define ENGINE_PROTOCOL "4"		/* what the query parameter EIO has to say */
#define ENGINE_SID_LENGTH 20		/* of the id of a session */
#define ENGINE_MAX_PACKET 1000000	/* bytes that a client may send at once */

typedef enum EngineType
{
	ENGINE_OPEN = '0',			/* the handshake: ours */
	ENGINE_CLOSE = '1',
	ENGINE_PING = '2',			/* from server to client only */
	ENGINE_PONG = '3',
	ENGINE_MESSAGE = '4',
	ENGINE_UPGRADE = '5',		/* from polling to a WebSocket */
	ENGINE_NOOP = '6'
} EngineType;

/* What a session begins with. */
typedef struct EngineHandshake
{
	const char *sid;			/* ENGINE_SID_LENGTH characters */
	bool		can_upgrade;	/* from polling to a WebSocket */
	int64		ping_interval;	/* ms */
	int64		ping_timeout;	/* ms */
	int64		max_payload;	/* bytes */
} EngineHandshake;

/* Take a text packet apart; false if it is of no type that there is. */
extern bool engine_decode(Slice text, EngineType *type, Slice *data) RT_MUSTCHECK;

/*
 * Encoders append a frame; false only for want of memory, and then *out is as
 * before.
 */
extern bool engine_encode(Bytes *out, EngineType type);
extern bool engine_encode_open(Bytes *out, const EngineHandshake *handshake);

#endif							/* REALTIME_ENGINE_IO_H */
