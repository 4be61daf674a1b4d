/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  What a Socket.IO client publishes, one event after the other.
 *
 * src/gateway/outbox.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_OUTBOX_H
#define REALTIME_OUTBOX_H

#include "gateway/channels.h"
#include "gateway/sio_session.h"
#include "proto/job.h"

/* Bytes of a payload that leave room in a job for everything else. */
#define PUBLICATION_MAX_PAYLOAD (STORE_MAX_BODY - 64 * 1024)

/* An event to be published. */
typedef struct Publication
{
	Slice		ack;			/* digits, or empty */
	Slice		event;			/* plain UTF-8, 1..EVENT_MAX_BYTES */
	Slice		payload;		/* valid JSON, PUBLICATION_MAX_PAYLOAD at most */
	bool		is_broadcast;	/* its type is "broadcast" */
} Publication;

/*
 * Publish on a channel that the client has subscribed to, with its present
 * identity; it is told what comes of it.  False without memory.
 */
extern bool outbox_publish(SioSession *session, Channel *channel,
						   const Publication *publication) RT_MUSTCHECK;

/*
 * Is there room for another event?  If not it has to be refused, although clients
 * are held back before: those that come only to say one thing are not.
 */
extern bool outboxes_have_room(void);

/* Does a client have enough to publish for now? */
extern bool outboxes_full(const SioSession *session);

/* A client is gone: what it has said is published, but it is not told. */
extern void outboxes_orphan(SioSession *session);

/* Put what had no room on the bus. */
extern void outboxes_flush(void);

#endif							/* REALTIME_OUTBOX_H */
