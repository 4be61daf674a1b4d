/*-------------------------------------------------------------------------
 *
 * jwt_keys.c
 *	  The set of keys that tokens are verified with, and the choice among them.
 *
 * The choice is what most attacks on tokens aim at (RFC 8725 2.1, 2.10), so it
 * is all here: a key does the algorithms of its type and curve, or the single
 * one that its alg says, whatever a token would like; kid is compared with the
 * kids there are and used for nothing else.
 *
 * src/proto/jwt_keys.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jwt_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "proto/jslice.h"

struct JwtKeys
{
	JwtKey		secret;			/* of jwt_keys_add_secret(); without kid */
	int			nkeys;
	JwtKey		keys[JWT_MAX_KEYS]; /* all have a kid */
};

/* RFC 7518 3.1, RFC 8037 3.1, RFC 9864 2.2. */
static const JwtAlg algs[] = {
	{"HS256", JWT_KEY_OCT, JWT_CURVE_NONE, "SHA256"},
	{"HS384", JWT_KEY_OCT, JWT_CURVE_NONE, "SHA384"},
	{"HS512", JWT_KEY_OCT, JWT_CURVE_NONE, "SHA512"},
	{"RS256", JWT_KEY_RSA, JWT_CURVE_NONE, "SHA256"},
	{"RS384", JWT_KEY_RSA, JWT_CURVE_NONE, "SHA384"},
	{"RS512", JWT_KEY_RSA, JWT_CURVE_NONE, "SHA512"},
	{"ES256", JWT_KEY_EC, JWT_CURVE_P256, "SHA256"},
	{"ES384", JWT_KEY_EC, JWT_CURVE_P384, "SHA384"},
	{"ES512", JWT_KEY_EC, JWT_CURVE_P521, "SHA512"},
	{"EdDSA", JWT_KEY_OKP, JWT_CURVE_NONE, NULL},
	{"Ed25519", JWT_KEY_OKP, JWT_CURVE_ED25519, NULL},
	{"Ed448", JWT_KEY_OKP, JWT_CURVE_ED448, NULL}
};

/*
 * Look an algorithm up.
 */
const JwtAlg *
jwt_alg_find(Slice name)
{
	for (int i = 0; i < (int) lengthof(algs); i++)
	{
		if (slice_equals_cstr(name, algs[i].name))
			return &algs[i];
	}
	return NULL;
}

/*
 * Do type, curve and alg of the key allow it?
 *
 * EdDSA is the older name of what Ed25519 and Ed448 are now called: a key that
 * is for the one may be used under the other.
 */
bool
jwt_key_does(const JwtKey *key, const JwtAlg *alg)
{
	if (key->type != alg->type ||
		(alg->curve != JWT_CURVE_NONE && alg->curve != key->curve))
		return false;
	return key->only == NULL || key->only == alg || key->type == JWT_KEY_OKP;
}

/*
 * The key of that type and kid, or NULL.
 */
static const JwtKey *
find_kid(const JwtKeys *keys, JwtKeyType type, Slice kid)
{
	for (int i = 0; i < keys->nkeys; i++)
	{
		if (keys->keys[i].type == type &&
			slice_equals(bytes_slice(&keys->keys[i].kid), kid))
			return &keys->keys[i];
	}
	return NULL;
}

/*
 * Choose the key of a token.
 *
 * supabase.md 7.1: HMAC with a kid that no key has means the secret; for every
 * other algorithm a kid is needed.
 */
const JwtKey *
jwt_keys_find(const JwtKeys *keys, const JwtAlg *alg, Slice kid)
{
	const JwtKey *key = kid.data ? find_kid(keys, alg->type, kid) : NULL;

	if (key == NULL && alg->type == JWT_KEY_OCT && keys->secret.secret.len > 0)
		key = &keys->secret;
	return key != NULL && jwt_key_does(key, alg) ? key : NULL;
}

/*
 * Free one key.
 */
void
jwt_key_clear(JwtKey *key)
{
	if (key->secret.data)
		OPENSSL_cleanse(key->secret.data, key->secret.cap);
	bytes_free(&key->secret);
	bytes_free(&key->kid);
	EVP_PKEY_free(key->pkey);
	memset(key, 0, sizeof(*key));
}

/*
 * Make an empty set.
 */
JwtKeys    *
jwt_keys_create(void)
{
	JwtKeys    *keys = malloc(sizeof(JwtKeys));

	if (keys)
		memset(keys, 0, sizeof(*keys));
	return keys;
}

/*
 * Free a set; NULL is none.
 */
void
jwt_keys_free(JwtKeys *keys)
{
	if (keys == NULL)
		return;
	jwt_key_clear(&keys->secret);
	for (int i = 0; i < keys->nkeys; i++)
		jwt_key_clear(&keys->keys[i]);
	free(keys);
}

/*
 * Set the secret; it replaces a former one.
 */
bool
jwt_keys_add_secret(JwtKeys *keys, Slice secret)
{
	if (secret.len < JWT_MIN_SECRET)
		return false;
	jwt_key_clear(&keys->secret);
	keys->secret.type = JWT_KEY_OCT;
	return bytes_append_slice(&keys->secret.secret, secret);
}

/*
 * Add one JWK.  NULL if it was added, else why not; the key's kid is in *kid
 * then, which the caller frees.
 */
static const char *
add_jwk(JwtKeys *keys, Slice jwk, Bytes *kid)
{
	JwtKey	   *key = &keys->keys[keys->nkeys];
	const char *why = jwk_read(jwk, key);

	if (why == NULL && find_kid(keys, key->type, bytes_slice(&key->kid)))
		why = "another key of its type has the same kid";
	if (why == NULL)
	{
		keys->nkeys++;
		return NULL;
	}
	*kid = key->kid;
	bytes_init(&key->kid);
	jwt_key_clear(key);
	return why;
}

/*
 * The array of keys in the text of a key set; an empty slice and *error set
 * where it is none, or none that could be added.
 */
static Slice
jwks_members(const JwtKeys *keys, Slice json, const char **error)
{
	const Slice none = slice_make(NULL, 0);
	Slice		members;
	Slice		key;
	Slice		item;
	JsliceIter	it;
	int			n = 0;

	if (json.len > JWT_MAX_JWKS)
	{
		*error = "it is too long";
		return none;
	}
	if (!jslice_validate(json.data, json.len, error))
		return none;
	/* of an array jslice_get() finds nothing */
	members = jslice_get(json, "keys");
	if (jslice_type(members) != JSLICE_ARRAY)
	{
		*error = "it has no member \"keys\" that is an array";
		return none;
	}

	jslice_iter_init(&it, members);
	while (jslice_iter_next(&it, &key, &item))
	{
		if (++n > JWT_MAX_KEYS - keys->nkeys)
		{
			*error = "it has too many keys";
			return none;
		}
	}
	return members;
}

/*
 * Add the keys of a set.
 */
int
jwt_keys_add_jwks(JwtKeys *keys, Slice json, JwtKeySkipped skipped, void *arg,
				  const char **error)
{
	Slice		members = jwks_members(keys, json, error);
	int			before = keys->nkeys;
	JsliceIter	it;
	Slice		name;
	Slice		jwk;

	if (members.len == 0)
		return -1;
	jslice_iter_init(&it, members);
	while (jslice_iter_next(&it, &name, &jwk))
	{
		Bytes		kid = {0};
		const char *why = add_jwk(keys, jwk, &kid);

		if (why && skipped)
			skipped(bytes_slice(&kid), why, arg);
		bytes_free(&kid);
	}
	return keys->nkeys - before;
}
