/*-------------------------------------------------------------------------
 *
 * target_token.c
 *	  What proves something, and spelled identifiers: tokens and key sets, names
 *	  of channels with their proof, signatures of webhooks, cursors, times.
 *
 *	  input   kind | what that takes
 *
 * A fuzzer finds no signature, so headers and claims are signed here, with a
 * secret that the keys know.
 *
 * test/fuzz/target_token.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <openssl/evp.h>
#include <time.h>

#include "proto/base64url.h"
#include "proto/channel_name.h"
#include "proto/cursor.h"
#include "proto/iso_time.h"
#include "proto/jslice.h"
#include "proto/jwt.h"
#include "proto/jwt_json.h"
#include "proto/uuid.h"
#include "proto/webhook_signature.h"
#include "reference.h"

#define SECRET SLICE_LIT("forty-two bytes that nobody else could know")
#define NOW 1700000000

static void
free_keys(void *keys)
{
	jwt_keys_free(keys);
}

/* Keys that have the secret. */
static JwtKeys *
make_keys(void)
{
	JwtKeys    *keys = jwt_keys_create();

	must(keys != NULL);
	fuzz_at_end(free_keys, keys);
	must(jwt_keys_add_secret(keys, SECRET));
	return keys;
}

/* Append bytes as base64url. */
static void
append_encoded(Bytes *out, Slice bytes)
{
	must(base64url_encode(bytes, out));
}

/* The token of a header and claims, signed with the secret. */
static Slice
signed_token(Slice header, Slice claims, const char *digest)
{
	Bytes	   *token = fuzz_bytes();
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t		mac_len = 0;

	append_encoded(token, header);
	must(bytes_append_byte(token, '.'));
	append_encoded(token, claims);
	must(EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, SECRET.data, SECRET.len,
				   (const unsigned char *) token->data, token->len, mac, sizeof(mac), &mac_len) != NULL);
	must(bytes_append_byte(token, '.'));
	append_encoded(token, slice_make((char *) mac, mac_len));
	return exact_bytes(token);
}

static JwtRules
make_rules(uint8 flags)
{
	JwtRules	rules = {NOW, 30};

	if (flags & 1)
		rules.audience = SLICE_LIT("me");
	if (flags & 2)
		rules.issuer = SLICE_LIT("they");
	return rules;
}

static JwtVerdict
verify(const JwtKeys *keys, Slice token, const JwtRules *rules, JwtClaims *claims)
{
	return jwt_verify(keys, token, rules, fuzz_bytes(), claims);
}

/* Does a member stand once, and is it that string? */
static bool
member_is(Slice object, const char *name, Slice wanted)
{
	JsliceIter	it;
	Slice		key;
	Slice		value;
	int			n = 0;
	bool		same = false;

	jslice_iter_init(&it, object);
	while (jslice_iter_next(&it, &key, &value))
	{
		if (!jslice_string_equals(key, slice_make(name, strlen(name))))
			continue;
		n++;
		same = jslice_string_equals(value, wanted);
	}
	return n == 1 && same;
}

/* What holds of a token that was found good. */
static void
check_good(Slice header, Slice json, const JwtRules *rules, const JwtClaims *claims, Slice alg)
{
	int64		exp;

	must(ref_json_object(header) && ref_json_object(json));
	must(member_is(header, "alg", alg) && jslice_get(header, "crit").len == 0);
	must(slice_equals(claims->json, json));
	must(member_is(json, "role", claims->role));
	must(claims->role.len >= 1 && claims->role.len <= JWT_ROLE_MAX && !has_byte(claims->role, '\0'));
	must(jwt_json_time(jslice_get(json, "exp"), &exp) && exp == claims->exp && exp > rules->now);
	if (rules->issuer.len > 0)
		must(member_is(json, "iss", rules->issuer));
	if (rules->audience.len > 0)
		must(member_is(json, "aud", rules->audience) || jslice_type(jslice_get(json, "aud")) == JSLICE_ARRAY);
}

/* A token that is signed as it should be, and the same with a slip in it. */
static void
check_signed(Slice input)
{
	static const struct
	{
		const char *alg;
		const char *digest;
	}			algs[] = {{"HS256", "SHA256"}, {"HS384", "SHA384"}, {"HS512", "SHA512"}};
	JwtKeys    *keys = make_keys();
	int			alg = input_byte(&input) % lengthof(algs);
	JwtRules	rules = make_rules(input_byte(&input));
	size_t		slip = input_number(&input, 2);
	Slice		header = input_line(&input);
	Slice		json = fuzz_exact(input);
	Slice		token = signed_token(header, json, algs[alg].digest);
	JwtClaims	claims;
	Bytes	   *ours = fuzz_bytes();
	Slice		bad;

	if (verify(keys, token, &rules, &claims) == JWT_OK)
		check_good(header, json, &rules, &claims, slice_make(algs[alg].alg, 5));

	/* signed by ourselves it is as good as with this header */
	must(jwt_sign(ours, json, SECRET));
	must(verify(keys, exact_bytes(ours), &rules, &claims) ==
		 verify(keys, signed_token(SLICE_LIT("{\"alg\":\"HS256\"}"), json, "SHA256"), &rules, &claims));

	bad = fuzz_exact(token);
	slip %= bad.len;
	unconstify(char *, bad.data)[slip] = bad.data[slip] == 'A' ? 'B' : 'A';
	must(verify(keys, bad, &rules, &claims) != JWT_OK);
}

/* Tokens as they come. */
static void
check_token(Slice input)
{
	JwtRules	rules = make_rules(0);
	JwtClaims	claims;
	JwtVerdict	verdict = verify(make_keys(), fuzz_exact(input), &rules, &claims);

	must(verdict != JWT_OK && verdict != JWT_NO_MEMORY);
}

/* Tells of a key that was left out. */
static void
count_skipped(Slice kid, const char *why, void *arg)
{
	must(why != NULL && why[0] != '\0');
	++*(int *) arg;
}

/* Key sets as they come.  What was added once is not added again. */
static void
check_key_set(Slice json)
{
	JwtKeys    *keys = make_keys();
	int			skipped = 0;
	int			skipped_again = 0;
	const char *error = NULL;
	int			n = jwt_keys_add_jwks(keys, json, count_skipped, &skipped, &error);

	must(n >= -1 && n <= JWT_MAX_KEYS && (n >= 0 || error != NULL));
	if (n < 0)
		return;
	must(ref_json_object(json));
	/* or there is no room left for as many */
	if (jwt_keys_add_jwks(keys, json, count_skipped, &skipped_again, &error) != -1)
		must(skipped_again == skipped + n);
}

/* A secret in a key set signs what then is verified. */
static void
check_oct_key(Slice input)
{
	JwtKeys    *keys = jwt_keys_create();
	Slice		secret = input_bytes(&input, input_byte(&input));
	Bytes	   *set = fuzz_bytes();
	Bytes	   *token = fuzz_bytes();
	Bytes	   *kid = fuzz_bytes();
	JwtRules	rules = make_rules(0);
	JwtClaims	claims;
	int			skipped = 0;
	const char *error = NULL;

	must(keys != NULL);
	fuzz_at_end(free_keys, keys);
	if (ref_utf8(input) != REF_UTF8_WHOLE || has_byte(input, '\0') || input.len == 0)
		return;
	must(jslice_append_string(kid, input));
	bytes_append_cstr(set, "{\"keys\":[{\"kty\":\"oct\",\"kid\":");
	bytes_append_slice(set, bytes_slice(kid));
	bytes_append_cstr(set, ",\"k\":\"");
	append_encoded(set, secret);
	must(bytes_append_cstr(set, "\"}]}"));
	must(jwt_keys_add_jwks(keys, exact_bytes(set), count_skipped, &skipped, &error) ==
		 (secret.len >= JWT_MIN_SECRET ? 1 : 0));
	must(skipped == (secret.len < JWT_MIN_SECRET));
	must(jwt_sign(token, SLICE_LIT("{\"role\":\"r\",\"exp\":9999999999}"), secret));
	/* our own header names no key, and this set has no other secret */
	must(verify(keys, exact_bytes(token), &rules, &claims) == JWT_NO_SIGNER);
}

/* Numbers of seconds. */
static void
check_time(Slice number)
{
	int64		seconds;
	const char *chars = fuzz_cstr(number);
	bool		good;

	if (!jslice_validate(number.data, number.len, NULL))
		return;
	good = jwt_json_time(number, &seconds);
	if (good)
		must(seconds >= 0 && seconds < JWT_JSON_TIME_LIMIT);
	if (number.len > 0 && number.len <= 15 && strspn(chars, "0123456789") == number.len)
		must(good && seconds == strtoll(chars, NULL, 10));
	else if (good)
	{
		long double value = strtold(chars, NULL);

		/* rounding may take strtold() up to the next whole number */
		must(seconds <= value && value <= seconds + 1);
	}
}

/* Every text of base64url has one meaning, and every meaning one text. */
static void
check_base64url(Slice input)
{
	Bytes	   *decoded = fuzz_bytes();
	Bytes	   *encoded = fuzz_bytes();
	Bytes	   *again = fuzz_bytes();

	if (base64url_decode(input, decoded))
	{
		append_encoded(encoded, exact_bytes(decoded));
		must(slice_equals(bytes_slice(encoded), input));
	}
	else
		must(decoded->len == 0);
	encoded->len = 0;
	append_encoded(encoded, input);
	must(encoded->len == BASE64URL_LENGTH(input.len));
	must(base64url_decode(exact_bytes(encoded), again) && slice_equals(bytes_slice(again), input));
}

static void
free_verifier(void *verifier)
{
	channel_verifier_free(verifier);
}

/* Names of channels with their proof. */
static void
check_channel(Slice input)
{
	size_t		slip = input_byte(&input) % CHANNEL_HMAC_HEX;
	Slice		secret = input_bytes(&input, input_byte(&input));
	Slice		name = fuzz_exact(input);
	ChannelVerifier *verifier = channel_verifier_new();
	ChannelParts parts;
	Bytes	   *channel = fuzz_bytes();
	char		hex[CHANNEL_HMAC_HEX];
	char		c;

	must(verifier != NULL);
	fuzz_at_end(free_verifier, verifier);
	must(channel_verifier_use(verifier, secret));
	must(!channel_verify(name, secret));
	if (channel_split(name, &parts))
		must(lies_in(parts.name, name) && !channel_verifier_check(verifier, &parts));

	must(channel_hmac(name, secret, hex));
	must(strspn(fuzz_cstr(slice_make(hex, sizeof(hex))), "0123456789abcdef") == sizeof(hex));
	bytes_append_slice(channel, name);
	bytes_append_byte(channel, '-');
	must(bytes_append(channel, hex, sizeof(hex)));
	if (channel_split(exact_bytes(channel), &parts))
	{
		must(slice_equals(parts.name, name) && channel_verify(exact_bytes(channel), secret));
		must(channel_verifier_check(verifier, &parts));
	}
	else
		must(name.len == 0);	/* the one that has no proof */

	c = channel->data[name.len + 1 + slip];
	channel->data[name.len + 1 + slip] = c == 'a' ? 'b' : 'a';
	must(!channel_verify(exact_bytes(channel), secret));
	channel->data[name.len + 1 + slip] = c;
	channel->data[name.len] = '_';
	must(!channel_verify(exact_bytes(channel), secret) && !channel_split(exact_bytes(channel), &parts));
}

/* Cursors have one text each. */
static void
check_cursor(Slice input)
{
	char		chars[CURSOR_TEXT_BYTES];
	Cursor		cursor;
	Cursor		again;

	if (cursor_parse(input, &cursor))
	{
		cursor_write(&cursor, chars);
		must(slice_equals(slice_make(chars, sizeof(chars)), input) && cursor.place.lsn != 0);
	}
	cursor.epoch = input_number(&input, 8);
	cursor.place.lsn = input_number(&input, 8);
	cursor.place.timeline = (uint32) input_number(&input, 4);
	cursor.place.number = (uint32) input_number(&input, 4);
	cursor_write(&cursor, chars);
	must(cursor_parse(slice_make(chars, sizeof(chars)), &again) == (cursor.place.lsn != 0));
	if (cursor.place.lsn != 0)
		must(memcmp(&cursor, &again, sizeof(cursor)) == 0);
}

/* A secret signs the same, however it is written. */
static void
check_webhook(Slice input)
{
	Slice		key = input_bytes(&input, input_byte(&input));
	Bytes	   *spelled = fuzz_bytes();
	Bytes	   *plain = fuzz_bytes();
	Bytes	   *encoded = fuzz_bytes();
	char	   *base64 = fuzz_alloc(key.len / 3 * 4 + 5);

	if (webhook_sign(fuzz_exact(input), SLICE_LIT("id"), 1, SLICE_LIT("x"), spelled))
		must(spelled->len == 3 + 44);
	else
		must(spelled->len == 0);
	if (key.len == 0 || slice_has_prefix(key, SLICE_LIT("whsec_")))
		return;
	spelled->len = 0;
	EVP_EncodeBlock((unsigned char *) base64, (const unsigned char *) key.data, (int) key.len);
	bytes_append_cstr(spelled, "whsec_");
	must(bytes_append_cstr(spelled, base64));
	must(webhook_sign(key, SLICE_LIT("id"), 5, input, plain));
	must(webhook_sign(exact_bytes(spelled), SLICE_LIT("id"), 5, input, encoded));
	must(slice_equals(bytes_slice(plain), bytes_slice(encoded)));
}

/* Times and ids are spelled as others spell them. */
static void
check_spelled(Slice input)
{
	int64		ms = (int64) input_number(&input, 8) >> (input_byte(&input) % 64);
	char		chars[ISO_TIME_BYTES + 1] = {0};
	char		wanted[64];
	uint8		uuid[UUID_BYTES];
	char		spelled[UUID_TEXT_LENGTH + 1] = {0};
	time_t		seconds;
	struct tm	tm;

	iso_time_write(ms, chars);
	must(strspn(chars, "0123456789-:.TZ") == ISO_TIME_BYTES);
	seconds = (time_t) (ms / 1000 - (ms % 1000 < 0));
	if (seconds >= -62167219200 && seconds <= 253402300799)
	{
		must(gmtime_r(&seconds, &tm) != NULL);
		snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
				 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
				 (int) (ms - (int64) seconds * 1000));
		must(strcmp(chars, wanted) == 0);
	}

	must(uuid_make_v7(uuid, ms));
	uuid_write(uuid, spelled);
	must(spelled[8] == '-' && spelled[14] == '7' && strchr("89ab", spelled[19]) != NULL);
	must(strtoull(spelled, NULL, 16) == ((uint64) ms >> 16 & 0xFFFFFFFF));
	must(strtoull(spelled + 9, NULL, 16) == ((uint64) ms & 0xFFFF));
}

void
fuzz_token(Slice input)
{
	switch (input_byte(&input) % 16)
	{
		default:
			check_signed(input);
			break;
		case 5:
			check_token(input);
			break;
		case 6:
		case 7:
			check_key_set(fuzz_exact(input));
			break;
		case 8:
			check_oct_key(input);
			break;
		case 9:
			check_time(fuzz_exact(input));
			break;
		case 10:
			check_base64url(fuzz_exact(input));
			break;
		case 11:
			check_channel(input);
			break;
		case 12:
			check_cursor(fuzz_exact(input));
			break;
		case 13:
			check_webhook(input);
			break;
		case 14:
			check_spelled(input);
			break;
	}
}
