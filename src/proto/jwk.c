/*-------------------------------------------------------------------------
 *
 * jwk.c
 *	  One JSON Web Key: from its members to a key that OpenSSL takes.
 *
 * Key sets are configuration, but often fetched from elsewhere, so nothing in
 * them is believed.  What a key is refused for is told to the administrator in
 * constant text; nothing of the key is.  Private members (d, p, q ...) are not
 * looked at.
 *
 * src/proto/jwk.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jwt_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "proto/base64url.h"
#include "proto/jslice.h"
#include "proto/jwt_json.h"

#define RSA_MIN_BITS 2048		/* RFC 7518 3.3 */
#define RSA_MAX_BITS 16384		/* OPENSSL_RSA_MAX_MODULUS_BITS */
#define RSA_MAX_EXPONENT_BITS 64	/* OPENSSL_RSA_MAX_PUBEXP_BITS */

static const char no_memory[] = "there is no memory for it";

/* crv of RFC 7518 6.2.1.1 and RFC 8037 2. */
static const struct
{
	const char *name;			/* also the name of OpenSSL's group */
	JwtKeyType	type;
	JwtCurve	curve;
	size_t		bytes;			/* of a coordinate, or of the public key */
}			curves[] = {
	{"P-256", JWT_KEY_EC, JWT_CURVE_P256, 32},
	{"P-384", JWT_KEY_EC, JWT_CURVE_P384, 48},
	{"P-521", JWT_KEY_EC, JWT_CURVE_P521, 66},
	{"Ed25519", JWT_KEY_OKP, JWT_CURVE_ED25519, 32},
	{"Ed448", JWT_KEY_OKP, JWT_CURVE_ED448, 57}
};

/*
 * Decode a member that is base64url onto *out; false if it is not, or is not
 * there.
 */
static bool
take_bytes(Slice jwk, const char *name, Bytes *out)
{
	Bytes		spelled;
	bool		good;

	bytes_init(&spelled);
	good = jslice_unescape(jslice_get(jwk, name), &spelled) &&
		base64url_decode(bytes_slice(&spelled), out);
	bytes_free(&spelled);
	return good;
}

/*
 * The same for a member that is a number, as a BIGNUM; NULL if it is not, or
 * has more than max_bits bits.
 */
static BIGNUM *
take_number(Slice jwk, const char *name, int max_bits)
{
	Bytes		octets;
	BIGNUM	   *number = NULL;

	bytes_init(&octets);
	/* RFC 7518 2 wants no leading zero bytes, but there are writers of one */
	if (take_bytes(jwk, name, &octets) && octets.len <= max_bits / 8 + 1)
		number = BN_bin2bn((const unsigned char *) octets.data, (int) octets.len, NULL);
	bytes_free(&octets);
	if (number && BN_num_bits(number) > max_bits)
	{
		BN_free(number);
		number = NULL;
	}
	return number;
}

/*
 * Let OpenSSL make a public key of parameters; NULL if they are none.
 */
static EVP_PKEY *
make_pkey(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY   *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0)
	{
		EVP_PKEY_free(pkey);	/* OpenSSL 3.0 leaves an empty one behind */
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/*
 * Does OpenSSL find the point of a key to be on its curve?  The curves we know
 * have no other points than those of their group.
 */
static bool
check_pkey(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool		good = ctx != NULL && EVP_PKEY_public_check_quick(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

/*
 * The public key of a modulus and an exponent; NULL if OpenSSL refuses.
 */
static EVP_PKEY *
rsa_pkey(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY   *pkey = NULL;

	if (builder != NULL &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
		params = OSSL_PARAM_BLD_to_param(builder);
	if (params != NULL)
		pkey = make_pkey("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	return pkey;
}

/*
 * kty RSA: RFC 7518 6.3.1.
 *
 * OpenSSL's own check of such a key tests whether the modulus is composite,
 * which takes seconds for a long one and tells nothing that matters here.
 */
static const char *
read_rsa(Slice jwk, JwtKey *key)
{
	BIGNUM	   *n = take_number(jwk, "n", RSA_MAX_BITS);
	BIGNUM	   *e = take_number(jwk, "e", RSA_MAX_EXPONENT_BITS);
	const char *why = NULL;

	if (n == NULL || e == NULL)
		why = "its n or e is no number, or too large";
	else if (BN_num_bits(n) < RSA_MIN_BITS)
		why = "its modulus has fewer than 2048 bits";
	else if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e))
		why = "its n or e can be that of no RSA key";
	else if ((key->pkey = rsa_pkey(n, e)) == NULL)
		why = "OpenSSL does not take it";
	BN_free(n);
	BN_free(e);
	return why;
}

/*
 * Find the curve that the member crv names and set it; 0 if it is none of that
 * type, else the bytes of its coordinates.  *name is OpenSSL's name for it.
 */
static size_t
read_curve(Slice jwk, JwtKey *key, const char **name)
{
	Slice		crv = jslice_get(jwk, "crv");

	for (int i = 0; i < (int) lengthof(curves); i++)
	{
		if (curves[i].type == key->type &&
			jslice_string_equals(crv, slice_make(curves[i].name, strlen(curves[i].name))))
		{
			key->curve = curves[i].curve;
			*name = curves[i].name;
			return curves[i].bytes;
		}
	}
	return 0;
}

/*
 * The public key of a point on a curve; NULL if it is not on it.
 */
static EVP_PKEY *
ec_pkey(const char *group, Bytes *point)
{
	OSSL_PARAM	params[3];
	EVP_PKEY   *pkey;

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
												 unconstify(char *, group), 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
												  point->data, point->len);
	params[2] = OSSL_PARAM_construct_end();
	pkey = make_pkey("EC", params);
	if (pkey && !check_pkey(pkey))
	{
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

/*
 * kty EC: RFC 7518 6.2.1.  Coordinates have their full length.
 */
static const char *
read_ec(Slice jwk, JwtKey *key)
{
	const char *group;
	size_t		size = read_curve(jwk, key, &group);
	Bytes		point;
	const char *why = NULL;

	if (size == 0)
		return "its crv is not P-256, P-384 or P-521";

	bytes_init(&point);
	bytes_append_byte(&point, POINT_CONVERSION_UNCOMPRESSED);
	if (!take_bytes(jwk, "x", &point) || point.len != 1 + size ||
		!take_bytes(jwk, "y", &point) || point.len != 1 + 2 * size)
		why = "its x or y has another length than its crv says";
	else if ((key->pkey = ec_pkey(group, &point)) == NULL)
		why = "its x and y are no point on its crv";
	bytes_free(&point);
	return why;
}

/*
 * kty OKP: RFC 8037 2.
 */
static const char *
read_okp(Slice jwk, JwtKey *key)
{
	const char *type;
	size_t		size = read_curve(jwk, key, &type);
	Bytes		public_key;
	const char *why = NULL;

	if (size == 0)
		return "its crv is not Ed25519 or Ed448";

	bytes_init(&public_key);
	if (!take_bytes(jwk, "x", &public_key) || public_key.len != size)
		why = "its x has another length than its crv says";
	else
	{
		key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, type, NULL,
												   (const unsigned char *) public_key.data,
												   public_key.len);
		if (key->pkey == NULL)
			why = "OpenSSL does not take it";
	}
	bytes_free(&public_key);
	return why;
}

/*
 * kty oct: RFC 7518 6.4.
 */
static const char *
read_oct(Slice jwk, JwtKey *key)
{
	if (!take_bytes(jwk, "k", &key->secret))
		return "its k is not base64url";
	if (key->secret.len < JWT_MIN_SECRET)
		return "its secret has fewer than 32 bytes";
	return NULL;
}

/*
 * Read what depends on kty.
 */
static const char *
read_material(Slice jwk, JwtKey *key)
{
	static const struct
	{
		const char *kty;
		JwtKeyType	type;
		const char *(*read) (Slice jwk, JwtKey *key);
	}			types[] = {
		{"RSA", JWT_KEY_RSA, read_rsa},
		{"EC", JWT_KEY_EC, read_ec},
		{"OKP", JWT_KEY_OKP, read_okp},
		{"oct", JWT_KEY_OCT, read_oct}
	};
	Slice		kty = jslice_get(jwk, "kty");

	for (int i = 0; i < (int) lengthof(types); i++)
	{
		if (jslice_string_equals(kty, slice_make(types[i].kty, strlen(types[i].kty))))
		{
			key->type = types[i].type;
			return types[i].read(jwk, key);
		}
	}
	return "its kty is not RSA, EC, OKP or oct";
}

/*
 * Is the key meant for verifying, as far as use and key_ops say (RFC 7517 4.2,
 * 4.3)?
 */
static bool
may_verify(Slice jwk)
{
	Slice		use = jslice_get(jwk, "use");
	Slice		key_ops = jslice_get(jwk, "key_ops");
	JsliceIter	it;
	Slice		name;
	Slice		op;

	if (use.len > 0 &&
		(jslice_type(use) != JSLICE_STRING || jslice_string_equals(use, SLICE_LIT("enc"))))
		return false;
	if (key_ops.len == 0)
		return true;
	if (jslice_type(key_ops) != JSLICE_ARRAY)
		return false;
	jslice_iter_init(&it, key_ops);
	while (jslice_iter_next(&it, &name, &op))
	{
		if (jslice_string_equals(op, SLICE_LIT("verify")))
			return true;
	}
	return false;
}

/*
 * Read alg, which ties the key to one algorithm (RFC 7517 4.4).  False if that
 * is none that such a key does, or that we do.
 */
static bool
read_alg(Slice jwk, JwtKey *key)
{
	Slice		alg = jslice_get(jwk, "alg");
	Bytes		name;

	if (alg.len == 0)
		return true;
	bytes_init(&name);
	if (jslice_unescape(alg, &name))
		key->only = jwt_alg_find(bytes_slice(&name));
	bytes_free(&name);
	return key->only != NULL && jwt_key_does(key, key->only);
}

/*
 * Make a key of a JWK.
 */
const char *
jwk_read(Slice jwk, JwtKey *key)
{
	JwtVerdict	object = jwt_json_object(jwk);
	const char *why;

	memset(key, 0, sizeof(*key));
	if (object == JWT_NO_MEMORY)
		return no_memory;
	if (object != JWT_OK)
		return "it is no JSON object, or has a member twice";
	if (!jslice_unescape(jslice_get(jwk, "kid"), &key->kid) || key->kid.len == 0)
		return key->kid.failed ? no_memory : "it has no kid";
	if (!may_verify(jwk))
		return "its use or key_ops is not for verifying";

	ERR_set_mark();
	why = read_material(jwk, key);
	ERR_pop_to_mark();
	if (why)
		return why;
	return read_alg(jwk, key) ? NULL : "its alg is none that such a key can do";
}
