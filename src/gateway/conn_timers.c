/*-------------------------------------------------------------------------
 *
 * conn_timers.c
 *	  The clocks that run for connections, and all connections by them.
 *
 * Every connection has one timer that runs until it is closed, so the lists of
 * timers.c hold them all.
 *
 * src/gateway/conn_timers.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_timers.h"
#include "gateway/gw_settings.h"
#include "gateway/protocol.h"

#define CLOSE_GRACE_MS 2000		/* for the peer to take our last bytes */

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
 * Closing takes a connection out of these kinds, whatever comes of it.
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
			conn_abort_slow(conn);
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
