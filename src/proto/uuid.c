/*-------------------------------------------------------------------------
 *
 * uuid.c
 *	  Identifiers of messages (RFC 9562): making and spelling them.
 *
 * Backends have a version of their own that only ever grows (api/uuid_v7.c).
 *
 * src/proto/uuid.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "proto/uuid.h"

/*
 * Make one: RFC 9562 section 5.7.
 */
bool
uuid_make_v7(uint8 *uuid, int64 unix_ms)
{
	if (!pg_strong_random(uuid, UUID_BYTES))
		return false;
	for (int i = 0; i < 6; i++)
		uuid[i] = (uint8) (unix_ms >> (40 - 8 * i));
	uuid[6] = (uint8) (0x70 | (uuid[6] & 0x0F));
	uuid[8] = (uint8) (0x80 | (uuid[8] & 0x3F));
	return true;
}

/*
 * Spell one.
 */
void
uuid_write(const uint8 *uuid, char *dst)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < UUID_BYTES; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*dst++ = '-';
		*dst++ = hex[uuid[i] >> 4];
		*dst++ = hex[uuid[i] & 15];
	}
}
