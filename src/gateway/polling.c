/*-------------------------------------------------------------------------
 *
 * polling.c
 *	  Engine.IO sessions that are polled by HTTP requests.
 *
 * insforge-oaura.md 1.10 B.  A session that is polled is a connection like any
 * other, but without a socket: channels, limits and the fan-out know no
 * difference.  What is said to it is queued by reference, as frames; a GET that
 * waits gets it as packets at the end of the turn.  A POST brings what the client
 * says, and waits where a WebSocket would not be read.
 *
 *		session ── Conn without a socket ◄── engine_session, channels ...
 *		   │
 *		Polling ──► at most one GET that waits
 *		   │   └──► at most one POST that is read or handled
 *		   └──────► at most one WebSocket that wants to take over (engine_upgrade.c)
 *
 * Answers go out in the midst of a fan-out, too.  So requests that follow on the
 * same connection are not handled before the next turn.
 *
 * src/gateway/polling.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_input.h"
#include "gateway/conn_output.h"
#include "gateway/engine_session.h"
#include "gateway/fanout.h"
#include "gateway/gw_settings.h"
#include "gateway/polling.h"
#include "proto/chain_table.h"
#include "proto/engine_payload.h"
#include "proto/engine_sid.h"
#include "proto/utf8.h"

#define ANSWER_BYTES (256 * 1024)	/* an answer has no packet behind these */
#define NO_STORE "Cache-Control: no-store\r\n"

struct Polling
{
	ChainNode	node;			/* by the id */
	char		sid[ENGINE_SID_LENGTH + 1];
	Conn	   *session;
	HttpExchange *get;			/* waits for packets; or NULL */
	Conn	   *poster;			/* on which a POST is read or handled; or NULL */
	HttpExchange *post;			/* that one, if packets of it have to wait */
	Slice		packets;		/* these */
	Conn	   *probe;			/* WebSocket that wants to take over; or NULL */
	bool		probed;			/* it knows that it may */
};

static ChainTable sessions;

/*
 * Connections whose next request has come already, to be looked at in the next
 * turn.  Their `polling` is this one.
 */
static Polling waiting;
static Conn **waiters;
static int	nwaiters;
static int	waiters_size;
static bool again;				/* something was queued after the writing */

/*
 * Where an id is in the table.  It was random when it was made here.
 */
static uint32
hash_of(Slice sid)
{
	uint32		hash;

	memcpy(&hash, slice_end(sid) - sizeof(hash), sizeof(hash));
	return hash;
}

/*
 * Find a session.
 */
Polling *
polling_find(Slice sid)
{
	if (sid.len != ENGINE_SID_LENGTH)
		return NULL;
	for (ChainNode *node = chain_first(&sessions, hash_of(sid)); node != NULL;
		 node = chain_next(node))
	{
		Polling    *polling = chain_container(Polling, node, node);

		if (memcmp(polling->sid, sid.data, ENGINE_SID_LENGTH) == 0)
			return polling;
	}
	return NULL;
}

/*
 * How many there are.
 */
uint32
polling_count(void)
{
	return sessions.count;
}

/*
 * Its connection.
 */
Conn *
polling_session(const Polling *polling)
{
	return polling->session;
}

/*
 * Begin a session.
 */
Polling *
polling_begin(RequestHeaders *headers)
{
	Polling    *polling = calloc(1, sizeof(Polling));
	Conn	   *session = conn_open_polled();

	if (polling == NULL || session == NULL || !engine_sid_make(polling->sid, gw_settings.slot))
	{
		if (session != NULL)
			conn_abort(session);
		free(polling);
		request_headers_unref(headers);
		return NULL;
	}
	polling->session = session;
	session->polling = polling;
	session->headers = headers;
	chain_insert(&sessions, &polling->node,
				 hash_of(slice_make(polling->sid, ENGINE_SID_LENGTH)));
	conn_begin(session, &socket_io_protocol, DIALECT_SOCKET_IO);
	if (engine_session_begin(session, polling->sid, true))
		return polling;
	conn_abort(session);
	return NULL;
}

/*
 * The client breaks the rules.
 */
static void
end_session(Polling *polling)
{
	conn_close(polling->session, WS_CLOSE_NO_STATUS, "");
}

/*
 * Have a connection wait for the next turn.
 */
static void
wait_for_turn(Conn *conn)
{
	if (nwaiters == waiters_size)
	{
		int			size = Max(waiters_size * 2, 16);
		Conn	  **moved = realloc(waiters, size * sizeof(Conn *));

		if (moved == NULL)
		{
			conn_abort(conn);
			return;
		}
		waiters = moved;
		waiters_size = size;
	}
	conn->polling = &waiting;
	waiters[nwaiters++] = conn;
}

/*
 * It waits no more.
 */
static void
forget_waiter(const Conn *conn)
{
	for (int i = 0; i < nwaiters; i++)
	{
		if (waiters[i] == conn)
		{
			waiters[i] = waiters[--nwaiters];
			return;
		}
	}
}

/*
 * Answer the GET that waits.  What was sent behind it waits for the next turn.
 */
static void
answer_get(Polling *polling, Slice packets)
{
	HttpExchange *get = polling->get;
	Conn	   *conn;

	polling->get = NULL;
	conn = http_exchange_answer_paused(get, 200, "text/plain; charset=UTF-8", packets, NO_STORE);
	if (conn == NULL)
		return;
	conn->polling = NULL;
	if (conn->state == CONN_HTTP && conn->input != NULL)
		wait_for_turn(conn);
	else
		conn_resume_input(conn);
}

/*
 * Answer a GET that waits with a packet without data.
 */
static void
answer_get_type(Polling *polling, char type)
{
	if (polling->get != NULL)
		answer_get(polling, slice_make(&type, 1));
}

/*
 * Move packets from the queue; returns the bytes of frames taken.
 */
static size_t
take_queue(OutQueue *queue, EnginePayload *payload)
{
	size_t		taken = 0;

	while (queue->count > 0 && !payload->closed && payload->packets.len < ANSWER_BYTES)
	{
		struct iovec iov[64];
		int			n = out_queue_iov(queue, iov, lengthof(iov));
		size_t		got = 0;

		for (int i = 0; i < n; i++)
		{
			size_t		part = engine_payload_add(payload, iov[i].iov_base, iov[i].iov_len,
												  ANSWER_BYTES);

			got += part;
			if (part < iov[i].iov_len)
				break;
		}
		/* who is writing one may be in the midst of it */
		got -= engine_payload_cut(payload);
		if (got == 0)
			break;
		out_queue_advance(queue, got);
		taken += got;
	}
	return taken;
}

/*
 * Give what is queued to the request that waits.
 */
size_t
polling_deliver(Conn *session, bool *told_end)
{
	Polling    *polling = session->polling;
	EnginePayload payload = {0};
	size_t		taken;

	if (polling->get == NULL)
		return 0;
	taken = take_queue(&session->out, &payload);
	*told_end = payload.closed;
	if (session->state == CONN_CLOSING && session->out.count == 0 && !payload.closed)
	{
		engine_payload_add_type(&payload, ENGINE_CLOSE);
		*told_end = true;
	}
	else if (payload.packets.len == 0 && polling->probed)
		engine_payload_add_type(&payload, ENGINE_NOOP);
	if (payload.packets.failed)
		conn_abort(session);
	else if (payload.packets.len > 0)
		answer_get(polling, bytes_slice(&payload.packets));
	bytes_free(&payload.packets);
	return taken;
}

/*
 * A request waits for packets.
 */
bool
polling_wait(Polling *polling, HttpExchange *exchange)
{
	Conn	   *conn = http_exchange_conn(exchange);

	if (polling->get != NULL)
	{
		end_session(polling);
		return false;
	}
	polling->get = exchange;
	conn->polling = polling;
	http_exchange_defer(exchange, false);
	conn_flush_later(polling->session);
	return true;
}

/*
 * Packets will come.
 */
bool
polling_expect(Polling *polling, Conn *conn)
{
	if (polling->poster != NULL)
	{
		end_session(polling);
		return false;
	}
	polling->poster = conn;
	conn->polling = polling;
	return true;
}

/*
 * Handle one packet.
 */
static void
take_packet(Conn *session, Slice packet)
{
	Bytes		bytes;

	if (!engine_payload_is_binary(packet))
	{
		if (utf8_valid(packet.data, packet.len))
			engine_session_packet(session, packet, false);
		else
			engine_session_fail(session);
		return;
	}
	bytes_init(&bytes);
	if (engine_payload_decode(packet, &bytes))
		engine_session_packet(session, bytes_slice(&bytes), true);
	else
		engine_session_fail(session);
	bytes_free(&bytes);
}

/*
 * Handle packets until there is none left, or the rest has to wait: false then.
 */
static bool
take_packets(Polling *polling)
{
	Conn	   *session = polling->session;

	do
	{
		if (session->state != CONN_OPEN)
			break;
		if (conn_input_held_back(session))
			return false;
		take_packet(session, engine_payload_next(&polling->packets));
	} while (polling->packets.len > 0);
	fanout_settle();
	return true;
}

/*
 * Nothing is expected any more.
 */
static void
end_post(Polling *polling)
{
	polling->poster->polling = NULL;
	polling->poster = NULL;
	polling->post = NULL;
}

/*
 * All packets of a POST have been handled.
 */
static void
answer_post(Polling *polling, HttpExchange *exchange)
{
	end_post(polling);
	http_exchange_answer_as(exchange, 200, "text/html", SLICE_LIT("ok"), NO_STORE);
}

/*
 * Packets have come.
 */
bool
polling_take(HttpExchange *exchange, Slice body)
{
	Polling    *polling = http_exchange_conn(exchange)->polling;

	if (polling == NULL)
		return false;
	if (polling->session->state != CONN_OPEN)
	{
		end_post(polling);
		return false;
	}
	polling->packets = body;
	if (take_packets(polling))
		answer_post(polling, exchange);
	else
	{
		polling->post = exchange;
		http_exchange_defer(exchange, true);
	}
	return true;
}

/*
 * Go on with them.
 */
void
polling_resume(Conn *session)
{
	Polling    *polling = session->polling;

	if (polling->post != NULL && take_packets(polling))
		answer_post(polling, polling->post);
}

/*
 * A WebSocket wants to take over.
 */
bool
polling_begin_probe(Polling *polling, Conn *websocket)
{
	if (polling->probe != NULL || polling->session->state != CONN_OPEN)
		return false;
	polling->probe = websocket;
	websocket->polling = polling;
	return true;
}

/*
 * It knows that it may: now the client waits for the end of its last GET.
 */
void
polling_probed(Polling *polling)
{
	polling->probed = true;
	conn_flush_later(polling->session);
}

/*
 * Does it?
 */
bool
polling_is_probed(const Polling *polling)
{
	return polling->probed;
}

/*
 * A WebSocket that probed is gone.
 */
static void
end_probe(Polling *polling)
{
	if (polling->probe != NULL)
		polling->probe->polling = NULL;
	polling->probe = NULL;
	polling->probed = false;
}

/*
 * Forget what polling needs of a session, which no request can find any more.
 */
static void
free_polling(Polling *polling)
{
	polling->session->polling = NULL;
	if (polling->poster != NULL)
		polling->poster->polling = NULL;
	free(polling);
}

/*
 * A WebSocket takes over.
 */
bool
polling_end(Polling *polling)
{
	if (polling->poster != NULL || polling->session->state != CONN_OPEN)
		return false;
	chain_remove(&sessions, &polling->node);
	answer_get_type(polling, ENGINE_NOOP);
	end_probe(polling);
	free_polling(polling);
	return true;
}

/*
 * The session is over.  Requests that wait are told so.
 */
static void
end_polling(Polling *polling)
{
	Conn	   *probe = polling->probe;

	again = true;
	chain_remove(&sessions, &polling->node);
	answer_get_type(polling, ENGINE_CLOSE);
	end_probe(polling);
	if (probe != NULL)
		conn_abort(probe);
	if (polling->post != NULL)
		answer_post(polling, polling->post);
	free_polling(polling);
}

/*
 * A client has gone in the midst of a request.  It cannot know what we have got,
 * nor we what it has: that is the end of the session for both.
 */
static void
lose_request(Polling *polling, const Conn *conn)
{
	if (polling->get != NULL && http_exchange_conn(polling->get) == NULL)
	{
		http_exchange_drop(polling->get);
		polling->get = NULL;
	}
	if (polling->post != NULL && http_exchange_conn(polling->post) == NULL)
	{
		http_exchange_drop(polling->post);
		polling->post = NULL;
	}
	if (polling->poster == conn)
		polling->poster = NULL;
	conn_abort(polling->session);
}

/*
 * A connection is on its way out.
 */
void
polling_leave(Conn *conn)
{
	Polling    *polling = conn->polling;

	if (polling == &waiting)
		forget_waiter(conn);
	else if (conn == polling->session)
	{
		/* a request may still come for its last packets */
		if (conn->state == CONN_CLOSED)
			end_polling(polling);
		return;
	}
	else if (conn == polling->probe)
		end_probe(polling);
	else
		lose_request(polling, conn);
	conn->polling = NULL;
}

/*
 * Look at the requests that waited for this turn.
 */
void
polling_run(void)
{
	int			n = nwaiters;

	again = false;
	while (n-- > 0 && nwaiters > 0)
	{
		Conn	   *conn = waiters[0];

		forget_waiter(conn);
		conn->polling = NULL;
		conn_input_resume(conn);
	}
}

/*
 * At once, if there are any.
 */
int64
polling_deadline(void)
{
	return nwaiters > 0 || again ? loop_now : LOOP_NEVER;
}
