/*-------------------------------------------------------------------------
 *
 * rest_batch.h
 *	  The messages of a broadcast by HTTP, and what is wrong with them.
 *
 * src/gateway/rest_batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REST_BATCH_H
#define REALTIME_REST_BATCH_H

#include "gateway/topics.h"
#include "proto/wal_record.h"

#define REST_BATCH_MAX 10000	/* messages */

/*
 * One message; all but the topic points into the body.
 */
typedef struct RestMessage
{
	Topic	   *topic;			/* held */
	Slice		event;			/* raw JSON, a string that is not empty */
	Slice		payload;		/* raw JSON, an object */
	Slice		id;				/* raw JSON, a string; or nothing */
	uint32		room;			/* rest_broadcast.c: of a private one */
} RestMessage;

typedef struct RestBatch
{
	RestMessage *messages;
	uint32		count;
	uint32		nprivate;		/* of them, to private rooms */
} RestBatch;

/*
 * Read {"messages": [...]}.  Returns 0, or the status that says why not: 422
 * with the errors as a JSON object in *errors, 400, 429 or 503.  The batch is
 * freed in any case.
 */
extern int	rest_batch_read(Slice body, RestBatch *batch, Bytes *errors) RT_MUSTCHECK;

/* Let the topics go. */
extern void rest_batch_free(RestBatch *batch);

/*
 * What a message looks like to its listeners (supabase.md 2.3), encoded into
 * *payload; false without memory.
 */
extern bool rest_message_cast(const RestMessage *message, Bytes *payload,
							  WalMessage *cast) RT_MUSTCHECK;

#endif							/* REALTIME_REST_BATCH_H */
