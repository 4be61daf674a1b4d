/*-------------------------------------------------------------------------
 *
 * pieces.h
 *	  Bodies that are made of numbers and texts, one after the other.
 *
 * A text is its length, as u32, and its bytes.  Nothing is aligned; integers are
 * in host byte order.  Who takes a body apart treats it as hostile: each of the
 * functions below says false where there is less than it wants.
 *
 * src/proto/pieces.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PIECES_H
#define REALTIME_PIECES_H

#include "proto/bytes.h"

/* Take `len` bytes off *rest. */
static inline bool
take_bytes(Slice *rest, size_t len, Slice *piece)
{
	if (rest->len < len)
		return false;
	*piece = slice_make(rest->data, len);
	*rest = slice_make(len > 0 ? rest->data + len : rest->data, rest->len - len);
	return true;
}

/* Take something of fixed size off *rest. */
static inline bool
take_fixed_part(Slice *rest, void *part, size_t len)
{
	Slice		piece;

	if (!take_bytes(rest, len, &piece))
		return false;
	memcpy(part, piece.data, len);
	return true;
}

static inline bool
take_u8(Slice *rest, uint8 *value)
{
	return take_fixed_part(rest, value, sizeof(*value));
}

static inline bool
take_u16(Slice *rest, uint16 *value)
{
	return take_fixed_part(rest, value, sizeof(*value));
}

static inline bool
take_u32(Slice *rest, uint32 *value)
{
	return take_fixed_part(rest, value, sizeof(*value));
}

/* Take a text that has at most max bytes. */
static inline bool
take_text(Slice *rest, size_t max, Slice *text)
{
	uint32		len;

	return take_u32(rest, &len) && len <= max && take_bytes(rest, len, text);
}

/* And their counterparts; false for want of memory. */
static inline bool
put_u8(Bytes *out, uint8 value)
{
	return bytes_append(out, &value, sizeof(value));
}

static inline bool
put_u16(Bytes *out, uint16 value)
{
	return bytes_append(out, &value, sizeof(value));
}

static inline bool
put_u32(Bytes *out, uint32 value)
{
	return bytes_append(out, &value, sizeof(value));
}

static inline bool
put_text(Bytes *out, Slice text)
{
	return put_u32(out, (uint32) text.len) && bytes_append_slice(out, text);
}

#endif							/* REALTIME_PIECES_H */
