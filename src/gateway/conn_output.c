/*-------------------------------------------------------------------------
 *
 * conn_output.c
 *	  What goes out: from a connection's queue to its socket.
 *
 * Two rules hold it together:
 *
 * - Queueing never writes.  Everything of a turn is collected and written by
 *	 one system call per socket in conn_flush_all(): this is what decides the
 *	 throughput.  The one exception is a queue at its bound that has not been
 *	 offered to the socket yet.
 *
 * - The bound is looked at before something is added.  A queue may pass it by
 *	 one message, because a message larger than the bound must be deliverable
 *	 to a client that reads well.
 *
 * src/gateway/conn_output.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_output.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/polling.h"
#include "proto/ws_frame.h"

#define IOV_MAX_RUNS 64			/* runs per system call */

static Conn *dirty;				/* to be flushed in this turn */
static Conn **dirty_tail = &dirty;

/*
 * Have conn_flush_all() write its queue.  The order is that of first need, so
 * that nobody is always last.
 */
void
conn_flush_later(Conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = NULL;
	*dirty_tail = conn;
	dirty_tail = &conn->next_dirty;
}

/*
 * Forget what is queued.
 */
void
conn_drop_output(Conn *conn)
{
	STAT_SUB(BUS_STAT_QUEUED_BYTES, conn->out.bytes);
	out_queue_clear(&conn->out);
	backpressure_end(&conn->pressure);
}

/*
 * The socket is full: wait until it is not, and let backpressure.c know.  A
 * connection that is going away has no say there; its timer runs.
 */
static void
wait_writable(Conn *conn, uint64 written)
{
	conn_watch(conn, EPOLLOUT);
	if (conn->state == CONN_CLOSING)
		return;
	if (conn->pressure.backlog == NULL)
	{
		if (!backpressure_begin(&conn->pressure, conn, conn->out.bytes,
								conn->stream.ops->in_flight(&conn->stream, conn->watch.fd)))
			conn_abort(conn);
	}
	else
		backpressure_update(&conn->pressure, conn->out.bytes, written);
}

/*
 * All is written.
 */
static void
queue_drained(Conn *conn)
{
	if (conn->state == CONN_CLOSING)
	{
		conn_linger(conn);
		return;
	}
	backpressure_end(&conn->pressure);
	conn_watch(conn, 0);
}

/*
 * Hand what is queued to a request, if one waits for it.  If none does, that is
 * the same as a socket that takes nothing.
 */
static void
flush_polled(Conn *conn)
{
	bool		told_end = false;
	size_t		taken = polling_deliver(conn, &told_end);

	STAT_SUB(BUS_STAT_QUEUED_BYTES, taken);
	if (conn->state == CONN_CLOSED)
		return;
	if (conn->state == CONN_CLOSING && told_end)
		conn_abort(conn);
	else if (conn->out.count > 0)
		wait_writable(conn, taken);
	else if (conn->state != CONN_CLOSING)
		backpressure_end(&conn->pressure);
}

/*
 * Write what is queued as far as the socket takes it.
 */
static void
flush(Conn *conn)
{
	uint64		written = 0;

	if (conn_is_polled(conn))
	{
		flush_polled(conn);
		return;
	}
	while (conn->out.count > 0)
	{
		struct iovec iov[IOV_MAX_RUNS];
		int			n = out_queue_iov(&conn->out, iov, IOV_MAX_RUNS);
		size_t		offered = 0;
		ssize_t		sent = conn->stream.ops->send(&conn->stream, conn->watch.fd, iov, n);

		if (sent == STREAM_BROKEN)
		{
			conn_abort(conn);
			return;
		}
		if (sent > 0)
		{
			out_queue_advance(&conn->out, sent);
			STAT_SUB(BUS_STAT_QUEUED_BYTES, sent);
			STAT_ADD(BUS_STAT_BYTES_OUT, sent);
			written += sent;
			conn_told(conn);
		}
		for (int i = 0; i < n; i++)
			offered += iov[i].iov_len;
		if (sent < 0 || (size_t) sent < offered)
		{
			wait_writable(conn, written);
			return;
		}
	}
	queue_drained(conn);
}

/*
 * Write all that is queued; false if that is not possible now, or never.
 */
bool
conn_write_all(Conn *conn)
{
	if (conn->out.count > 0)
		flush(conn);
	return conn->state <= CONN_OPEN && conn->out.count == 0;
}

/*
 * Write to every socket that something was queued for.
 */
void
conn_flush_all(void)
{
	while (dirty != NULL)
	{
		Conn	   *conn = dirty;

		dirty = conn->next_dirty;
		if (dirty == NULL)
			dirty_tail = &dirty;
		conn->dirty = false;
		if (conn->state == CONN_CLOSING || conn->out.count > 0 ||
			(conn_is_polled(conn) && conn->state == CONN_OPEN))
			flush(conn);
	}
}

/*
 * Is there room for more?  If not, the connection is closed.
 */
static bool
has_room(Conn *conn)
{
	uint64		bound = (uint64) gw_settings.max_send_queue;

	if (out_queue_weight(&conn->out) <= bound)
		return true;
	/* filled within this turn: the socket was not asked yet */
	if (conn->pressure.backlog == NULL)
		flush(conn);
	if (conn->state == CONN_CLOSED)
		return false;
	if (out_queue_weight(&conn->out) <= bound)
		return true;
	conn_abort_slow(conn);
	return false;
}

/*
 * Something was queued.  A socket that is full tells us when it takes bytes
 * again; all others are written to at the end of the turn.
 */
static void
queued(Conn *conn, size_t len)
{
	STAT_ADD(BUS_STAT_QUEUED_BYTES, len);
	if (conn->pressure.backlog != NULL)
		backpressure_update(&conn->pressure, conn->out.bytes, 0);
	else
		conn_flush_later(conn);
}

/*
 * Queue a run of a shared buffer.
 */
bool
conn_deliver(Conn *conn, FrameBuf *buf, uint32 start, uint32 end)
{
	if (conn->state != CONN_OPEN || !has_room(conn))
		return false;
	if (!out_queue_push(&conn->out, buf, start, end))
	{
		conn_abort(conn);
		return false;
	}
	backpressure_receiver(&conn->pressure);
	queued(conn, end - start);
	return true;
}

/*
 * Queue a copy of some bytes.
 */
void
conn_write(Conn *conn, const char *data, size_t len)
{
	if (len == 0 || conn->state > CONN_OPEN || !has_room(conn))
		return;
	if (out_queue_write(&conn->out, data, len))
		queued(conn, len);
	else
		conn_abort(conn);
}

/*
 * A close frame.
 */
void
conn_write_close(Conn *conn, int code, const char *reason)
{
	char		frame[WS_MAX_SERVER_HEADER + WS_MAX_CONTROL];
	size_t		reason_len = strlen(reason);
	int			at;

	if (code == WS_CLOSE_NO_STATUS)
	{
		conn_write(conn, frame, ws_frame_header(frame, WS_OP_CLOSE, 0));
		return;
	}
	/* cut a long reason between two characters */
	if (reason_len > WS_MAX_CONTROL - 2)
	{
		reason_len = WS_MAX_CONTROL - 2;
		while (reason_len > 0 && (reason[reason_len] & 0xC0) == 0x80)
			reason_len--;
	}
	at = ws_frame_header(frame, WS_OP_CLOSE, 2 + reason_len);
	frame[at++] = (char) (code >> 8);
	frame[at++] = (char) code;
	memcpy(frame + at, reason, reason_len);
	conn_write(conn, frame, at + reason_len);
}
