/*-------------------------------------------------------------------------
 *
 * engine_connect.c
 *	  From a request to an Engine.IO session on a WebSocket.
 *
 * What is wrong with the request itself, engine_route.c has told the client.
 *
 * src/gateway/engine_connect.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/conn_output.h"
#include "gateway/engine_connect.h"
#include "gateway/engine_session.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/http_answer.h"
#include "gateway/replies.h"
#include "gateway/request_headers.h"
#include "proto/engine_sid.h"
#include "proto/ws_handshake.h"

#define RETRY_HEADER "Retry-After: 5\r\n"

/*
 * The limits of this gateway and of all of them.
 */
int
engine_connect_judge(const char **reason)
{
	if (conn_open_count() >= gw_settings.max_connections)
	{
		STAT_INC(BUS_STAT_CONNECTIONS_LIMITED);
		*reason = "Too many connected users";
		return 503;
	}
	*reason = admission_connect();
	return *reason != NULL ? 429 : 0;
}

/*
 * Everything about the request is right but, perhaps, its headers.
 */
static void
accept_upgrade(Conn *conn, const HttpRequest *req)
{
	RequestHeaders *headers;
	int			status = request_headers_take(req, HEADERS_X, &headers);
	char		sid[ENGINE_SID_LENGTH];
	Bytes		response;

	bytes_init(&response);
	if (status == 431)
		http_refuse(conn, status, "Request headers too large", NULL);
	else if (status != 0 || !engine_sid_make(sid, gw_settings.slot) || !ws_handshake_response(&response, req))
		http_refuse(conn, 500, "Error connecting to Realtime", NULL);
	else
		conn_write(conn, response.data, response.len);
	bytes_free(&response);
	if (conn->state != CONN_HTTP)
	{
		request_headers_unref(headers);
		return;
	}
	conn->headers = headers;
	conn_begin(conn, &socket_io_protocol, DIALECT_SOCKET_IO);
	if (!engine_session_begin(conn, sid, false))
		reply_no_memory(conn);
}

/*
 * Begin a session.
 */
void
engine_connect(Conn *conn, const HttpRequest *req)
{
	const char *reason;
	int			status = engine_connect_judge(&reason);

	if (status != 0)
		http_refuse(conn, status, reason, RETRY_HEADER);
	else
		accept_upgrade(conn, req);
}
