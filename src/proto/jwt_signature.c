/*-------------------------------------------------------------------------
 *
 * jwt_signature.c
 *	  Signatures of RFC 7518 section 3 and RFC 8037, by OpenSSL.
 *
 * Which key and which algorithm has been decided before.  OpenSSL's queue of
 * errors is left as it was found: others of the process read it.
 *
 * src/proto/jwt_signature.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jwt_keys.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>

/*
 * HMAC of a text; mac has EVP_MAX_MD_SIZE bytes.
 */
static bool
hmac(Slice secret, const char *digest, Slice text, unsigned char *mac, size_t *mac_len)
{
	return EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, secret.data, secret.len,
					 (const unsigned char *) text.data, text.len,
					 mac, EVP_MAX_MD_SIZE, mac_len) != NULL;
}

/*
 * HMAC-SHA256.
 */
bool
jwt_hs256(Slice secret, Slice text, uint8 *mac)
{
	unsigned char buf[EVP_MAX_MD_SIZE];
	size_t		len = 0;
	bool		good;

	ERR_set_mark();
	good = hmac(secret, "SHA256", text, buf, &len) && len == JWT_HS256_BYTES;
	ERR_pop_to_mark();
	if (good)
		memcpy(mac, buf, JWT_HS256_BYTES);
	return good;
}

/*
 * Compare an HMAC without telling by time where it differs.  Its length is no
 * secret.
 */
static bool
hmac_good(const JwtKey *key, const JwtAlg *alg, Slice text, Slice signature)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t		len = 0;

	return hmac(bytes_slice(&key->secret), alg->digest, text, mac, &len) &&
		signature.len == len && CRYPTO_memcmp(mac, signature.data, len) == 0;
}

/*
 * Let OpenSSL verify a signature in its own format.
 */
static bool
pkey_good(const JwtKey *key, const JwtAlg *alg, Slice text,
		  const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool		good;

	good = ctx != NULL &&
		EVP_DigestVerifyInit_ex(ctx, NULL, alg->digest, NULL, NULL, key->pkey, NULL) == 1 &&
		EVP_DigestVerify(ctx, signature, len, (const unsigned char *) text.data, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

/*
 * Bytes of r and of s on the curve of an ES algorithm.
 */
static size_t
ecdsa_half(JwtCurve curve)
{
	return curve == JWT_CURVE_P256 ? 32 : curve == JWT_CURVE_P384 ? 48 : 66;
}

/*
 * Verify r and s, which a token has behind each other in full length and
 * OpenSSL wants in DER.  Zero and what is not below the order OpenSSL refuses.
 */
static bool
ecdsa_good(const JwtKey *key, const JwtAlg *alg, Slice text, Slice signature)
{
	size_t		half = ecdsa_half(alg->curve);
	const unsigned char *bytes = (const unsigned char *) signature.data;
	ECDSA_SIG  *pair;
	BIGNUM	   *r;
	BIGNUM	   *s;
	unsigned char *der = NULL;
	int			der_len = -1;
	bool		good = false;

	if (signature.len != 2 * half)
		return false;

	pair = ECDSA_SIG_new();
	r = BN_bin2bn(bytes, (int) half, NULL);
	s = BN_bin2bn(bytes + half, (int) half, NULL);
	if (pair && r && s && ECDSA_SIG_set0(pair, r, s))
	{
		r = s = NULL;			/* the pair has them now */
		der_len = i2d_ECDSA_SIG(pair, &der);
	}
	if (der_len > 0)
		good = pkey_good(key, alg, text, der, der_len);
	OPENSSL_free(der);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return good;
}

/*
 * Verify a signature.
 */
bool
jwt_signature_good(const JwtKey *key, const JwtAlg *alg, Slice text, Slice signature)
{
	bool		good;

	if (signature.len == 0)
		return false;
	ERR_set_mark();
	if (alg->type == JWT_KEY_OCT)
		good = hmac_good(key, alg, text, signature);
	else if (alg->type == JWT_KEY_EC)
		good = ecdsa_good(key, alg, text, signature);
	else
		good = pkey_good(key, alg, text, (const unsigned char *) signature.data, signature.len);
	ERR_pop_to_mark();
	return good;
}
