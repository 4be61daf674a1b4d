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
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <stdlib.h>

#define HMAC_BYTES (CHANNEL_HMAC_HEX / 2)

struct ChannelVerifier
{
	EVP_MAC_CTX *context;
};

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

/*
 * Value of a lower-case hex digit, -1 for anything else.
 */
static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Take a channel apart.
 */
bool
channel_split(Slice channel, ChannelParts *parts)
{
	const char *digits;

	if (channel.len < 1 + 1 + CHANNEL_HMAC_HEX)
		return false;
	parts->name = slice_make(channel.data, channel.len - 1 - CHANNEL_HMAC_HEX);
	if (channel.data[parts->name.len] != '-')
		return false;
	digits = channel.data + parts->name.len + 1;
	for (int i = 0; i < HMAC_BYTES; i++)
	{
		int			high = digit_value(digits[2 * i]);
		int			low = digit_value(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		parts->hmac[i] = (uint8) (high << 4 | low);
	}
	return true;
}

/*
 * Make a verifier.
 */
ChannelVerifier *
channel_verifier_new(void)
{
	ChannelVerifier *verifier = calloc(1, sizeof(ChannelVerifier));
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	char		digest[] = "SHA256";
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()
	};

	if (verifier != NULL && mac != NULL)
		verifier->context = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);			/* the context holds its own reference */
	if (verifier != NULL && verifier->context != NULL &&
		EVP_MAC_CTX_set_params(verifier->context, params))
		return verifier;
	channel_verifier_free(verifier);
	return NULL;
}

/*
 * Free it.
 */
void
channel_verifier_free(ChannelVerifier *verifier)
{
	if (verifier == NULL)
		return;
	EVP_MAC_CTX_free(verifier->context);
	free(verifier);
}

/*
 * Take another secret.
 */
bool
channel_verifier_use(ChannelVerifier *verifier, Slice secret)
{
	return EVP_MAC_init(verifier->context,
						(const unsigned char *) (secret.len > 0 ? secret.data : ""),
						secret.len, NULL) == 1;
}

/*
 * Check a channel; EVP_MAC_init() without a key begins again with the same one.
 */
bool
channel_verifier_check(ChannelVerifier *verifier, const ChannelParts *parts)
{
	unsigned char mac[HMAC_BYTES];
	size_t		len = 0;

	return EVP_MAC_init(verifier->context, NULL, 0, NULL) == 1 &&
		EVP_MAC_update(verifier->context, (const unsigned char *) parts->name.data,
					   parts->name.len) == 1 &&
		EVP_MAC_final(verifier->context, mac, &len, sizeof(mac)) == 1 &&
		len == sizeof(mac) &&
		CRYPTO_memcmp(mac, parts->hmac, sizeof(mac)) == 0;
}
