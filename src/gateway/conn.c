/*-------------------------------------------------------------------------
 *
 * conn.c
 *	  A client's connection: its state, its socket, its end.
 *
 * What comes in is read by conn_input.c, what goes out is written by
 * conn_output.c, and conn_timers.c has their clocks.  Two rules hold for all of
 * them:
 *
 * - Closing never frees.  A close may happen in the middle of a fan-out over
 *	 the very array this connection is in, or with another event for it still
 *	 to be handed out.  So it only marks; conn_reap(), between the last event
 *	 and the sleep, takes it out of its topics and frees it.
 *
 * - A connection that is polled has no socket.  All else is as for others: what
 *	 is queued for it waits until a request takes it, as for a socket that is
 *	 full (polling.c).
 *
 * src/gateway/conn.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <sys/socket.h>
#include <unistd.h>

#include "gateway/channels.h"
#include "gateway/conn_output.h"
#include "gateway/gw_stats.h"
#include "gateway/http_exchange.h"
#include "gateway/identities.h"
#include "gateway/polling.h"
#include "gateway/protocol.h"
#include "gateway/publishers.h"
#include "gateway/relay.h"
#include "gateway/request_headers.h"


static uint32 nsockets;			/* of connections that are not freed */
static uint32 nclosed;			/* those of CLOSED ones among them */
static Conn *reaped;			/* to be looked at before the sleep */

/*
 * The one place that changes the state.
 */
static void
set_state(Conn *conn, ConnState state)
{
	static const uint8 next[] PG_USED_FOR_ASSERTS_ONLY = {
		[CONN_TLS] = 1 << CONN_HTTP | 1 << CONN_CLOSING | 1 << CONN_CLOSED,
		[CONN_HTTP] = 1 << CONN_OPEN | 1 << CONN_CLOSING | 1 << CONN_CLOSED,
		[CONN_OPEN] = 1 << CONN_CLOSING | 1 << CONN_CLOSED,
		[CONN_CLOSING] = 1 << CONN_LINGERING | 1 << CONN_CLOSED,
		[CONN_LINGERING] = 1 << CONN_CLOSED,
		[CONN_CLOSED] = 0
	};

	Assert(next[conn->state] & 1 << state);
	if (conn->state == CONN_OPEN)
	{
		STAT_DEC(BUS_STAT_CONNECTIONS);
		if (conn->is_user)
			STAT_DEC(BUS_STAT_USERS);
	}
	if (state == CONN_OPEN)
		STAT_INC(BUS_STAT_CONNECTIONS);
	conn->state = state;
}

/*
 * Have conn_reap() look at it.
 */
static void
reap_later(Conn *conn)
{
	if (conn->reaping)
		return;
	conn->reaping = true;
	conn->next_reaped = reaped;
	reaped = conn;
}

/*
 * Make one without a socket.
 */
Conn *
conn_open_polled(void)
{
	Conn	   *conn = calloc(1, sizeof(Conn));

	if (conn == NULL)
		return NULL;
	conn->watch.fd = -1;
	stream_reset(&conn->stream);
	conn->state = CONN_HTTP;
	timer_start(&conn->timer, TIMER_REQUEST, loop_now);
	return conn;
}

/*
 * Give it a socket; false if it cannot be watched.
 */
static bool
set_socket(Conn *conn, int fd, WatchReady ready, uint32 events)
{
	conn->watch.fd = fd;
	conn->watch.ready = ready;
	if (loop_add(&conn->watch, events))
	{
		nsockets++;
		return true;
	}
	conn->watch.fd = -1;
	return false;
}

/*
 * Part with the socket.  Closing it would not do: it lives on elsewhere.
 */
static int
unset_socket(Conn *conn)
{
	int			fd = conn->watch.fd;

	loop_remove(&conn->watch);
	conn->watch.fd = -1;
	nsockets--;
	return fd;
}

/*
 * Begin with a client.
 */
Conn *
conn_open(int fd, WatchReady ready, bool by_tls)
{
	Conn	   *conn = conn_open_polled();

	if (conn == NULL)
		return NULL;
	if (by_tls)
		conn->state = CONN_TLS;
	if (set_socket(conn, fd, ready, EPOLLIN))
		return conn;
	timer_stop(&conn->timer);
	free(conn);
	return NULL;
}

/*
 * Go on with the handshake when that happens.
 */
void
conn_handshake_waits(Conn *conn, uint32 events)
{
	Assert(conn->state == CONN_TLS);
	loop_change(&conn->watch, events);
}

/*
 * From the handshake to requests.  The clock of the first one has run since the
 * client has connected.
 */
void
conn_handshake_done(Conn *conn)
{
	set_state(conn, CONN_HTTP);
	loop_change(&conn->watch, EPOLLIN);
}

/*
 * All that have not been given up.
 */
uint32
conn_count(void)
{
	return nsockets - nclosed;
}

/*
 * All whose descriptors are about to be free.
 */
uint32
conn_closed_count(void)
{
	return nclosed;
}

/*
 * All that are past the upgrade.
 */
uint32
conn_open_count(void)
{
	return (uint32) gw_stats[BUS_STAT_CONNECTIONS];
}

/*
 * From requests to what flows by itself.
 */
void
conn_begin(Conn *conn, const Protocol *protocol, Dialect dialect)
{
	set_state(conn, CONN_OPEN);
	conn->protocol = protocol;
	conn->version = (uint8) dialect;
	conn_set_clock(conn, protocol->clock);
	STAT_INC(BUS_STAT_UPGRADED);
}

/*
 * Use a clock.
 */
void
conn_set_clock(Conn *conn, TimerKind clock)
{
	Assert(conn->state == CONN_OPEN);
	conn->clock = (uint8) clock;
	timer_restart(&conn->timer, clock, loop_now);
}

/*
 * The client has said something.
 */
void
conn_active(Conn *conn)
{
	if (conn->state == CONN_HTTP)
		timer_restart(&conn->timer, TIMER_REQUEST, loop_now);
	else if (conn->state == CONN_OPEN && conn->clock == TIMER_IDLE)
		timer_restart(&conn->timer, TIMER_IDLE, loop_now);
}

/*
 * It was told something.
 */
void
conn_told(Conn *conn)
{
	if (conn->state == CONN_OPEN && conn->clock == TIMER_EVENTS)
		timer_restart(&conn->timer, TIMER_EVENTS, loop_now);
}

/*
 * What a socket is watched for as long as all is written.
 */
static uint32
input_events(const Conn *conn)
{
	if (!conn->input_paused)
		return conn->stream.recv_wants_write ? EPOLLOUT : EPOLLIN;
	/* who polls has to be known to be gone before there is an answer */
	return conn->polling != NULL ? EPOLLRDHUP : 0;
}

/*
 * Watch the socket, if there is one, for what it is to be read for, and more.
 */
void
conn_watch(Conn *conn, uint32 output)
{
	if (!conn_is_polled(conn))
		loop_change(&conn->watch, input_events(conn) | output);
}

/*
 * Read.  Once in a while TLS has to write before it can.
 */
ssize_t
conn_recv(Conn *conn, char *buf, size_t len)
{
	bool		waited = conn->stream.recv_wants_write;
	ssize_t		n = conn->stream.ops->recv(&conn->stream, conn->watch.fd, buf, len);

	if (conn->stream.recv_wants_write != waited && conn->state <= CONN_OPEN)
		conn_watch(conn, conn->pressure.backlog != NULL ? conn->watch.events & EPOLLOUT : 0);
	return n;
}

/*
 * Stop reading.  The clock of a request stops, too: the answer will come.
 */
void
conn_pause_input(Conn *conn)
{
	Assert(conn->state <= CONN_OPEN);
	conn->input_paused = true;
	if (conn->state == CONN_HTTP)
		timer_restart(&conn->timer, TIMER_ANSWER, loop_now);
	conn_watch(conn, conn->watch.events & EPOLLOUT);
}

/*
 * Read on, unless the connection has begun to end meanwhile.
 */
void
conn_resume_input(Conn *conn)
{
	if (conn->state > CONN_OPEN)
		return;
	conn->input_paused = false;
	if (conn->state == CONN_HTTP)
		timer_restart(&conn->timer, TIMER_REQUEST, loop_now);
	conn_watch(conn, conn->watch.events & EPOLLOUT);
}

/*
 * Drop everything and go to the reaper.
 */
void
conn_abort(Conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	set_state(conn, CONN_CLOSED);
	if (!conn_is_polled(conn))
		nclosed++;
	timer_stop(&conn->timer);
	conn_drop_output(conn);
	reap_later(conn);
}

/*
 * Give up a client that does not read what it gets.  What the kernel still
 * holds for it goes, too: it can be more than our own queue.
 */
void
conn_abort_slow(Conn *conn)
{
	struct linger reset = {.l_onoff = 1,.l_linger = 0};

	if (conn->state == CONN_CLOSED)
		return;
	setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	STAT_INC(BUS_STAT_SLOW_CLOSED);
	conn_abort(conn);
}

/*
 * All is written: tell the peer that we are done, and wait for it to say the
 * same.  Closing at once would answer bytes still on their way from the peer
 * with a reset, and that can overtake our close frame.
 */
void
conn_linger(Conn *conn)
{
	set_state(conn, CONN_LINGERING);
	conn->stream.ops->end(&conn->stream, conn->watch.fd);
	loop_change(&conn->watch, EPOLLIN);
}

/*
 * Part with the socket.
 */
int
conn_release(Conn *conn)
{
	int			fd;

	Assert(conn->state == CONN_HTTP);
	if (!conn_write_all(conn))
		return -1;
	fd = unset_socket(conn);
	if (!conn->stream.ops->can_hand_over)
		fd = relay_begin(&conn->stream, fd);
	conn_abort(conn);
	return fd;
}

/*
 * Go on with another's socket.  What is queued goes there at the end of the turn.
 */
bool
conn_take_socket(Conn *to, Conn *from)
{
	WatchReady	ready = from->watch.ready;
	int			fd = -1;

	Assert(to->state == CONN_OPEN && conn_is_polled(to) && to->polling == NULL);
	if (conn_write_all(from))
		fd = unset_socket(from);
	conn_abort(from);
	if (fd < 0 || !set_socket(to, fd, ready, input_events(to)))
	{
		if (fd >= 0)
			close(fd);
		conn_abort(to);
		return false;
	}
	to->stream = from->stream;
	from->stream.ssl = NULL;
	backpressure_end(&to->pressure);
	conn_flush_later(to);
	return true;
}

/*
 * From now on only what is queued goes out.
 */
static void
begin_close(Conn *conn)
{
	set_state(conn, CONN_CLOSING);
	conn->input_paused = false;
	backpressure_end(&conn->pressure);
	timer_restart(&conn->timer, TIMER_CLOSE, loop_now);
	conn_flush_later(conn);
	reap_later(conn);
}

/*
 * Close without a frame.
 */
void
conn_finish(Conn *conn)
{
	if (conn->state <= CONN_OPEN)
		begin_close(conn);
}

/*
 * The one way to close a connection on purpose.
 */
void
conn_close(Conn *conn, int code, const char *reason)
{
	if (conn->state == CONN_OPEN)
		conn->protocol->goodbye(conn, code, reason);
	conn_finish(conn);
}

/*
 * Close the socket, unless it lives on elsewhere.  One that has come from another
 * process may still be open there for a moment, and closing alone would not keep
 * us from hearing of it.
 */
static void
close_socket(Conn *conn)
{
	stream_reset(&conn->stream);
	if (conn_is_polled(conn))
		return;
	nclosed--;
	close(unset_socket(conn));
}

/*
 * Carry out what closing left for later.
 */
void
conn_reap(void)
{
	while (reaped != NULL)
	{
		Conn	   *conn = reaped;

		reaped = conn->next_reaped;
		conn->reaping = false;
		channels_free(conn);
		http_exchange_abandon(conn);
		if (conn->polling != NULL)
			polling_leave(conn);
		if (conn->state != CONN_CLOSED)
			continue;
		if (conn->protocol != NULL && conn->protocol->free != NULL)
			conn->protocol->free(conn);
		if (conn->publisher != NULL)
			publisher_leave(conn->publisher);
		free(conn->publisher);
		identity_unref(conn->identity);
		request_headers_unref(conn->headers);
		recv_buf_free(conn->input);
		close_socket(conn);
		free(conn);
	}
}
