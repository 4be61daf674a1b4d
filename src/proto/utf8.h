/*-------------------------------------------------------------------------
 *
 * utf8.h
 *	  UTF-8 validation that can stop and go on at any byte.
 *
 * A fragmented text message must be refused at the first byte that cannot be
 * UTF-8 (RFC 6455 8.1, "fail fast"), so the verdict is needed per piece.
 * Accepts exactly RFC 3629: no overlong forms, surrogates or > U+10FFFF.
 * NUL bytes are accepted here; JSON refuses them.
 *
 * src/proto/utf8.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_UTF8_H
#define REALTIME_UTF8_H

#include "proto/proto.h"

typedef struct Utf8State
{
	uint8		need;			/* continuation bytes still missing */
	uint8		lower;			/* range of the next continuation byte */
	uint8		upper;
} Utf8State;

extern void utf8_init(Utf8State *state);

/* False as soon as the bytes so far can be no prefix of valid UTF-8. */
extern bool utf8_feed(Utf8State *state, const char *data, size_t len) RT_MUSTCHECK;

/* True if no sequence is left open. */
extern bool utf8_complete(const Utf8State *state);

/* The whole at once. */
extern bool utf8_valid(const char *data, size_t len);

#endif							/* REALTIME_UTF8_H */
