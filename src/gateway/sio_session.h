/*-------------------------------------------------------------------------
 *
 * sio_session.h
 *	  The Socket.IO conversation with one client.
 *
 * src/gateway/sio_session.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SIO_SESSION_H
#define REALTIME_SIO_SESSION_H

#include "gateway/conn.h"
#include "gateway/key_checks.h"

#define SIO_ID_LENGTH 20

typedef enum SioState
{
	SIO_DISCONNECTED,			/* next: CONNECTING, CONNECTED */
	SIO_CONNECTING,				/* its key is with an executor; next: CONNECTED,
								 * DISCONNECTED */
	SIO_CONNECTED				/* next: DISCONNECTED */
} SioState;

typedef struct SioSession
{
	Conn	   *conn;
	uint8		state;			/* SioState */
	bool		is_user;		/* its presence is that of a user, not its own */
	bool		waits;			/* it is not read until it is no longer full */
	char		id[SIO_ID_LENGTH];	/* of the socket, CONNECTED */
	KeyAsker	key;			/* CONNECTING */
	const char *key_refusal;	/* what it is told if the key is no good */
	struct SioBinary *binary;	/* an event whose attachments come, or NULL */
	dlist_head	outboxes;		/* outbox.c: what it publishes */
	uint32		unpublished;	/* events in them */
	size_t		unpublished_bytes;
} SioSession;

static inline Slice
sio_session_id(const SioSession *session)
{
	return slice_make(session->id, SIO_ID_LENGTH);
}

extern void sio_session_init(SioSession *session, Conn *conn);

/* The text of a packet, or an attachment. */
extern void sio_session_text(SioSession *session, Slice packet);
extern void sio_session_binary(SioSession *session, Slice bytes);

/* May nothing more be read from the client for now? */
extern bool sio_session_is_full(SioSession *session);

/* The connection is being freed. */
extern void sio_session_end(SioSession *session);

#endif							/* REALTIME_SIO_SESSION_H */
