/*-------------------------------------------------------------------------
 *
 * phoenix.h
 *	  Phoenix channel messages, serializers 1.0.0 and 2.0.0.
 *
 * supabase.md section 2 is the source.  Decoding never copies: refs are kept
 * as the raw JSON value that came, because the client compares them with ===
 * and gets them back verbatim.  Encoders append a whole WebSocket frame (RFC
 * 6455 header included) to a Bytes, ready to be queued.
 *
 * src/proto/phoenix.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PHOENIX_H
#define REALTIME_PHOENIX_H

#include "proto/bytes.h"
#include "proto/jslice.h"

typedef enum PhxVersion
{
	PHX_V1,						/* JSON objects, text frames only */
	PHX_V2						/* JSON arrays, binary kinds 3 and 4 */
} PhxVersion;

#define PHX_VERSIONS 2

#define PHX_KIND_USER_PUSH 3	/* client to server */
#define PHX_KIND_USER_BROADCAST 4	/* server to client */

#define PHX_ENCODING_BINARY 0
#define PHX_ENCODING_JSON 1

/*
 * A message from a client.  Of a text message join_ref and ref are raw JSON
 * values (trimmed; empty slice = absent or null) and topic, event are raw JSON
 * strings with quotes; of a kind-3 push all four are plain bytes.
 */
typedef struct PhxMessage
{
	bool		is_push;		/* kind 3: the fields below are set */
	Slice		join_ref;
	Slice		ref;
	Slice		topic;
	Slice		event;			/* of a push: the user event */
	Slice		payload;		/* raw JSON, or of a push the user payload */
	uint8		encoding;		/* push only: PHX_ENCODING_... */
	Slice		metadata;		/* push only: JSON object or empty */
} PhxMessage;

/*
 * vsn query parameter to version: absent (NULL) is 1.0.0; accepts what
 * satisfies "~> 1.0.0" or "~> 2.0.0" (three numbers).  False for others (403).
 */
extern bool phx_version_parse(const char *vsn, PhxVersion *version) RT_MUSTCHECK;

/*
 * Decode a text message.  False if it is malformed: not valid JSON, the wrong
 * shape, topic or event not a string, a payload missing.  *error names why.
 * v2 arrays may have more than five elements (ignored); v1 needs topic, event,
 * payload and ref to exist.
 */
extern bool phx_decode_text(PhxVersion version, Slice text, PhxMessage *msg,
							const char **error) RT_MUSTCHECK;

/*
 * Decode a binary message (v2 only): kind 3 with lengths checked, header
 * fields valid UTF-8, JSON payload valid JSON.  False otherwise.
 */
extern bool phx_decode_binary(Slice data, PhxMessage *msg, const char **error) RT_MUSTCHECK;

/* One settled join: what the server needs of a phx_join payload (3.1). */
typedef struct PhxJoin
{
	bool		is_private;
	bool		broadcast_ack;
	bool		broadcast_self;
	bool		replication_ready;
	bool		presence_enabled;
	Slice		presence_key;	/* raw JSON string or number, or empty */
	Slice		postgres_changes;	/* raw JSON array, or empty */
	Slice		access_token;	/* raw JSON string, or empty */
	Slice		broadcast;		/* raw config.broadcast object, or empty */
	Slice		replay;			/* raw config.broadcast.replay, or empty */
	Slice		resume;			/* raw JSON string, or empty */
} PhxJoin;

/*
 * Read a join payload.  Invalid fields fall back to their defaults and the
 * join proceeds; returns false if anything was invalid, for a log line only.
 */
extern bool phx_join_parse(Slice payload, PhxJoin *join);

/*
 * Encoders: each appends one WebSocket frame.  join_ref and ref are raw JSON
 * values, empty = null; topic is the full topic as plain UTF-8 bytes; payload
 * is raw JSON.  v1 leaves join_ref out.  False only for want of memory.
 */
extern bool phx_encode_text(Bytes *out, PhxVersion version, Slice join_ref, Slice ref,
							Slice topic, const char *event, Slice payload);

/* phx_reply with {"status":status,"response":response}. */
extern bool phx_encode_reply(Bytes *out, PhxVersion version, Slice join_ref, Slice ref,
							 Slice topic, const char *status, Slice response);

/* An error reply {"reason": reason}; reason is plain text. */
extern bool phx_encode_error(Bytes *out, PhxVersion version, Slice join_ref, Slice ref,
							 Slice topic, const char *reason);

/*
 * A stored message for the members of a topic (2.3, 4.5): kind 4 with metadata
 * for v2; for v1 a text "broadcast" whose payload is {"event","payload","type",
 * "meta"}.  Binary payloads cannot be told to v1: returns true and appends
 * nothing.  topic is the full topic, meta a JSON object or empty.  Where topic,
 * event or meta has more than 255 bytes, v2 gets text as well.
 */
extern bool phx_encode_broadcast(Bytes *out, PhxVersion version, Slice topic, Slice event,
								 bool binary, Slice payload, Slice meta);

#endif							/* REALTIME_PHOENIX_H */
