/*-------------------------------------------------------------------------
 *
 * sio_reply.h
 *	  What the gateway says to one Socket.IO client.
 *
 * src/gateway/sio_reply.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SIO_REPLY_H
#define REALTIME_SIO_REPLY_H

#include "gateway/conn.h"
#include "proto/socket_io.h"

/* Why something is not done (insforge-oaura.md 1.5): constant texts. */
typedef struct SioError
{
	const char *code;
	const char *message;
} SioError;

/* Codes that are the same whatever was asked for. */
#define SIO_INVALID_INPUT "INVALID_INPUT"
#define SIO_INVALID_EVENT "REALTIME_INVALID_EVENT"
#define SIO_UNAUTHORIZED "REALTIME_UNAUTHORIZED"
#define SIO_NOT_SUBSCRIBED "REALTIME_NOT_SUBSCRIBED"
#define SIO_RATE_LIMITED "REALTIME_RATE_LIMITED"
#define SIO_UNAVAILABLE "REALTIME_UNAVAILABLE"	/* for now: try again */
#define SIO_INTERNAL_ERROR "INTERNAL_ERROR"

/* Queue what an encoder has appended to *frame, and empty it. */
extern void sio_send(Conn *conn, Bytes *frame, bool encoded);

/*
 * Answer an event; its ack id is empty if no answer is wanted, and then nothing
 * happens.  argument is JSON; one that has failed closes the connection.
 */
extern void sio_answer(Conn *conn, Slice ack, const Bytes *argument);

/*
 * Answer that it is not done; who wants no answer gets the event realtime:error.
 * channel is plain, or empty.
 */
extern void sio_refuse(Conn *conn, Slice ack, Slice channel, const SioError *error);

/* The event realtime:error. */
extern void sio_send_error(Conn *conn, Slice channel, const SioError *error);

#endif							/* REALTIME_SIO_REPLY_H */
