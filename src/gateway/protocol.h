/*-------------------------------------------------------------------------
 *
 * protocol.h
 *	  What a connection speaks: Phoenix, server-sent events or Socket.IO.
 *
 * Channels, topics, decisions, catching up and the fan-out are one core for all
 * of them.  Where the core has something to say to a client, or a client to the
 * core, it goes through one of these tables.  The form of messages that many
 * hear at once is a matter of the dialect (dialect.h).
 *
 * src/gateway/protocol.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PROTOCOL_H
#define REALTIME_PROTOCOL_H

#include "gateway/channels.h"

struct JoinNews;

/* What becomes of a channel that the server ends (supabase.md 3.6). */
typedef enum ChannelEnd
{
	END_FOR_GOOD,				/* the client does not come back */
	END_FOR_NOW					/* it joins again by itself */
} ChannelEnd;

/*
 * NULL stands for nothing to do, where that is said.
 */
typedef struct Protocol
{
	/*
	 * Of a connection.
	 */

	TimerKind	clock;			/* that an OPEN one begins with */

	/* that clock, or the one that it has now, has run out */
	void		(*out_of_time) (Conn *conn);

	/* a whole WebSocket message; NULL: it has nothing to say any more */
	void		(*message) (Conn *conn, Slice message, bool binary);

	/* bytes that such a message may have; NULL: as many as any */
	int64		(*message_max) (void);

	/*
	 * Has it said so much that nothing more is to be read?  If so,
	 * conn_input_resume() is called when that has changed.  NULL: never.
	 */
	bool		(*is_full) (Conn *conn);

	/* write the last bytes of an OPEN one, which is being closed */
	void		(*goodbye) (Conn *conn, int code, const char *reason);

	/* it is being freed, its channels are already; or NULL */
	void		(*free) (Conn *conn);

	/*
	 * Of its channels.
	 */

	bool		outlives_token; /* they go on when their token has expired */

	/*
	 * An AUTHORISING one may hear its topic: does the join go on?  If not,
	 * join_allow() is called again.  NULL: it does.
	 */
	bool		(*allow) (Channel *channel, uint8 rights);

	/*
	 * Is all there that the answer of a JOINING one needs?  If not,
	 * join_continue() is called.  NULL: it is.
	 */
	bool		(*ready) (Channel *channel);

	/* it is JOINED */
	void		(*answer) (Channel *channel, const struct JoinNews *news);

	/* one that is not JOINED may not hear its topic; frees it */
	void		(*refuse) (Channel *channel, const char *reason);

	/* a JOINED one is over, for this reason; frees it */
	void		(*end) (Channel *channel, const char *reason, ChannelEnd end);

	/* it has caught up with its topic; or NULL */
	void		(*caught_up) (Channel *channel);

	/* the connection will be closed; or NULL */
	void		(*announce_end) (Channel *channel, const char *message);

	/* the hub has no room for what it tracks; NULL: it never does */
	void		(*untracked) (Channel *channel);
} Protocol;

extern const Protocol phoenix_protocol;
extern const Protocol events_protocol;

#endif							/* REALTIME_PROTOCOL_H */
