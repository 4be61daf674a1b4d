/*-------------------------------------------------------------------------
 *
 * engine_route.c
 *	  Requests for /socket.io/: whose they are, and what is wrong with them.
 *
 * A request with an id is for the gateway that the id names, and goes there
 * together with its connection (handover.c); a later request on it that names
 * another gateway goes on from there.
 *
 * src/gateway/engine_route.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/engine_connect.h"
#include "gateway/engine_route.h"
#include "gateway/gw_settings.h"
#include "gateway/http_answer.h"
#include "proto/engine_io.h"
#include "proto/engine_sid.h"
#include "proto/ws_handshake.h"


/* Errors, by the number that clients get. */
typedef enum EngineError
{
	ENGINE_UNKNOWN_TRANSPORT = 0,
	ENGINE_UNKNOWN_SID = 1,
	ENGINE_BAD_METHOD = 2,
	ENGINE_BAD_REQUEST = 3,
	ENGINE_FORBIDDEN = 4,
	ENGINE_BAD_VERSION = 5
} EngineError;

/*
 * Answer with an error.
 */
static void
answer_error(Conn *conn, const HttpRequest *req, EngineError error)
{
	static const char *const texts[] = {
		[ENGINE_UNKNOWN_TRANSPORT] = "Transport unknown",
		[ENGINE_UNKNOWN_SID] = "Session ID unknown",
		[ENGINE_BAD_METHOD] = "Bad handshake method",
		[ENGINE_BAD_REQUEST] = "Bad request",
		[ENGINE_FORBIDDEN] = "Forbidden",
		[ENGINE_BAD_VERSION] = "Unsupported protocol version"
	};
	char		body[128];

	snprintf(body, sizeof(body), "{\"code\":%d,\"message\":\"%s\"}", error, texts[error]);
	http_answer(conn, req, HTTP_CREDENTIALED_ORIGINS, error == ENGINE_FORBIDDEN ? 403 : 400,
				slice_make(body, strlen(body)), "Cache-Control: no-store\r\n");
}

/*
 * Look up a parameter: 1, 0 where there is none, or -1 for one that cannot be
 * read.
 */
static int
parameter(const HttpRequest *req, const char *name, Bytes *value)
{
	bytes_init(value);
	return http_query_get(req->query, name, value);
}

/*
 * Is a parameter this text?
 */
static bool
parameter_is(const HttpRequest *req, const char *name, const char *text)
{
	Bytes		value;
	bool		is = parameter(req, name, &value) > 0 &&
		slice_equals_cstr(bytes_slice(&value), text);

	bytes_free(&value);
	return is;
}

/*
 * A request of a session: whose?  It goes there unless it is ours, or nobody's.
 */
static bool
send_on(Conn *conn, Slice sid)
{
	int			slot = engine_sid_slot(sid);

	if (slot < 0 || slot == (int) gw_settings.slot || slot >= gw_settings.gateways)
		return false;
	conn->goes_to = (uint8) (slot + 1);
	return true;
}

/*
 * Judge a request by its head.
 */
static bool
admit(Conn *conn, const HttpRequest *req)
{
	bool		websocket = parameter_is(req, "transport", "websocket");
	Bytes		sid;

	if (!websocket && !parameter_is(req, "transport", "polling"))
		answer_error(conn, req, ENGINE_UNKNOWN_TRANSPORT);
	else if (parameter(req, "sid", &sid) != 0)
	{
		if (!send_on(conn, bytes_slice(&sid)))
			answer_error(conn, req, ENGINE_UNKNOWN_SID);
		bytes_free(&sid);
	}
	else if (!slice_equals_cstr(req->method, "GET"))
		answer_error(conn, req, ENGINE_BAD_METHOD);
	else if (!websocket || ws_handshake_check(req) != 101)
		answer_error(conn, req, ENGINE_BAD_REQUEST);
	else if (!ws_origin_allowed(req, gw_settings.allowed_origins))
		answer_error(conn, req, ENGINE_FORBIDDEN);
	else if (!parameter_is(req, "EIO", ENGINE_PROTOCOL))
		answer_error(conn, req, ENGINE_BAD_VERSION);
	else
		engine_connect(conn, req);
	return false;
}

/*
 * A whole request has come.
 */
static void
handle(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	http_exchange_answer(exchange, 400, slice_make(NULL, 0), NULL);
}

const HttpBodyRoute engine_route = {
	.admit = admit,
	.handler = handle,
	.body_max = ENGINE_MAX_PACKET,
	.error_prefix = "{\"code\":3,\"message\":\"",
	.readers = HTTP_CREDENTIALED_ORIGINS
};
