/*-------------------------------------------------------------------------
 *
 * http_exchange.h
 *	  A request with a body, from its head to its answer.
 *
 * src/gateway/http_exchange.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HTTP_EXCHANGE_H
#define REALTIME_HTTP_EXCHANGE_H

#include "gateway/conn.h"
#include "gateway/http_answer.h"
#include "proto/http_request.h"

typedef struct HttpExchange HttpExchange;

/*
 * A whole request has come.  Answers it, or defers that; req and body are good
 * until then.
 */
typedef void (*HttpBodyHandler) (HttpExchange *exchange, const HttpRequest *req, Slice body);

/*
 * A head has come: is its body worth reading?  If not, it has answered.
 */
typedef bool (*HttpAdmission) (Conn *conn, const HttpRequest *req);

/* Append the body of an error; text needs no escapes. */
typedef void (*HttpErrorWriter) (Bytes *out, int status, const char *text);

/* What is done with the requests of a path. */
typedef struct HttpBodyRoute
{
	HttpAdmission admit;		/* NULL = all */
	HttpBodyHandler handler;
	size_t		body_max;		/* bytes; more is answered with 413 */
	const char *error_prefix;	/* of its errors, as in http_answer_error() */
	HttpErrorWriter write_error;	/* or how to write them */
	HttpReaders readers;		/* of its answers */
} HttpBodyRoute;

/* A head has come: read its body, or refuse that. */
extern void http_exchange_begin(Conn *conn, const HttpRequest *req, Slice head,
								const HttpBodyRoute *route);

/* More of the body of the connection's exchange; returns the bytes taken. */
extern size_t http_exchange_feed(Conn *conn, const char *buf, size_t len);

/*
 * The answer comes later; until then the connection reads no other request.
 * The body may be kept until then.
 */
extern void http_exchange_defer(HttpExchange *exchange, bool keep_body);

/* Answer, now or later; the exchange is gone with that. */
extern void http_exchange_answer(HttpExchange *exchange, int status, Slice body,
								 const char *headers);

/* The same with a body that is not JSON. */
extern void http_exchange_answer_as(HttpExchange *exchange, int status, const char *type,
									Slice body, const char *headers);

/*
 * The same for one that was deferred, in the midst of something: its connection,
 * which is returned unless it has ended, reads nothing until it is resumed.
 */
extern Conn *http_exchange_answer_paused(HttpExchange *exchange, int status, const char *type,
										 Slice body, const char *headers);

/* The same with an error as body. */
extern void http_exchange_error(HttpExchange *exchange, int status, const char *text,
								const char *headers);

/* Its connection; NULL when that has ended. */
extern Conn *http_exchange_conn(const HttpExchange *exchange);

/*
 * Begin an answer that does not end, as http_answer_stream() does; the exchange
 * is gone with that.  The connection reads nothing until it is resumed.
 */
extern void http_exchange_stream(HttpExchange *exchange, const char *type, const char *headers);

/* Refuse a request of such a path at its head. */
extern void http_exchange_refuse(Conn *conn, const HttpRequest *req, const HttpBodyRoute *route,
								 int status, const char *text, const char *headers);

/* There is nobody to answer: free one that was deferred. */
extern void http_exchange_drop(HttpExchange *exchange);

/* The connection ends; what is deferred will find nobody. */
extern void http_exchange_abandon(Conn *conn);

#endif							/* REALTIME_HTTP_EXCHANGE_H */
