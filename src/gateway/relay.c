/*-------------------------------------------------------------------------
 *
 * relay.c
 *	  TLS connections that go on in another gateway.
 *
 * What TLS knows of a connection is in our memory, so its socket alone is of no
 * use elsewhere (handover.c).  What the other gateway gets is one end of a socket
 * pair; the bytes that come out of TLS here go into the other end, and back.  It
 * has a connection like any other, which may even go on to a third one.
 *
 *	  client ══ TLS ══ stream ─ up ──► inner ── pair ── the other gateway
 *	                         ◄─ down ─
 *
 * Each way is read only when what was read before is written, so a client that
 * does not read fills the pair, and the other gateway judges it by that.  Either
 * side's end is told to the other one behind the last byte.  Once the other
 * gateway has said its last word, the client has END_GRACE_MS to take it.
 *
 * src/gateway/relay.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <sys/socket.h>
#include <unistd.h>

#include "gateway/relay.h"
#include "gateway/timers.h"
#include "program/loop.h"

#define PIECE_BYTES STREAM_RECV_MIN
#define PIECES_PER_EVENT 4		/* of each way */
#define END_GRACE_MS 2000

/* What was read and not written yet, and where a way stands. */
typedef struct Way
{
	char	   *data;			/* NULL = nothing waits */
	uint32		start;
	uint32		end;
	bool		ended;			/* its source sends no more */
	bool		told;			/* its destination knows */
} Way;

typedef struct Relay
{
	Watch		client;			/* must be first */
	Watch		inner;			/* our end of the pair */
	Stream		stream;			/* on the client's socket */
	Way			up;
	Way			down;
	bool		deserted;		/* nobody has the pair's other end any more */
	bool		dead;			/* in the list of relay_reap() */
	bool		ending;			/* the timer runs */
	Timer		timer;
	struct Relay *next_dead;
} Relay;

static char piece[PIECE_BYTES];
static Relay *dead;
static uint32 nrelays;

/*
 * All that there are.
 */
uint32
relay_count(void)
{
	return nrelays;
}

/*
 * End it.  Its memory goes at the end of the turn, because events may still be
 * handed out.
 */
static void
end_relay(Relay *relay)
{
	if (relay->dead)
		return;
	relay->dead = true;
	relay->next_dead = dead;
	dead = relay;
	nrelays--;
	if (relay->ending)
		timer_stop(&relay->timer);
	stream_reset(&relay->stream);
	close(relay->client.fd);
	close(relay->inner.fd);
	free(relay->up.data);
	free(relay->down.data);
}

/*
 * From now on the client's time is short.
 */
static void
begin_end(Relay *relay)
{
	if (relay->ending)
		return;
	relay->ending = true;
	timer_start(&relay->timer, TIMER_RELAY, loop_now);
}

/*
 * Write to the pair.  Where nobody listens any more, what the client says is
 * dropped.
 */
static ssize_t
send_up(Relay *relay, const char *data, size_t len)
{
	struct iovec iov = {.iov_base = unconstify(char *, data),.iov_len = len};
	ssize_t		n;

	if (relay->deserted)
		return (ssize_t) len;
	n = stream_plain.send(&relay->stream, relay->inner.fd, &iov, 1);
	return n != STREAM_BROKEN ? n : (ssize_t) len;
}

/*
 * Write to the client.
 */
static ssize_t
send_down(Relay *relay, const char *data, size_t len)
{
	struct iovec iov = {.iov_base = unconstify(char *, data),.iov_len = len};

	return relay->stream.ops->send(&relay->stream, relay->client.fd, &iov, 1);
}

/*
 * Read from the client.
 */
static ssize_t
recv_up(Relay *relay)
{
	return relay->stream.ops->recv(&relay->stream, relay->client.fd, piece, sizeof(piece));
}

/*
 * Read from the pair.
 */
static ssize_t
recv_down(Relay *relay)
{
	return stream_plain.recv(&relay->stream, relay->inner.fd, piece, sizeof(piece));
}

/*
 * Keep what could not be written; false without memory.
 */
static bool
keep(Way *way, const char *data, size_t len)
{
	way->data = malloc(len);
	if (way->data == NULL)
		return false;
	memcpy(way->data, data, len);
	way->start = 0;
	way->end = (uint32) len;
	return true;
}

/*
 * Write what waits.  False if the destination is broken.
 */
static bool
flush_way(Relay *relay, Way *way, ssize_t (*send) (Relay *relay, const char *data, size_t len))
{
	ssize_t		n;

	if (way->data == NULL)
		return true;
	n = send(relay, way->data + way->start, way->end - way->start);
	if (n == STREAM_BROKEN)
		return false;
	if (n > 0)
		way->start += (uint32) n;
	if (way->start == way->end)
	{
		free(way->data);
		way->data = NULL;
	}
	return true;
}

/*
 * Read and write so many pieces of one way, as far as that goes.  False if one
 * side is broken.
 */
static bool
pump_way(Relay *relay, Way *way, int pieces, ssize_t (*recv) (Relay *relay),
		 ssize_t (*send) (Relay *relay, const char *data, size_t len))
{
	if (!flush_way(relay, way, send))
		return false;
	while (pieces-- > 0 && way->data == NULL && !way->ended)
	{
		ssize_t		got = recv(relay);
		ssize_t		sent;

		if (got == STREAM_BROKEN)
			return false;
		if (got == STREAM_AGAIN)
			break;
		way->ended = got == STREAM_EOF;
		sent = got > 0 ? send(relay, piece, got) : 0;
		if (sent == STREAM_BROKEN)
			return false;
		sent = Max(sent, 0);
		if (sent < got && !keep(way, piece + sent, got - sent))
			return false;
	}
	return true;
}

/*
 * Tell each side that the other one has ended, behind the last byte.
 */
static void
tell_ends(Relay *relay)
{
	if (relay->up.ended && relay->up.data == NULL && !relay->up.told)
	{
		relay->up.told = true;
		stream_plain.end(&relay->stream, relay->inner.fd);
	}
	if (relay->down.ended && relay->down.data == NULL && !relay->down.told)
	{
		relay->down.told = true;
		relay->stream.ops->end(&relay->stream, relay->client.fd);
	}
	if (relay->down.ended)
		begin_end(relay);
}

/*
 * Watch for what can be done next.  A pair that nobody has the other end of would
 * keep epoll awake; there, what is left is read as the client takes it.
 */
static void
watch_both(Relay *relay)
{
	uint32		client = relay->down.data != NULL ? EPOLLOUT : 0;
	uint32		inner = relay->up.data != NULL ? EPOLLOUT : 0;

	if (relay->up.data == NULL && !relay->up.ended)
		client |= relay->stream.recv_wants_write ? EPOLLOUT : EPOLLIN;
	if (relay->down.data == NULL && !relay->down.ended)
		inner |= EPOLLIN;
	loop_change(&relay->client, client);
	if (!relay->deserted)
		loop_change(&relay->inner, inner);
}

/*
 * Something happened on either side.
 */
static void
pump(Relay *relay)
{
	/* what a pair that nobody has holds is no more than its buffer */
	int			pieces = relay->deserted ? PG_INT32_MAX : PIECES_PER_EVENT;

	if (!pump_way(relay, &relay->down, pieces, recv_down, send_down) ||
		!pump_way(relay, &relay->up, PIECES_PER_EVENT, recv_up, send_up))
	{
		end_relay(relay);
		return;
	}
	if (relay->deserted && relay->down.data == NULL)
		relay->down.ended = true;
	tell_ends(relay);
	if (relay->down.told && relay->up.told)
		end_relay(relay);
	else
		watch_both(relay);
}

/*
 * Events of the client's socket.
 */
static void
client_ready(Watch *watch, uint32 events)
{
	Relay	   *relay = (Relay *) watch;

	if (relay->dead)
		return;
	if (events & (EPOLLERR | EPOLLHUP))
		end_relay(relay);
	else
		pump(relay);
}

/*
 * Events of the pair.
 */
static void
inner_ready(Watch *watch, uint32 events)
{
	Relay	   *relay = (Relay *) ((char *) watch - offsetof(Relay, inner));

	if (relay->dead)
		return;
	if (events & (EPOLLERR | EPOLLHUP) && !relay->deserted)
	{
		relay->deserted = true;
		loop_remove(&relay->inner);
		begin_end(relay);
	}
	pump(relay);
}

/*
 * Watch both sides; false if that cannot be.
 */
static bool
add_watches(Relay *relay, int client, int inner)
{
	relay->client.fd = client;
	relay->client.ready = client_ready;
	relay->inner.fd = inner;
	relay->inner.ready = inner_ready;
	if (!loop_add(&relay->client, EPOLLIN))
		return false;
	if (loop_add(&relay->inner, EPOLLIN))
		return true;
	loop_remove(&relay->client);
	return false;
}

/*
 * Begin with a connection.
 */
int
relay_begin(Stream *stream, int fd)
{
	Relay	   *relay = calloc(1, sizeof(Relay));
	int			ends[2];

	if (relay != NULL && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0)
	{
		if (add_watches(relay, fd, ends[0]))
		{
			relay->stream = *stream;
			stream->ssl = NULL;
			stream_reset(stream);
			nrelays++;
			return ends[1];
		}
		close(ends[0]);
		close(ends[1]);
	}
	free(relay);
	stream_reset(stream);
	close(fd);
	return -1;
}

/*
 * End those whose clients have had their time.
 */
void
relay_run_timers(int64 now)
{
	Timer	   *timer;

	while ((timer = timer_expired(TIMER_RELAY, END_GRACE_MS, now)) != NULL)
		end_relay((Relay *) ((char *) timer - offsetof(Relay, timer)));
}

/*
 * Free what has ended in this turn.
 */
void
relay_reap(void)
{
	while (dead != NULL)
	{
		Relay	   *relay = dead;

		dead = relay->next_dead;
		free(relay);
	}
}

/*
 * When the first one's time is over.
 */
int64
relay_deadline(void)
{
	return timer_deadline(TIMER_RELAY, END_GRACE_MS);
}
