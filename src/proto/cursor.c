/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  A place in the order of stored messages, as clients keep it.
 *
 * The text is base64url (RFC 4648 5) of 24 bytes, most significant first:
 *
 *	  epoch u64 | lsn u64 | timeline u32 | number u32
 *
 * It is not signed: a cursor gives no right, it only says what a client has.
 *
 * src/proto/cursor.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "proto/base64url.h"
#include "proto/cursor.h"

#define CURSOR_BYTES 24

StaticAssertDecl(BASE64URL_LENGTH(CURSOR_BYTES) == CURSOR_TEXT_BYTES,
				 "text of a cursor has another length");

/*
 * Write a number of `size` bytes.
 */
static uint8 *
put(uint8 *dst, uint64 value, int size)
{
	for (int i = size - 1; i >= 0; i--)
		*dst++ = (uint8) (value >> (8 * i));
	return dst;
}

/*
 * Read one.
 */
static uint64
get(const char **src, int size)
{
	uint64		value = 0;

	for (int i = 0; i < size; i++)
		value = value << 8 | (uint8) *(*src)++;
	return value;
}

/*
 * Write the text.
 */
void
cursor_write(const Cursor *cursor, char *dst)
{
	uint8		bytes[CURSOR_BYTES];
	uint8	   *p = bytes;

	p = put(p, cursor->epoch, 8);
	p = put(p, cursor->place.lsn, 8);
	p = put(p, cursor->place.timeline, 4);
	(void) put(p, cursor->place.number, 4);
	(void) base64url_write(slice_make((const char *) bytes, CURSOR_BYTES), dst);
}

/*
 * Read it.
 */
bool
cursor_parse(Slice text, Cursor *cursor)
{
	Bytes		bytes;
	const char *p;
	bool		good = false;

	if (text.len != CURSOR_TEXT_BYTES)
		return false;
	bytes_init(&bytes);
	if (base64url_decode(text, &bytes) && bytes.len == CURSOR_BYTES)
	{
		p = bytes.data;
		cursor->epoch = get(&p, 8);
		cursor->place.lsn = get(&p, 8);
		cursor->place.timeline = (uint32) get(&p, 4);
		cursor->place.number = (uint32) get(&p, 4);
		good = cursor->place.lsn != 0;
	}
	bytes_free(&bytes);
	return good;
}
