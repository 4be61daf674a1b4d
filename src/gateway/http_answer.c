/*-------------------------------------------------------------------------
 *
 * http_answer.c
 *	  Answers to HTTP requests.
 *
 * What browsers need to hand an answer to a page of another origin (CORS) is
 * added here: Access-Control-Allow-Origin names any origin where all are
 * allowed, else the one that asks if it is on the list.  Cookies are never
 * looked at, so nothing is gained by lying about it.
 *
 * InsForge's clients may send their requests with credentials, which browsers
 * allow only where the answer names the very origin (insforge-oaura.md 1.10).
 *
 * src/gateway/http_answer.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_output.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/http_answer.h"
#include "proto/ws_handshake.h"

#define JSON "application/json"
#define PREFLIGHT_SECONDS 600	/* that a browser need not ask again */

static Bytes response;			/* these two are empty between two uses */
static Bytes headers_text;

/*
 * Must the connection end with the answer to this request?
 */
static bool
must_close(const HttpRequest *req)
{
	if (!req->keep_alive || req->chunked || req->content_length > HTTP_DISCARD_MAX)
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
 * Append what lets a page of the request's origin read the answer.
 */
static void
append_cors(Bytes *out, const HttpRequest *req, bool credentials)
{
	const Slice *origin = http_header(req, "Origin");

	if (!credentials && gw_settings.allowed_origins != NULL &&
		strcmp(gw_settings.allowed_origins, "*") == 0)
	{
		bytes_append_cstr(out, "Access-Control-Allow-Origin: *\r\n");
		return;
	}
	if (origin != NULL && gw_settings.allowed_origins != NULL &&
		ws_origin_allowed(req, gw_settings.allowed_origins))
	{
		bytes_append_cstr(out, "Access-Control-Allow-Origin: ");
		bytes_append_slice(out, *origin);
		bytes_append_cstr(out, "\r\n");
		if (credentials)
			bytes_append_cstr(out, "Access-Control-Allow-Credentials: true\r\n"
							  "Access-Control-Expose-Headers: Content-Range, Preference-Applied\r\n");
	}
	bytes_append_cstr(out, "Vary: Origin\r\n");
}

/*
 * Put all additional headers of an answer together; NULL where there are none.
 */
static const char *
gather_headers(const HttpRequest *req, HttpReaders readers, const char *headers)
{
	headers_text.len = 0;
	if (readers == HTTP_SAME_ORIGIN)
		return headers;
	append_cors(&headers_text, req, readers == HTTP_CREDENTIALED_ORIGINS);
	if (headers != NULL)
		bytes_append_cstr(&headers_text, headers);
	bytes_append_byte(&headers_text, '\0');
	if (headers_text.failed)
		response.failed = true;
	return headers_text.data;
}

/*
 * Answer a request.  HEAD gets the head alone.
 */
void
http_answer_as(Conn *conn, const HttpRequest *req, HttpReaders readers,
			   int status, const char *type, Slice body, const char *headers)
{
	bool		close = must_close(req);
	const char *all = gather_headers(req, readers, headers);

	if (status == 204)
		body.len = 0;
	http_response(&response, status, body.len > 0 ? type : NULL, body, all, close);
	bytes_free(&headers_text);
	if (slice_equals_cstr(req->method, "HEAD") && !response.failed)
		response.len -= body.len;
	send_response(conn, close);
}

/*
 * Answer in JSON.
 */
void
http_answer(Conn *conn, const HttpRequest *req, HttpReaders readers,
			int status, Slice body, const char *headers)
{
	http_answer_as(conn, req, readers, status, JSON, body, headers);
}

/*
 * Answer with an error.
 */
void
http_answer_error(Conn *conn, const HttpRequest *req, HttpReaders readers,
				  int status, const char *prefix, const char *text,
				  const char *headers)
{
	char		body[256];

	snprintf(body, sizeof(body), "%s%s\"}", prefix, text);
	http_answer(conn, req, readers, status, slice_make(body, strlen(body)), headers);
}

/*
 * Begin an answer without end.
 */
void
http_answer_stream(Conn *conn, const HttpRequest *req, const char *type, const char *headers)
{
	const char *all = gather_headers(req, HTTP_ALLOWED_ORIGINS, headers);

	bytes_printf(&response, "HTTP/1.1 200 %s\r\nContent-Type: %s\r\n",
				 http_status_text(200), type);
	if (!headers_text.failed)
		bytes_append_cstr(&response, all);
	bytes_append_cstr(&response, "Connection: close\r\n\r\n");
	bytes_free(&headers_text);
	send_response(conn, false);
}

/*
 * Refuse and end the connection: after a broken request nobody knows where the
 * next one would begin.
 */
void
http_refuse(Conn *conn, int status, const char *error, const char *headers)
{
	char		body[192] = "";

	if (error != NULL)
		snprintf(body, sizeof(body), "{\"error\":\"%s\"}", error);
	STAT_INC(BUS_STAT_REFUSED);
	http_response(&response, status, JSON, slice_make(body, strlen(body)), headers, true);
	send_response(conn, true);
}

/*
 * Tell a browser what it may send from a page.
 */
void
http_answer_preflight(Conn *conn, const HttpRequest *req, const char *methods)
{
	char		headers[256];

	snprintf(headers, sizeof(headers),
			 "Access-Control-Allow-Methods: %s\r\n"
			 "Access-Control-Allow-Headers: authorization, x-client-info, apikey, x-api-key, content-type, last-event-id\r\n"
			 "Access-Control-Max-Age: %d\r\n", methods, PREFLIGHT_SECONDS);
	http_answer(conn, req, HTTP_ALLOWED_ORIGINS, 204, slice_make(NULL, 0), headers);
}

/*
 * Whatever the page wants to send.  What it asks for is echoed, because
 * browsers take no "*" for requests with credentials.
 */
void
http_answer_preflight_all(Conn *conn, const HttpRequest *req)
{
	const Slice *asked = http_header(req, "Access-Control-Request-Headers");
	Bytes		headers;

	bytes_init(&headers);
	bytes_append_cstr(&headers, "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n");
	if (asked != NULL)
	{
		bytes_append_cstr(&headers, "Access-Control-Allow-Headers: ");
		bytes_append_slice(&headers, *asked);
		bytes_append_cstr(&headers, "\r\nVary: Access-Control-Request-Headers\r\n");
	}
	bytes_printf(&headers, "Access-Control-Max-Age: %d\r\n", PREFLIGHT_SECONDS);
	if (bytes_append_byte(&headers, '\0'))
		http_answer(conn, req, HTTP_CREDENTIALED_ORIGINS, 204, slice_make(NULL, 0), headers.data);
	else
		conn_abort(conn);
	bytes_free(&headers);
}
