/*-------------------------------------------------------------------------
 *
 * http_exchange.c
 *	  A request with a body, from its head to its answer.
 *
 *	  READING ── whole body ──► HANDLING ── http_exchange_defer() ──► DEFERRED
 *	     │                         │                                     │
 *	     └───────────── an answer, or the end of the connection ─────────┘
 *
 * A copy of the head is kept and parsed again where it is needed, because what
 * a parsed request points to is the receive buffer, which moves on.
 *
 * Ownership.  The connection owns the exchange until it is deferred; then
 * whoever deferred it does, and holds it until the answer is there, however
 * long the client is gone.  Meanwhile the connection reads nothing, which is
 * what keeps the answers in the order of pipelined requests.
 *
 * A slow body is bounded by the time that a request may take, and all bodies
 * together by TOTAL_MAX: the length that a client announces reserves nothing.
 *
 * src/gateway/http_exchange.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_input.h"
#include "gateway/conn_output.h"
#include "gateway/http_exchange.h"
#include "proto/http_chunked.h"

#define TOTAL_MAX (128 * 1024 * 1024)	/* bytes of all bodies */
#define TOO_LARGE "Request body too large"

typedef enum ExchangeState
{
	EXCHANGE_READING,			/* the body comes */
	EXCHANGE_HANDLING,			/* the handler is at work */
	EXCHANGE_DEFERRED			/* the answer comes later */
} ExchangeState;

struct HttpExchange
{
	Conn	   *conn;			/* NULL when it has ended */
	const HttpBodyRoute *route;
	ExchangeState state;
	bool		is_chunked;
	HttpChunked chunked;		/* where reading stands, or */
	size_t		left;			/* bytes that are still to come */
	Bytes		body;
	size_t		head_len;
	char		head[FLEXIBLE_ARRAY_MEMBER];
};

static size_t total;			/* bytes of all bodies */

/*
 * Drop the body.
 */
static void
free_body(HttpExchange *exchange)
{
	total -= exchange->body.len;
	bytes_free(&exchange->body);
}

/*
 * End an exchange.
 */
static void
free_exchange(HttpExchange *exchange)
{
	if (exchange->conn != NULL)
		exchange->conn->exchange = NULL;
	free_body(exchange);
	free(exchange);
}

/*
 * Parse the head once more.
 */
static void
parse_head(const HttpExchange *exchange, HttpRequest *req)
{
	size_t		scanned = 0;

	if (http_request_parse(exchange->head, exchange->head_len, &scanned, req) <= 0)
		Assert(false);
}

/*
 * The same when the body has been read: nothing of it is in the way of the
 * next request.
 */
static void
parse_read(const HttpExchange *exchange, HttpRequest *req)
{
	parse_head(exchange, req);
	req->content_length = -1;
	req->chunked = false;
}

/*
 * The body is complete.
 */
static void
handle(HttpExchange *exchange)
{
	HttpRequest req;

	exchange->state = EXCHANGE_HANDLING;
	parse_read(exchange, &req);
	exchange->route->handler(exchange, &req, bytes_slice(&exchange->body));
}

/*
 * Write the body of an error as its route has them.
 */
static void
write_error(Bytes *out, const HttpBodyRoute *route, int status, const char *text)
{
	bytes_init(out);
	if (route->write_error != NULL)
		route->write_error(out, status, text);
	else
		bytes_printf(out, "%s%s\"}", route->error_prefix, text);
}

/*
 * Refuse a request whose body has not been read, or not to its end.
 */
void
http_exchange_refuse(Conn *conn, const HttpRequest *req, const HttpBodyRoute *route,
					 int status, const char *text, const char *headers)
{
	Bytes		body;

	write_error(&body, route, status, text);
	http_answer(conn, req, route->readers, status, bytes_slice(&body), headers);
	bytes_free(&body);
}

/*
 * What is wrong with the way a body is to be sent: a status, or 0.
 */
static int
judge_body(const HttpRequest *req, size_t body_max, const char **error)
{
	const Slice *expect = http_header(req, "Expect");

	if (req->content_length > (int64) body_max)
	{
		*error = TOO_LARGE;
		return 413;
	}
	if (http_header_count(req, "Expect") == 0)
		return 0;
	if (expect != NULL && expect->len == 12 &&
		pg_strncasecmp(expect->data, "100-continue", 12) == 0)
		return 0;
	*error = "Expectation failed";
	return 417;
}

/*
 * Begin with a request.
 */
void
http_exchange_begin(Conn *conn, const HttpRequest *req, Slice head, const HttpBodyRoute *route)
{
	const char *error;
	HttpExchange *exchange;
	int			status;

	if (route->admit != NULL && !route->admit(conn, req))
		return;
	status = judge_body(req, route->body_max, &error);
	if (status != 0)
	{
		http_exchange_refuse(conn, req, route, status, error, NULL);
		return;
	}
	exchange = calloc(1, offsetof(HttpExchange, head) + head.len);
	if (exchange == NULL)
	{
		conn_abort(conn);
		return;
	}
	exchange->conn = conn;
	exchange->route = route;
	exchange->is_chunked = req->chunked;
	http_chunked_init(&exchange->chunked, route->body_max);
	exchange->left = (size_t) Max(req->content_length, 0);
	exchange->head_len = head.len;
	memcpy(exchange->head, head.data, head.len);
	conn->exchange = exchange;
	if (exchange->left == 0 && !exchange->is_chunked)
		handle(exchange);
	else if (req->minor_version > 0 && http_header_count(req, "Expect") > 0)
		conn_write(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/*
 * Take more of a body of known length.
 */
static ChunkedVerdict
feed_plain(HttpExchange *exchange, const char *buf, size_t len, size_t *consumed)
{
	*consumed = Min(len, exchange->left);
	if (!bytes_append(&exchange->body, buf, *consumed))
		return CHUNKED_NO_MEMORY;
	exchange->left -= *consumed;
	return exchange->left > 0 ? CHUNKED_MORE : CHUNKED_DONE;
}

/*
 * A body in chunks cannot be read to its end: the connection ends with the
 * answer, because nobody knows where the next request would begin.
 */
static void
refuse_body(HttpExchange *exchange, int status, const char *error)
{
	HttpRequest req;

	parse_head(exchange, &req);
	http_exchange_refuse(exchange->conn, &req, exchange->route, status, error, NULL);
	free_exchange(exchange);
}

/*
 * Take more of the body.
 */
size_t
http_exchange_feed(Conn *conn, const char *buf, size_t len)
{
	HttpExchange *exchange = conn->exchange;
	size_t		before = exchange->body.len;
	size_t		consumed;
	ChunkedVerdict verdict;

	Assert(exchange->state == EXCHANGE_READING);
	verdict = exchange->is_chunked ?
		http_chunked_decode(&exchange->chunked, buf, len, &exchange->body, &consumed) :
		feed_plain(exchange, buf, len, &consumed);
	total += exchange->body.len - before;
	if (verdict == CHUNKED_MALFORMED)
		refuse_body(exchange, 400, "Bad request");
	else if (verdict == CHUNKED_TOO_LARGE)
		refuse_body(exchange, 413, TOO_LARGE);
	else if (verdict == CHUNKED_NO_MEMORY || total > TOTAL_MAX)
		conn_abort(conn);
	else if (verdict == CHUNKED_DONE)
		handle(exchange);
	return consumed;
}

/*
 * Wait for the answer.
 */
void
http_exchange_defer(HttpExchange *exchange, bool keep_body)
{
	Assert(exchange->state == EXCHANGE_HANDLING);
	exchange->state = EXCHANGE_DEFERRED;
	if (!keep_body)
		free_body(exchange);
	conn_pause_input(exchange->conn);
}

/*
 * Send the answer, if somebody is there to take it; returns who.
 */
static Conn *
send_answer(HttpExchange *exchange, int status, const char *type, Slice body,
			const char *headers)
{
	Conn	   *conn = exchange->conn;
	HttpRequest req;

	if (conn != NULL)
	{
		parse_read(exchange, &req);
		http_answer_as(conn, &req, exchange->route->readers, status, type, body, headers);
	}
	free_exchange(exchange);
	return conn;
}

/*
 * Send the answer and go on.
 */
void
http_exchange_answer_as(HttpExchange *exchange, int status, const char *type, Slice body,
						const char *headers)
{
	bool		deferred = exchange->state == EXCHANGE_DEFERRED;
	Conn	   *conn = send_answer(exchange, status, type, body, headers);

	if (conn != NULL && deferred)
		conn_input_resume(conn);
}

/*
 * Send the answer and nothing else.
 */
Conn *
http_exchange_answer_paused(HttpExchange *exchange, int status, const char *type, Slice body,
							const char *headers)
{
	Assert(exchange->state == EXCHANGE_DEFERRED);
	return send_answer(exchange, status, type, body, headers);
}

/*
 * Send an answer in JSON.
 */
void
http_exchange_answer(HttpExchange *exchange, int status, Slice body, const char *headers)
{
	http_exchange_answer_as(exchange, status, "application/json", body, headers);
}

/*
 * Send an error.
 */
void
http_exchange_error(HttpExchange *exchange, int status, const char *text, const char *headers)
{
	Bytes		body;

	write_error(&body, exchange->route, status, text);
	http_exchange_answer(exchange, status, bytes_slice(&body), headers);
	bytes_free(&body);
}

/*
 * Whose is it?
 */
Conn *
http_exchange_conn(const HttpExchange *exchange)
{
	return exchange->conn;
}

/*
 * Begin an answer without end.
 */
void
http_exchange_stream(HttpExchange *exchange, const char *type, const char *headers)
{
	HttpRequest req;

	parse_read(exchange, &req);
	http_answer_stream(exchange->conn, &req, type, headers);
	free_exchange(exchange);
}

/*
 * Free one without an answer.
 */
void
http_exchange_drop(HttpExchange *exchange)
{
	Assert(exchange->state == EXCHANGE_DEFERRED && exchange->conn == NULL);
	free_exchange(exchange);
}

/*
 * Part with the connection.
 */
void
http_exchange_abandon(Conn *conn)
{
	HttpExchange *exchange = conn->exchange;

	if (exchange == NULL)
		return;
	if (exchange->state == EXCHANGE_DEFERRED)
	{
		exchange->conn = NULL;
		conn->exchange = NULL;
	}
	else
		free_exchange(exchange);
}
