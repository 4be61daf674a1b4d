/*-------------------------------------------------------------------------
 *
 * engine_upgrade.c
 *	  From polling to a WebSocket.
 *
 *		client ── upgrade with the session's id ──► 101
 *		client ── "2probe" ──► "3probe"				and no GET waits any more
 *		client ── "5" ──►							when its last GET has ended
 *
 * Until the "5" the session is polled, and nobody knows whether the WebSocket will
 * do.  Then the session, which has no socket, gets the WebSocket's; what is queued
 * are frames, which go there as they are.  So each packet has one way, the order
 * is that of the queue, and nothing is sent twice.
 *
 * src/gateway/engine_upgrade.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_input.h"
#include "gateway/conn_output.h"
#include "gateway/engine_upgrade.h"
#include "gateway/protocol.h"
#include "proto/engine_io.h"
#include "proto/ws_frame.h"
#include "proto/ws_handshake.h"

#define PROBE "2probe"
#define PROBE_ANSWER "3probe"
#define TAKE_OVER "5"

/*
 * Answer a probe.
 */
static void
answer_probe(Conn *conn)
{
	char		frame[WS_MAX_SERVER_HEADER + sizeof(PROBE_ANSWER)];
	size_t		len = strlen(PROBE_ANSWER);
	int			head = ws_frame_header(frame, WS_OP_TEXT, len);

	memcpy(frame + head, PROBE_ANSWER, len);
	conn_write(conn, frame, head + len);
	polling_probed(conn->polling);
}

/*
 * Take over; false if that is too early.  What the client has sent behind this
 * packet is the session's.
 */
static bool
take_over(Conn *conn)
{
	Conn	   *session = polling_session(conn->polling);

	if (!polling_is_probed(conn->polling) || !polling_end(conn->polling))
		return false;
	if (conn_take_socket(session, conn))
		conn_input_pass(session);
	return true;
}

/*
 * What it says before it carries the session.
 */
static void
probe_message(Conn *conn, Slice message, bool binary)
{
	if (!binary && slice_equals_cstr(message, PROBE) && !polling_is_probed(conn->polling))
		answer_probe(conn);
	else if (binary || !slice_equals_cstr(message, TAKE_OVER) || !take_over(conn))
		conn_close(conn, WS_CLOSE_NO_STATUS, "");
}

/*
 * Such a message is short.
 */
static int64
probe_message_max(void)
{
	return strlen(PROBE);
}

/*
 * It has taken too long.  The session is polled further.
 */
static void
out_of_time(Conn *conn)
{
	conn_close(conn, WS_CLOSE_NO_STATUS, "");
}

static const Protocol probe_protocol = {
	.clock = TIMER_PROBE,
	.out_of_time = out_of_time,
	.message = probe_message,
	.message_max = probe_message_max,
	.goodbye = conn_write_close
};

/*
 * Begin.
 */
bool
engine_upgrade_begin(Conn *conn, const HttpRequest *req, Polling *polling)
{
	Bytes		response;

	if (!polling_begin_probe(polling, conn))
		return false;
	bytes_init(&response);
	if (ws_handshake_response(&response, req))
		conn_write(conn, response.data, response.len);
	else
		conn_abort(conn);
	bytes_free(&response);
	if (conn->state == CONN_HTTP)
		conn_begin(conn, &probe_protocol, DIALECT_SOCKET_IO);
	return true;
}
