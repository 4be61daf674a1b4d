/*-------------------------------------------------------------------------
 *
 * http_chunked.h
 *	  Bodies of Transfer-Encoding: chunked (RFC 9112 7.1), piece by piece.
 *
 * As strict as http_request.h: two readers must not see two ends of one body.
 * Lines end with CR LF and nothing else; a size is 1 to 16 hex digits with
 * nothing around them but an extension right behind; extensions and trailer
 * fields are left out, but counted.
 *
 * src/proto/http_chunked.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HTTP_CHUNKED_H
#define REALTIME_HTTP_CHUNKED_H

#include "proto/bytes.h"

#define CHUNKED_MAX_EXTENSIONS 256	/* bytes, of all chunks of a body */
#define CHUNKED_MAX_TRAILER 4096	/* bytes, of all trailer fields */

typedef enum ChunkedVerdict
{
	CHUNKED_MORE,				/* all was taken, and more has to come */
	CHUNKED_DONE,				/* the body is complete */
	CHUNKED_MALFORMED,			/* 400 */
	CHUNKED_TOO_LARGE,			/* 413: longer than max_body */
	CHUNKED_NO_MEMORY
} ChunkedVerdict;

/* Where the next byte belongs. */
typedef enum ChunkedPlace
{
	CHUNKED_SIZE,				/* first digit of a size */
	CHUNKED_DIGITS,				/* next digit, extension or end of the line */
	CHUNKED_EXTENSION,
	CHUNKED_SIZE_LF,			/* LF after the CR of that line */
	CHUNKED_DATA,
	CHUNKED_DATA_CR,			/* CR LF after the data */
	CHUNKED_DATA_LF,
	CHUNKED_TRAILER,			/* first byte of a trailer field, or last CR */
	CHUNKED_FIELD,				/* inside a trailer field */
	CHUNKED_FIELD_LF,
	CHUNKED_LAST_LF,			/* the very last byte */
	CHUNKED_END
} ChunkedPlace;

typedef struct HttpChunked
{
	ChunkedPlace place;
	uint64		max_body;		/* bytes of data that are accepted */
	uint64		body;			/* bytes of data announced so far */
	uint64		left;			/* size of this chunk, of which so much is to
								 * come */
	uint32		digits;			/* of this size */
	uint32		extensions;		/* bytes of them so far */
	uint32		trailer;		/* bytes of it so far */
} HttpChunked;

/* Start a body of at most max_body bytes. */
extern void http_chunked_init(HttpChunked *state, uint64 max_body);

/*
 * Take what there is of the body from buf[0..len) and append its data to
 * *out.  *consumed says how many bytes were taken: all of them with
 * CHUNKED_MORE; with CHUNKED_DONE what follows belongs to the next request.  A
 * size that is too large is refused before any of its data has come.  After a
 * verdict other than CHUNKED_MORE the state must not be used again.
 */
extern ChunkedVerdict http_chunked_decode(HttpChunked *state, const char *buf, size_t len,
										  Bytes *out, size_t *consumed) RT_MUSTCHECK;

#endif							/* REALTIME_HTTP_CHUNKED_H */
