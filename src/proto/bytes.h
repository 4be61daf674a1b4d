/*-------------------------------------------------------------------------
 *
 * bytes.h
 *	  A growing byte buffer whose growth can fail.
 *
 * libpgcommon's StringInfo ends a frontend program when memory runs out; what
 * a client sizes must not.  A failed append leaves the buffer as it was, sets
 * `failed` and makes every later append a no-op, so that a writer may check
 * once at its end.
 *
 * src/proto/bytes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BYTES_H
#define REALTIME_BYTES_H

#include "proto/proto.h"

typedef struct Bytes
{
	char	   *data;			/* malloc'd, NULL while empty */
	size_t		len;			/* bytes used */
	size_t		cap;			/* bytes allocated */
	bool		failed;			/* an append found no memory */
} Bytes;

extern void bytes_init(Bytes *b);
extern void bytes_free(Bytes *b);	/* gives the memory back; b is empty again */
extern bool bytes_reserve(Bytes *b, size_t extra);	/* room for extra more */
extern bool bytes_append(Bytes *b, const void *data, size_t len);
extern bool bytes_append_byte(Bytes *b, uint8 byte);
extern bool bytes_append_cstr(Bytes *b, const char *s);
extern bool bytes_append_slice(Bytes *b, Slice s);
extern bool bytes_append_u64(Bytes *b, uint64 value);	/* decimal digits */
extern bool bytes_printf(Bytes *b, const char *fmt,...) pg_attribute_printf(2, 3);
extern void bytes_consume(Bytes *b, size_t n);	/* drop the first n bytes */

static inline Slice
bytes_slice(const Bytes *b)
{
	return slice_make(b->data, b->len);
}

#endif							/* REALTIME_BYTES_H */
