/*-------------------------------------------------------------------------
 *
 * http_routes.c
 *	  What the gateway answers before a connection is a WebSocket.
 *
 * Requests come in plain HTTP/1.1 with keep-alive and pipelining; the upgrade
 * is the last one of its connection.  A refused upgrade is answered with
 * {"error": text} (supabase.md 1.4) and ends the connection.
 *
 * No route reads a body yet.  One of moderate length is read over, so that the
 * client may go on with the next request; for any other the connection ends
 * with the answer.
 *
 * Request targets are never logged: their query holds the client's key.
 *
 * src/gateway/http_routes.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/http_routes.h"
#include "proto/http_request.h"
#include "proto/ws_handshake.h"

#define DISCARD_MAX (64 * 1024) /* bytes of a body that is read over */
#define JSON "application/json"

typedef void (*RouteHandler) (Conn *conn, const HttpRequest *req);

static Bytes response;			/* empty between two uses */

/*
 * Must the connection end with the answer to this request?
 */
static bool
must_close(const HttpRequest *req)
{
	if (!req->keep_alive || req->chunked || req->content_length > DISCARD_MAX)
		return true;
	/* whether the body still comes after our answer is the client's guess */
	return req->content_length > 0 && http_header_count(req, "Expect") > 0;
}

/*
 * Queue what is in `response`; without memory for it, give up.
 */
static void
send_response(Conn *conn, bool close)
{
	if (response.failed)
		conn_abort(conn);
	else
		conn_write(conn, response.data, response.len);
	bytes_free(&response);
	if (close)
		conn_finish(conn);
}

/*
 * Answer a request with a small JSON body.  HEAD gets the head alone.
 */
static void
answer(Conn *conn, const HttpRequest *req, int status, const char *body,
	   const char *extra_headers)
{
	bool		close = must_close(req);

	http_response(&response, status, JSON, slice_make(body, strlen(body)),
				  extra_headers, close);
	if (slice_equals_cstr(req->method, "HEAD") && !response.failed)
		response.len -= strlen(body);
	send_response(conn, close);
}

/*
 * Refuse and end the connection: after a broken request nobody knows where the
 * next one would begin.  error is NULL for an empty body.
 */
static void
refuse(Conn *conn, int status, const char *error, const char *extra_headers)
{
	char		body[128] = "";

	if (error != NULL)
		snprintf(body, sizeof(body), "{\"error\":\"%s\"}", error);
	STAT_INC(BUS_STAT_REFUSED);
	http_response(&response, status, JSON, slice_make(body, strlen(body)),
				  extra_headers, true);
	send_response(conn, true);
}

/*
 * GET /healthz.  That we can answer is the news: without its bus the gateway
 * does not listen.
 */
static void
handle_healthz(Conn *conn, const HttpRequest *req)
{
	if (slice_equals_cstr(req->method, "GET") ||
		slice_equals_cstr(req->method, "HEAD"))
		answer(conn, req, 200, "{\"status\":\"ok\"}", "Cache-Control: no-store\r\n");
	else
		answer(conn, req, 405, "{\"message\":\"Method not allowed\"}",
			   "Allow: GET, HEAD\r\n");
}

/*
 * The serializer that the query asks for; false if there is no such.
 */
static bool
requested_version(const HttpRequest *req, PhxVersion *version)
{
	Bytes		vsn;
	bool		ok;
	int			there;

	bytes_init(&vsn);
	there = http_query_get(req->query, "vsn", &vsn);
	if (there == 0)
		ok = phx_version_parse(NULL, version);
	else
		ok = there > 0 && bytes_append_byte(&vsn, '\0') &&
			strlen(vsn.data) == vsn.len - 1 &&
			phx_version_parse(vsn.data, version);
	bytes_free(&vsn);
	return ok;
}

/*
 * What is wrong with an upgrade request, for its error body.
 */
static const char *
handshake_error(int status)
{
	switch (status)
	{
		case 405:
			return "Method not allowed";
		case 426:
			return "This path is for WebSocket connections of version 13";
		default:
			return "Bad WebSocket handshake";
	}
}

/*
 * Headers that a refused upgrade must be answered with, RFC 6455 4.4 and RFC
 * 9110 15.5.6 and 15.5.22.
 */
static const char *
handshake_headers(int status)
{
	switch (status)
	{
		case 405:
			return "Allow: GET\r\n";
		case 426:
			return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
		default:
			return NULL;
	}
}

/*
 * The WebSocket endpoint.
 */
static void
handle_websocket(Conn *conn, const HttpRequest *req)
{
	int			status = ws_handshake_check(req);
	PhxVersion	version;

	if (status != 101)
		refuse(conn, status, handshake_error(status), handshake_headers(status));
	else if (!ws_origin_allowed(req, gw_settings.allowed_origins))
		refuse(conn, 403, "Origin not allowed", NULL);
	else if (!requested_version(req, &version))
		refuse(conn, 403, NULL, NULL);
	else if (conn_open_count() >= gw_settings.max_connections)
		refuse(conn, 503, "Too many connected users", "Retry-After: 5\r\n");
	else if (!ws_handshake_response(&response, req))
		refuse(conn, 500, "Error connecting to Realtime", NULL);
	else
	{
		send_response(conn, false);
		if (conn->state == CONN_HTTP)
			conn_upgrade(conn, version);
	}
}

/*
 * Any other path.
 */
static void
handle_unknown(Conn *conn, const HttpRequest *req)
{
	answer(conn, req, 404, "{\"message\":\"Not found\"}", NULL);
}

/*
 * Find out who answers a path.
 */
static RouteHandler
route(Slice path)
{
	static const struct
	{
		const char *path;
		RouteHandler handler;
	}			routes[] = {
		{"/realtime/v1/websocket", handle_websocket},
		{"/socket/websocket", handle_websocket},
		{"/healthz", handle_healthz}
	};

	for (int i = 0; i < (int) lengthof(routes); i++)
	{
		if (slice_equals_cstr(path, routes[i].path))
			return routes[i].handler;
	}
	return handle_unknown;
}

/*
 * Read over what is left of a body; returns the bytes taken.
 */
static size_t
discard(RecvState *state, size_t len)
{
	size_t		n = Min(state->http_discard, len);

	state->http_discard -= n;
	return n;
}

/*
 * What to tell the sender of a head that is no request.
 */
static const char *
parse_error(int status)
{
	switch (status)
	{
		case 414:
			return "Request target too long";
		case 431:
			return "Request headers too large";
		case 505:
			return "HTTP version not supported";
		default:
			return "Bad request";
	}
}

/*
 * Answer one request after the other.
 */
size_t
http_routes_input(Conn *conn, RecvState *state, const char *buf, size_t len)
{
	size_t		done = 0;

	while (conn->state == CONN_HTTP && done < len)
	{
		HttpRequest req;
		int			n;

		done += discard(state, len - done);
		n = http_request_parse(buf + done, len - done, &state->http_scanned, &req);
		if (n == 0)
			break;
		if (n < 0)
		{
			refuse(conn, -n, parse_error(-n), NULL);
			break;
		}
		state->http_scanned = 0;
		done += n;
		conn_active(conn);
		route(req.path) (conn, &req);
		if (conn->state == CONN_HTTP && req.content_length > 0)
			state->http_discard = (size_t) req.content_length;
	}
	return done;
}
