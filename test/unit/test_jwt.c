/*-------------------------------------------------------------------------
 *
 * test_jwt.c
 *	  Tokens: forged, odd, damaged, and the few that are good.
 *
 * reliability.md (c).  Everything here is signed with the secret, or pretends
 * to be; keys of other algorithms are in test_jwt_keys.c.
 *
 * test/unit/test_jwt.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "jwt_forge.h"
#include "proto/jwt.h"

#define NOW 1700000000
#define LEEWAY 30
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS "{\"sub\":\"u1\",\"role\":\"anon\",\"exp\":1700003600}"

/* Behind these, one claim more makes good claims. */
#define ROLE "{\"role\":\"anon\","
#define EXP "{\"exp\":1700003600,"

static const JwtRules rules = {.now = NOW,.leeway = LEEWAY};
static JwtKeys *secret_keys;

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

/* Name of a verdict, for diagnostics. */
static const char *
verdict_name(JwtVerdict verdict)
{
	static const char *const names[] = {
		"OK", "MALFORMED", "NO_SIGNER", "BAD_SIGNATURE", "MISSING_CLAIMS", "EXPIRED",
		"NOT_YET", "WRONG_AUDIENCE", "WRONG_ISSUER", "NO_MEMORY"
	};

	return names[verdict];
}

/* Verify a token that ends where its memory ends. */
static JwtVerdict
verify_with(Slice token, const JwtRules *what)
{
	Slice		copy = exact(token);
	JwtClaims	claims;
	Bytes		kept;
	JwtVerdict	verdict;

	bytes_init(&kept);
	verdict = jwt_verify(secret_keys, copy, what, &kept, &claims);
	bytes_free(&kept);
	release(copy);
	return verdict;
}

static JwtVerdict
verify(Slice token)
{
	return verify_with(token, &rules);
}

/* A token has this verdict. */
static void
judged(Slice token, JwtVerdict want, const char *name)
{
	JwtVerdict	got = verify(token);

	if (!ok(got == want, "%s", name))
		diag("got %s, wanted %s", verdict_name(got), verdict_name(want));
}

/* What a good token says. */
static void
test_good(void)
{
	Bytes		token;
	Bytes		kept;
	JwtClaims	claims;
	Slice		claims_text = B("{\"sub\" : \"u\\u00e9\", \"exp\":1700003600.75,\n\"role\":\"authent\\u0069cated\", \"n\":[1]}");

	bytes_init(&token);
	bytes_init(&kept);
	forge_hs256(&token, B(HEADER), claims_text, B(FORGE_SECRET));
	bytes_append_cstr(&kept, "from before");
	is_int(jwt_verify(secret_keys, bytes_slice(&token), &rules, &kept, &claims), JWT_OK, "a good token");
	is_bytes(claims.json, claims_text, "its claims are the token's own text");
	is_text(claims.role, "authenticated", "its role is decoded");
	is_text(claims.sub, "u\xc3\xa9", "its subject, too");
	is_int(claims.exp, 1700003600, "its expiry is rounded down");
	ok(claims.json.data == kept.data && kept.len == claims_text.len + 13 + 3 &&
	   claims.sub.data + claims.sub.len == kept.data + kept.len, "all of it is in the buffer given");

	forge_hs256(&token, B(HEADER), B("{\"exp\":1700000001,\"role\":\"anon\",\"sub\":42}"), B(FORGE_SECRET));
	is_int(jwt_verify(secret_keys, bytes_slice(&token), &rules, &kept, &claims), JWT_OK, "another, into the same buffer");
	is_text(claims.sub, "42", "a subject that is a number");
	forge_hs256(&token, B(HEADER), B("{\"exp\":1700000001,\"role\":\"anon\",\"sub\":[42]}"), B(FORGE_SECRET));
	is_int(jwt_verify(secret_keys, bytes_slice(&token), &rules, &kept, &claims), JWT_OK, "another");
	is_int(claims.sub.len, 0, "a subject that is neither is none");

	forge_hs256(&token, B(HEADER), B(ROLE "\"exp\":1699990000.5}"), B(FORGE_SECRET));
	is_int(jwt_verify(secret_keys, bytes_slice(&token), &rules, &kept, &claims), JWT_EXPIRED, "an expired one");
	is_int(claims.exp, 1699990000, "says since when");
	bytes_free(&kept);
	bytes_free(&token);
}

/* Headers, each in a token that is signed with the secret. */
static void
test_headers(void)
{
	static const struct
	{
		Slice		header;
		JwtVerdict	want;
	}			cases[] = {
		{P("{\"alg\":\"HS256\"}"), JWT_OK},
		{P(" {\"typ\":\"at+jwt\",\"alg\" : \"HS\\u003256\"}\n"), JWT_OK},
		{P("{\"alg\":\"none\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"None\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"nOnE\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"NONE\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"hs256\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"HS256 \"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"HS1\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"RS256\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"RS256\",\"kid\":\"1\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"PS256\",\"kid\":\"1\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"ES256K\",\"kid\":\"1\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"EdDSA\",\"kid\":\"1\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"dir\",\"enc\":\"A128GCM\"}"), JWT_NO_SIGNER},
		{P("{\"alg\":\"HS384\"}"), JWT_BAD_SIGNATURE},
		{P("{\"alg\":\"HS512\"}"), JWT_BAD_SIGNATURE},
		{P("{\"typ\":\"JWT\"}"), JWT_MALFORMED},
		{P("{}"), JWT_MALFORMED},
		{P("{\"alg\":null}"), JWT_MALFORMED},
		{P("{\"alg\":256}"), JWT_MALFORMED},
		{P("{\"alg\":[\"HS256\"]}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"alg\":\"HS256\"}"), JWT_MALFORMED},
		{P("{\"alg\":\"none\",\"\\u0061lg\":\"HS256\"}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"x\":1,\"x\":2}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"crit\":[]}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"crit\":null}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"kid\":1}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"kid\":null}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"kid\":{}}"), JWT_MALFORMED},
		{P("[\"HS256\"]"), JWT_MALFORMED},
		{P("\"HS256\""), JWT_MALFORMED},
		{P(""), JWT_MALFORMED},
		{P("alg"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\"}x"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\"}\0"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",}"), JWT_MALFORMED},
		{P("{'alg':'HS256'}"), JWT_MALFORMED},
		{P("\xef\xbb\xbf{\"alg\":\"HS256\"}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"x\":\"\xff\"}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\\u0000\"}"), JWT_MALFORMED},
		{P("{\"alg\":\"HS256\",\"x\":\"\\ud800\"}"), JWT_MALFORMED},
		/* a kid that no key has means the secret: it is compared, not used */
		{P("{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\"}"), JWT_OK},
		{P("{\"alg\":\"HS256\",\"kid\":\"x' UNION SELECT 'secret';--\"}"), JWT_OK},
		{P("{\"alg\":\"HS256\",\"kid\":\"\"}"), JWT_OK},
		/* where to find a key is not for the token to say */
		{P("{\"alg\":\"HS256\",\"jku\":\"http://evil.example/\",\"x5u\":\"http://evil.example/\"}"), JWT_OK},
		{P("{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"},\"x5c\":[\"AAAA\"]}"), JWT_OK},
	};
	Bytes		token;

	bytes_init(&token);
	for (int i = 0; i < lengthof(cases); i++)
	{
		char		name[200];

		snprintf(name, sizeof(name), "header " SLICE_FMT, SLICE_ARG(cases[i].header));
		forge_hs256(&token, cases[i].header, B(CLAIMS), B(FORGE_SECRET));
		judged(bytes_slice(&token), cases[i].want, name);
	}
	bytes_free(&token);
}

/* Claims, each in a token that is signed with the secret. */
static void
test_claims(void)
{
#define SIXTY3 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
	static const struct
	{
		Slice		claims;
		JwtVerdict	want;
	}			cases[] = {
		/* exp */
		{P(ROLE "\"exp\":1700003600}"), JWT_OK},
		{P(ROLE "\"exp\":1700000001}"), JWT_OK},
		{P(ROLE "\"exp\":1700000001.999}"), JWT_OK},
		{P(ROLE "\"exp\":1.7000036e9}"), JWT_OK},
		{P(ROLE "\"exp\":17000036E+2}"), JWT_OK},
		{P(ROLE "\"exp\":170000360000e-2}"), JWT_OK},
		{P(ROLE "\"exp\":0.00017000036e13}"), JWT_OK},
		{P(ROLE "\"exp\":1700003600000}"), JWT_OK},
		{P(ROLE "\"exp\":999999999999999}"), JWT_OK},
		{P(ROLE "\"exp\":1700000000}"), JWT_EXPIRED},
		{P(ROLE "\"exp\":1700000000.999}"), JWT_EXPIRED},
		{P(ROLE "\"exp\":1699999999}"), JWT_EXPIRED},
		{P(ROLE "\"exp\":17000036e-1}"), JWT_EXPIRED},
		{P(ROLE "\"exp\":1e-99}"), JWT_EXPIRED},
		{P(ROLE "\"exp\":0e9999}"), JWT_EXPIRED},
		{P(ROLE "\"exp\":0}"), JWT_EXPIRED},
		{P(ROLE "\"exp\":-1}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":-1700003600}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":-0}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":1e308}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":1e15}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":1000000000000000}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":9223372036854775807}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":18446744073709551616}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":1e99999999999999999999}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":Infinity}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":0x7fffffff}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":01700003600}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":\"1700003600\"}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":null}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":true}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":[1700003600]}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":{}}"), JWT_MALFORMED},
		{P("{\"role\":\"anon\"}"), JWT_MISSING_CLAIMS},
		{P(ROLE "\"Exp\":1700003600}"), JWT_MISSING_CLAIMS},
		{P(ROLE "\"x\":{\"exp\":1700003600}}"), JWT_MISSING_CLAIMS},
		{P(ROLE "\"exp\":1700003600,\"exp\":1800000000}"), JWT_MALFORMED},
		{P(ROLE "\"exp\":1700003600,\"\\u0065xp\":1600000000}"), JWT_MALFORMED},
		/* role */
		{P("{\"exp\":1700003600}"), JWT_MISSING_CLAIMS},
		{P(EXP "\"role\":\"\"}"), JWT_MISSING_CLAIMS},
		{P(EXP "\"app_metadata\":{\"role\":\"anon\"}}"), JWT_MISSING_CLAIMS},
		{P(EXP "\"role\":\"" SIXTY3 "\"}"), JWT_OK},
		{P(EXP "\"role\":\"" SIXTY3 "l\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"\\u00e9" SIXTY3 "\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":null}"), JWT_MALFORMED},
		{P(EXP "\"role\":1}"), JWT_MALFORMED},
		{P(EXP "\"role\":[\"anon\"]}"), JWT_MALFORMED},
		{P(EXP "\"role\":{\"anon\":1}}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"authenticated\\u0000x\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"authenticated\0x\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"anon\xc0\x80\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"anon\",\"role\":\"postgres\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"anon\",\"r\\u006fle\":\"postgres\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"anon\",\"Role\":\"postgres\"}"), JWT_OK},
		/* nbf and iat, with 30 s of leeway */
		{P(EXP "\"role\":\"a\",\"nbf\":1700000030}"), JWT_OK},
		{P(EXP "\"role\":\"a\",\"nbf\":1700000031}"), JWT_NOT_YET},
		{P(EXP "\"role\":\"a\",\"nbf\":\"0\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"a\",\"nbf\":-1}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"a\",\"iat\":1700000030.5}"), JWT_OK},
		{P(EXP "\"role\":\"a\",\"iat\":1700000031}"), JWT_NOT_YET},
		{P(EXP "\"role\":\"a\",\"iat\":\"1700000000\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"a\",\"iat\":null}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"a\",\"iat\":1e308}"), JWT_MALFORMED},
		/* what is no object of UTF-8 */
		{P("[]"), JWT_MALFORMED},
		{P("\"claims\""), JWT_MALFORMED},
		{P("null"), JWT_MALFORMED},
		{P(""), JWT_MALFORMED},
		{P("{"), JWT_MALFORMED},
		{P(CLAIMS CLAIMS), JWT_MALFORMED},
		{P(EXP "\"role\":\"a\",\"x\":\"\xed\xa0\x80\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"a\",\"x\":\"\\udc00\"}"), JWT_MALFORMED},
		{P(EXP "\"role\":\"a\",\"x\":{\"\\u0000\":1}}"), JWT_MALFORMED},
		/* below the outermost names, JSON's own rules hold */
		{P(EXP "\"role\":\"a\",\"x\":{\"y\":1,\"y\":2}}"), JWT_OK},
		/* escaped slashes, as PHP writes them */
		{P(EXP "\"role\":\"a\",\"https:\\/\\/x\":1,\"https:\\/\\/y\":1}"), JWT_OK},
		{P(EXP "\"role\":\"a\",\"https:\\/\\/x\":1,\"https://x\":1}"), JWT_MALFORMED},
	};
	Bytes		token;

	bytes_init(&token);
	for (int i = 0; i < lengthof(cases); i++)
	{
		char		name[200];

		snprintf(name, sizeof(name), "claims " SLICE_FMT, SLICE_ARG(cases[i].claims));
		forge_hs256(&token, B(HEADER), cases[i].claims, B(FORGE_SECRET));
		judged(bytes_slice(&token), cases[i].want, name);
		/* nothing in claims saves a token that is not signed, or damns it */
		forge_hs256(&token, B(HEADER), cases[i].claims, B("another secret, just as long as that one"));
		if (verify(bytes_slice(&token)) != JWT_BAD_SIGNATURE)
			ok(false, "%s, signed with another secret", name);
	}
	bytes_free(&token);
}

/* aud and iss, where they are asked for. */
static void
test_audience(void)
{
	static const struct
	{
		Slice		claim;
		JwtVerdict	want;
	}			cases[] = {
		{P("\"aud\":\"us\",\"iss\":\"them\""), JWT_OK},
		{P("\"aud\":[\"you\",\"us\"],\"iss\":\"th\\u0065m\""), JWT_OK},
		{P("\"aud\":\"you\",\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"aud\":\"us too\",\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"aud\":\"u\",\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"aud\":[],\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"aud\":[[\"us\"]],\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"aud\":{\"us\":\"us\"},\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"aud\":null,\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"iss\":\"them\""), JWT_WRONG_AUDIENCE},
		{P("\"aud\":\"us\",\"iss\":\"they\""), JWT_WRONG_ISSUER},
		{P("\"aud\":\"us\",\"iss\":[\"them\"]"), JWT_WRONG_ISSUER},
		{P("\"aud\":\"us\""), JWT_WRONG_ISSUER},
		{P("\"aud\":\"us\",\"aud\":\"us\",\"iss\":\"them\""), JWT_MALFORMED},
	};
	JwtRules	strict = rules;
	Bytes		token;
	Bytes		claims;

	strict.audience = B("us");
	strict.issuer = B("them");
	bytes_init(&token);
	bytes_init(&claims);
	for (int i = 0; i < lengthof(cases); i++)
	{
		claims.len = 0;
		bytes_printf(&claims, EXP "\"role\":\"a\"," SLICE_FMT "}", SLICE_ARG(cases[i].claim));
		forge_hs256(&token, B(HEADER), bytes_slice(&claims), B(FORGE_SECRET));
		is_int(verify_with(bytes_slice(&token), &strict), cases[i].want, cases[i].claim.data);
		if (cases[i].want != JWT_MALFORMED && verify(bytes_slice(&token)) != JWT_OK)
			ok(false, "the same where nobody asks");
	}
	bytes_free(&claims);
	bytes_free(&token);
}

/* Put `what` into a copy of a token at `at`, in place of `instead` bytes. */
static Slice
spliced(Bytes *out, Slice token, size_t at, size_t instead, Slice what)
{
	out->len = 0;
	bytes_append(out, token.data, at);
	bytes_append_slice(out, what);
	bytes_append(out, token.data + at + instead, token.len - at - instead);
	return bytes_slice(out);
}

/* The text of a token: how it may be written, and how not. */
static void
test_text(void)
{
	Bytes		good;
	Bytes		buf;
	Slice		token;
	size_t		dot;			/* the first */
	size_t		last;			/* dot */

	bytes_init(&good);
	bytes_init(&buf);
	forge_hs256(&good, B(HEADER), B(CLAIMS), B(FORGE_SECRET));
	token = bytes_slice(&good);
	dot = (char *) memchr(token.data, '.', token.len) - token.data;
	last = (char *) memrchr(token.data, '.', token.len) - token.data;

	judged(token, JWT_OK, "as it is");
	judged(spliced(&buf, token, 5, 0, B(" \t\r\n\v\f")), JWT_OK, "white space is left out");
	judged(spliced(&buf, token, 0, 0, B("%20%0a")), JWT_OK, "also when percent-encoded");
	judged(spliced(&buf, token, dot, 1, B("%2E")), JWT_OK, "a percent-encoded dot");
	judged(spliced(&buf, token, dot, 1, B("%252E")), JWT_MALFORMED, "percent-encoded twice");
	judged(spliced(&buf, token, token.len, 0, B("%")), JWT_MALFORMED, "a bare % at the end");
	judged(spliced(&buf, token, token.len, 0, B("%2")), JWT_MALFORMED, "half a percent-encoding");
	judged(spliced(&buf, token, 3, 0, B("%zz")), JWT_MALFORMED, "none at all");
	judged(spliced(&buf, token, 3, 0, B("%00")), JWT_MALFORMED, "a percent-encoded NUL");
	judged(spliced(&buf, token, 3, 0, B("\0")), JWT_MALFORMED, "a NUL");
	judged(spliced(&buf, token, token.len, 0, B("=")), JWT_MALFORMED, "padding");
	judged(spliced(&buf, token, dot, 0, B("=")), JWT_MALFORMED, "padding of the header");
	judged(spliced(&buf, token, dot, 0, B("==")), JWT_MALFORMED, "more of it");
	judged(spliced(&buf, token, 0, 0, B("Bearer ")), JWT_MALFORMED, "the scheme of a header in front");
	judged(spliced(&buf, token, 0, 0, B("\"")), JWT_MALFORMED, "a quote in front");
	judged(spliced(&buf, token, token.len, 0, B(".")), JWT_MALFORMED, "a fourth piece, empty");
	judged(spliced(&buf, token, token.len, 0, B(".AAAA")), JWT_MALFORMED, "a fourth piece");
	judged(spliced(&buf, token, last, token.len - last, B("")), JWT_MALFORMED, "two pieces");
	judged(spliced(&buf, token, dot, token.len - dot, B("")), JWT_MALFORMED, "one piece");
	judged(spliced(&buf, token, last + 1, token.len - last - 1, B("")), JWT_BAD_SIGNATURE, "an empty signature");
	judged(spliced(&buf, token, last + 1, token.len - last - 1, B("AAAA")), JWT_BAD_SIGNATURE, "a short one");
	judged(spliced(&buf, token, token.len, 0, B("AAAA")), JWT_BAD_SIGNATURE, "one that goes on");
	judged(spliced(&buf, token, last + 1, token.len - last - 1, B("A")), JWT_MALFORMED, "one that is not base64");
	judged(spliced(&buf, token, 0, dot, B("")), JWT_MALFORMED, "no header");
	judged(spliced(&buf, token, dot + 1, last - dot - 1, B("")), JWT_BAD_SIGNATURE, "no claims");
	judged(B(""), JWT_MALFORMED, "nothing");
	judged(B("."), JWT_MALFORMED, "a dot");
	judged(B(".."), JWT_MALFORMED, "two dots");
	judged(B("..."), JWT_MALFORMED, "three dots");
	judged(B("eyJhbGciOiJub25lIn0..."), JWT_MALFORMED, "alg none in five pieces");
	judged(B("sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"), JWT_MALFORMED, "an API key");

	/* 32 bytes end in a digit with two spare bits, which must be zero */
	buf.len = 0;
	bytes_append_slice(&buf, token);
	buf.data[buf.len - 1]++;
	judged(bytes_slice(&buf), JWT_MALFORMED, "spare bits that are set");
	bytes_free(&buf);
	bytes_free(&good);
}

/* Too much of anything. */
static void
test_size(void)
{
	Bytes		token;
	Bytes		claims;
	Bytes		header;

	bytes_init(&token);
	bytes_init(&claims);
	bytes_init(&header);
	/* base64 makes 4 bytes of 3; header and signature take 81, dots included */
	bytes_append_cstr(&claims, EXP "\"role\":\"a\",\"x\":\"");
	while (claims.len < (JWT_MAX_BYTES - 81) / 4 * 3 - 2)
		bytes_append_byte(&claims, 'x');
	bytes_append_cstr(&claims, "\"}");
	forge_hs256(&token, B(HEADER), bytes_slice(&claims), B(FORGE_SECRET));
	while (token.len < JWT_MAX_BYTES)
		bytes_append_byte(&token, ' ');
	is_int(token.len, JWT_MAX_BYTES, "the longest token");
	judged(bytes_slice(&token), JWT_OK, "is good");
	bytes_append_byte(&token, ' ');
	judged(bytes_slice(&token), JWT_MALFORMED, "a byte more is not");

	for (int depth = 63; depth <= 64; depth++)
	{
		claims.len = 0;
		bytes_append_cstr(&claims, EXP "\"role\":\"a\",\"x\":");
		for (int i = 0; i < depth; i++)
			bytes_append_byte(&claims, '[');
		for (int i = 0; i < depth; i++)
			bytes_append_byte(&claims, ']');
		bytes_append_byte(&claims, '}');
		forge_hs256(&token, B(HEADER), bytes_slice(&claims), B(FORGE_SECRET));
		judged(bytes_slice(&token), depth == 63 ? JWT_OK : JWT_MALFORMED, "nested claims");
	}
	for (int members = 255; members <= 256; members++)
	{
		header.len = 0;
		bytes_append_cstr(&header, "{\"alg\":\"HS256\"");
		for (int i = 0; i < members; i++)
			bytes_printf(&header, ",\"%d\":1", i);
		bytes_append_byte(&header, '}');
		forge_hs256(&token, bytes_slice(&header), B(CLAIMS), B(FORGE_SECRET));
		judged(bytes_slice(&token), members == 255 ? JWT_OK : JWT_MALFORMED, "members of a header");
	}

	token.len = 0;
	for (int i = 0; i < 1024 * 1024; i++)
		bytes_append_byte(&token, "eyJ."[i % 4]);
	judged(bytes_slice(&token), JWT_MALFORMED, "a megabyte");
	bytes_free(&header);
	bytes_free(&claims);
	bytes_free(&token);
}

/* A good token with any byte another one, gone or added is none. */
static void
test_mutations(void)
{
	static const char printable[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.~";
	Bytes		good;
	Bytes		buf;
	Slice		token;
	bool		replaced = true;
	bool		cut = true;
	bool		added = true;

	bytes_init(&good);
	bytes_init(&buf);
	forge_hs256(&good, B(HEADER), B(CLAIMS), B(FORGE_SECRET));
	token = bytes_slice(&good);
	for (size_t at = 0; at < token.len; at++)
	{
		for (int byte = 0; byte < 256; byte++)
		{
			char		c = (char) byte;

			if (c != token.data[at])
				replaced = replaced &&
					verify(spliced(&buf, token, at, 1, slice_make(&c, 1))) != JWT_OK;
		}
		for (const char *p = printable; *p != '\0'; p++)
			added = added && verify(spliced(&buf, token, at, 0, slice_make(p, 1))) != JWT_OK;
		cut = cut && verify(slice_make(token.data, at)) != JWT_OK &&
			verify(spliced(&buf, token, at, 1, B(""))) != JWT_OK;
	}
	ok(replaced, "not good with any byte another one");
	ok(cut, "nor with any byte missing, nor cut anywhere");
	ok(added, "nor with any added");

	replaced = true;
	for (int round = 0; round < 20000; round++)
	{
		buf.len = 0;
		for (size_t n = tap_below(80); n > 0; n--)
			bytes_append_byte(&buf, tap_below(8) ? printable[tap_below(sizeof(printable) - 1)] : tap_below(256));
		replaced = replaced && verify(bytes_slice(&buf)) != JWT_OK;
	}
	ok(replaced, "noise is no token");
	bytes_free(&buf);
	bytes_free(&good);
}

/* Whatever allocation fails, it is told, and nothing leaks. */
static void
test_no_memory(void)
{
	Bytes		token;
	Bytes		kept;
	JwtClaims	claims;
	JwtVerdict	verdict;
	bool		good = true;
	int			n = 0;

	bytes_init(&token);
	bytes_init(&kept);
	forge_hs256(&token, B("{\"alg\":\"HS256\",\"kid\":\"k\\u0065y\"}"),
				B(EXP "\"r\\u006fle\":\"anon\",\"sub\":\"x\"}"), B(FORGE_SECRET));
	do
	{
		bytes_free(&kept);
		allocations = 0;
		fail_at = n++;
		verdict = jwt_verify(secret_keys, bytes_slice(&token), &rules, &kept, &claims);
		fail_at = -1;
		good = good && (verdict == JWT_OK || verdict == JWT_NO_MEMORY);
	} while (verdict != JWT_OK && n < 100);
	ok(good && n > 4 && n < 100, "every allocation failed once");
	bytes_free(&kept);
	bytes_free(&token);
}

/* What jwt_sign() makes is what others would have made. */
static void
test_sign(void)
{
	Bytes		token;
	Bytes		want;

	bytes_init(&token);
	bytes_init(&want);
	bytes_append_cstr(&token, "Bearer ");
	ok(jwt_sign(&token, B(CLAIMS), B(FORGE_SECRET)), "signed");
	forge_hs256(&want, B(HEADER), B(CLAIMS), B(FORGE_SECRET));
	is_bytes(slice_make(token.data + 7, token.len - 7), bytes_slice(&want), "as anybody would");
	judged(slice_make(token.data + 7, token.len - 7), JWT_OK, "and good");

	bytes_free(&want);
	for (int n = 0; n < 8; n++)
	{
		bytes_free(&token);
		allocations = 0;
		fail_at = n;
		if (jwt_sign(&token, B(CLAIMS), B(FORGE_SECRET)))
			break;
		if (token.len != 0)
			ok(false, "half a token is left");
	}
	fail_at = -1;
	ok(token.len > 0, "told of any lack of memory");
	bytes_free(&token);
}

/* Which secrets are taken, and what a set without one is good for. */
static void
test_secrets(void)
{
	JwtKeys    *keys = jwt_keys_create();
	Bytes		token;
	Bytes		kept;
	JwtClaims	claims;

	bytes_init(&token);
	bytes_init(&kept);
	forge_hs256(&token, B(HEADER), B(CLAIMS), B(""));
	is_int(jwt_verify(keys, bytes_slice(&token), &rules, &kept, &claims), JWT_NO_SIGNER, "without a secret nothing is good");
	ok(!jwt_keys_add_secret(keys, B("")), "nothing is no secret");
	ok(!jwt_keys_add_secret(keys, B("0123456789012345678901234567890")), "nor are 31 bytes");
	is_int(jwt_verify(keys, bytes_slice(&token), &rules, &kept, &claims), JWT_NO_SIGNER, "that changed nothing");
	ok(jwt_keys_add_secret(keys, B("01234567890123456789012345678901")), "32 are");
	forge_hs256(&token, B(HEADER), B(CLAIMS), B("01234567890123456789012345678901"));
	is_int(jwt_verify(keys, bytes_slice(&token), &rules, &kept, &claims), JWT_OK, "it verifies");
	ok(jwt_keys_add_secret(keys, B("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")), "another, of any bytes");
	is_int(jwt_verify(keys, bytes_slice(&token), &rules, &kept, &claims), JWT_BAD_SIGNATURE, "takes its place");
	bytes_free(&kept);
	bytes_free(&token);
	jwt_keys_free(keys);
	jwt_keys_free(NULL);
}

int
main(void)
{
	secret_keys = jwt_keys_create();
	ok(secret_keys && jwt_keys_add_secret(secret_keys, B(FORGE_SECRET)), "a set with a secret");
	test_good();
	test_headers();
	test_claims();
	test_audience();
	test_text();
	test_size();
	test_mutations();
	test_no_memory();
	test_sign();
	test_secrets();
	jwt_keys_free(secret_keys);
	return done_testing();
}
