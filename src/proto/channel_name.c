/*-------------------------------------------------------------------------
 *
 * channel_name.c
 *	  Channel names that carry their own proof: name '-' hex HMAC-SHA256.
 *
 * Whoever holds the secret can tell a name it issued from one that a client
 * made up, without storing any of them.  Hex holds no '-', so the last one in
 * a channel is where its name ends.
 *
 * src/proto/channel_name.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/channel_name.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define HMAC_BYTES (CHANNEL_HMAC_HEX / 2)

/*
 * Compute the digits for name: lower-case hex, no NUL.
 */
bool
channel_hmac(Slice name, Slice secret, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int mac_len = 0;

	if (secret.len > INT_MAX)
		return false;
	if (HMAC(EVP_sha256(), secret.len > 0 ? secret.data : "", (int) secret.len,
			 (const unsigned char *) name.data, name.len, mac, &mac_len) == NULL ||
		mac_len != HMAC_BYTES)
		return false;

	for (int i = 0; i < HMAC_BYTES; i++)
	{
		hex[2 * i] = digits[mac[i] >> 4];
		hex[2 * i + 1] = digits[mac[i] & 0x0F];
	}
	return true;
}

/*
 * Check a channel against the secret.
 *
 * The form of a channel is no secret, so only the digits are compared in
 * constant time.
 */
bool
channel_verify(Slice channel, Slice secret)
{
	char		expected[CHANNEL_HMAC_HEX];
	size_t		name_len;

	/* at least one byte of name before the '-' and the digits */
	if (channel.len < 1 + 1 + CHANNEL_HMAC_HEX)
		return false;
	name_len = channel.len - 1 - CHANNEL_HMAC_HEX;
	if (channel.data[name_len] != '-')
		return false;
	if (!channel_hmac(slice_make(channel.data, name_len), secret, expected))
		return false;
	return CRYPTO_memcmp(expected, channel.data + name_len + 1, CHANNEL_HMAC_HEX) == 0;
}
