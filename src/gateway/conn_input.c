/*-------------------------------------------------------------------------
 *
 * conn_input.c
 *	  What clients send: from the socket to requests and messages.
 *
 * One recv() per socket and turn, into one scratch buffer for all.  Most of
 * the time it holds whole messages, which are handled right there; only what
 * is cut off at the end moves into a buffer of the connection's own.  A small
 * one is copied back to the scratch buffer for the next read, a large one is
 * read into where it is, so that a large message is not copied over and over.
 *
 * src/gateway/conn_input.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_input.h"
#include "gateway/conn_output.h"
#include "gateway/fanout.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/handover.h"
#include "gateway/http_answer.h"
#include "gateway/http_routes.h"
#include "gateway/polling.h"
#include "gateway/protocol.h"
#include "gateway/publishers.h"
#include "gateway/tls_accept.h"

#define SCRATCH_BYTES (64 * 1024)
#define COPY_BACK_MAX (4 * 1024)	/* an own buffer up to this is copied */

/*
 * The bytes at hand: in the scratch buffer or in the connection's own.
 */
typedef struct Input
{
	char	   *data;
	size_t		len;
	RecvState	state;
} Input;

static char scratch[SCRATCH_BYTES];
static Conn *heir;				/* of the connection whose frames are handled */

/*
 * Answer a ping.
 */
static void
send_pong(Conn *conn, Slice payload)
{
	char		frame[WS_MAX_SERVER_HEADER + WS_MAX_CONTROL];
	int			header_len = ws_frame_header(frame, WS_OP_PONG, payload.len);

	if (payload.len > 0)
		memcpy(frame + header_len, payload.data, payload.len);
	conn_write(conn, frame, header_len + payload.len);
}

/*
 * Act on one event of the stream of frames; false if more bytes are needed.
 */
static bool
next_event(Conn *conn, Input *in)
{
	Slice		payload;
	int			close_code = 0;
	size_t		want;			/* growing by what has come is more careful */
	WsEvent		event = ws_message_next(&in->state.ws, in->data, &in->len,
										&payload, &close_code, &want);

	switch (event)
	{
		case WS_NEED_MORE:
			return false;
		case WS_TEXT:
		case WS_BINARY:
			conn->protocol->message(conn, payload, event == WS_BINARY);
			break;
		case WS_PING:
			send_pong(conn, payload);
			break;
		case WS_PONG:
			break;
		case WS_CLOSE:
			conn_close(conn, close_code, "");
			break;
		case WS_FAIL:
			STAT_INC(BUS_STAT_PROTOCOL_ERRORS);
			conn_close(conn, close_code, close_code == WS_CLOSE_TOO_BIG ?
					   "message too big" : "protocol error");
			break;
	}
	return true;
}

/*
 * Does a connection that broadcasts or publishes have to wait?  Then nothing is
 * read from it, and what has been stays where it is, until it is resumed.
 */
bool
conn_input_held_back(Conn *conn)
{
	if (conn->state == CONN_OPEN && conn->protocol->is_full != NULL &&
		conn->protocol->is_full(conn))
	{
		conn_pause_input(conn);
		return true;
	}
	if (conn->publisher == NULL || publishers_may_go())
		return false;
	conn_pause_input(conn);
	publisher_wait(conn->publisher);
	return true;
}

/*
 * Another connection goes on with the rest of the bytes.
 */
static void
pass_on(Input *in)
{
	Conn	   *to = heir;
	size_t		taken = in->state.ws.taken;
	size_t		len = in->len;

	heir = NULL;
	in->len = 0;
	conn_input_begin(to, slice_make(in->data + taken, len - taken));
}

/*
 * Remember who.
 */
void
conn_input_pass(Conn *conn)
{
	heir = conn;
}

/*
 * Handle all frames that are whole.  Any of them is a sign of life; bytes that
 * complete none are not, or one a minute would keep a connection for ever.
 */
static void
handle_frames(Conn *conn, Input *in)
{
	bool		alive = false;

	if (conn->protocol->message_max != NULL)
		in->state.ws.max_message = conn->protocol->message_max();
	while (conn->state == CONN_OPEN && !conn_input_held_back(conn) && next_event(conn, in))
		alive = true;
	fanout_settle();
	if (heir != NULL)
		pass_on(in);
	else if (alive)
		conn_active(conn);
}

/*
 * Handle requests, and frames that follow an upgrade in the same segment.
 */
static void
handle_input(Conn *conn, Input *in)
{
	if (conn->state == CONN_HTTP)
	{
		size_t		taken = http_routes_input(conn, &in->state, in->data, in->len);

		in->len -= taken;
		memmove(in->data, in->data + taken, in->len);
		if (conn->goes_to != 0)
		{
			handover_send(conn, conn->goes_to - 1, slice_make(in->data, in->len));
			return;
		}
	}
	if (conn->state == CONN_OPEN && conn->protocol->message != NULL)
		handle_frames(conn, in);
	else if (conn->state == CONN_OPEN)
	{
		/* who only listens has said all that he can */
		recv_state_init(&in->state);
		in->len = 0;
	}
}

/*
 * Make room in an own buffer that is read into.  It is doubled as bytes come
 * in, whatever length the client has announced.
 */
static bool
grow_own(Conn *conn)
{
	const RecvBuf *own = conn->input;
	size_t		largest = (size_t) gw_settings.max_frame_size + SCRATCH_BYTES;

	if (own->cap - own->len >= STREAM_RECV_MIN)
		return true;
	return recv_buf_reserve(&conn->input,
							Max(Min(own->cap * 2, largest), own->len + STREAM_RECV_MIN));
}

/*
 * Find room to read into: in->data has in->len bytes and can hold *cap.  False
 * if an own buffer had to grow and could not.
 */
static bool
begin_read(Conn *conn, Input *in, size_t *cap)
{
	if (conn->input == NULL)
	{
		recv_state_init(&in->state);
		in->len = 0;
	}
	else
	{
		in->state = conn->input->state;
		in->len = conn->input->len;
	}
	if (in->len > COPY_BACK_MAX)
	{
		if (!grow_own(conn))
			return false;
		in->data = conn->input->data;
		*cap = conn->input->cap;
		return true;
	}
	if (in->len > 0)
		memcpy(scratch, conn->input->data, in->len);
	in->data = scratch;
	*cap = SCRATCH_BYTES;
	return true;
}

/*
 * Keep what is cut off.  False if there is no memory for it.
 */
static bool
end_read(Conn *conn, Input *in)
{
	if (in->len == 0 && recv_state_idle(&in->state))
	{
		recv_buf_free(conn->input);
		conn->input = NULL;
		return true;
	}
	if (in->data == scratch)
	{
		if (!recv_buf_reserve(&conn->input, in->len))
			return false;
		memcpy(conn->input->data, scratch, in->len);
	}
	conn->input->len = in->len;
	conn->input->state = in->state;
	return true;
}

/*
 * Read and handle once.
 */
static void
read_input(Conn *conn)
{
	Input		in;
	size_t		cap;
	ssize_t		n;

	if (!begin_read(conn, &in, &cap))
	{
		conn_close(conn, WS_CLOSE_TRY_LATER, "out of memory");
		return;
	}
	n = conn_recv(conn, in.data + in.len, cap - in.len);
	if (n == STREAM_AGAIN)
		return;
	if (n == STREAM_EOF && conn->state == CONN_HTTP && conn->out.count > 0)
		conn_finish(conn);		/* sent its request and shut its side */
	else if (n <= 0)
		conn_abort(conn);
	else
	{
		STAT_ADD(BUS_STAT_BYTES_IN, n);
		in.len += n;
		handle_input(conn, &in);
		if (conn->state <= CONN_OPEN && !end_read(conn, &in))
			conn_close(conn, WS_CLOSE_TRY_LATER, "out of memory");
	}
}

/*
 * Handle what is kept.
 */
static void
handle_kept(Conn *conn)
{
	Input		in;
	size_t		cap;

	if (!begin_read(conn, &in, &cap))
	{
		conn_abort(conn);
		return;
	}
	handle_input(conn, &in);
	if (conn->state <= CONN_OPEN && !end_read(conn, &in))
		conn_close(conn, WS_CLOSE_TRY_LATER, "out of memory");
}

/*
 * Go on where a request or publishers.c has stopped us.
 */
void
conn_input_resume(Conn *conn)
{
	conn_resume_input(conn);
	if (conn->state > CONN_OPEN)
		return;
	if (conn_is_polled(conn))
		polling_resume(conn);
	else if (conn->input != NULL)
		handle_kept(conn);
}

/*
 * Begin with what another gateway has read.
 */
void
conn_input_begin(Conn *conn, Slice bytes)
{
	if (bytes.len == 0)
		return;
	if (!recv_buf_reserve(&conn->input, bytes.len))
	{
		conn_abort(conn);
		return;
	}
	memcpy(conn->input->data, bytes.data, bytes.len);
	conn->input->len = bytes.len;
	handle_kept(conn);
}

/*
 * The same for publishers.c.
 */
static void
resume_publisher(void *owner)
{
	conn_input_resume(owner);
}

/*
 * Without memory it is never held back, and others may be closed as slow.
 */
void
conn_input_publishes(Conn *conn)
{
	if (conn->publisher != NULL)
		return;
	conn->publisher = calloc(1, sizeof(Publisher));
	if (conn->publisher == NULL)
		return;
	conn->publisher->resume = resume_publisher;
	conn->publisher->owner = conn;
}

/*
 * A connection that is going away, or only listens: whatever still comes
 * is not for us, but it has to be read, or closing would reset what we have
 * sent, and nobody would hear that the client has gone.
 */
static void
drain_input(Conn *conn)
{
	ssize_t		n = conn_recv(conn, scratch, sizeof(scratch));

	/* who is told no more, and has us say something first, may go */
	if (conn->state > CONN_OPEN && conn->stream.recv_wants_write)
		conn_abort(conn);
	else if (n == STREAM_BROKEN || (n == STREAM_EOF && conn->state != CONN_CLOSING))
		conn_abort(conn);
	else if (n == STREAM_EOF)
		loop_change(&conn->watch, conn->watch.events & ~EPOLLIN);
}

/*
 * Go on with the handshake.  Who speaks plain HTTP gets an answer that he
 * understands.
 */
static void
handshake(Conn *conn)
{
	switch (tls_handshake(&conn->stream, conn->watch.fd))
	{
		case TLS_DONE:
			conn_handshake_done(conn);
			break;
		case TLS_WANTS_READ:
			conn_handshake_waits(conn, EPOLLIN);
			break;
		case TLS_WANTS_WRITE:
			conn_handshake_waits(conn, EPOLLOUT);
			break;
		case TLS_NEXT_TURN:
			break;
		case TLS_IS_HTTP:
			conn_handshake_done(conn);
			http_refuse(conn, 400, "this port speaks TLS: use https or wss", NULL);
			break;
		case TLS_REFUSED:
			conn_finish(conn);
			break;
		case TLS_GONE:
			conn_abort(conn);
			break;
	}
}

/*
 * Events of one connection.  A stale one finds it CLOSED.
 */
void
conn_input_ready(Watch *watch, uint32 events)
{
	Conn	   *conn = (Conn *) watch;

	if (conn->state == CONN_TLS)
	{
		handshake(conn);
		return;
	}
	if (events & EPOLLOUT)
	{
		conn_flush_later(conn);
		if (conn->stream.recv_wants_write)
			events |= EPOLLIN;
	}
	if ((events & ~EPOLLOUT) == 0 || conn->state == CONN_CLOSED)
		return;
	if (conn->input_paused)
	{
		/* watched for nothing, it tells only that the client is gone */
		if (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
			conn_abort(conn);
	}
	else if (conn->state > CONN_OPEN || (conn->state == CONN_OPEN && conn->protocol->message == NULL))
		drain_input(conn);
	else if (!conn_input_held_back(conn))
		read_input(conn);
}
