/*-------------------------------------------------------------------------
 *
 * engine_payload.h
 *	  Engine.IO packets as bodies of requests that poll.
 *
 * insforge-oaura.md 1.10 B.  Packets are separated by a byte 0x1E; one that is
 * binary is a "b" and then base64.  Sessions write WebSocket frames, whatever
 * carries them: what goes out by polling is made of those.
 *
 * src/proto/engine_payload.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENGINE_PAYLOAD_H
#define REALTIME_ENGINE_PAYLOAD_H

#include "proto/bytes.h"
#include "proto/ws_frame.h"

/*
 * From frames to packets: where the work stands between two pieces of frames.
 * All zero at first.
 */
typedef struct EnginePayload
{
	Bytes		packets;		/* so far; `failed` where there is no memory */
	char		head[WS_MAX_SERVER_HEADER]; /* of the frame at hand */
	uint8		head_len;		/* what has come of it */
	bool		in_frame;		/* it is complete, and this is still to come: */
	uint64		left;
	size_t		taken;			/* bytes of the frame at hand so far */
	size_t		before;			/* bytes of packets when it began */
	bool		is_binary;
	char		carry[3];		/* bytes that make no whole base64 yet */
	uint8		carried;
	bool		closed;			/* there was a close frame: nothing may follow */
} EnginePayload;

/*
 * Add the packets of some bytes of frames, which may be cut anywhere.  Returns
 * the bytes taken: it stops where a frame ends and there are `max` bytes of
 * packets or more, or where the connection is closed.
 */
extern size_t engine_payload_add(EnginePayload *payload, const char *frames, size_t len,
								 size_t max);

/*
 * Give back a frame that has not come to its end; returns how many bytes of it
 * were taken.
 */
extern size_t engine_payload_cut(EnginePayload *payload);

/* Add a packet without data: an EngineType. */
extern void engine_payload_add_type(EnginePayload *payload, char type);

/* Take the next packet off a body that has one: it always has a first one. */
extern Slice engine_payload_next(Slice *body);

/* Is it a binary one? */
extern bool engine_payload_is_binary(Slice packet);

/* Append the bytes of a binary one; false if they are none, or without memory. */
extern bool engine_payload_decode(Slice packet, Bytes *out) RT_MUSTCHECK;

#endif							/* REALTIME_ENGINE_PAYLOAD_H */
