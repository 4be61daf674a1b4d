/*-------------------------------------------------------------------------
 *
 * jslice.h
 *	  JSON as slices: validate once, then walk without copying.
 *
 * The validator is iterative (a bit per level, no recursion) with a depth
 * limit, and refuses what jsonb would refuse later: bad UTF-8, \u0000, lone
 * surrogates (RFC 8259; DESIGN.md section 2).  The walkers below trust their
 * input to have passed jslice_validate() and never read past it.
 *
 * src/proto/jslice.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JSLICE_H
#define REALTIME_JSLICE_H

#include "proto/bytes.h"

#define JSLICE_MAX_DEPTH 64

typedef enum JsliceType
{
	JSLICE_NONE,				/* nothing there */
	JSLICE_NULL,
	JSLICE_TRUE,
	JSLICE_FALSE,
	JSLICE_NUMBER,
	JSLICE_STRING,				/* the slice includes the quotes */
	JSLICE_ARRAY,
	JSLICE_OBJECT
} JsliceType;

/*
 * True if text[0..len) is one JSON value with optional white space around it,
 * nested at most JSLICE_MAX_DEPTH deep.  On failure *error (if not NULL) names
 * the reason in a few words; it is a constant string.
 */
extern bool jslice_validate(const char *text, size_t len, const char **error) RT_MUSTCHECK;

/*
 * The same, and where the value is an array, its first max_items elements go
 * to items[] and their number to *nitems (0 for any other value).  Saves the
 * walk over what was just read.
 */
extern bool jslice_validate_array(const char *text, size_t len, Slice *items, int max_items,
								  int *nitems, const char **error) RT_MUSTCHECK;

/* Type of a validated value, white space before it allowed. */
extern JsliceType jslice_type(Slice value);

/* The value without white space around it. */
extern Slice jslice_trim(Slice value);

/*
 * Walk an array or object:
 *
 *		JsliceIter it;
 *
 *		jslice_iter_init(&it, value);
 *		while (jslice_iter_next(&it, &key, &item)) ...
 *
 * key is the raw string with quotes (empty slice for arrays), item the trimmed
 * value.  A value of another type has no members.
 */
typedef struct JsliceIter
{
	const char *pos;
	const char *end;
	bool		is_object;
} JsliceIter;

extern void jslice_iter_init(JsliceIter *it, Slice value);
extern bool jslice_iter_next(JsliceIter *it, Slice *key, Slice *item);

/*
 * Member `key` (plain bytes, compared after unescaping) of an object; the last
 * one where the key is repeated, as jsonb does.  Empty slice if there is none.
 */
extern Slice jslice_get(Slice object, const char *key);

/* n-th element of an array, from 0; empty slice if there is none. */
extern Slice jslice_at(Slice array, int n);

/*
 * Decode a string value into UTF-8 bytes at the end of *out.  False if the
 * value is not a string or there is no memory.
 */
extern bool jslice_unescape(Slice string, Bytes *out) RT_MUSTCHECK;

/* True if the value is a string whose decoded bytes are `s`. */
extern bool jslice_string_equals(Slice string, Slice s);

/*
 * A "flexible" boolean of supabase.md 3.1: true/false or a string spelling
 * them in any case.  Anything else gives dflt.
 */
extern bool jslice_bool(Slice value, bool dflt);

/* Append bytes (valid UTF-8) as a JSON string with quotes. */
extern bool jslice_append_string(Bytes *out, Slice utf8);

#endif							/* REALTIME_JSLICE_H */
