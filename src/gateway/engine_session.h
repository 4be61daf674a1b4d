/*-------------------------------------------------------------------------
 *
 * engine_session.h
 *	  An Engine.IO session: the heartbeat, and packets of either kind.
 *
 * Whatever carries it: a WebSocket, or requests that poll.  To its connection a
 * session writes whole WebSocket frames, one for each packet.
 *
 * src/gateway/engine_session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENGINE_SESSION_H
#define REALTIME_ENGINE_SESSION_H

#include "gateway/protocol.h"
#include "gateway/sio_session.h"
#include "proto/engine_io.h"

typedef struct EngineSession
{
	char		sid[ENGINE_SID_LENGTH];
	SioSession	sio;
} EngineSession;

extern const Protocol socket_io_protocol;

/*
 * A connection that has just become OPEN, of socket_io_protocol, carries a
 * session: its first packet is queued.  False without memory.
 */
extern bool engine_session_begin(Conn *conn, const char *sid, bool can_upgrade) RT_MUSTCHECK;

/* A packet of the client: a text with its type, or the bytes of a binary one. */
extern void engine_session_packet(Conn *conn, Slice packet, bool is_binary);

/* The client has said what no client says: the session is over. */
extern void engine_session_fail(Conn *conn);

/* Most bytes that a packet may have. */
extern int64 engine_session_max_packet(void);

#endif							/* REALTIME_ENGINE_SESSION_H */
