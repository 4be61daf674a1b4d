/*-------------------------------------------------------------------------
 *
 * utf8_text.h
 *	  Text of this database as UTF-8, which is what leaves it.
 *
 * src/api/utf8_text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_UTF8_TEXT_H
#define REALTIME_UTF8_TEXT_H

#include "mb/pg_wchar.h"

#include "pg_compat.h"
#include "proto/proto.h"

/*
 * The UTF-8 bytes of a string in the server's encoding.
 *
 * They are the string itself where that is UTF-8, else a palloc'd copy.
 * Raises an error for bytes that have no UTF-8 form.
 */
static inline Slice
utf8_string(const char *s, size_t len)
{
	char	   *converted = pg_server_to_any(s, (int) len, PG_UTF8);

	return slice_make(converted, converted == s ? len : strlen(converted));
}

/* The same for a text, which must not be toasted. */
static inline Slice
utf8_text(const text *t)
{
	return utf8_string(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

/*
 * Valid UTF-8 as a string in the server's encoding, palloc'd.  Raises an error if
 * it has no form there.
 */
static inline char *
utf8_to_server(Slice utf8)
{
	char	   *copy = utf8.len > 0 ? pnstrdup(utf8.data, utf8.len) : pstrdup("");

	return pg_any_to_server(copy, (int) utf8.len, PG_UTF8);
}

#endif							/* REALTIME_UTF8_TEXT_H */
