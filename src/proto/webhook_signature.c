/*-------------------------------------------------------------------------
 *
 * webhook_signature.c
 *	  Signatures of webhook deliveries (Standard Webhooks, symmetric).
 *
 * src/proto/webhook_signature.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/webhook_signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "proto/base64.h"

#define SECRET_PREFIX SLICE_LIT("whsec_")
#define SIGNATURE_BYTES 32
#define SIGNATURE_BASE64 44

/*
 * The key that a secret stands for.
 */
static bool
append_key(Slice secret, Bytes *key)
{
	Slice		prefix = SECRET_PREFIX;

	if (!slice_has_prefix(secret, prefix))
		return bytes_append_slice(key, secret);
	return base64_decode(slice_make(secret.data + prefix.len, secret.len - prefix.len), key);
}

/*
 * Append the signature with a key.
 */
static bool
append_signature(Slice key, Slice content, Bytes *out)
{
	uint8		mac[EVP_MAX_MD_SIZE];
	char		base64[SIGNATURE_BASE64 + 1];
	size_t		mac_len = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.data, key.len,
				  (const unsigned char *) content.data, content.len,
				  mac, sizeof(mac), &mac_len) == NULL || mac_len != SIGNATURE_BYTES)
		return false;
	EVP_EncodeBlock((unsigned char *) base64, mac, SIGNATURE_BYTES);
	return bytes_append_cstr(out, "v1,") && bytes_append_cstr(out, base64);
}

/*
 * Sign.
 */
bool
webhook_sign(Slice secret, Slice id, int64 timestamp, Slice body, Bytes *out)
{
	Bytes		key;
	Bytes		content;
	bool		signed_it;

	bytes_init(&key);
	bytes_init(&content);
	signed_it = append_key(secret, &key) && key.len > 0 &&
		bytes_append_slice(&content, id) &&
		bytes_printf(&content, "." INT64_FORMAT ".", timestamp) &&
		bytes_append_slice(&content, body) &&
		append_signature(bytes_slice(&key), bytes_slice(&content), out);
	if (key.data != NULL)
		OPENSSL_cleanse(key.data, key.len);
	bytes_free(&key);
	bytes_free(&content);
	return signed_it;
}
