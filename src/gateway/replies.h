/*-------------------------------------------------------------------------
 *
 * replies.h
 *	  What the gateway says to one client, in Phoenix messages.
 *
 * src/gateway/replies.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REPLIES_H
#define REALTIME_REPLIES_H

#include "gateway/protocol.h"

#define NO_REF slice_make(NULL, 0)
#define SCRATCH_KEPT (64 * 1024)	/* bytes of a buffer kept for later use */

/* Empty a scratch buffer, and give memory back that it does not usually need. */
static inline void
scratch_reset(Bytes *bytes)
{
	if (bytes->failed || bytes->cap > SCRATCH_KEPT)
		bytes_free(bytes);
	bytes->len = 0;
}

/* What a system message is about (supabase.md 3.5). */
typedef struct SystemMessage
{
	const char *extension;		/* "system" or "postgres_changes" */
	const char *status;			/* "ok" or "error" */
	const char *message;
	bool		names_channel;	/* has the member "channel" */
} SystemMessage;

/* Append a system message of a channel to *out; false without memory. */
extern bool reply_encode_system(Bytes *out, PhxVersion version, Slice join_ref,
								const Topic *topic, const SystemMessage *message);

/* phx_reply with status ok and an empty response. */
extern void reply_ok(Conn *conn, Slice join_ref, Slice ref, Slice topic);

/* The same with {"id": id}. */
extern void reply_id(Conn *conn, Slice join_ref, Slice ref, Slice topic, const char *id);

/* phx_reply with status error and a reason. */
extern void reply_error(Conn *conn, Slice join_ref, Slice ref, Slice topic,
						const char *reason);

/* The same with {"error": code}, as answers to broadcasts have it (4.3). */
extern void reply_failure(Conn *conn, Slice join_ref, Slice ref, Slice topic,
						  const char *code);

/* The same with an empty response. */
extern void reply_refusal(Conn *conn, Slice join_ref, Slice ref, Slice topic);

/* Send one. */
extern void reply_system(Channel *channel, const SystemMessage *message);

/* A system message of status ok that names no channel. */
extern void reply_system_ok(Channel *channel, const char *message);

/*
 * End and free a channel, with phx_close for good and phx_error for now; with a
 * system error before it unless message is NULL.
 */
extern void reply_end_channel(Channel *channel, const char *message, ChannelEnd end);

/* Close a connection that we have no memory to serve. */
extern void reply_no_memory(Conn *conn);

#endif							/* REALTIME_REPLIES_H */
