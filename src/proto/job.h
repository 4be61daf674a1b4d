/*-------------------------------------------------------------------------
 *
 * job.h
 *	  Work for the executors: what is asked for, and what comes back.
 *
 * A job travels as BUS_JOB from a gateway to the hub and as BUS_RUN to an
 * executor, with the same bytes behind the fixed part; the hub has jobs of its
 * own.  The answer comes back as BUS_DONE and BUS_RESULT.  Only an outcome of
 * JOB_DONE has a body.
 *
 * src/proto/job.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JOB_H
#define REALTIME_JOB_H

#include "proto/bus_frame.h"
#include "proto/bytes.h"
#include "proto/wal_record.h"

#define JOB_MAX_BODY (64 * 1024)	/* of one that a gateway asks for */
#define STORE_MAX_BODY (BUS_MAX_BODY - 1024)	/* of a JOB_STORE or JOB_PUBLISH */
#define CALL_MAX_BODY (8 * 1024 * 1024) /* of a JOB_CALL, and of its answer */

typedef enum JobKind
{
	JOB_AUTHORISE = 1,			/* AuthoriseJob -> u8, the rights granted */
	JOB_CALL = 2,				/* CallJob -> CallReply */
	JOB_COMMITS = 3,			/* CommitsHead, CommitEntry[] -> empty */
	JOB_POSITION = 4,			/* empty -> PositionReply */
	JOB_HISTORY = 5,			/* HistoryJob -> HistoryReply */
	JOB_SUBSCRIBE = 6,			/* these two: proto/change_job.h */
	JOB_VISIBLE = 7,
	JOB_STORE = 8,				/* StoreHead, a WAL record -> empty */
	JOB_PUBLISH = 9,			/* PublishJob -> PublishReply */
	JOB_AUDIENCE = 10,			/* AudienceEntry[] -> empty */
	JOB_ROLL_UP = 11			/* empty -> u8, 1 = there is more to do */
} JobKind;

#define JOB_KINDS (JOB_ROLL_UP + 1)
#define JOB_KIND_VALID(kind) ((kind) >= JOB_AUTHORISE && (kind) < JOB_KINDS)

typedef enum JobOutcome
{
	JOB_DONE = 0,
	JOB_BUSY = 1,				/* too many jobs wait, or the server lacks
								 * memory: ask again later */
	JOB_UNAVAILABLE = 2,		/* no executor, no database, no extension, or
								 * a standby was asked to write */
	JOB_TIMED_OUT = 3,			/* statement or lock timeout */
	JOB_REFUSED = 4,			/* the role may not be used: logged */
	JOB_FAILED = 5				/* SQL raised an error: logged */
} JobOutcome;

#define JOB_OUTCOME_VALID(outcome) ((outcome) <= JOB_FAILED)

/*
 * What policies on realtime.messages may allow on a private channel
 * (supabase.md 7.2, 7.3): by value of the column extension, and by command.
 */
#define RIGHT_BROADCAST_READ 0x01
#define RIGHT_PRESENCE_READ 0x02
#define RIGHT_BROADCAST_WRITE 0x04
#define RIGHT_PRESENCE_WRITE 0x08
#define RIGHT_PERSISTENCE_WRITE 0x10
#define RIGHTS_READ (RIGHT_BROADCAST_READ | RIGHT_PRESENCE_READ)
#define RIGHTS_WRITE (RIGHT_BROADCAST_WRITE | RIGHT_PRESENCE_WRITE)
#define RIGHTS_MESSAGES 0x1F
/*
 * And what policies on realtime.channels may: the topic is the name of a
 * channel, in its private room (insforge-oaura.md 2.4).
 */
#define RIGHT_SUBSCRIBE 0x20
#define RIGHTS_ALL 0x3F

/*
 * Which of these rights does the holder of a token have on a topic?  All texts
 * are UTF-8 without NUL.
 */
typedef struct AuthoriseJob
{
	uint8		wanted;			/* RIGHT_..., at least one */
	Slice		role;			/* claim, 1..63 bytes */
	Slice		sub;			/* claim as text; empty = there is none */
	Slice		topic;			/* without TOPIC_PREFIX, 1..TOPIC_MAX_BYTES */
	Slice		claims;			/* all claims, a JSON object as in the token */
	Slice		headers;		/* x-... request headers, a JSON object */
} AuthoriseJob;

/* The SQL functions that a gateway may have called; exec/calls.c names them. */
typedef enum CallFunction
{
	CALL_REALTIME_PUBLISH = 1,	/* POST /functions/v1/realtime-publish */
	CALL_CHECK_CHANNELS = 2,	/* are these names of agent channels good? */
	CALL_CHECK_API_KEY = 3,		/* whose is this API key? */
	/* 4..19: of /api/realtime (gateway/api_routes.c) */
	CALL_CHANNELS_LIST = 4,
	CALL_CHANNEL_CREATE = 5,
	CALL_CHANNEL_GET = 6,
	CALL_CHANNEL_UPDATE = 7,
	CALL_CHANNEL_DELETE = 8,
	CALL_MESSAGES_LIST = 9,
	CALL_MESSAGES_DELETE = 10,
	CALL_MESSAGES_STATS = 11,
	CALL_PERMISSIONS = 12,
	CALL_CONFIG_GET = 13,
	CALL_CONFIG_UPDATE = 14,
	CALL_PUBLISH = 15,
	CALL_WEBHOOKS_TEST = 16,
	/* the hub's */
	CALL_LOOK_FOR_WEBHOOKS = 20,	/* is there something to deliver? */
	/* the courier's */
	CALL_FETCH_WEBHOOKS = 21,
	CALL_FINISH_WEBHOOKS = 22
} CallFunction;

/* The status that says yes; else it is 404. */
#define CALL_WEBHOOKS_DUE 200

#define CALL_FUNCTIONS 40		/* above all of them */
#define CALL_FUNCTION_VALID(f) ((f) >= CALL_REALTIME_PUBLISH && (f) < CALL_FUNCTIONS)

/* Call function(request jsonb), which returns (status integer, body jsonb). */
typedef struct CallJob
{
	uint8		function;		/* CallFunction */
	Slice		request;		/* JSON that passed jslice_validate() */
} CallJob;

typedef struct CallReply
{
	uint16		status;			/* 100..599 */
	Slice		body;			/* JSON */
} CallReply;

/*
 * Stored messages of a topic, in the order of their commits.  Which ones:
 *
 *	  HISTORY_RESUME	all behind a cursor, a page at a time
 *	  HISTORY_REPLAY	the newest ones, `limit` at most, of those inserted at
 *						`since` or later
 *
 * and in either case none behind `until`, which the hub fills in when it gets
 * the job: what is behind it comes over the bus after that.
 */
typedef enum HistoryKind
{
	HISTORY_RESUME = 1,
	HISTORY_REPLAY = 2
} HistoryKind;

typedef struct HistoryHead
{
	uint8		kind;			/* HistoryKind */
	uint8		is_private;		/* which of the two rooms of that name */
	uint8		is_first;		/* of a resume: its first page */
	uint8		reserved;		/* zero */
	uint32		limit;			/* of a replay, at least 1 */
	Cursor		after;			/* of a resume */
	int64		since;			/* of a replay: microseconds since 2000-01-01 UTC */
	/* by the hub, zero before */
	Place		until;
	uint64		newest_lsn;		/* on a standby: of the newest commit that
								 * realtime.commits has to have; else 0 */
} HistoryHead;

typedef struct HistoryJob
{
	HistoryHead head;
	Slice		topic;			/* without TOPIC_PREFIX, 1..TOPIC_MAX_BYTES */
} HistoryJob;

typedef enum HistoryVerdict
{
	HISTORY_FOUND = 0,			/* the messages follow */
	HISTORY_EXPIRED = 1,		/* some are not kept any more */
	HISTORY_EPOCH = 2,			/* some may have been lost */
	HISTORY_DIVERGED = 3,		/* the cursor is of a history that is not ours */
	HISTORY_LIMIT = 4,			/* they are more than is allowed */
	HISTORY_NOT_YET = 5			/* a standby has to wait for its primary */
} HistoryVerdict;

#define HISTORY_VERDICT_VALID(verdict) ((verdict) <= HISTORY_NOT_YET)

typedef struct HistoryReply
{
	uint8		verdict;		/* HistoryVerdict */
	uint8		complete;		/* 1 = there are no more up to `until` */
	uint8		reserved[2];	/* zero */
	uint32		count;			/* messages that follow: 0 unless FOUND */
	Place		until;			/* as in the job */
	Place		last;			/* if not complete: where to go on */
} HistoryReply;

/*
 * A client's broadcast to be stored: a cast to a private room, with the id that
 * its row shall have.
 */
typedef struct StoreHead
{
	uint32		ttl;			/* seconds until it expires, at most 259200; 0 =
								 * it does not */
	uint32		reserved;		/* zero */
} StoreHead;

/*
 * A client that has subscribed to a channel publishes on it: policies on
 * realtime.messages decide (insforge-oaura.md 2.4).  The first five are as in an
 * AuthoriseJob; event has 1..EVENT_MAX_BYTES.
 */
typedef struct PublishJob
{
	Slice		role;
	Slice		sub;
	Slice		channel;		/* its name */
	Slice		claims;
	Slice		headers;
	Slice		event;
	Slice		payload;		/* JSON that passed jslice_validate() */
	bool		is_broadcast;	/* its type is "broadcast", and not "message" */
} PublishJob;

typedef enum PublishVerdict
{
	PUBLISH_DONE = 0,
	PUBLISH_DENIED = 1			/* by policies, a want of rights, or because no
								 * enabled channel matches */
} PublishVerdict;

typedef struct PublishReply
{
	uint8		verdict;		/* PublishVerdict */
	uint8		reserved[7];	/* zero */
	uint8		id[MESSAGE_ID_BYTES];	/* of the message; zero if DENIED */
} PublishReply;

/* How many sockets a published message has reached: realtime.message_audience. */
typedef struct AudienceEntry
{
	uint8		id[MESSAGE_ID_BYTES];	/* of the message */
	int64		inserted_at;	/* of the message */
	uint32		sockets;		/* at least one */
	uint32		reserved;		/* zero */
} AudienceEntry;

#define AUDIENCE_MAX_ENTRIES 4096	/* of a JOB_AUDIENCE or BUS_AUDIENCE */

/* Commits to be recorded in realtime.commits, in the order of their LSNs. */
typedef struct CommitsHead
{
	uint64		epoch;
	uint32		timeline;
	uint32		count;			/* entries that follow, at least one */
	uint32		may_repeat;		/* 1 = some may be recorded already; else 0 */
	uint32		reserved;		/* zero */
} CommitsHead;

typedef struct CommitEntry
{
	uint64		lsn;			/* end of the commit record */
	uint64		restart_lsn;	/* reading from here finds every message of
								 * what commits later */
	uint64		xid;			/* full id of the top-level transaction */
	int64		committed_at;	/* microseconds since 2000-01-01 UTC */
	int64		first_at;		/* least inserted_at of its messages, likewise */
	uint32		messages;		/* stored ones, 0 if it has but deliveries */
	uint32		is_early;		/* 1 = first_at or committed_at is long before
								 * the committed_at of one that was committed
								 * before it; else 0 */
} CommitEntry;

/* The newest row of realtime.commits. */
typedef struct PositionReply
{
	uint64		epoch;
	uint64		lsn;
	uint64		restart_lsn;
	uint32		timeline;
	uint32		found;			/* 0 = the table is empty, 1 = the above hold */
} PositionReply;

/* Encoders append the body; false for want of memory. */
extern bool job_encode_authorise(Bytes *out, const AuthoriseJob *job);
extern bool job_encode_call(Bytes *out, const CallJob *job);
extern bool job_encode_call_reply(Bytes *out, const CallReply *reply);
extern bool job_encode_history(Bytes *out, const HistoryJob *job);
extern bool job_encode_publish(Bytes *out, const PublishJob *job);
extern bool job_encode_store(Bytes *out, const StoreHead *head, const WalMessage *message);

/* Append one message to a HistoryReply. */
extern bool job_encode_history_entry(Bytes *out, const BusMessageHead *head,
									 const WalMessage *message);

/*
 * Decoders; the slices point into body.  False if a length or a value is not
 * as above.  Texts are not looked at, but for role, sub and topic, which must
 * be valid UTF-8 without NUL.
 */
extern bool job_decode_authorise(Slice body, AuthoriseJob *job) RT_MUSTCHECK;
extern bool job_decode_call(Slice body, CallJob *job) RT_MUSTCHECK;
extern bool job_decode_call_reply(Slice body, CallReply *reply) RT_MUSTCHECK;
extern bool job_decode_rights(Slice body, uint8 *rights) RT_MUSTCHECK;
extern bool job_decode_commits(Slice body, CommitsHead *head, Slice *entries) RT_MUSTCHECK;
extern bool job_decode_position(Slice body, PositionReply *reply) RT_MUSTCHECK;
extern bool job_decode_store(Slice body, StoreHead *head, WalMessage *message) RT_MUSTCHECK;
extern bool job_decode_publish(Slice body, PublishJob *job) RT_MUSTCHECK;
extern bool job_decode_publish_reply(Slice body, PublishReply *reply) RT_MUSTCHECK;
extern bool job_decode_audience(Slice body, uint32 *count) RT_MUSTCHECK;
extern bool job_decode_history(Slice body, HistoryJob *job) RT_MUSTCHECK;
extern bool job_decode_history_reply(Slice body, HistoryReply *reply, Slice *entries) RT_MUSTCHECK;

/* Take the next message of a HistoryReply off *entries; false if there is none. */
extern bool job_next_history_entry(Slice *entries, BusMessageHead *head,
								   WalMessage *message) RT_MUSTCHECK;

/* n-th entry of what job_decode_commits() gave; n < head.count. */
extern void job_commit_entry(Slice entries, uint32 n, CommitEntry *entry);

/* n-th entry of a body that job_decode_audience() has counted. */
extern void job_audience_entry(Slice body, uint32 n, AudienceEntry *entry);

#endif							/* REALTIME_JOB_H */
