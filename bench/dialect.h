/*-------------------------------------------------------------------------
 *
 * dialect.h
 *	  What clients of the two protocols say and hear.
 *
 * bench/dialect.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include "postgres_fe.h"

/* The most that dialect_target() and dialect_join() write, NUL included. */
#define DIALECT_MAX_TEXT 4096

typedef enum Dialect
{
	DIALECT_PHOENIX,			/* as supabase-js, version 2.0.0 */
	DIALECT_SOCKETIO			/* as the SDK of InsForge, over WebSocket */
} Dialect;

/* What a text message of the server is. */
typedef enum Said
{
	SAID_OTHER,					/* of no interest here */
	SAID_MESSAGE,				/* somebody published; its payload is told */
	SAID_HELLO,					/* Socket.IO: connect to the namespace now */
	SAID_CONNECTED,				/* Socket.IO: the token was good */
	SAID_JOINED,
	SAID_REFUSED,				/* a join was answered with an error */
	SAID_FAILED,				/* a join will not be answered any more */
	SAID_PING,					/* Socket.IO: wants dialect_pong */
	SAID_HEARTBEAT				/* Phoenix: the answer to one */
} Said;

/* A join, and what only some of them have; NULL is not there. */
typedef struct Join
{
	int			number;			/* of this client's joins, from 1 */
	const char *topic;
	const char *token;
	const char *table;			/* Phoenix: whose INSERTs to follow */
	const char *filter;			/* and which of them */
	bool		is_private;		/* Phoenix: everything else is by its nature */
} Join;

/* Find a dialect by its name; ends the program if there is none. */
extern Dialect dialect_by_name(const char *name);

/* The path and query of the endpoint, for a client that shows this token. */
extern void dialect_target(Dialect dialect, const char *path, const char *apikey, char *dst);

/* Socket.IO: the answer to SAID_HELLO.  Returns its length, as all of these do. */
extern int	dialect_hello(const char *apikey, char *dst);

/* A join; its answer is SAID_JOINED or SAID_REFUSED. */
extern int	dialect_join(Dialect dialect, const Join *join, char *dst);

/*
 * The head and tail of a text that publishes a payload on a channel, to be put
 * around it.  Socket.IO only: in Phoenix this is a binary message.
 */
extern int	dialect_publish_head(const char *channel, const char *event, char *dst);

#define DIALECT_PUBLISH_TAIL "}]"
#define DIALECT_PONG "3"
#define DIALECT_HEARTBEAT "[null,\"0\",\"phoenix\",\"heartbeat\",{}]"

/*
 * What is this text?  With SAID_MESSAGE the payload begins at *payload and is
 * the rest of the text, but for what closes what was opened before it.
 */
extern Said dialect_read(Dialect dialect, const char *text, size_t len, const char **payload);

#endif							/* BENCH_DIALECT_H */
