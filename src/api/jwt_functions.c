/*-------------------------------------------------------------------------
 *
 * jwt_functions.c
 *	  The SQL function that makes tokens, for a first try and for tests.
 *
 * Whoever signs tokens can be any role that tokens may name, so this is for
 * superusers only, whatever is granted on the function.
 *
 * src/api/jwt_functions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "api/sql_function.h"
#include "api/utf8_text.h"
#include "jwt_config.h"
#include "proto/jwt.h"

SQL_FUNCTION(sign_jwt);

#define UNIX_EPOCH_SECONDS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/*
 * Have the claims, an object, a member of this name?  Then *value is its value.
 */
static bool
has_claim(Jsonb *claims, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(&claims->root, name, (int) strlen(name), value) != NULL;
}

/*
 * Refuse claims that make no token of any use.  Everything else about them is
 * judged by verifying the token.
 */
static void
check_claims(Jsonb *claims)
{
	JsonbValue	role;

	if (!JB_ROOT_IS_OBJECT(claims))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("claims must be a JSON object"),
				 errhint("For example '{\"role\": \"authenticated\", \"sub\": \"some-user\"}'.")));
	if (!has_claim(claims, "role", &role))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("claims have no role"),
				 errhint("Add the database role that the holder of the token acts as, for example \"role\": \"authenticated\".")));
	if (role.type != jbvString || role.val.string.len < 1 || role.val.string.len > JWT_ROLE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the claim role must be a string of 1 to %d bytes", JWT_ROLE_MAX)));
}

/*
 * Seconds since 1970 of a time.
 */
static int64
unix_seconds(TimestampTz when)
{
	return when / USECS_PER_SEC + UNIX_EPOCH_SECONDS;
}

/*
 * When a token that is made now expires.
 */
static int64
expiry(TimestampTz now, Datum ttl)
{
	TimestampTz end;

	end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												  TimestampTzGetDatum(now), ttl));
	if (end <= now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be positive")));
	if (TIMESTAMP_NOT_FINITE(end))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be finite")));
	return unix_seconds(end);
}

/*
 * The claims' text, with iat and exp added where they are missing.
 */
static StringInfo
complete_claims(Jsonb *claims, Datum ttl)
{
	TimestampTz now = GetCurrentTimestamp();
	StringInfo	json = makeStringInfo();
	JsonbValue	value;

	(void) JsonbToCString(json, &claims->root, VARSIZE(claims));
	/* it has a role at least, so a comma is right */
	Assert(json->data[json->len - 1] == '}');
	json->data[--json->len] = '\0';
	if (!has_claim(claims, "iat", &value))
		appendStringInfo(json, ", \"iat\": " INT64_FORMAT, unix_seconds(now));
	if (!has_claim(claims, "exp", &value))
		appendStringInfo(json, ", \"exp\": " INT64_FORMAT, expiry(now, ttl));
	appendStringInfoChar(json, '}');
	return json;
}

/*
 * Sign and verify: only a token that will be accepted, if not just now, is
 * worth having.  Nothing may be raised here, since Bytes are malloc'd.
 */
static JwtVerdict
sign_and_verify(Slice claims, Slice secret, Bytes *token)
{
	JwtRules	rules = {.now = 0,.leeway = PG_INT64_MAX};
	JwtKeys    *keys = jwt_keys_create();
	JwtVerdict	verdict = JWT_NO_MEMORY;
	JwtClaims	verified;
	Bytes		kept;

	bytes_init(&kept);
	if (keys && jwt_keys_add_secret(keys, secret) && jwt_sign(token, claims, secret))
		verdict = jwt_verify(keys, bytes_slice(token), &rules, &kept, &verified);
	bytes_free(&kept);
	jwt_keys_free(keys);
	return verdict;
}

/*
 * realtime.sign_jwt(claims jsonb, ttl interval) returns text
 */
static Datum
sign_jwt_body(PG_FUNCTION_ARGS)
{
	Jsonb	   *claims = PG_GETARG_JSONB_P(0);
	StringInfo	json;
	Slice		utf8;
	Slice		secret;
	Bytes		token;
	JwtVerdict	verdict;
	text	   *result;

	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to sign tokens")));
	check_claims(claims);
	json = complete_claims(claims, PG_GETARG_DATUM(1));
	utf8 = utf8_string(json->data, json->len);
	secret = jwt_config_signing_secret();

	bytes_init(&token);
	verdict = sign_and_verify(utf8, secret, &token);
	result = verdict == JWT_OK ? cstring_to_text_with_len(token.data, token.len) : NULL;
	bytes_free(&token);
	if (verdict == JWT_NO_MEMORY)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no server would accept a token with these claims"),
				 errdetail("The claims exp, nbf and iat are numbers of seconds since 1970, and a token has at most %d bytes.",
						   JWT_MAX_BYTES)));
	PG_RETURN_TEXT_P(result);
}
