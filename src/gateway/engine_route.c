/*-------------------------------------------------------------------------
 *
 * engine_route.c
 *	  Requests for /socket.io/: whose they are, and what is wrong with them.
 *
 * insforge-oaura.md 1.10.  A request with an id is for the gateway that the id
 * names, and goes there together with its connection (handover.c); a later
 * request on it that names another gateway goes on from there.
 *
 * src/gateway/engine_route.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/engine_connect.h"
#include "gateway/engine_route.h"
#include "gateway/engine_upgrade.h"
#include "gateway/gw_settings.h"
#include "gateway/http_answer.h"
#include "gateway/polling.h"
#include "gateway/request_headers.h"
#include "proto/engine_io.h"
#include "proto/engine_sid.h"
#include "proto/ws_handshake.h"

#define NO_STORE "Cache-Control: no-store\r\n"
#define RETRY NO_STORE "Retry-After: 5\r\n"

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
 * Write the body of an error; returns its status.
 */
static int
describe_error(EngineError error, char *body, size_t size)
{
	static const char *const texts[] = {
		[ENGINE_UNKNOWN_TRANSPORT] = "Transport unknown",
		[ENGINE_UNKNOWN_SID] = "Session ID unknown",
		[ENGINE_BAD_METHOD] = "Bad handshake method",
		[ENGINE_BAD_REQUEST] = "Bad request",
		[ENGINE_FORBIDDEN] = "Forbidden",
		[ENGINE_BAD_VERSION] = "Unsupported protocol version"
	};

	snprintf(body, size, "{\"code\":%d,\"message\":\"%s\"}", error, texts[error]);
	return error == ENGINE_FORBIDDEN ? 403 : 400;
}

/*
 * Answer a head with an error.
 */
static bool
refuse(Conn *conn, const HttpRequest *req, EngineError error)
{
	char		body[128];
	int			status = describe_error(error, body, sizeof(body));

	http_answer(conn, req, HTTP_CREDENTIALED_ORIGINS, status, slice_make(body, strlen(body)),
				NO_STORE);
	return false;
}

/*
 * Answer a whole request with an error.
 */
static void
answer_error(HttpExchange *exchange, EngineError error)
{
	char		body[128];
	int			status = describe_error(error, body, sizeof(body));

	http_exchange_answer(exchange, status, slice_make(body, strlen(body)), NO_STORE);
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
 * A request for a session of another gateway goes there; false if it is for one
 * of ours, or nobody's.
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
 * A WebSocket wants to carry a session that is polled.
 */
static bool
admit_websocket(Conn *conn, const HttpRequest *req, Polling *polling)
{
	if (ws_handshake_check(req) != 101)
		return refuse(conn, req, ENGINE_BAD_REQUEST);
	if (!ws_origin_allowed(req, gw_settings.allowed_origins))
		return refuse(conn, req, ENGINE_FORBIDDEN);
	if (!engine_upgrade_begin(conn, req, polling))
		return refuse(conn, req, ENGINE_BAD_REQUEST);
	return false;
}

/*
 * A request of a session.
 */
static bool
admit_session(Conn *conn, const HttpRequest *req, Slice sid)
{
	Polling    *polling;

	if (send_on(conn, sid))
		return false;
	polling = polling_find(sid);
	if (polling == NULL)
		return refuse(conn, req, ENGINE_UNKNOWN_SID);
	if (parameter_is(req, "transport", "websocket"))
		return admit_websocket(conn, req, polling);
	if (slice_equals_cstr(req->method, "GET"))
		return true;
	if (!slice_equals_cstr(req->method, "POST"))
		return refuse(conn, req, ENGINE_BAD_REQUEST);
	/* one that has ended may only be asked for its last packets */
	if (polling_session(polling)->state != CONN_OPEN)
		return refuse(conn, req, ENGINE_UNKNOWN_SID);
	return polling_expect(polling, conn) || refuse(conn, req, ENGINE_BAD_REQUEST);
}

/*
 * A request that begins a session.
 */
static bool
admit_handshake(Conn *conn, const HttpRequest *req)
{
	bool		websocket = parameter_is(req, "transport", "websocket");

	if (!slice_equals_cstr(req->method, "GET"))
		return refuse(conn, req, ENGINE_BAD_METHOD);
	if (websocket && ws_handshake_check(req) != 101)
		return refuse(conn, req, ENGINE_BAD_REQUEST);
	if (!ws_origin_allowed(req, gw_settings.allowed_origins))
		return refuse(conn, req, ENGINE_FORBIDDEN);
	if (!parameter_is(req, "EIO", ENGINE_PROTOCOL))
		return refuse(conn, req, ENGINE_BAD_VERSION);
	if (websocket)
		engine_connect(conn, req);
	return !websocket;
}

/*
 * Judge a request by its head.  What is asked for by <script> (JSONP) is not
 * answered: it would be no business of CORS.
 */
static bool
admit(Conn *conn, const HttpRequest *req)
{
	Bytes		value;
	bool		script = parameter(req, "j", &value) != 0;
	bool		go_on;

	bytes_free(&value);
	if (script || (!parameter_is(req, "transport", "polling") &&
				   !parameter_is(req, "transport", "websocket")))
		return refuse(conn, req, ENGINE_UNKNOWN_TRANSPORT);
	go_on = parameter(req, "sid", &value) != 0 ?
		admit_session(conn, req, bytes_slice(&value)) : admit_handshake(conn, req);
	bytes_free(&value);
	return go_on;
}

/*
 * Begin a session that is polled; this is its first GET.
 */
static void
begin_session(HttpExchange *exchange, const HttpRequest *req)
{
	RequestHeaders *headers;
	const char *reason;
	Polling    *polling;
	int			status = engine_connect_judge(&reason);

	if (status != 0)
	{
		http_exchange_error(exchange, status, reason, RETRY);
		return;
	}
	status = request_headers_take(req, HEADERS_X, &headers);
	if (status != 0)
		http_exchange_error(exchange, status, status == 431 ? "Request headers too large" :
							"Error connecting to Realtime", NO_STORE);
	else if ((polling = polling_begin(headers)) == NULL || !polling_wait(polling, exchange))
		http_exchange_error(exchange, 500, "Error connecting to Realtime", NO_STORE);
}

/*
 * A GET of a session.
 */
static void
wait_for_packets(HttpExchange *exchange, Slice sid)
{
	Polling    *polling = polling_find(sid);

	if (polling == NULL)
		answer_error(exchange, ENGINE_UNKNOWN_SID);
	else if (!polling_wait(polling, exchange))
		answer_error(exchange, ENGINE_BAD_REQUEST);
}

/*
 * A whole request has come.
 */
static void
handle(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	Bytes		sid;

	bytes_init(&sid);
	if (slice_equals_cstr(req->method, "GET"))
	{
		if (parameter(req, "sid", &sid) != 0)
			wait_for_packets(exchange, bytes_slice(&sid));
		else
			begin_session(exchange, req);
	}
	else if (!polling_take(exchange, body))
		answer_error(exchange, ENGINE_UNKNOWN_SID);
	bytes_free(&sid);
}

const HttpBodyRoute engine_route = {
	.admit = admit,
	.handler = handle,
	.body_max = ENGINE_MAX_PACKET,
	.error_prefix = "{\"code\":3,\"message\":\"",
	.readers = HTTP_CREDENTIALED_ORIGINS
};
