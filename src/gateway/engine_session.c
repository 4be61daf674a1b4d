/*-------------------------------------------------------------------------
 *
 * engine_session.c
 *	  An Engine.IO session: the heartbeat, and packets of either kind.
 *
 * insforge-oaura.md 1.10.  The heartbeat goes from server to client, and a
 * session has one clock at a time:
 *
 *		TIMER_CONNECT	it belongs to nobody yet
 *		TIMER_PING		a ping is due when it has run out
 *		TIMER_PONG		a ping was sent, and the session is over when it has
 *
 * Nothing else that the client says delays a ping: the client wants them.
 *
 * A session ends by closing what carries it and nothing else.  Socket.IO has
 * packets that say goodbye, but a client that gets one does not come back by
 * itself.
 *
 * src/gateway/engine_session.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_output.h"
#include "gateway/engine_session.h"
#include "gateway/fanout.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/replies.h"
#include "gateway/sio_channels.h"
#include "proto/ws_frame.h"

/*
 * What upstream allows, where the server's own limit is not less.
 */
int64
engine_session_max_packet(void)
{
	return Min(ENGINE_MAX_PACKET, gw_settings.max_frame_size);
}

/*
 * Send what was encoded, if it was.
 */
static void
send_packet(Conn *conn, Bytes *packet, bool encoded)
{
	if (encoded)
		conn_write(conn, packet->data, packet->len);
	else
		reply_no_memory(conn);
	bytes_free(packet);
}

/*
 * Begin.
 */
bool
engine_session_begin(Conn *conn, const char *sid, bool can_upgrade)
{
	EngineSession *session = calloc(1, sizeof(EngineSession));
	EngineHandshake handshake = {
		.sid = sid,
		.can_upgrade = can_upgrade,
		.ping_interval = gw_settings.ping_interval,
		.ping_timeout = gw_settings.ping_timeout,
		.max_payload = engine_session_max_packet()
	};
	Bytes		packet;

	Assert(conn->state == CONN_OPEN && conn->protocol == &socket_io_protocol);
	if (session == NULL)
		return false;
	memcpy(session->sid, sid, sizeof(session->sid));
	sio_session_init(&session->sio, conn);
	conn->engine = session;
	bytes_init(&packet);
	send_packet(conn, &packet, engine_encode_open(&packet, &handshake));
	return true;
}

/*
 * What upstream does as well: close without a word.
 */
void
engine_session_fail(Conn *conn)
{
	STAT_INC(BUS_STAT_MALFORMED);
	conn_close(conn, WS_CLOSE_NO_STATUS, "");
}

/*
 * A text packet.
 */
static void
take_text(Conn *conn, Slice packet)
{
	EngineType	type;
	Slice		data;

	if (!engine_decode(packet, &type, &data))
	{
		engine_session_fail(conn);
		return;
	}
	switch (type)
	{
		case ENGINE_MESSAGE:
			sio_session_text(&conn->engine->sio, data);
			break;
		case ENGINE_PONG:
			if (conn->clock == TIMER_PONG)
				conn_set_clock(conn, TIMER_PING);
			break;
		case ENGINE_PING:
			engine_session_fail(conn);
			break;
		case ENGINE_CLOSE:
			conn_close(conn, WS_CLOSE_NO_STATUS, "");
			break;
		case ENGINE_OPEN:
		case ENGINE_UPGRADE:
		case ENGINE_NOOP:
			break;
	}
}

/*
 * A packet.  Answers come behind what was broadcast before.
 */
void
engine_session_packet(Conn *conn, Slice packet, bool is_binary)
{
	STAT_INC(BUS_STAT_FRAMES_IN);
	fanout_settle();
	if (is_binary)
		sio_session_binary(&conn->engine->sio, packet);
	else
		take_text(conn, packet);
}

/*
 * Send a ping.
 */
static void
send_ping(Conn *conn)
{
	Bytes		packet;

	conn_set_clock(conn, TIMER_PONG);
	bytes_init(&packet);
	send_packet(conn, &packet, engine_encode(&packet, ENGINE_PING));
}

/*
 * The clock has run out.  A client that is not read may have answered.
 */
static void
out_of_time(Conn *conn)
{
	if (conn->clock == TIMER_PING)
		send_ping(conn);
	else if (conn->clock == TIMER_PONG && conn->input_paused)
		conn_set_clock(conn, TIMER_PONG);
	else
	{
		STAT_INC(BUS_STAT_IDLE_CLOSED);
		conn_close(conn, WS_CLOSE_NO_STATUS, "");
	}
}

/*
 * Does the client say more than can be dealt with?
 */
static bool
is_full(Conn *conn)
{
	return sio_session_is_full(&conn->engine->sio);
}

/*
 * The connection is being freed.
 */
static void
free_session(Conn *conn)
{
	if (conn->engine == NULL)
		return;
	sio_session_end(&conn->engine->sio);
	free(conn->engine);
}

const Protocol socket_io_protocol = {
	.clock = TIMER_CONNECT,
	.out_of_time = out_of_time,
	.message = engine_session_packet,
	.message_max = engine_session_max_packet,
	.is_full = is_full,
	.goodbye = conn_write_close,
	.free = free_session,
	.outlives_token = true,
	.allow = sio_channel_allow,
	.ready = sio_channel_ready,
	.answer = sio_channel_answer,
	.refuse = sio_channel_refuse,
	.end = sio_channel_end,
	.untracked = sio_channel_untracked
};
