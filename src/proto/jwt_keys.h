/*-------------------------------------------------------------------------
 *
 * jwt_keys.h
 *	  The keys behind jwt.h, and what can be done with them.
 *
 * For the jwt_*.c files only.
 *
 * src/proto/jwt_keys.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JWT_KEYS_H
#define REALTIME_JWT_KEYS_H

#include <openssl/types.h>

#include "proto/jwt.h"

/* kty of RFC 7518 6.1 and RFC 8037 2. */
typedef enum JwtKeyType
{
	JWT_KEY_OCT,
	JWT_KEY_RSA,
	JWT_KEY_EC,
	JWT_KEY_OKP
} JwtKeyType;

typedef enum JwtCurve
{
	JWT_CURVE_NONE,				/* of a key without one; of an algorithm that
								 * does not care */
	JWT_CURVE_P256,
	JWT_CURVE_P384,
	JWT_CURVE_P521,
	JWT_CURVE_ED25519,
	JWT_CURVE_ED448
} JwtCurve;

/* A signature algorithm, and the keys that may do it. */
typedef struct JwtAlg
{
	const char *name;			/* value of alg */
	JwtKeyType	type;
	JwtCurve	curve;
	const char *digest;			/* OpenSSL's name; NULL where the key says it */
} JwtAlg;

/* A key; once made it does not change. */
typedef struct JwtKey
{
	Bytes		kid;
	JwtKeyType	type;
	JwtCurve	curve;
	const JwtAlg *only;			/* its member alg; NULL = all of its type */
	Bytes		secret;			/* of JWT_KEY_OCT */
	EVP_PKEY   *pkey;			/* of the others: the public half */
} JwtKey;

/* The algorithm of that name; NULL if there is none that we do. */
extern const JwtAlg *jwt_alg_find(Slice name);

/* May the key be used with this algorithm? */
extern bool jwt_key_does(const JwtKey *key, const JwtAlg *alg);

/*
 * The key for a token of that algorithm.  kid has no data where the header has
 * none.  NULL if there is no such key.
 */
extern const JwtKey *jwt_keys_find(const JwtKeys *keys, const JwtAlg *alg, Slice kid);

/* Give back what a key holds, secrets wiped; it is all zeros then. */
extern void jwt_key_clear(JwtKey *key);

/*
 * Make a key of a JWK, a validated JSON value.  NULL if it is good; else why
 * not, in constant text, and *key holds its kid, if it has one.  Either way
 * the caller clears *key.
 */
extern const char *jwk_read(Slice jwk, JwtKey *key) RT_MUSTCHECK;

/*
 * Is this the signature of that text?  jwt_key_does() must hold.  False also
 * where OpenSSL has no memory.
 */
extern bool jwt_signature_good(const JwtKey *key, const JwtAlg *alg,
							   Slice text, Slice signature) RT_MUSTCHECK;

/* Bytes of an HMAC-SHA256. */
#define JWT_HS256_BYTES 32

/* HMAC-SHA256 of a text to mac[JWT_HS256_BYTES]; false if OpenSSL refuses. */
extern bool jwt_hs256(Slice secret, Slice text, uint8 *mac) RT_MUSTCHECK;

#endif							/* REALTIME_JWT_KEYS_H */
