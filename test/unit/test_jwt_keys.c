/*-------------------------------------------------------------------------
 *
 * test_jwt_keys.c
 *	  Keys: which tokens they verify, and which key sets are taken.
 *
 * test/unit/test_jwt_keys.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "jwt_forge.h"
#include "proto/base64url.h"
#include "proto/jwt_keys.h"

#define NOW 1700000000
#define CLAIMS "{\"role\":\"anon\",\"exp\":1700003600}"

static const JwtRules rules = {.now = NOW};

/* One key of each type, and the algorithms that it does. */
static struct
{
	const char *type;
	const char *kid;
	EVP_PKEY   *pkey;
}			keys[] = {
	{"RSA", "r"}, {"P-256", "e2"}, {"P-384", "e3"}, {"P-521", "e5"},
	{"Ed25519", "d2"}, {"Ed448", "d4"}
};

/* Those, and the two secrets of full_set(). */
#define ALL_KEYS ((int) lengthof(keys) + 2)

static const struct
{
	const char *alg;
	int			key;			/* of keys[] */
	const char *digest;
}			algs[] = {
	{"RS256", 0, "SHA256"}, {"RS384", 0, "SHA384"}, {"RS512", 0, "SHA512"},
	{"ES256", 1, "SHA256"}, {"ES384", 2, "SHA384"}, {"ES512", 3, "SHA512"},
	{"EdDSA", 4, NULL}, {"Ed25519", 4, NULL}, {"EdDSA", 5, NULL}, {"Ed448", 5, NULL}
};

/* For allocations that fail: the n-th of those to come; -1 = none. */
static int	fail_at = -1;
static int	allocations;

extern void *__wrap_malloc(size_t size);
extern void *__wrap_realloc(void *p, size_t size);
extern void *__real_malloc(size_t size);
extern void *__real_realloc(void *p, size_t size);

/* Is this the allocation that is to fail? */
static bool
fails(void)
{
	return fail_at >= 0 && allocations++ == fail_at;
}

void	   *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void	   *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

/* What a set's last skipped key was skipped for, and how many were. */
static char skipped_why[200];
static char skipped_kid[200];
static int	skipped;

static void
note_skipped(Slice kid, const char *why, void *arg)
{
	skipped += *(int *) arg;
	snprintf(skipped_why, sizeof(skipped_why), "%s", why);
	snprintf(skipped_kid, sizeof(skipped_kid), SLICE_FMT, SLICE_ARG(kid));
}

/* Add a set that ends where its memory ends. */
static int
add(JwtKeys *set, Slice json, const char **error)
{
	Slice		copy = exact(json);
	int			one = 1;
	int			n;

	skipped = 0;
	skipped_why[0] = skipped_kid[0] = '\0';
	*error = "none";
	n = jwt_keys_add_jwks(set, copy, note_skipped, &one, error);
	release(copy);
	return n;
}

/* The set of all keys[], and two secrets. */
static void
full_set(Bytes *json)
{
	json->len = 0;
	bytes_append_cstr(json, "{\"keys\":[");
	for (int i = 0; i < lengthof(keys); i++)
	{
		forge_jwk(json, keys[i].type, keys[i].pkey, keys[i].kid, NULL);
		bytes_append_byte(json, ',');
	}
	bytes_append_cstr(json, "{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"");
	forge_base64url(json, B(FORGE_SECRET "of a key"));
	bytes_append_cstr(json, "\"},{\"kty\":\"oct\",\"kid\":\"o5\",\"alg\":\"HS512\",\"k\":\"");
	forge_base64url(json, B(FORGE_SECRET "of another"));
	bytes_append_cstr(json, "\"}]}");
}

/* A set with all keys and the secret. */
static JwtKeys *
make_set(void)
{
	JwtKeys    *set = jwt_keys_create();
	Bytes		json;
	const char *error;

	bytes_init(&json);
	full_set(&json);
	if (!ok(jwt_keys_add_secret(set, B(FORGE_SECRET)) &&
			add(set, bytes_slice(&json), &error) == ALL_KEYS && skipped == 0, "a set of all kinds of keys"))
		diag("error: %s, skipped %s: %s", error, skipped_kid, skipped_why);
	bytes_free(&json);
	return set;
}

/* Verify a token that ends where its memory ends. */
static JwtVerdict
verify(const JwtKeys *set, Slice token)
{
	Slice		copy = exact(token);
	JwtClaims	claims;
	Bytes		kept;
	JwtVerdict	verdict;

	bytes_init(&kept);
	verdict = jwt_verify(set, copy, &rules, &kept, &claims);
	bytes_free(&kept);
	release(copy);
	return verdict;
}

/* A header with alg, and kid unless NULL. */
static Slice
header(const char *alg, const char *kid)
{
	static char buf[200];

	if (kid)
		snprintf(buf, sizeof(buf), "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid);
	else
		snprintf(buf, sizeof(buf), "{\"alg\":\"%s\"}", alg);
	return slice_make(buf, strlen(buf));
}

/*
 * The examples of RFC 7515, appendix A, and RFC 8037, appendix A.4.  They have
 * no kid and most are no JWT, so it is their signatures that are verified.
 */
static void
test_rfc(void)
{
#define JOE "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	static const struct
	{
		const char *alg;
		Slice		jwk;
		Slice		signed_text;
		Slice		signature;
	}			examples[] = {
		{"HS256",
			P("{\"kid\":\"1\",\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}"),
			P("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE),
		P("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")},
		{"RS256",
			P("{\"kid\":\"1\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}"),
			P("eyJhbGciOiJSUzI1NiJ9." JOE),
		P("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")},
		{"ES256",
			P("{\"kid\":\"1\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"),
			P("eyJhbGciOiJFUzI1NiJ9." JOE),
		P("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")},
		{"ES512",
			P("{\"kid\":\"1\",\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}"),
			P("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA"),
		P("AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn")},
		{"EdDSA",
			P("{\"kid\":\"1\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
			P("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"),
		P("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")},
	};

	for (int i = 0; i < lengthof(examples); i++)
	{
		const JwtAlg *alg = jwt_alg_find(slice_make(examples[i].alg, strlen(examples[i].alg)));
		JwtKey		key;
		Bytes		signature;
		bool		good = true;

		bytes_init(&signature);
		ok(jwk_read(examples[i].jwk, &key) == NULL && jwt_key_does(&key, alg) &&
		   base64url_decode(examples[i].signature, &signature) &&
		   jwt_signature_good(&key, alg, examples[i].signed_text, bytes_slice(&signature)),
		   "the example of %s", examples[i].alg);
		for (size_t at = 0; at < signature.len; at++)
		{
			signature.data[at] ^= 1;
			good = good && !jwt_signature_good(&key, alg, examples[i].signed_text, bytes_slice(&signature));
			signature.data[at] ^= 1;
		}
		ok(good, "no other signature");
		jwt_key_clear(&key);
		bytes_free(&signature);
	}
}

/* Every algorithm with every key: good only where it should be. */
static void
test_algorithms(const JwtKeys *set)
{
	Bytes		token;

	bytes_init(&token);
	for (int a = 0; a < lengthof(algs); a++)
	{
		for (int k = 0; k < lengthof(keys); k++)
		{
			bool		own = algs[a].key == k;
			bool		eddsa = algs[a].digest == NULL;
			bool		ed_key = keys[k].type[0] == 'E';
			const char *digest = ed_key ? NULL : eddsa ? "SHA256" : algs[a].digest;

			/* that key and that kid */
			forge_token(&token, header(algs[a].alg, keys[k].kid), B(CLAIMS), keys[k].pkey, digest);
			if (strcmp(algs[a].alg, "EdDSA") == 0 && ed_key)
				own = true;
			ok((verify(set, bytes_slice(&token)) == JWT_OK) == own, "%s by the key %s: %s",
			   algs[a].alg, keys[k].type, own ? "good" : "refused");
			/* that kid, but the right key for the algorithm */
			forge_token(&token, header(algs[a].alg, keys[k].kid), B(CLAIMS),
						keys[algs[a].key].pkey, algs[a].digest);
			if (algs[a].key != k && verify(set, bytes_slice(&token)) == JWT_OK)
				ok(false, "%s with the kid of %s", algs[a].alg, keys[k].type);
		}
		forge_token(&token, header(algs[a].alg, NULL), B(CLAIMS), keys[algs[a].key].pkey, algs[a].digest);
		is_int(verify(set, bytes_slice(&token)), JWT_NO_SIGNER, "without a kid");
		forge_token(&token, header(algs[a].alg, "x"), B(CLAIMS), keys[algs[a].key].pkey, algs[a].digest);
		is_int(verify(set, bytes_slice(&token)), JWT_NO_SIGNER, "with a kid that nobody has");
	}
	/* the hash is part of the algorithm */
	forge_token(&token, header("RS256", "r"), B(CLAIMS), keys[0].pkey, "SHA512");
	is_int(verify(set, bytes_slice(&token)), JWT_BAD_SIGNATURE, "RS256 with SHA-512");
	forge_token(&token, header("ES256", "e2"), B(CLAIMS), keys[1].pkey, "SHA384");
	is_int(verify(set, bytes_slice(&token)), JWT_BAD_SIGNATURE, "ES256 with SHA-384");
	bytes_free(&token);
}

/* HMAC: by the secret, by a key of that kid, and never by another. */
static void
test_hmac(const JwtKeys *set)
{
	static const struct
	{
		const char *alg;
		const char *digest;
		const char *kid;
		Slice		secret;
		JwtVerdict	want;
	}			cases[] = {
		{"HS256", "SHA256", NULL, P(FORGE_SECRET), JWT_OK},
		{"HS384", "SHA384", NULL, P(FORGE_SECRET), JWT_OK},
		{"HS512", "SHA512", NULL, P(FORGE_SECRET), JWT_OK},
		{"HS256", "SHA512", NULL, P(FORGE_SECRET), JWT_BAD_SIGNATURE},
		{"HS256", "SHA256", NULL, P(FORGE_SECRET "of a key"), JWT_BAD_SIGNATURE},
		{"HS256", "SHA256", "o", P(FORGE_SECRET "of a key"), JWT_OK},
		{"HS384", "SHA384", "o", P(FORGE_SECRET "of a key"), JWT_OK},
		{"HS256", "SHA256", "o", P(FORGE_SECRET), JWT_BAD_SIGNATURE},
		{"HS256", "SHA256", "p", P(FORGE_SECRET "of a key"), JWT_BAD_SIGNATURE},
		{"HS256", "SHA256", "p", P(FORGE_SECRET), JWT_OK},
		{"HS256", "SHA256", "r", P(FORGE_SECRET), JWT_OK},
		{"HS512", "SHA512", "o5", P(FORGE_SECRET "of another"), JWT_OK},
		{"HS256", "SHA256", "o5", P(FORGE_SECRET "of another"), JWT_NO_SIGNER},
		{"HS256", "SHA256", "o5", P(FORGE_SECRET), JWT_NO_SIGNER},
	};
	Bytes		token;
	Bytes		signature;

	bytes_init(&token);
	bytes_init(&signature);
	for (int i = 0; i < lengthof(cases); i++)
	{
		token.len = signature.len = 0;
		forge_text(&token, header(cases[i].alg, cases[i].kid), B(CLAIMS));
		forge_hmac(&signature, cases[i].secret, cases[i].digest, bytes_slice(&token));
		forge_end(&token, bytes_slice(&signature));
		ok(verify(set, bytes_slice(&token)) == cases[i].want, "%s with kid %s", cases[i].alg,
		   cases[i].kid ? cases[i].kid : "none");
	}
	bytes_free(&signature);
	bytes_free(&token);
}

/* What is public must not do as a secret (reliability C2). */
static void
test_confusion(const JwtKeys *set)
{
	static const char *const kids[] = {NULL, "r", "x"};
	BIO		   *pem = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int			der_len = i2d_PUBKEY(keys[0].pkey, &der);
	char	   *pem_data;
	long		pem_len;
	Bytes		jwk;
	Bytes		token;
	bool		good = true;

	bytes_init(&jwk);
	bytes_init(&token);
	PEM_write_bio_PUBKEY(pem, keys[0].pkey);
	pem_len = BIO_get_mem_data(pem, &pem_data);
	forge_jwk(&jwk, "RSA", keys[0].pkey, "r", NULL);
	for (int i = 0; i < lengthof(kids); i++)
	{
		const Slice public_texts[] = {
			slice_make(pem_data, pem_len),
			slice_make(pem_data, pem_len - 1),
			slice_make((const char *) der, der_len),
			bytes_slice(&jwk),
		};

		for (int k = 0; k < lengthof(public_texts); k++)
		{
			forge_hs256(&token, header("HS256", kids[i]), B(CLAIMS), public_texts[k]);
			good = good && verify(set, bytes_slice(&token)) == JWT_BAD_SIGNATURE;
			forge_hs256(&token, header("RS256", kids[i]), B(CLAIMS), public_texts[k]);
			good = good && verify(set, bytes_slice(&token)) != JWT_OK;
		}
	}
	ok(good, "a public key is no secret");
	BIO_free(pem);
	OPENSSL_free(der);
	bytes_free(&token);
	bytes_free(&jwk);
}

/* Is this the signature of a token by that key? */
static bool
signature_taken(const JwtKeys *set, const char *alg, const char *kid, Slice signature)
{
	Bytes		token;
	bool		good;

	bytes_init(&token);
	forge_text(&token, header(alg, kid), B(CLAIMS));
	forge_end(&token, signature);
	good = verify(set, bytes_slice(&token)) == JWT_OK;
	bytes_free(&token);
	return good;
}

/* The same for an r and an s in `half` bytes each. */
static bool
pair_taken(const JwtKeys *set, const char *alg, const char *kid, const BIGNUM *r,
		   const BIGNUM *s, int half)
{
	unsigned char pair[2 * 66];

	if (BN_bn2binpad(r, pair, half) < 0 || BN_bn2binpad(s, pair + half, half) < 0)
		return false;			/* it does not even fit */
	return signature_taken(set, alg, kid, slice_make((char *) pair, 2 * half));
}

/* ECDSA: r and s must be of their length, and numbers of the group. */
static void
test_ecdsa(const JwtKeys *set, const char *alg, int key, const char *digest)
{
	const char *kid = keys[key].kid;
	int			half = forge_coordinate(keys[key].pkey);
	BIGNUM	   *n = NULL;
	BIGNUM	   *zero = BN_new();
	BIGNUM	   *r;
	BIGNUM	   *s;
	BIGNUM	   *other = BN_new();
	Bytes		signed_text;
	Bytes		raw;
	Bytes		longer;

	bytes_init(&signed_text);
	bytes_init(&raw);
	bytes_init(&longer);
	EVP_PKEY_get_bn_param(keys[key].pkey, OSSL_PKEY_PARAM_EC_ORDER, &n);
	BN_zero(zero);
	forge_text(&signed_text, header(alg, kid), B(CLAIMS));
	forge_signature(&raw, keys[key].pkey, digest, bytes_slice(&signed_text));
	r = BN_bin2bn((unsigned char *) raw.data, half, NULL);
	s = BN_bin2bn((unsigned char *) raw.data + half, half, NULL);

	ok(pair_taken(set, alg, kid, r, s, half), "%s: r and s", alg);
	ok(!pair_taken(set, alg, kid, s, r, half), "not s and r");
	ok(!pair_taken(set, alg, kid, zero, zero, half), "zero and zero");
	ok(!pair_taken(set, alg, kid, zero, s, half) && !pair_taken(set, alg, kid, r, zero, half),
	   "one of them zero");
	ok(!pair_taken(set, alg, kid, n, s, half) && !pair_taken(set, alg, kid, r, n, half) &&
	   !pair_taken(set, alg, kid, n, n, half), "the order of the group");
	BN_add(other, s, n);
	ok(!pair_taken(set, alg, kid, r, other, half), "s plus the order");
	BN_add(other, r, n);
	ok(!pair_taken(set, alg, kid, other, s, half), "r plus the order");
	BN_one(other);
	ok(!pair_taken(set, alg, kid, other, other, half), "one and one");
	memset(raw.data, 0xFF, raw.len);
	ok(!signature_taken(set, alg, kid, bytes_slice(&raw)), "all bits set");
	ok(!pair_taken(set, alg, kid, r, s, half + 1), "a byte more each");
	raw.len = 0;
	forge_signature(&raw, keys[key].pkey, digest, bytes_slice(&signed_text));
	ok(!signature_taken(set, alg, kid, slice_make(raw.data, raw.len - 1)), "a byte less");
	ok(!signature_taken(set, alg, kid, slice_make(raw.data, half)), "half of it");
	bytes_append_slice(&longer, bytes_slice(&raw));
	bytes_append_byte(&longer, 0);
	ok(!signature_taken(set, alg, kid, bytes_slice(&longer)), "a zero behind");
	ok(signature_taken(set, alg, kid, bytes_slice(&raw)), "and yet a good one is good");

	BN_free(n);
	BN_free(zero);
	BN_free(r);
	BN_free(s);
	BN_free(other);
	bytes_free(&signed_text);
	bytes_free(&raw);
	bytes_free(&longer);
}

/* Ed25519: S plus the order is the same number, but not the same signature. */
static void
test_eddsa(const JwtKeys *set)
{
	/* RFC 8032 5.1: 2^252 + 27742317777372353535851937790883648493 */
	static const uint8 order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
	};
	Bytes		signed_text;
	Bytes		signature;
	int			carry = 0;

	bytes_init(&signed_text);
	bytes_init(&signature);
	forge_text(&signed_text, header("EdDSA", "d2"), B(CLAIMS));
	forge_signature(&signature, keys[4].pkey, NULL, bytes_slice(&signed_text));
	ok(signature_taken(set, "EdDSA", "d2", bytes_slice(&signature)), "a signature of Ed25519");
	for (int i = 0; i < 32; i++)
	{
		carry += (uint8) signature.data[32 + i] + order[i];
		signature.data[32 + i] = (char) carry;
		carry >>= 8;
	}
	ok(!signature_taken(set, "EdDSA", "d2", bytes_slice(&signature)), "spelled otherwise");
	signature.len = 0;
	for (int i = 0; i < 64; i++)
		bytes_append_byte(&signature, 0);
	ok(!signature_taken(set, "EdDSA", "d2", bytes_slice(&signature)), "all zeros");
	bytes_free(&signed_text);
	bytes_free(&signature);
}

/* A token of each algorithm with any byte another one is none. */
static void
test_mutations(const JwtKeys *set)
{
	Bytes		token;

	bytes_init(&token);
	for (int a = 0; a < lengthof(algs); a++)
	{
		bool		good = true;

		forge_token(&token, header(algs[a].alg, keys[algs[a].key].kid), B(CLAIMS),
					keys[algs[a].key].pkey, algs[a].digest);
		good = verify(set, bytes_slice(&token)) == JWT_OK;
		for (size_t at = 0; at < token.len; at++)
		{
			char		was = token.data[at];

			for (int round = 0; round < 4; round++)
			{
				token.data[at] = (char) (was ^ (1 + tap_below(255)));
				good = good && verify(set, bytes_slice(&token)) != JWT_OK;
			}
			token.data[at] = was;
		}
		good = good && verify(set, bytes_slice(&token)) == JWT_OK;
		ok(good, "%s: not good with any byte another one", algs[a].alg);
	}
	bytes_free(&token);
}

/* Keys that are left out, each with the reason that the log will name. */
static void
test_bad_keys(void)
{
#define N_2048 "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define RSA_KEY "\"kty\":\"RSA\",\"n\":\"" N_2048 "\",\"e\":\"AQAB\""
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC_KEY "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\""
#define OKP_KEY "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OCT_KEY "\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T\""
	static const struct
	{
		const char *jwk;
		const char *why;		/* NULL = it is taken */
	}			cases[] = {
		{"{\"kid\":\"k\"," RSA_KEY "}", NULL},
		{"{\"kid\":\"k\"," EC_KEY "}", NULL},
		{"{\"kid\":\"k\"," OKP_KEY "}", NULL},
		{"{\"kid\":\"k\"," OCT_KEY "}", NULL},
		{"{\"\\u006bid\":\"k\"," OCT_KEY ",\"x5t\":1,\"nbf\":null}", NULL},
		{"{\"kid\":\"k\"," RSA_KEY ",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"alg\":\"RS512\"}", NULL},
		{"{\"kid\":\"k\"," OKP_KEY ",\"alg\":\"EdDSA\"}", NULL},
		{"{\"kid\":\"k\"," OKP_KEY ",\"alg\":\"Ed25519\"}", NULL},
		{"{\"kid\":\"k\"," EC_KEY ",\"d\":\"ignored\"}", NULL},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"AKH4" "AAAA" "\",\"e\":\"AQAB\"}", "its modulus has fewer than 2048 bits"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"" N_2048 "\",\"e\":\"AQ\"}", "its n or e can be that of no RSA key"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"" N_2048 "\",\"e\":\"AQAA\"}", "its n or e can be that of no RSA key"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"" N_2048 "AA\",\"e\":\"AQAB\"}", "its n or e can be that of no RSA key"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"" N_2048 "\",\"e\":\"AQAAAAAAAAAB\"}", "its n or e is no number, or too large"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"" N_2048 "\",\"e\":\"AQAB=\"}", "its n or e is no number, or too large"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"" N_2048 "\",\"e\":65537}", "its n or e is no number, or too large"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\",\"n\":\"" N_2048 "\"}", "its n or e is no number, or too large"},
		{"{\"kid\":\"k\",\"kty\":\"RSA\"}", "its n or e is no number, or too large"},
		{"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "its x or y has another length than its crv says"},
		{"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_Y "\",\"y\":\"" EC_X "\"}", "its x and y are no point on its crv"},
		{"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", "its x and y are no point on its crv"},
		{"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}", "its x or y has another length than its crv says"},
		{"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\",\"y\":\"" EC_X EC_Y "\"}", "its x or y has another length than its crv says"},
		{"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "its crv is not P-256, P-384 or P-521"},
		{"{\"kid\":\"k\",\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "its crv is not P-256, P-384 or P-521"},
		{"{\"kid\":\"k\",\"kty\":\"EC\"}", "its crv is not P-256, P-384 or P-521"},
		{"{\"kid\":\"k\",\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" EC_X "\"}", "its crv is not Ed25519 or Ed448"},
		{"{\"kid\":\"k\",\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" EC_X "\"}", "its x has another length than its crv says"},
		{"{\"kid\":\"k\",\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "its x has another length than its crv says"},
		{"{\"kid\":\"k\",\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLg\"}", "its secret has fewer than 32 bytes"},
		{"{\"kid\":\"k\",\"kty\":\"oct\",\"k\":\"not base64url, but 33 characters\"}", "its k is not base64url"},
		{"{\"kid\":\"k\",\"kty\":\"oct\"}", "its k is not base64url"},
		{"{\"kid\":\"k\",\"kty\":\"rsa\"}", "its kty is not RSA, EC, OKP or oct"},
		{"{\"kid\":\"k\"}", "its kty is not RSA, EC, OKP or oct"},
		{"{\"kid\":\"k\",\"kty\":null}", "its kty is not RSA, EC, OKP or oct"},
		{"{" OCT_KEY "}", "it has no kid"},
		{"{\"kid\":\"\"," OCT_KEY "}", "it has no kid"},
		{"{\"kid\":7," OCT_KEY "}", "it has no kid"},
		{"{\"kid\":\"k\",\"kid\":\"k\"," OCT_KEY "}", "it is no JSON object, or has a member twice"},
		{"[]", "it is no JSON object, or has a member twice"},
		{"null", "it is no JSON object, or has a member twice"},
		{"\"" EC_X "\"", "it is no JSON object, or has a member twice"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"use\":\"enc\"}", "its use or key_ops is not for verifying"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"use\":1}", "its use or key_ops is not for verifying"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"key_ops\":[]}", "its use or key_ops is not for verifying"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"key_ops\":[\"sign\",\"encrypt\"]}", "its use or key_ops is not for verifying"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"key_ops\":\"verify\"}", "its use or key_ops is not for verifying"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"alg\":\"HS256\"}", "its alg is none that such a key can do"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"alg\":\"PS256\"}", "its alg is none that such a key can do"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"alg\":\"RSA-OAEP\"}", "its alg is none that such a key can do"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"alg\":\"none\"}", "its alg is none that such a key can do"},
		{"{\"kid\":\"k\"," RSA_KEY ",\"alg\":null}", "its alg is none that such a key can do"},
		{"{\"kid\":\"k\"," EC_KEY ",\"alg\":\"ES384\"}", "its alg is none that such a key can do"},
		{"{\"kid\":\"k\"," OKP_KEY ",\"alg\":\"Ed448\"}", "its alg is none that such a key can do"},
		{"{\"kid\":\"k\"," OCT_KEY ",\"alg\":\"RS256\"}", "its alg is none that such a key can do"},
	};
	Bytes		json;
	const char *error;

	bytes_init(&json);
	for (int i = 0; i < lengthof(cases); i++)
	{
		JwtKeys    *set = jwt_keys_create();
		int			n;

		/* among good ones */
		json.len = 0;
		bytes_printf(&json, "{\"keys\":[{\"kid\":\"before\"," EC_KEY "}, %s ,{\"kid\":\"after\"," EC_KEY "}],\"x\":1}",
					 cases[i].jwk);
		n = add(set, bytes_slice(&json), &error);
		if (!ok(cases[i].why ? n == 2 && skipped == 1 && strcmp(skipped_why, cases[i].why) == 0 :
				n == 3 && skipped == 0, "%.150s", cases[i].jwk))
			diag("%d keys, %d skipped: %s", n, skipped, skipped_why);
		if (cases[i].why && strstr(cases[i].jwk, "\"kid\":\"k\"") && cases[i].jwk[0] == '{' &&
			strncmp(cases[i].why, "it ", 3) != 0)
			ok(strcmp(skipped_kid, "k") == 0, "its kid is told");
		jwt_keys_free(set);
	}
	is_int(ERR_peek_error(), 0, "OpenSSL's queue of errors is as it was");
	bytes_free(&json);
}

/* Moduli at their limits. */
static void
test_modulus_sizes(void)
{
	static const struct
	{
		size_t		bytes;
		uint8		first;
		int			keys;
	}			cases[] = {
		{255, 0xFF, 0}, {256, 0x7F, 0}, {256, 0x80, 1}, {2048, 0xFF, 1}, {2049, 0, 1}, {2049, 1, 0}, {100000, 1, 0}
	};
	char	   *modulus = malloc(100000);
	Bytes		json;
	const char *error;

	bytes_init(&json);
	memset(modulus, 0xFF, 100000);
	for (int i = 0; i < lengthof(cases); i++)
	{
		JwtKeys    *set = jwt_keys_create();

		json.len = 0;
		modulus[0] = (char) cases[i].first;
		bytes_append_cstr(&json, "{\"keys\":[{\"kid\":\"k\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
		forge_base64url(&json, slice_make(modulus, cases[i].bytes));
		bytes_append_cstr(&json, "\"}]}");
		ok(add(set, bytes_slice(&json), &error) == cases[i].keys, "a modulus of %zu bytes, %s", cases[i].bytes,
		   cases[i].keys ? "taken" : "refused");
		jwt_keys_free(set);
	}
	free(modulus);
	bytes_free(&json);
}

/* Texts that are no key set, and sets at their limits. */
static void
test_sets(void)
{
	static const struct
	{
		Slice		json;
		int			keys;
		const char *error;
	}			cases[] = {
		{P("{\"keys\":[]}"), 0, NULL},
		{P(" {\"issuer\":1,\"keys\" : [ ] } "), 0, NULL},
		{P("{\"keys\":[{},[],1]}"), 0, NULL},
		{P(""), -1, "unexpected end"},
		{P("{"), -1, "expected a string as member name"},
		{P("<!DOCTYPE html><html><body>404</body></html>"), -1, "expected a value"},
		{P("{\"keys\":[]}\n<!-- cached -->"), -1, "text after the value"},
		{P("{\"keys\":[{\"kid\":\"\xff\"}]}"), -1, "invalid UTF-8"},
		{P("{}"), -1, "it has no member \"keys\" that is an array"},
		{P("[]"), -1, "it has no member \"keys\" that is an array"},
		{P("[{\"keys\":[]}]"), -1, "it has no member \"keys\" that is an array"},
		{P("{\"keys\":{}}"), -1, "it has no member \"keys\" that is an array"},
		{P("{\"keys\":null}"), -1, "it has no member \"keys\" that is an array"},
		{P("{\"kid\":\"k\"," OCT_KEY "}"), -1, "it has no member \"keys\" that is an array"},
		{P("-----BEGIN PUBLIC KEY-----"), -1, "invalid number"},
	};
	JwtKeys    *set = jwt_keys_create();
	Bytes		json;
	const char *error;
	int			n;

	for (int i = 0; i < lengthof(cases); i++)
	{
		n = add(set, cases[i].json, &error);
		if (!ok(n == cases[i].keys && (cases[i].error == NULL || strcmp(error, cases[i].error) == 0),
				"set " SLICE_FMT, SLICE_ARG(cases[i].json)))
			diag("%d: %s", n, error);
	}

	bytes_init(&json);
	bytes_append_cstr(&json, "{\"keys\":[");
	for (int i = 0; i < JWT_MAX_KEYS; i++)
		bytes_printf(&json, "{\"kid\":\"%d\"," OCT_KEY "},", i);
	json.data[json.len - 1] = ']';
	bytes_append_byte(&json, '}');
	is_int(add(set, bytes_slice(&json), &error), JWT_MAX_KEYS, "as many keys as there may be");
	is_int(add(set, B("{\"keys\":[{\"kid\":\"k\"," OCT_KEY "}]}"), &error), -1, "one more");
	is_int(add(set, B("{\"keys\":[]}"), &error), 0, "none more");
	jwt_keys_free(set);

	set = jwt_keys_create();
	is_int(add(set, B("{\"keys\":[{\"kid\":\"k\"," OCT_KEY "},{\"kid\":\"k\"," EC_KEY "},{\"kid\":\"k\"," OCT_KEY "}]}"), &error), 2,
		   "one kid for two types, not for two keys of one");
	ok(skipped == 1 && strcmp(skipped_why, "another key of its type has the same kid") == 0, "that is told");
	is_int(add(set, B("{\"keys\":[{\"kid\":\"k\"," EC_KEY "},{\"kid\":\"l\"," EC_KEY "}]}"), &error), 1,
		   "nor in another set");

	json.len = 0;
	while (json.len <= JWT_MAX_JWKS)
		bytes_append_cstr(&json, "{\"keys\":[");
	is_int(add(set, bytes_slice(&json), &error), -1, "a megabyte and more");
	ok(strcmp(error, "it is too long") == 0, "is not looked at");
	is_int(add(set, slice_make(json.data, JWT_MAX_JWKS), &error), -1, "a megabyte is, but is no set");
	for (size_t i = 0; i < JWT_MAX_JWKS; i++)
		json.data[i] = (char) tap_random();
	is_int(add(set, slice_make(json.data, JWT_MAX_JWKS), &error), -1, "nor is noise");
	bytes_free(&json);
	jwt_keys_free(set);
}

/* Sets that somebody damaged: some keys may be left, nothing breaks. */
static void
test_damaged_sets(void)
{
	Bytes		json;
	const char *error;
	bool		good = true;

	bytes_init(&json);
	full_set(&json);
	for (int round = 0; round < 3000; round++)
	{
		JwtKeys    *set = jwt_keys_create();
		size_t		at = tap_below(json.len);
		char		was = json.data[at];
		int			n;

		json.data[at] = (char) tap_random();
		n = add(set, bytes_slice(&json), &error);
		good = good && n >= -1 && n + (n < 0 ? 0 : skipped) <= ALL_KEYS;
		json.data[at] = was;
		jwt_keys_free(set);
	}
	ok(good, "a byte replaced anywhere");

	good = true;
	for (size_t len = 0; len < json.len; len++)
	{
		JwtKeys    *set = jwt_keys_create();

		good = good && add(set, slice_make(json.data, len), &error) == -1;
		jwt_keys_free(set);
	}
	ok(good, "cut anywhere");

	good = true;
	for (int n = 0;; n++)
	{
		JwtKeys    *set = jwt_keys_create();
		int			added;

		allocations = 0;
		fail_at = n;
		added = jwt_keys_add_jwks(set, bytes_slice(&json), NULL, NULL, &error);
		fail_at = -1;
		good = good && added >= ALL_KEYS - 1;
		jwt_keys_free(set);
		if (allocations <= n)
		{
			ok(added == ALL_KEYS && n > 20, "with enough memory");
			break;
		}
	}
	ok(good, "a key that there is no memory for is left out");
	bytes_free(&json);
}

int
main(void)
{
	JwtKeys    *set;

	for (int i = 0; i < lengthof(keys); i++)
		keys[i].pkey = forge_key(keys[i].type);
	set = make_set();
	test_rfc();
	test_algorithms(set);
	test_hmac(set);
	test_confusion(set);
	test_ecdsa(set, "ES256", 1, "SHA256");
	test_ecdsa(set, "ES384", 2, "SHA384");
	test_ecdsa(set, "ES512", 3, "SHA512");
	test_eddsa(set);
	test_mutations(set);
	test_bad_keys();
	test_modulus_sizes();
	test_sets();
	test_damaged_sets();
	jwt_keys_free(set);
	for (int i = 0; i < lengthof(keys); i++)
		EVP_PKEY_free(keys[i].pkey);
	return done_testing();
}
