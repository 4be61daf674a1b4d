/*-------------------------------------------------------------------------
 *
 * slice.h
 *	  A stretch of bytes that somebody else owns.
 *
 * Parsers hand out slices of their input instead of copies.  A slice is not
 * NUL-terminated and is good for as long as the buffer it points into.
 *
 * src/proto/slice.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SLICE_H
#define REALTIME_SLICE_H

typedef struct Slice
{
	const char *data;			/* may be NULL only when len is 0 */
	size_t		len;			/* bytes */
} Slice;

#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) ((int) (s).len), ((s).data ? (s).data : "")

/* A slice of a string literal. */
#define SLICE_LIT(lit) ((Slice) {(lit), sizeof(lit) - 1})

static inline Slice
slice_make(const char *data, size_t len)
{
	Slice		s;

	s.data = data;
	s.len = len;
	return s;
}

/* Where it ends.  NULL stays NULL: adding even 0 to it is undefined in C. */
static inline const char *
slice_end(Slice s)
{
	return s.len > 0 ? s.data + s.len : s.data;
}

static inline bool
slice_equals(Slice a, Slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool
slice_equals_cstr(Slice a, const char *b)
{
	return slice_equals(a, slice_make(b, strlen(b)));
}

static inline bool
slice_has_prefix(Slice s, Slice prefix)
{
	return s.len >= prefix.len &&
		(prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

#endif							/* REALTIME_SLICE_H */
