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

#define TOO_MANY_USERS "Too many connected users"
#define TOO_MANY_JOINS "Too many joins per second"

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

typedef enum JoinAdmission
{
	JOIN_ADMITTED,
	JOIN_TOO_MANY_USERS,
	JOIN_TOO_MANY_JOINS
} JoinAdmission;

/* A join. */
extern JoinAdmission admission_join(Conn *conn) RT_MUSTCHECK;

/* An event other than presence is about to happen: may it? */
extern bool admission_count_event(void) RT_MUSTCHECK;

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
