/*-------------------------------------------------------------------------
 *
 * api_key.c
 *	  API keys as clients show them.
 *
 * A key does not leave the gateway: what goes to SQL is its SHA-256, which is
 * what the database keeps.
 *
 * src/gateway/api_key.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/evp.h>

#include "gateway/api_key.h"

#define SECRET_DIGITS 64
#define HASH_BYTES 32			/* of a SHA-256 */

static const char digits[] = "0123456789abcdef";

/*
 * Does it look like a key?
 */
bool
api_key_has_form(Slice key, const char *prefix)
{
	size_t		len = strlen(prefix);

	if (key.len != len + SECRET_DIGITS || memcmp(key.data, prefix, len) != 0)
		return false;
	for (size_t i = len; i < key.len; i++)
	{
		if (memchr(digits, key.data[i], 16) == NULL)
			return false;
	}
	return true;
}

/*
 * A key of an administrator, or one for everybody.
 */
bool
api_key_is_well_formed(Slice key)
{
	return api_key_has_form(key, "ik_") || api_key_has_form(key, "anon_");
}

/*
 * Append a hash.
 */
void
api_key_append_hash(Bytes *out, Slice key)
{
	unsigned char hash[HASH_BYTES];

	if (EVP_Digest(key.data, key.len, hash, NULL, EVP_sha256(), NULL) != 1)
	{
		out->failed = true;
		return;
	}
	bytes_append_byte(out, '"');
	for (int i = 0; i < HASH_BYTES; i++)
	{
		bytes_append_byte(out, (uint8) digits[hash[i] >> 4]);
		bytes_append_byte(out, (uint8) digits[hash[i] & 15]);
	}
	bytes_append_byte(out, '"');
}
