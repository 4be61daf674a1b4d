/*-------------------------------------------------------------------------
 *
 * engine_sid.c
 *	  Ids of Engine.IO sessions: whose they are, and nothing to guess.
 *
 * src/proto/engine_sid.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/engine_sid.h"

#include "proto/base64url.h"

#define SID_BYTES 15			/* the slot, and 112 random bits */

StaticAssertDecl(BASE64URL_LENGTH(SID_BYTES) == ENGINE_SID_LENGTH,
				 "ENGINE_SID_LENGTH is wrong");

/*
 * Make one.
 */
bool
engine_sid_make(char *dst, uint32 slot)
{
	char		bytes[SID_BYTES];

	Assert(slot <= PG_UINT8_MAX);
	if (!pg_strong_random(bytes, sizeof(bytes)))
		return false;
	bytes[0] = (char) slot;
	base64url_write(slice_make(bytes, sizeof(bytes)), dst);
	return true;
}

/*
 * Whose is it?
 */
int
engine_sid_slot(Slice sid)
{
	Bytes		bytes;
	int			slot = -1;

	bytes_init(&bytes);
	if (sid.len == ENGINE_SID_LENGTH && base64url_decode(sid, &bytes))
		slot = (uint8) bytes.data[0];
	bytes_free(&bytes);
	return slot;
}
