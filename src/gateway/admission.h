/*-------------------------------------------------------------------------
 *
 * admission.h
 *	  What clients are told when a limit of the whole server is reached.
 *
 * src/gateway/admission.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ADMISSION_H
#define REALTIME_ADMISSION_H

#include "gateway/channels.h"
#include "gateway/client_message.h"

/* An upgrade: NULL, or what to refuse it with, as 429. */
extern const char *admission_connect(void);

/*
 * A request for a stream of events from so many topics: the same.
 */
extern const char *admission_listen(uint64 topics);

/* Such a stream is about to begin: the same. */
extern const char *admission_stream(void);

/* An OPEN connection becomes a user, until it ends. */
extern void admission_user(Conn *conn);

/*
 * A join.  False if it was refused, or its connection closed: then the client
 * knows.
 */
extern bool admission_join(Conn *conn, const ClientMessage *msg) RT_MUSTCHECK;

/*
 * An event on a channel other than presence.  False if it was one too many: then
 * the channel is gone.
 */
extern bool admission_event(Channel *channel) RT_MUSTCHECK;

/* The same for a call of track or untrack. */
extern bool admission_presence(Channel *channel) RT_MUSTCHECK;

/* n broadcasts by HTTP: NULL, or what to refuse them with, as 429. */
extern const char *admission_batch(uint32 n);

#endif							/* REALTIME_ADMISSION_H */
