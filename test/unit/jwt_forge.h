/*-------------------------------------------------------------------------
 *
 * jwt_forge.h
 *	  What tests of tokens make them with: keys, key sets, signatures.
 *
 * By OpenSSL, and on purpose not by src/proto: it signs whatever it is given,
 * with a header that says whatever the test wants it to.
 *
 * test/unit/jwt_forge.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JWT_FORGE_H
#define REALTIME_JWT_FORGE_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "tap.h"

#define FORGE_SECRET "a secret of the tests, of forty-five bytes..."

/* Append base64url, by OpenSSL's base64. */
static inline void
forge_base64url(Bytes *out, Slice bytes)
{
	char	   *text = malloc(bytes.len / 3 * 4 + 5);
	int			len = EVP_EncodeBlock((unsigned char *) text,
									  (const unsigned char *) bytes.data, (int) bytes.len);

	for (int i = 0; i < len; i++)
	{
		if (text[i] == '=')
			break;
		bytes_append_byte(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
	}
	free(text);
}

/* A new key: "RSA", or the crv of a JWK. */
static inline EVP_PKEY *
forge_key(const char *type)
{
	if (strcmp(type, "RSA") == 0)
		return EVP_RSA_gen(2048);
	if (type[0] == 'P')
		return EVP_EC_gen(type);
	return EVP_PKEY_Q_keygen(NULL, NULL, strcmp(type, "Ed25519") == 0 ? "ED25519" : "ED448");
}

/* Append "name":"base64url" of a number, in `len` bytes or as few as it takes. */
static inline void
forge_number(Bytes *out, const char *name, EVP_PKEY *pkey, const char *param, int len)
{
	BIGNUM	   *number = NULL;
	unsigned char bytes[2048];

	EVP_PKEY_get_bn_param(pkey, param, &number);
	len = len > 0 ? len : BN_num_bytes(number);
	BN_bn2binpad(number, bytes, len);
	BN_free(number);
	bytes_printf(out, ",\"%s\":\"", name);
	forge_base64url(out, slice_make((const char *) bytes, len));
	bytes_append_byte(out, '"');
}

/* Bytes of a coordinate. */
static inline int
forge_coordinate(EVP_PKEY *pkey)
{
	return (EVP_PKEY_get_bits(pkey) + 7) / 8;
}

/*
 * Append the public JWK of a key.  more is NULL, or further members behind a
 * comma.
 */
static inline void
forge_jwk(Bytes *out, const char *type, EVP_PKEY *pkey, const char *kid, const char *more)
{
	bytes_printf(out, "{\"kid\":\"%s\"", kid);
	if (strcmp(type, "RSA") == 0)
	{
		bytes_append_cstr(out, ",\"kty\":\"RSA\"");
		forge_number(out, "n", pkey, OSSL_PKEY_PARAM_RSA_N, 0);
		forge_number(out, "e", pkey, OSSL_PKEY_PARAM_RSA_E, 0);
	}
	else if (type[0] == 'P')
	{
		bytes_printf(out, ",\"kty\":\"EC\",\"crv\":\"%s\"", type);
		forge_number(out, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, forge_coordinate(pkey));
		forge_number(out, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, forge_coordinate(pkey));
	}
	else
	{
		char		raw[64];
		size_t		len = sizeof(raw);

		EVP_PKEY_get_raw_public_key(pkey, (unsigned char *) raw, &len);
		bytes_printf(out, ",\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"", type);
		forge_base64url(out, slice_make(raw, len));
		bytes_append_byte(out, '"');
	}
	bytes_printf(out, "%s}", more ? more : "");
}

/* Append r and s of a signature in DER, each in `half` bytes. */
static inline void
forge_pair(Bytes *out, const unsigned char *der, size_t der_len, int half)
{
	ECDSA_SIG  *pair = d2i_ECDSA_SIG(NULL, &der, (long) der_len);
	unsigned char raw[2 * 66];

	BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, half);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + half, half);
	ECDSA_SIG_free(pair);
	bytes_append(out, raw, 2 * half);
}

/*
 * Append the signature of a text, in a token's format but not encoded.  digest
 * is SHA256 and so on, NULL for EdDSA.
 */
static inline void
forge_signature(Bytes *out, EVP_PKEY *pkey, const char *digest, Slice text)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char signature[1024];
	size_t		len = sizeof(signature);

	EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, pkey, NULL);
	EVP_DigestSign(ctx, signature, &len, (const unsigned char *) text.data, text.len);
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_is_a(pkey, "EC"))
		forge_pair(out, signature, len, forge_coordinate(pkey));
	else
		bytes_append(out, signature, len);
}

/* The same with a secret. */
static inline void
forge_hmac(Bytes *out, Slice secret, const char *digest, Slice text)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t		len = 0;

	EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, secret.data, secret.len,
			  (const unsigned char *) text.data, text.len, mac, sizeof(mac), &len);
	bytes_append(out, mac, len);
}

/* Append header and claims, encoded, with a dot between them. */
static inline void
forge_text(Bytes *out, Slice header, Slice claims)
{
	forge_base64url(out, header);
	bytes_append_byte(out, '.');
	forge_base64url(out, claims);
}

/* Append a dot and a signature, encoded. */
static inline void
forge_end(Bytes *out, Slice signature)
{
	bytes_append_byte(out, '.');
	forge_base64url(out, signature);
}

/* A token signed with a secret, HMAC-SHA256 whatever its header says. */
static inline void
forge_hs256(Bytes *out, Slice header, Slice claims, Slice secret)
{
	Bytes		signature;

	out->len = 0;
	bytes_init(&signature);
	forge_text(out, header, claims);
	forge_hmac(&signature, secret, "SHA256", bytes_slice(out));
	forge_end(out, bytes_slice(&signature));
	bytes_free(&signature);
}

/* A token signed with a key. */
static inline void
forge_token(Bytes *out, Slice header, Slice claims, EVP_PKEY *pkey, const char *digest)
{
	Bytes		signature;

	out->len = 0;
	bytes_init(&signature);
	forge_text(out, header, claims);
	forge_signature(&signature, pkey, digest, bytes_slice(out));
	forge_end(out, bytes_slice(&signature));
	bytes_free(&signature);
}

#endif							/* REALTIME_JWT_FORGE_H */
