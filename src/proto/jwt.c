/*-------------------------------------------------------------------------
 *
 * jwt.c
 *	  JSON Web Tokens: verify one, sign one.
 *
 * In this order: the header, which nobody vouches for and of which only alg
 * and kid are used; the key (jwt_keys.c); the signature (jwt_signature.c); and
 * only then the claims, so that no parser but that of the header sees bytes
 * that a stranger made up.
 *
 * src/proto/jwt.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jwt.h"

#include "proto/base64url.h"
#include "proto/hex_digit.h"
#include "proto/jwt_json.h"
#include "proto/jwt_keys.h"

/* A token taken apart; the slices point into one working buffer. */
typedef struct Parts
{
	Slice		signed_text;	/* header and claims as they were encoded */
	Slice		header;			/* JSON */
	Slice		claims;			/* JSON */
	Slice		signature;		/* bytes */
} Parts;

/*
 * Append a token to *out with its percent-encoding undone and white space left
 * out.  False if a '%' is not followed by two hex digits.  *out has room.
 */
static bool
clean(Slice token, Bytes *out)
{
	for (size_t i = 0; i < token.len; i++)
	{
		char		c = token.data[i];

		if (c == '%')
		{
			int			byte = percent_encoded(slice_make(token.data + i, token.len - i));

			if (byte < 0)
				return false;
			c = (char) byte;
			i += 2;
		}
		/* as \s of a regular expression has it */
		if (c == ' ' || (c >= '\t' && c <= '\r'))
			continue;
		bytes_append_byte(out, (uint8) c);
	}
	return true;
}

/*
 * Take the piece before the next '.' off *rest; false if there is none.
 */
static bool
take_piece(Slice *rest, Slice *piece)
{
	const char *dot = rest->len > 0 ? memchr(rest->data, '.', rest->len) : NULL;

	if (dot == NULL)
		return false;
	*piece = slice_make(rest->data, dot - rest->data);
	*rest = slice_make(dot + 1, rest->len - piece->len - 1);
	return true;
}

/*
 * Decode base64url to the end of *work, which has room, so that what points
 * into it stays.
 */
static bool
decode_piece(Slice piece, Bytes *work, Slice *decoded)
{
	size_t		before = work->len;

	if (!base64url_decode(piece, work))
		return false;
	*decoded = slice_make(work->data + before, work->len - before);
	return true;
}

/*
 * Take a token apart into *work.
 */
static JwtVerdict
split_token(Slice token, Bytes *work, Parts *parts)
{
	Slice		rest;
	Slice		header;
	Slice		claims;

	/* the token, and three pieces of it that decoding does not make longer */
	if (!bytes_reserve(work, 2 * token.len + 16))
		return JWT_NO_MEMORY;
	if (!clean(token, work))
		return JWT_MALFORMED;

	rest = bytes_slice(work);
	if (!take_piece(&rest, &header) || !take_piece(&rest, &claims))
		return JWT_MALFORMED;
	parts->signed_text = slice_make(work->data, header.len + 1 + claims.len);
	/* a fourth piece does not decode: '.' is no digit of base64url */
	if (!decode_piece(rest, work, &parts->signature) ||
		!decode_piece(header, work, &parts->header) ||
		!decode_piece(claims, work, &parts->claims))
		return JWT_MALFORMED;
	return JWT_OK;
}

/*
 * Is this JSON text an object in which nothing stands twice?
 */
static JwtVerdict
check_object(Slice json)
{
	if (!jslice_validate(json.data, json.len, NULL))
		return JWT_MALFORMED;
	return jwt_json_object(json);
}

/*
 * Choose algorithm and key by what the header says.
 *
 * jku, jwk, x5u and x5c are never looked at (RFC 8725 3.10).
 */
static JwtVerdict
choose_key(const JwtKeys *keys, Slice header, const JwtAlg **alg, const JwtKey **key)
{
	JwtVerdict	verdict = check_object(header);
	Slice		alg_value;
	Slice		kid_value;
	Bytes		name;
	Bytes		kid;

	if (verdict != JWT_OK)
		return verdict;
	/* RFC 7515 4.1.11: it names extensions that must be understood */
	if (jslice_get(header, "crit").len > 0)
		return JWT_MALFORMED;
	alg_value = jslice_get(header, "alg");
	kid_value = jslice_get(header, "kid");
	if (jslice_type(alg_value) != JSLICE_STRING ||
		(kid_value.len > 0 && jslice_type(kid_value) != JSLICE_STRING))
		return JWT_MALFORMED;

	bytes_init(&name);
	bytes_init(&kid);
	if (!jslice_unescape(alg_value, &name) ||
		(kid_value.len > 0 && !jslice_unescape(kid_value, &kid)))
		verdict = JWT_NO_MEMORY;
	else
	{
		*alg = jwt_alg_find(bytes_slice(&name));
		*key = *alg ? jwt_keys_find(keys, *alg, bytes_slice(&kid)) : NULL;
		verdict = *key ? JWT_OK : JWT_NO_SIGNER;
	}
	bytes_free(&name);
	bytes_free(&kid);
	return verdict;
}

/*
 * Is one of the strings of a claim, a string itself or an array of them, this
 * one?
 */
static bool
claim_has(Slice claim, Slice wanted)
{
	JsliceIter	it;
	Slice		name;
	Slice		item;

	if (jslice_type(claim) == JSLICE_STRING)
		return jslice_string_equals(claim, wanted);
	if (jslice_type(claim) != JSLICE_ARRAY)
		return false;
	jslice_iter_init(&it, claim);
	while (jslice_iter_next(&it, &name, &item))
	{
		if (jslice_string_equals(item, wanted))
			return true;
	}
	return false;
}

/*
 * Check a claim that says from when on a token is good, if it is there.
 */
static JwtVerdict
check_begin(Slice claims, const char *name, const JwtRules *rules)
{
	Slice		claim = jslice_get(claims, name);
	int64		when;

	if (claim.len == 0)
		return JWT_OK;
	if (!jwt_json_time(claim, &when))
		return JWT_MALFORMED;
	return when > rules->now + rules->leeway ? JWT_NOT_YET : JWT_OK;
}

/*
 * Check the claims against the rules; sets *exp as soon as that is known.
 */
static JwtVerdict
check_claims(Slice claims, const JwtRules *rules, int64 *exp)
{
	Slice		role = jslice_get(claims, "role");
	Slice		exp_claim = jslice_get(claims, "exp");
	JwtVerdict	verdict;

	if (exp_claim.len == 0 || role.len == 0)
		return JWT_MISSING_CLAIMS;
	if (jslice_type(role) != JSLICE_STRING || !jwt_json_time(exp_claim, exp))
		return JWT_MALFORMED;
	if (*exp <= rules->now)
		return JWT_EXPIRED;
	verdict = check_begin(claims, "nbf", rules);
	if (verdict == JWT_OK)
		verdict = check_begin(claims, "iat", rules);
	if (verdict != JWT_OK)
		return verdict;

	if (rules->audience.len > 0 && !claim_has(jslice_get(claims, "aud"), rules->audience))
		return JWT_WRONG_AUDIENCE;
	if (rules->issuer.len > 0 && !jslice_string_equals(jslice_get(claims, "iss"), rules->issuer))
		return JWT_WRONG_ISSUER;
	return JWT_OK;
}

/*
 * Append the text of a string or number to *kept, which has room, and point
 * *value at it; for anything else *value is empty.
 */
static void
keep_text(Slice claim, Bytes *kept, Slice *value)
{
	size_t		before = kept->len;

	*value = slice_make(NULL, 0);
	if (jslice_type(claim) == JSLICE_NUMBER)
		bytes_append_slice(kept, claim);
	else if (!jslice_unescape(claim, kept))
		return;
	*value = slice_make(kept->data + before, kept->len - before);
}

/*
 * Fill in *claims, whose memory is *kept.  Only the role can be wrong yet.
 */
static JwtVerdict
keep_claims(Slice json, Bytes *kept, JwtClaims *claims)
{
	Slice		role = jslice_get(json, "role");
	Slice		sub = jslice_get(json, "sub");

	/* all of it at once: the slices must not move */
	if (!bytes_reserve(kept, json.len + role.len + sub.len))
		return JWT_NO_MEMORY;
	bytes_append_slice(kept, json);
	claims->json = bytes_slice(kept);
	keep_text(role, kept, &claims->role);
	keep_text(sub, kept, &claims->sub);

	if (claims->role.len == 0)
		return JWT_MISSING_CLAIMS;
	return claims->role.len <= JWT_ROLE_MAX ? JWT_OK : JWT_MALFORMED;
}

/*
 * Verify a token, with *work for all that is not kept.
 */
static JwtVerdict
verify_token(const JwtKeys *keys, Slice token, const JwtRules *rules,
			 Bytes *work, Bytes *kept, JwtClaims *claims)
{
	Parts		parts;
	const JwtAlg *alg;
	const JwtKey *key;
	JwtVerdict	verdict;

	verdict = split_token(token, work, &parts);
	if (verdict == JWT_OK)
		verdict = choose_key(keys, parts.header, &alg, &key);
	if (verdict != JWT_OK)
		return verdict;
	if (!jwt_signature_good(key, alg, parts.signed_text, parts.signature))
		return JWT_BAD_SIGNATURE;

	verdict = check_object(parts.claims);
	if (verdict == JWT_OK)
		verdict = check_claims(parts.claims, rules, &claims->exp);
	if (verdict == JWT_OK)
		verdict = keep_claims(parts.claims, kept, claims);
	return verdict;
}

/*
 * Verify a token; see jwt.h.
 */
JwtVerdict
jwt_verify(const JwtKeys *keys, Slice token, const JwtRules *rules,
		   Bytes *kept, JwtClaims *claims)
{
	Bytes		work;
	JwtVerdict	verdict;

	memset(claims, 0, sizeof(*claims));
	kept->len = 0;
	if (token.len > JWT_MAX_BYTES)
		return JWT_MALFORMED;
	bytes_init(&work);
	verdict = verify_token(keys, token, rules, &work, kept, claims);
	bytes_free(&work);
	return verdict;
}

/*
 * Sign claims; see jwt.h.
 */
bool
jwt_sign(Bytes *out, Slice claims, Slice secret)
{
	/* base64url of {"alg":"HS256","typ":"JWT"} */
	static const Slice header = {"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", 36};
	size_t		before = out->len;
	uint8		mac[JWT_HS256_BYTES];

	if (bytes_append_slice(out, header) &&
		bytes_append_byte(out, '.') &&
		base64url_encode(claims, out) &&
		jwt_hs256(secret, slice_make(out->data + before, out->len - before), mac) &&
		bytes_append_byte(out, '.') &&
		base64url_encode(slice_make((const char *) mac, sizeof(mac)), out))
		return true;
	out->len = before;
	return false;
}
