/*-------------------------------------------------------------------------
 *
 * http_routes.c
 *	  What the gateway answers before a connection is a WebSocket.
 *
 * Requests come in plain HTTP/1.1 with keep-alive and pipelining.  Which paths
 * there are is in a table; who reads a body does so by http_exchange.c.  For
 * all others a body of moderate length is read over, so that the client may go
 * on with the next request; for any longer one the connection ends with the
 * answer.
 *
 * Request targets are never logged: their query holds the client's key.
 *
 * src/gateway/http_routes.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/api_routes.h"
#include "gateway/engine_route.h"
#include "gateway/events_route.h"
#include "gateway/http_answer.h"
#include "gateway/http_exchange.h"
#include "gateway/http_routes.h"
#include "gateway/monitor_routes.h"
#include "gateway/publish_route.h"
#include "gateway/rest_broadcast.h"
#include "gateway/upgrade.h"

#define MESSAGE_PREFIX "{\"message\":\""

typedef void (*RouteHandler) (Conn *conn, const HttpRequest *req);

/*
 * A path has a handler for requests without a body, or a route for those with.
 * One that ends in a slash stands for all that begin with it, and one that ends
 * in "/?" for itself with and without the slash.
 */
typedef struct Route
{
	const char *path;
	const char *methods;		/* as Allow lists them; NULL = its own judge */
	RouteHandler handler;
	const HttpBodyRoute *body_route;
} Route;

/*
 * GET /healthcheck, the same as upstream has it.
 */
static void
handle_healthcheck(Conn *conn, const HttpRequest *req)
{
	http_answer_as(conn, req, HTTP_SAME_ORIGIN, 200, "text/plain; charset=utf-8",
				   SLICE_LIT("ok"), "Cache-Control: no-store\r\n");
}

/*
 * GET /api/ping.
 */
static void
handle_ping(Conn *conn, const HttpRequest *req)
{
	http_answer(conn, req, HTTP_ALLOWED_ORIGINS, 200, SLICE_LIT("{\"message\":\"Success\"}"),
				"Cache-Control: no-store\r\n");
}

/*
 * Any other path.
 */
static void
handle_unknown(Conn *conn, const HttpRequest *req)
{
	http_answer_error(conn, req, HTTP_SAME_ORIGIN, 404, MESSAGE_PREFIX, "Not found", NULL);
}

/*
 * Is this a path that the table has like that?
 */
static bool
is_path(Slice path, const char *pattern)
{
	size_t		len = strlen(pattern);

	if (pattern[len - 1] == '?')
		return (path.len == len - 1 || path.len == len - 2) &&
			memcmp(path.data, pattern, path.len) == 0;
	if (pattern[len - 1] == '/')
		return path.len > len && memcmp(path.data, pattern, len) == 0;
	return slice_equals_cstr(path, pattern);
}

/*
 * Find out who answers a path.
 */
static const Route *
find_route(Slice path)
{
	static const Route routes[] = {
		{"/realtime/v1/websocket", NULL, upgrade_request, NULL},
		{"/socket/websocket", NULL, upgrade_request, NULL},
		{"/healthz", "GET, HEAD", NULL, &health_route},
		{"/metrics", "GET, HEAD", NULL, &metrics_route},
		{"/functions/v1/realtime-publish", "POST, OPTIONS", NULL, &publish_route},
		{"/realtime/v1/api/publish", "POST, OPTIONS", NULL, &publish_route},
		{"/realtime/v1/api/broadcast", "POST, OPTIONS", NULL, &rest_batch_route},
		{"/api/broadcast", "POST, OPTIONS", NULL, &rest_batch_route},
		{"/realtime/v1/api/broadcast/", "POST, OPTIONS", NULL, &rest_single_route},
		{"/api/broadcast/", "POST, OPTIONS", NULL, &rest_single_route},
		{API_PREFIX, NULL, NULL, &api_route},
		{"/realtime/v1/events", "GET, OPTIONS", NULL, &events_route},
		{"/socket.io/?", NULL, NULL, &engine_route},
		{"/realtime/v1/api/ping", "GET, HEAD", handle_ping, NULL},
		{"/api/ping", "GET, HEAD", handle_ping, NULL},
		{"/healthcheck", "GET, HEAD", handle_healthcheck, NULL}
	};
	static const Route unknown = {NULL, NULL, handle_unknown, NULL};

	for (int i = 0; i < (int) lengthof(routes); i++)
	{
		if (is_path(path, routes[i].path))
			return &routes[i];
	}
	return &unknown;
}

/*
 * Is a method among those of a route?
 */
static bool
takes_method(const Route *route, Slice method)
{
	const char *rest = route->methods;

	if (rest == NULL)
		return true;
	while (*rest != '\0')
	{
		size_t		len = strcspn(rest, ", ");

		if (slice_equals(method, slice_make(rest, len)))
			return true;
		rest += len;
		rest += strspn(rest, ", ");
	}
	return false;
}

/*
 * A path does not know this method.
 */
static void
refuse_method(Conn *conn, const HttpRequest *req, const Route *route)
{
	char		allow[64];

	snprintf(allow, sizeof(allow), "Allow: %s\r\n", route->methods);
	if (route->body_route != NULL)
		http_exchange_refuse(conn, req, route->body_route, 405, "Method not allowed", allow);
	else
		http_answer_error(conn, req, HTTP_SAME_ORIGIN, 405, MESSAGE_PREFIX,
						  "Method not allowed", allow);
}

/*
 * Answer a request, or begin to read its body.
 */
static void
handle_request(Conn *conn, const HttpRequest *req, Slice head)
{
	const Route *route = find_route(req->path);

	if (!takes_method(route, req->method))
		refuse_method(conn, req, route);
	else if (route->body_route == NULL)
		route->handler(conn, req);
	else if (slice_equals_cstr(req->method, "OPTIONS") && route->methods == NULL)
		http_answer_preflight_all(conn, req);
	else if (slice_equals_cstr(req->method, "OPTIONS"))
		http_answer_preflight(conn, req, route->methods);
	else
		http_exchange_begin(conn, req, head, route->body_route);
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
 * Take one head, whose request is answered or whose body is waited for.
 * Returns the bytes taken, 0 if the head is not complete or not for us.
 */
static size_t
take_head(Conn *conn, RecvState *state, const char *buf, size_t len)
{
	HttpRequest req;
	int			n = http_request_parse(buf, len, &state->http_scanned, &req);

	if (n < 0)
	{
		http_refuse(conn, -n, parse_error(-n), NULL);
		return len;
	}
	if (n == 0)
		return 0;
	state->http_scanned = 0;
	conn_active(conn);
	handle_request(conn, &req, slice_make(buf, n));
	if (conn->goes_to != 0)
		return 0;
	if (conn->state == CONN_HTTP && conn->exchange == NULL && req.content_length > 0)
		state->http_discard = (size_t) req.content_length;
	return n;
}

/*
 * Answer one request after the other.
 */
size_t
http_routes_input(Conn *conn, RecvState *state, const char *buf, size_t len)
{
	size_t		done = 0;

	while (conn->state == CONN_HTTP && !conn->input_paused && done < len)
	{
		size_t		n;

		if (conn->exchange != NULL)
			n = http_exchange_feed(conn, buf + done, len - done);
		else if (state->http_discard > 0)
			n = discard(state, len - done);
		else
			n = take_head(conn, state, buf + done, len - done);
		if (n == 0)
			break;
		done += n;
	}
	return done;
}
