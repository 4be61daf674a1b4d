/*-------------------------------------------------------------------------
 *
 * http_answer.h
 *	  Answers to HTTP requests.
 *
 * src/gateway/http_answer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HTTP_ANSWER_H
#define REALTIME_HTTP_ANSWER_H

#include "gateway/conn.h"
#include "proto/http_request.h"

#define HTTP_DISCARD_MAX (64 * 1024)	/* bytes of a body that is read over */

/* Who may read an answer in a browser. */
typedef enum HttpReaders
{
	HTTP_ALLOWED_ORIGINS,		/* pages of realtime.allowed_origins */
	HTTP_CREDENTIALED_ORIGINS,	/* these, also by requests with credentials */
	HTTP_SAME_ORIGIN			/* pages of this server alone */
} HttpReaders;

/*
 * Answer a request, with a JSON body unless it is empty.  headers is NULL or
 * "Name: value\r\n...".  The connection ends with the answer where the client
 * wants that or where its next request could not be found.
 */
extern void http_answer(Conn *conn, const HttpRequest *req, HttpReaders readers,
						int status, Slice body, const char *headers);

/* The same with a body of another type. */
extern void http_answer_as(Conn *conn, const HttpRequest *req, HttpReaders readers,
						   int status, const char *type, Slice body, const char *headers);

/*
 * The same with an error as body: prefix, text and a closing quote and brace.
 */
extern void http_answer_error(Conn *conn, const HttpRequest *req, HttpReaders readers,
							  int status, const char *prefix, const char *text,
							  const char *headers);

/*
 * Begin a 200 answer for pages of realtime.allowed_origins, whose body is all
 * that follows on the connection.
 */
extern void http_answer_stream(Conn *conn, const HttpRequest *req, const char *type,
							   const char *headers);

/*
 * Refuse with {"error": error}, or with an empty body for NULL, and end the
 * connection: an upgrade that fails, or what is no request at all.
 */
extern void http_refuse(Conn *conn, int status, const char *error, const char *headers);

/* Answer the preflight of a browser, for a path that takes these methods. */
extern void http_answer_preflight(Conn *conn, const HttpRequest *req, const char *methods);

/* The same where all methods and headers may be sent, with credentials. */
extern void http_answer_preflight_all(Conn *conn, const HttpRequest *req);

#endif							/* REALTIME_HTTP_ANSWER_H */
