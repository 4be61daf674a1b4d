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

#include "proto/bytes.h"

#define JOB_MAX_BODY (64 * 1024)	/* of one that a gateway asks for */

typedef enum JobKind
{
	JOB_AUTHORISE = 1,			/* AuthoriseJob -> u8, the rights granted */
	JOB_CALL = 2,				/* CallJob -> CallReply */
	JOB_COMMITS = 3,			/* CommitsHead, CommitEntry[] -> empty */
	JOB_POSITION = 4,			/* empty -> PositionReply */
	JOB_SUBSCRIBE = 6,			/* these two: proto/change_job.h */
	JOB_VISIBLE = 7
} JobKind;

#define JOB_KINDS (JOB_VISIBLE + 1)
#define JOB_KIND_VALID(kind) \
	((kind) >= JOB_AUTHORISE && (kind) < JOB_KINDS && (kind) != 5)

typedef enum JobOutcome
{
	JOB_DONE = 0,
	JOB_BUSY = 1,				/* too many jobs wait: ask again later */
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
#define RIGHTS_ALL 0x1F

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
	CALL_CHECK_CHANNELS = 2		/* are these names of agent channels good? */
} CallFunction;

#define CALL_FUNCTION_VALID(f) ((f) >= CALL_REALTIME_PUBLISH && (f) <= CALL_CHECK_CHANNELS)

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

/* Commits to be recorded in realtime.commits, in the order of their LSNs. */
typedef struct CommitsHead
{
	uint64		epoch;
	uint32		timeline;
	uint32		count;			/* entries that follow, at least one */
} CommitsHead;

typedef struct CommitEntry
{
	uint64		lsn;			/* end of the commit record */
	uint64		restart_lsn;	/* reading from here finds every message of
								 * what commits later */
	uint64		xid;			/* full id of the top-level transaction */
	int64		committed_at;	/* microseconds since 2000-01-01 UTC */
	uint32		messages;		/* it has, at least one */
	uint32		reserved;		/* zero */
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

/* n-th entry of what job_decode_commits() gave; n < head.count. */
extern void job_commit_entry(Slice entries, uint32 n, CommitEntry *entry);

#endif							/* REALTIME_JOB_H */
