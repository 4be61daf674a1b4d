/*-------------------------------------------------------------------------
 *
 * bus_frame.h
 *	  Frames between the hub, its programs and the executors.
 *
 * A frame is BusHeader and then `length` bytes of body.  Both sides treat what
 * they read as hostile: a frame that does not decode ends the peer.  Integers
 * are in host byte order, because both ends live on one machine.
 *
 * src/proto/bus_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_FRAME_H
#define REALTIME_BUS_FRAME_H

#include "proto/cursor.h"
#include "proto/proto.h"

#include <signal.h>

#define BUS_VERSION 6
#define BUS_FD 3				/* descriptor that a program inherits */
#define BUS_HEADER_BYTES 8

/*
 * Where executors find the hub, relative to the data directory.  Named like a
 * temporary file, because pg_basebackup and pg_rewind leave those out: the
 * first one warns of a socket, the second one fails on it.
 */
#define BUS_SOCKET "realtime/pgsql_tmp.bus"

/*
 * What the kernel sends a program whose hub has died (PR_SET_PDEATHSIG).  The
 * program's handler ends it at once with exit code 1, because a postmaster
 * that inherits it (containers, where it is process 1) takes a child that was
 * killed by a signal for a crashed server process.  The signal is one that does
 * nothing before the handler is there; then the end of the bus tells as much.
 */
#define BUS_DEATH_SIGNAL SIGURG

#define BUS_MAX_BODY (72 * 1024 * 1024) /* above max_message_size's maximum */

typedef enum BusFrameType
{
	/* hub to program */
	BUS_CONFIG = 1,				/* BusHello, then key NUL value NUL ... */
	BUS_MESSAGE = 2,			/* BusMessageHead, then a WAL record body */
	BUS_INTEREST_ACK = 3,		/* BusInterestAck */
	BUS_GAP = 4,				/* u64 new epoch, then reason text: messages
								 * were lost, every client must reconnect */
	BUS_SHUTDOWN = 5,			/* reason text: close clients (1012) and end */
	BUS_RESULT = 6,				/* BusResult, then what proto/job.h says */
	BUS_AGENTS_CHANGED = 7,		/* empty: names of agent channels that were
								 * valid may not be any more, or vice versa */
	BUS_RELAY = 8,				/* BUS_CAST of another gateway */
	BUS_PRESENT = 12,			/* these three: proto/presence_frame.h */
	BUS_WATCHED = 13,
	BUS_TRACK_REFUSED = 14,

	/* hub to executor */
	BUS_RUN = 16,				/* BusJob, then what proto/job.h says */

	/* hub to program, again */
	BUS_USAGE_OTHERS = 80,		/* BusUsage: proto/usage_frame.h */
	BUS_METRICS = 81,			/* proto/metrics_frame.h */
	BUS_WEBHOOKS = 82,			/* to the courier, empty: deliveries may be due */

	/* program to hub, again */
	BUS_USAGE = 96,				/* BusUsage */
	BUS_ASK_METRICS = 97,		/* empty: answered with BUS_METRICS */
	BUS_HISTOGRAMS = 98,		/* Histogram[HISTOGRAM_KINDS] */
	BUS_AUDIENCE = 99,			/* AudienceEntry[]: proto/job.h */

	/* program to hub */
	BUS_READY = 32,				/* addresses listened on, as text */
	BUS_LOG = 33,				/* u8 BusLogLevel, then text */
	BUS_INTEREST = 34,			/* BusInterest, then topic */
	BUS_STATS = 35,				/* u64[BUS_STAT_COUNT] */
	BUS_JOB = 36,				/* BusJob, then what proto/job.h says */
	BUS_CAST = 37,				/* a WAL record body of that kind, for those of
								 * the other gateways that want its topic */
	BUS_TRACK = 40,				/* these two: proto/presence_frame.h */
	BUS_WATCH = 41,

	/* executor to hub */
	BUS_HELLO = 48,				/* empty: ready for the first job */
	BUS_DONE = 49,				/* BusResult, then what proto/job.h says */

	/* followed tables: program to hub, and hub to program twice */
	BUS_FOLLOW = 64,			/* BusFollow, then u32 per table whose writers
								 * have to end before it is acknowledged */
	BUS_FOLLOW_ACK = 65,		/* BusFollowAck */
	BUS_TABLES_CHANGED = 66		/* empty: which tables may be followed, who may
								 * see what of them, or their columns, may have
								 * changed with a commit at this place */
} BusFrameType;

typedef enum BusLogLevel
{
	BUS_LOG_DEBUG = 0,
	BUS_LOG_INFO = 1,			/* LOG in the server's log */
	BUS_LOG_WARNING = 2,
	BUS_LOG_FATAL = 3			/* the program ends after this */
} BusLogLevel;

typedef struct BusHeader
{
	uint32		length;			/* of the body, at most BUS_MAX_BODY */
	uint8		type;			/* BusFrameType */
	uint8		reserved[3];	/* zero */
} BusHeader;

/* Fixed part of BUS_CONFIG: what resume cursors are judged by. */
typedef struct BusHello
{
	uint32		version;		/* BUS_VERSION */
	uint32		slot;			/* number of this program, from 0 */
	uint64		generation;		/* of the hub process */
	uint64		epoch;			/* changes when continuity is lost */
	uint64		position;		/* LSN released so far */
} BusHello;

/* Fixed part of BUS_MESSAGE. */
typedef struct BusMessageHead
{
	Place		place;			/* its commit, and its number there */
	int64		committed_at;	/* microseconds since 2000-01-01 UTC */
} BusMessageHead;

/* Fixed part of BUS_INTEREST. */
typedef struct BusInterest
{
	uint64		seq;			/* counts up from 1 on each bus */
	uint8		add;			/* 1 = wants the topic, 0 = no longer */
	uint8		is_private;		/* which of the two rooms of that name */
	uint8		reserved[6];	/* zero */
} BusInterest;

/* BUS_INTEREST_ACK. */
typedef struct BusInterestAck
{
	uint64		seq;			/* all interest up to this one holds */
	Place		place;			/* what follows on the bus is behind it */
} BusInterestAck;

/*
 * Fixed part of BUS_JOB and BUS_RUN.  Whoever asks chooses the id, and gets it
 * back in the result; the hub has ids of its own for the executors.
 */
typedef struct BusJob
{
	uint64		id;
	uint8		kind;			/* JobKind */
	uint8		reserved[7];	/* zero */
} BusJob;

/* Fixed part of BUS_RESULT and BUS_DONE.  Every job gets exactly one. */
typedef struct BusResult
{
	uint64		id;
	uint8		outcome;		/* JobOutcome */
	uint8		reserved[7];	/* zero */
} BusResult;

/*
 * Fixed part of BUS_FOLLOW: a gateway wants the changes of a table, or no
 * longer.  The tables that follow are where its rows are, and itself.
 */
typedef struct BusFollow
{
	uint64		seq;			/* counts up from 1 on each bus */
	uint32		relid;			/* as in change records; not 0 */
	uint8		add;			/* 1 = wants them, 0 = no longer */
	uint8		reserved[3];	/* zero */
} BusFollow;

#define BUS_FOLLOW_MAX_TABLES 16384

/*
 * BUS_FOLLOW_ACK: once for each BUS_FOLLOW that adds.  What is committed after
 * it was sent is delivered, behind it; it also stands behind all that was
 * committed before.
 */
typedef struct BusFollowAck
{
	uint64		seq;			/* of the BUS_FOLLOW */
	uint32		relid;
	uint8		outcome;		/* BusFollowOutcome */
	uint8		reserved[3];	/* zero */
} BusFollowAck;

typedef enum BusFollowOutcome
{
	BUS_FOLLOW_HELD = 0,
	BUS_FOLLOW_BUSY = 1			/* a transaction that may have written to the
								 * table before goes on for too long; the table
								 * is not followed */
} BusFollowOutcome;

/*
 * What a gateway reports about itself, as an array of u64; gauges say how
 * things stand, the others count since the program started.
 */
typedef enum BusStat
{
	BUS_STAT_CONNECTIONS,		/* gauge: open WebSocket connections */
	BUS_STAT_CHANNELS,			/* gauge: joined channels */
	BUS_STAT_TOPICS,			/* gauge: topics with a member */
	BUS_STAT_QUEUED_BYTES,		/* gauge: bytes waiting for sockets */
	BUS_STAT_ACCEPTED,			/* connections accepted */
	BUS_STAT_UPGRADED,			/* handshakes answered with 101 */
	BUS_STAT_REFUSED,			/* requests refused before an upgrade */
	BUS_STAT_JOINS,				/* joins answered ok */
	BUS_STAT_JOIN_ERRORS,		/* joins answered with an error */
	BUS_STAT_MESSAGES,			/* messages taken from the bus */
	BUS_STAT_DELIVERIES,		/* messages queued to a client */
	BUS_STAT_BYTES_OUT,			/* bytes written to sockets */
	BUS_STAT_FRAMES_IN,			/* WebSocket messages from clients */
	BUS_STAT_MALFORMED,			/* messages dropped as undecodable */
	BUS_STAT_PROTOCOL_ERRORS,	/* connections closed for breaking RFC 6455 */
	BUS_STAT_SLOW_CLOSED,		/* connections closed as slow readers */
	BUS_STAT_IDLE_CLOSED,		/* connections closed for silence */
	BUS_STAT_PAUSES,			/* times the bus was paused for a slow reader */
	BUS_STAT_CASTS,				/* broadcasts of clients */
	BUS_STAT_CASTS_DENIED,		/* that were refused */
	BUS_STAT_CASTS_LOST,		/* that other gateways were not told of */
	BUS_STAT_BAD_TOKENS,		/* tokens that were not accepted */
	BUS_STAT_IDENTITIES,		/* gauge: distinct tokens in use */
	BUS_STAT_AUTHORISATIONS,	/* decisions asked of the executors */
	BUS_STAT_DENIED,			/* private joins that policies did not allow */
	BUS_STAT_EXPIRED,			/* channels closed because their token expired */
	BUS_STAT_EVICTED,			/* channels closed because their name expired */
	BUS_STAT_PUBLISHED,			/* realtime-publish requests answered with 200 */
	BUS_STAT_PRESENCE_CALLS,	/* of track and untrack */
	BUS_STAT_PRESENCE_DENIED,	/* tracks that were not allowed */
	BUS_STAT_PRESENCE_LIMITED,	/* channels closed for too many or too large */
	BUS_STAT_PRESENCE_STATES,	/* presence_state queued to a client */
	BUS_STAT_PRESENCE_DIFFS,	/* presence_diff queued to a client */
	BUS_STAT_HISTORY_PAGES,		/* asked of the executors */
	BUS_STAT_RECOVERED,			/* joins that got all they had missed */
	BUS_STAT_NOT_RECOVERED,		/* joins that could not */
	BUS_STAT_REPLAYED,			/* messages of history queued to a client */
	BUS_STAT_STORED,			/* broadcasts of clients that were stored */
	BUS_STAT_HOLD_OVERRUNS,		/* times too much came while history was read */
	BUS_STAT_USERS,				/* gauge: connections that have joined something */
	BUS_STAT_BYTES_IN,			/* bytes read from sockets */
	BUS_STAT_JOINS_ASKED,		/* joins that were within the limits */
	BUS_STAT_EVENTS,			/* of clients on channels, without presence */
	BUS_STAT_CAST_DELIVERIES,	/* of the deliveries, what clients said */
	BUS_STAT_CONNECTIONS_LIMITED,	/* these, and those below: refused for a limit */
	BUS_STAT_USERS_LIMITED,		/* connections and joins */
	BUS_STAT_JOINS_LIMITED,		/* connections and joins */
	BUS_STAT_CHANNELS_LIMITED,	/* joins of one with too many channels */
	BUS_STAT_EVENTS_LIMITED,	/* channels closed, requests refused */
	BUS_STAT_PRESENCE_EVENTS_LIMITED,	/* channels closed */
	BUS_STAT_PAYLOADS_LIMITED,	/* broadcasts with too large a payload */
	BUS_STAT_CHANGES,			/* postgres_changes queued to a client */
	BUS_STAT_CHANGES_ASKED,		/* verdicts asked of the executors: client times
								 * change */
	BUS_STAT_CHANGES_HELD,		/* gauge: changes that wait for a verdict, each
								 * counted for every channel */
	BUS_STAT_CHANGES_OVERRUN,	/* channels ended because too many waited */
	BUS_STAT_AUDIENCES_OVERRUN, /* messages on channels that were not counted */
	BUS_STAT_HANDOVERS,			/* connections handed to another gateway */
	BUS_STAT_RESERVED_EVENTS,	/* messages not told to Socket.IO clients, for
								 * the name of their event */
	BUS_STAT_TLS_HANDSHAKES,	/* that were completed */
	BUS_STAT_TLS_FAILED,		/* that failed */
	BUS_STAT_COUNT
} BusStat;

/*
 * Find the first frame in buf[0..len).
 *
 * Returns the bytes it takes, 0 if it is not complete, or -1 if it can be no
 * frame.  *header is filled as soon as BUS_HEADER_BYTES are there, so that a
 * reader can size its buffer; *body points into buf.
 */
extern ssize_t bus_frame_decode(const char *buf, size_t len,
								BusHeader *header, Slice *body) RT_MUSTCHECK;

/* Write a header for a body of `length` bytes to dst[0..BUS_HEADER_BYTES). */
extern void bus_frame_header(char *dst, BusFrameType type, size_t length);

/*
 * Bodies with a fixed part: copy it out and leave the rest in *rest.
 * False if the body is too short or a field is out of range.
 */
extern bool bus_decode_hello(Slice body, BusHello *hello, Slice *settings) RT_MUSTCHECK;
extern bool bus_decode_message(Slice body, BusMessageHead *head, Slice *record) RT_MUSTCHECK;
extern bool bus_decode_interest_ack(Slice body, BusInterestAck *ack) RT_MUSTCHECK;
extern bool bus_decode_interest(Slice body, BusInterest *interest, Slice *topic) RT_MUSTCHECK;
extern bool bus_decode_job(Slice body, BusJob *job, Slice *rest) RT_MUSTCHECK;
extern bool bus_decode_result(Slice body, BusResult *result, Slice *rest) RT_MUSTCHECK;
extern bool bus_decode_follow(Slice body, BusFollow *follow, Slice *tables) RT_MUSTCHECK;
extern bool bus_decode_follow_ack(Slice body, BusFollowAck *ack) RT_MUSTCHECK;

/*
 * Step through the settings of BUS_CONFIG: takes the next key and value (both
 * NUL-terminated in place) off *settings.  1 = there was one, 0 = end, -1 = bad.
 */
extern int	bus_next_setting(Slice *settings, const char **key, const char **value) RT_MUSTCHECK;

/* Does it say how things stand? */
extern bool bus_stat_is_gauge(BusStat stat);

/* Name of a BusStat as shown by realtime.status(). */
extern const char *bus_stat_name(BusStat stat);

#endif							/* REALTIME_BUS_FRAME_H */
