/*-------------------------------------------------------------------------
 *
 * jwt.h
 *	  JSON Web Tokens: the keys they are verified with, and their claims.
 *
 * RFC 7515 (JWS), 7517 (JWK), 7519 (JWT), 8037 (EdDSA), and what RFC 8725
 * recommends: the algorithm is that of the key, what the header says must be
 * the same, and everything the header says about where to find a key is
 * ignored but kid, which only selects among the keys there are.
 * reliability.md (c) is the list of attacks; supabase.md 7.1 of algorithms.
 *
 * src/proto/jwt.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JWT_H
#define REALTIME_JWT_H

#include "proto/bytes.h"

#define JWT_MAX_BYTES 8192		/* of a token */
#define JWT_MIN_SECRET 32		/* bytes of an HMAC secret */
#define JWT_MAX_JWKS (1024 * 1024)	/* bytes of a key set */
#define JWT_MAX_KEYS 256		/* of one set */
#define JWT_ROLE_MAX 63			/* bytes of the claim role */

typedef struct JwtKeys JwtKeys;

typedef enum JwtVerdict
{
	JWT_OK,
	JWT_MALFORMED,				/* not three parts of base64url and JSON,
								 * longer than JWT_MAX_BYTES, a claim of the
								 * wrong type, or a member that stands twice */
	JWT_NO_SIGNER,				/* no key of that algorithm, or of that kid */
	JWT_BAD_SIGNATURE,
	JWT_MISSING_CLAIMS,			/* no exp or no role */
	JWT_EXPIRED,
	JWT_NOT_YET,				/* nbf or iat in the future */
	JWT_WRONG_AUDIENCE,
	JWT_WRONG_ISSUER,
	JWT_NO_MEMORY
} JwtVerdict;

/* What a token must satisfy beside its signature. */
typedef struct JwtRules
{
	int64		now;			/* Unix time, seconds */
	int64		leeway;			/* seconds that nbf and iat may be ahead */
	Slice		audience;		/* must be, or be in, aud; empty = any */
	Slice		issuer;			/* must be iss; empty = any */
} JwtRules;

/* Of a token that was verified.  The slices point into the buffer given. */
typedef struct JwtClaims
{
	Slice		json;			/* all claims: the token's own text */
	Slice		role;			/* 1..JWT_ROLE_MAX bytes, no NUL */
	Slice		sub;			/* text of a string or a number; else empty */
	int64		exp;			/* Unix time, seconds, rounded down */
} JwtClaims;

/*
 * Told why a member of a key set was left out; kid is empty where it has none.
 * why is constant text without anything of the key.
 */
typedef void (*JwtKeySkipped) (Slice kid, const char *why, void *arg);

/* An empty set of keys; NULL without memory. */
extern JwtKeys *jwt_keys_create(void);
extern void jwt_keys_free(JwtKeys *keys);

/*
 * Add the HMAC secret that tokens without a kid of another key are verified
 * with (HS256, HS384, HS512).  False if it is shorter than JWT_MIN_SECRET or
 * there is no memory.
 */
extern bool jwt_keys_add_secret(JwtKeys *keys, Slice secret) RT_MUSTCHECK;

/*
 * Add the keys of a JSON Web Key Set (RFC 7517 5): kty RSA (2048 bits and
 * more), EC (P-256, P-384, P-521), OKP (Ed25519, Ed448) and oct.  A key that
 * cannot be used is reported and left out.  Returns the number of keys added,
 * or -1 with *error set if the text is no key set at all.
 */
extern int	jwt_keys_add_jwks(JwtKeys *keys, Slice json, JwtKeySkipped skipped,
							  void *arg, const char **error) RT_MUSTCHECK;

/*
 * Verify a token.  Only where the result is JWT_OK, *claims is complete; where
 * it is JWT_EXPIRED, claims->exp is set.  `kept` is emptied and holds what the
 * slices point to.  White space in the token is left out and percent-encoding
 * undone, as upstream does (supabase.md 7.1).
 */
extern JwtVerdict jwt_verify(const JwtKeys *keys, Slice token, const JwtRules *rules,
							 Bytes *kept, JwtClaims *claims) RT_MUSTCHECK;

/*
 * Append a token with these claims, a JSON object, signed with HS256; false
 * for want of memory or if OpenSSL refuses.
 */
extern bool jwt_sign(Bytes *out, Slice claims, Slice secret) RT_MUSTCHECK;

#endif							/* REALTIME_JWT_H */
