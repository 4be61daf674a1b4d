/*-------------------------------------------------------------------------
 *
 * conn_output.h
 *	  What goes out: from a connection's queue to its socket.
 *
 * src/gateway/conn_output.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CONN_OUTPUT_H
#define REALTIME_CONN_OUTPUT_H

#include "gateway/conn.h"

/*
 * Queue bytes for this connection alone; nothing happens unless it is HTTP or
 * OPEN.  Without memory the connection is closed.
 */
extern void conn_write(Conn *conn, const char *data, size_t len);

/* Queue a stretch of a shared buffer; true if the connection took it. */
extern bool conn_deliver(Conn *conn, FrameBuf *buf, uint32 start, uint32 end);

/* Queue a close frame; no code is in it for WS_CLOSE_NO_STATUS. */
extern void conn_write_close(Conn *conn, int code, const char *reason);

/*
 * There is something to do for it at the end of the turn: bytes are queued, its
 * socket takes some again, or a request asks for them.
 */
extern void conn_flush_later(Conn *conn);

/* A step of a turn: write to every socket that something is to be done for. */
extern void conn_flush_all(void);

/* Write all that is queued now; false if that cannot be, or never can. */
extern bool conn_write_all(Conn *conn) RT_MUSTCHECK;

/* Forget what is queued. */
extern void conn_drop_output(Conn *conn);

#endif							/* REALTIME_CONN_OUTPUT_H */
