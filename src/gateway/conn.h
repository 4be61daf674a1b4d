/*-------------------------------------------------------------------------
 *
 * conn.h
 *	  A client's connection: its state, its socket, its end.
 *
 * src/gateway/conn.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CONN_H
#define REALTIME_CONN_H

#include "gateway/backpressure.h"
#include "gateway/dialect.h"
#include "gateway/out_queue.h"
#include "gateway/recv_buf.h"
#include "gateway/stream.h"
#include "gateway/timers.h"
#include "program/loop.h"

struct Channel;
struct EngineSession;
struct EventStream;
struct HttpExchange;
struct Identity;
struct Protocol;
struct Polling;
struct Publisher;
struct RequestHeaders;

typedef enum ConnState
{
	CONN_TLS,					/* handshaking; next: HTTP, CLOSING, CLOSED */
	CONN_HTTP,					/* requests; next: OPEN, CLOSING, CLOSED */
	CONN_OPEN,					/* frames flow; next: CLOSING, CLOSED */
	CONN_CLOSING,				/* last bytes; next: LINGERING, CLOSED */
	CONN_LINGERING,				/* all written; next: CLOSED */
	CONN_CLOSED					/* on the reap list */
} ConnState;

/*
 * The channels of a connection: a list, and from a handful on a hash table.
 */
typedef struct ChannelSet
{
	struct Channel *first;
	struct Channel **table;		/* open addressing, by topic; NULL while few */
	uint32		count;
	uint32		table_size;		/* a power of two */
} ChannelSet;

/*
 * What an idle client costs; keep it small.  The first cache line is what a
 * fan-out and a flush touch.
 */
typedef struct Conn
{
	Watch		watch;			/* must be first: conn_input.c casts */
	struct Conn *next_dirty;	/* list of those to flush in this turn */
	OutQueue	out;
	Pressure	pressure;
	Stream		stream;
	uint8		state;			/* ConnState */
	uint8		version;		/* Dialect, of an OPEN connection */
	bool		dirty;			/* in the list */
	bool		reaping;		/* in the list of conn_reap() */
	bool		input_paused;	/* nothing is read: a request waits for its
								 * answer, or `publisher` waits */
	bool		is_user;		/* has joined something: admission.c */
	uint8		clock;			/* TimerKind of the timer */
	uint8		goes_to;		/* slot, plus one, of the gateway that the
								 * request at hand is for: handover.c */
	struct Conn *next_reaped;
	RecvBuf    *input;			/* NULL while nothing incomplete was read */
	ChannelSet	channels;
	struct HttpExchange *exchange;	/* request being read or answered, or NULL */
	struct Identity *identity;	/* whose it is; NULL before that is known */
	struct RequestHeaders *headers; /* of the upgrade; NULL if it had none */
	const struct Protocol *protocol;	/* what it speaks; NULL while that is
										 * HTTP and nothing else is begun */
	union
	{
		struct EventStream *events; /* event_stream.c */
		struct EngineSession *engine;	/* engine_session.c */
	};							/* the protocol's own part; NULL for Phoenix */
	struct Polling *polling;	/* polling.c: it has no socket but is polled,
								 * or it carries a request of one that is */
	struct Publisher *publisher;	/* NULL for one that never broadcast */
	Timer		timer;
} Conn;

/*
 * Take over an accepted socket; `ready` gets its events.  It is in CONN_TLS if
 * it is to speak that, else in CONN_HTTP.  NULL without memory, and then the
 * descriptor is still the caller's.
 */
extern Conn *conn_open(int fd, WatchReady ready, bool by_tls);

/* The handshake waits for these events. */
extern void conn_handshake_waits(Conn *conn, uint32 events);

/* It is over: requests may come. */
extern void conn_handshake_done(Conn *conn);

/*
 * One without a socket: requests on other connections take what it has queued
 * (polling.c).  NULL without memory.
 */
extern Conn *conn_open_polled(void);

/* Has it none? */
static inline bool
conn_is_polled(const Conn *conn)
{
	return conn->watch.fd < 0;
}

/*
 * Have `to`, which has been polled, go on with the socket of `from`, which is
 * CLOSED then.  False if that cannot be, and then both are CLOSED.
 */
extern bool conn_take_socket(Conn *to, Conn *from) RT_MUSTCHECK;

/*
 * Part with the socket of an HTTP connection, which is CLOSED then: another
 * process goes on with it, or with one that is relayed to it.  -1 if not all that
 * is queued can be written, or there is no relay to have.
 */
extern int	conn_release(Conn *conn) RT_MUSTCHECK;

/*
 * Connections with a socket that are not CLOSED; those that are, until the turn
 * ends; and those that are OPEN.
 */
extern uint32 conn_count(void);
extern uint32 conn_closed_count(void);
extern uint32 conn_open_count(void);

/*
 * The answer to the last request is queued: from now on what flows is of a
 * protocol.
 */
extern void conn_begin(Conn *conn, const struct Protocol *protocol, Dialect dialect);

/* Leave what the client sends unread, of an HTTP or OPEN connection. */
extern void conn_pause_input(Conn *conn);
extern void conn_resume_input(Conn *conn);

/*
 * Close from our side: an OPEN connection with its protocol's goodbye behind
 * what is queued, any other without.  The connection stays readable as memory
 * until the end of the turn, but does nothing more.
 */
extern void conn_close(Conn *conn, int code, const char *reason);

/* Close once what is queued is written, without a frame: a last response. */
extern void conn_finish(Conn *conn);

/* Give up at once: the peer is gone, or is not worth waiting for. */
extern void conn_abort(Conn *conn);

/* The same for a client that does not read, with what the kernel holds for it. */
extern void conn_abort_slow(Conn *conn);

/*
 * A message or request has come, or it was told something: the clock of the
 * one's silence or the other's starts anew.
 */
extern void conn_active(Conn *conn);
extern void conn_told(Conn *conn);

/* Use another clock of OPEN connections, from now on. */
extern void conn_set_clock(Conn *conn, TimerKind clock);

/*
 * Read what has come, at most len bytes and at least STREAM_RECV_MIN if there is
 * so much: as the operation of its stream.
 */
extern ssize_t conn_recv(Conn *conn, char *buf, size_t len) RT_MUSTCHECK;

/* For what is read, and for EPOLLOUT too if that is given: what its events are. */
extern void conn_watch(Conn *conn, uint32 output);

/* All is written of one that is CLOSING. */
extern void conn_linger(Conn *conn);

/* A step of a turn: free what was closed in it. */
extern void conn_reap(void);

#endif							/* REALTIME_CONN_H */
