/*-------------------------------------------------------------------------
 *
 * http_request.h
 *	  HTTP/1.1 request heads, read strictly (RFC 9112).
 *
 * A request that two parsers could read differently is refused: bare CR or
 * LF, NUL and other control bytes, obs-fold, space before the colon, two
 * Content-Length, Content-Length with Transfer-Encoding, any transfer coding
 * but exactly "chunked", no or two Host, an absolute-form target with another
 * authority than Host (reliability.md B1-B3).
 *
 * src/proto/http_request.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HTTP_REQUEST_H
#define REALTIME_HTTP_REQUEST_H

#include "proto/bytes.h"

#define HTTP_MAX_HEAD 16384		/* bytes of request line and headers */
#define HTTP_MAX_HEADERS 100
#define HTTP_MAX_TARGET 8192	/* bytes of the request target */

typedef struct HttpHeader
{
	Slice		name;			/* as sent; compare with http_header() */
	Slice		value;			/* without white space around it */
} HttpHeader;

typedef struct HttpRequest
{
	Slice		method;			/* token, case-sensitive */
	Slice		path;			/* of the target, still percent-encoded */
	Slice		query;			/* after '?', still encoded; may be empty */
	int			minor_version;	/* HTTP/1.<this>: 0 or 1 */
	bool		keep_alive;		/* what version and Connection say */
	bool		chunked;		/* Transfer-Encoding: chunked */
	int64		content_length; /* -1 = none given */
	int			nheaders;
	HttpHeader	headers[HTTP_MAX_HEADERS];
} HttpRequest;

/*
 * Parse the head of a request that starts at buf.
 *
 * Returns the bytes of the head including the empty line, 0 if more bytes are
 * needed, or minus the HTTP status to refuse it with (400, 414, 431, 505).  The
 * slices point into buf.  `scanned` remembers how far an incomplete head was
 * looked at, so that a head that comes a byte at a time costs linear time: the
 * caller keeps it per request, 0 at first.
 */
extern int	http_request_parse(const char *buf, size_t len, size_t *scanned,
							   HttpRequest *req) RT_MUSTCHECK;

/* Value of the only header of this name (any case); NULL if none or several. */
extern const Slice *http_header(const HttpRequest *req, const char *name);

/* Number of headers of this name. */
extern int	http_header_count(const HttpRequest *req, const char *name);

/* True if a comma-separated header holds this token, in any case. */
extern bool http_header_has_token(const HttpRequest *req, const char *name, const char *token);

/*
 * Value of a query parameter, percent-decoded ('+' is a space), appended to
 * *out.  1 = there, 0 = not there, -1 = there but badly encoded or no memory.
 * The first one counts where a name is repeated.  Badly encoded is also what
 * does not decode to UTF-8 without NUL.
 */
extern int	http_query_get(Slice query, const char *name, Bytes *out) RT_MUSTCHECK;

/* The same of what *query has left, which is what follows the value then. */
extern int	http_query_next(Slice *query, const char *name, Bytes *out) RT_MUSTCHECK;

/* Percent-decode one path segment ('+' stays) onto *out; UTF-8 as above. */
extern bool http_percent_decode(Slice s, Bytes *out) RT_MUSTCHECK;

/* Reason phrase of a status this server sends. */
extern const char *http_status_text(int status);

/*
 * Append a whole response with Content-Length (but for 1xx and 204, which have
 * no body) and Date-less minimal headers.  content_type may be NULL.
 * extra_headers is NULL or "Name: value\r\n..."; close adds Connection: close.
 */
extern bool http_response(Bytes *out, int status, const char *content_type,
						  Slice body, const char *extra_headers, bool close);

#endif							/* REALTIME_HTTP_REQUEST_H */
