/*-------------------------------------------------------------------------
 *
 * conn.c
 *	  A client's connection: its state, its queue, its end.
 *
 * What comes in is read elsewhere (conn_input.c); here is what goes out and
 * how a connection ends.  Four rules hold it together:
 *
 * - Queueing never writes.  Everything of a turn is collected and written by
 *	 one system call per socket in conn_flush_all(): this is what decides the
 *	 throughput.  The one exception is a queue at its bound that has not been
 *	 offered to the socket yet.
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
 * - The bound is looked at before something is added.  A queue may pass it by
 *	 one message, because a message larger than the bound must be deliverable
 *	 to a client that reads well.
 *
 * src/gateway/conn.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <sys/socket.h>
#include <unistd.h>

#include "gateway/channels.h"
#include "gateway/conn.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/http_exchange.h"
#include "gateway/identities.h"
#include "gateway/polling.h"
#include "gateway/protocol.h"
#include "gateway/publishers.h"
#include "gateway/relay.h"
#include "gateway/request_headers.h"
#include "proto/ws_frame.h"

#define CLOSE_GRACE_MS 2000		/* for the peer to take our last bytes */
#define IOV_MAX_RUNS 64			/* runs per system call */

static uint32 nsockets;			/* of connections that are not freed */
static uint32 nclosed;			/* those of CLOSED ones among them */
static Conn *dirty;				/* to be flushed in this turn */
static Conn **dirty_tail = &dirty;
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
 * Have conn_flush_all() write its queue.  The order is that of first need, so
 * that nobody is always last.
 */
static void
flush_later(Conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = NULL;
	*dirty_tail = conn;
	dirty_tail = &conn->next_dirty;
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
 * Watch the socket, if there is one.
 */
static void
watch_for(Conn *conn, uint32 events)
{
	if (!conn_is_polled(conn))
		loop_change(&conn->watch, events);
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
		watch_for(conn, input_events(conn) |
				  (conn->pressure.backlog != NULL ? conn->watch.events & EPOLLOUT : 0));
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
	watch_for(conn, (conn->watch.events & EPOLLOUT) | input_events(conn));
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
	watch_for(conn, (conn->watch.events & EPOLLOUT) | input_events(conn));
}

/*
 * Forget what is queued.
 */
static void
drop_queue(Conn *conn)
{
	STAT_SUB(BUS_STAT_QUEUED_BYTES, conn->out.bytes);
	out_queue_clear(&conn->out);
	backpressure_end(&conn->pressure);
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
	drop_queue(conn);
	reap_later(conn);
}

/*
 * Give up a client that does not read what it gets.  What the kernel still
 * holds for it goes, too: it can be more than our own queue.
 */
static void
abort_slow(Conn *conn)
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
static void
linger(Conn *conn)
{
	set_state(conn, CONN_LINGERING);
	conn->stream.ops->end(&conn->stream, conn->watch.fd);
	loop_change(&conn->watch, EPOLLIN);
}

/*
 * The socket is full: wait until it is not, and let backpressure.c know.  A
 * connection that is going away has no say there; its timer runs.
 */
static void
wait_writable(Conn *conn, uint64 written)
{
	watch_for(conn, input_events(conn) | EPOLLOUT);
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
		linger(conn);
		return;
	}
	backpressure_end(&conn->pressure);
	watch_for(conn, input_events(conn));
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
static bool
write_all(Conn *conn)
{
	if (conn->out.count > 0)
		flush(conn);
	return conn->state <= CONN_OPEN && conn->out.count == 0;
}

/*
 * Part with the socket.
 */
int
conn_release(Conn *conn)
{
	int			fd;

	Assert(conn->state == CONN_HTTP);
	if (!write_all(conn))
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
	if (write_all(from))
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
	flush_later(to);
	return true;
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
 * EPOLLOUT, or a request that polls: flushed with the others, at the end of the
 * turn.
 */
void
conn_writable(Conn *conn)
{
	flush_later(conn);
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
	abort_slow(conn);
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
		flush_later(conn);
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
 * From now on only what is queued goes out.
 */
static void
begin_close(Conn *conn)
{
	set_state(conn, CONN_CLOSING);
	conn->input_paused = false;
	backpressure_end(&conn->pressure);
	timer_restart(&conn->timer, TIMER_CLOSE, loop_now);
	flush_later(conn);
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
 * The connection that a timer belongs to.
 */
static Conn *
owner(Timer *timer)
{
	return (Conn *) ((char *) timer - offsetof(Conn, timer));
}

/* Time that a WebSocket gets to take a session over that is polled. */
static const int64 probe_timeout = 10000;

/*
 * The clocks of OPEN connections: each has one of them, and no other has.
 */
static const struct
{
	TimerKind	kind;
	const int64 *length;
}			clocks[] = {
	{TIMER_IDLE, &gw_settings.idle_timeout},
	{TIMER_EVENTS, &gw_settings.keepalive_interval},
	{TIMER_CONNECT, &gw_settings.connect_timeout},
	{TIMER_PING, &gw_settings.ping_interval},
	{TIMER_PONG, &gw_settings.ping_timeout},
	{TIMER_PROBE, &probe_timeout},
};

/*
 * The first one whose clock is the nth or one behind it.
 */
static Conn *
first_open_from(int n)
{
	for (; n < (int) lengthof(clocks); n++)
	{
		Timer	   *timer = timer_first(clocks[n].kind);

		if (timer != NULL)
			return owner(timer);
	}
	return NULL;
}

/*
 * The first one of all.
 */
Conn *
conn_first_open(void)
{
	return first_open_from(0);
}

/*
 * The one behind it.  Whoever closes the one at hand asks for this before.
 */
Conn *
conn_next_open(Conn *conn)
{
	Timer	   *timer = timer_next(conn->clock, &conn->timer);
	int			n = 0;

	if (timer != NULL)
		return owner(timer);
	while (clocks[n].kind != conn->clock)
		n++;
	return first_open_from(n + 1);
}

/*
 * Every connection has one timer, so the timers list them all.  Closing takes
 * a connection out of these kinds, whatever comes of it.
 */
void
conn_close_all(int code, const char *reason)
{
	static const TimerKind requests[] = {TIMER_REQUEST, TIMER_ANSWER};
	Timer	   *timer;
	Conn	   *conn;

	for (int i = 0; i < (int) lengthof(requests); i++)
	{
		while ((timer = timer_first(requests[i])) != NULL)
			conn_close(owner(timer), code, reason);
	}
	while ((conn = conn_first_open()) != NULL)
		conn_close(conn, code, reason);
}

/*
 * The list of those whose request is waited for is in the order of time.
 */
bool
conn_make_room(void)
{
	Timer	   *oldest = timer_first(TIMER_REQUEST);

	if (oldest == NULL)
		return false;
	conn_abort(owner(oldest));
	return true;
}

/*
 * Look at the sockets that do not keep up: close those whose oldest queued
 * frame has waited too long, have the others judged.
 */
static void
check_backlogs(int64 now)
{
	Conn	   *conn = backpressure_next(NULL);

	if (!backpressure_due(now))
		return;
	while (conn != NULL)
	{
		Conn	   *next = backpressure_next(&conn->pressure);

		backpressure_measure(&conn->pressure, conn->stream.ops->in_flight(&conn->stream, conn->watch.fd));
		if (out_queue_oldest(&conn->out) + gw_settings.send_timeout <= now)
			abort_slow(conn);
		conn = next;
	}
	backpressure_judge(now);
}

/*
 * Close what has run out of time.
 */
void
conn_run_timers(int64 now)
{
	Timer	   *timer;

	while ((timer = timer_expired(TIMER_REQUEST, gw_settings.header_timeout, now)) != NULL)
		conn_abort(owner(timer));
	for (int i = 0; i < (int) lengthof(clocks); i++)
	{
		while ((timer = timer_expired(clocks[i].kind, *clocks[i].length, now)) != NULL)
			owner(timer)->protocol->out_of_time(owner(timer));
	}
	while ((timer = timer_expired(TIMER_CLOSE, CLOSE_GRACE_MS, now)) != NULL)
		conn_abort(owner(timer));
	check_backlogs(now);
}

/*
 * The earliest of all deadlines.
 */
int64
conn_deadline(void)
{
	int64		deadline = timer_deadline(TIMER_REQUEST, gw_settings.header_timeout);

	for (int i = 0; i < (int) lengthof(clocks); i++)
		deadline = Min(deadline, timer_deadline(clocks[i].kind, *clocks[i].length));
	deadline = Min(deadline, timer_deadline(TIMER_CLOSE, CLOSE_GRACE_MS));
	return Min(deadline, backpressure_deadline());
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
