/*-------------------------------------------------------------------------
 *
 * refusals.c
 *	  The texts that tell a client why it may not do something.
 *
 * supabase.md 1.4, 3.3 and 3.8 quote them: clients match some of these texts,
 * so they are upstream's to the letter where upstream has one.
 *
 * src/gateway/refusals.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/refusals.h"
#include "program/loop.h"

typedef struct TokenText
{
	const char *code;
	const char *message;
} TokenText;

static const TokenText bad_role = {"Unauthorized", "The role of the token is not allowed"};

static const TokenText token_texts[] = {
	[JWT_MALFORMED] = {"MalformedJWT", "The token provided is not a valid JWT"},
	[JWT_NO_SIGNER] = {"JwtSignerError",
	"Failed to generate JWT signer, check your JWT secret or JWKS configuration"},
	[JWT_BAD_SIGNATURE] = {"JwtSignatureError", "Failed to validate JWT signature"},
	[JWT_MISSING_CLAIMS] = {"InvalidJWTToken", "Fields `role` and `exp` are required in JWT"},
	[JWT_EXPIRED] = {"InvalidJWTToken", "Token has expired"},
	[JWT_NOT_YET] = {"InvalidJWTToken", "Token is not valid yet"},
	[JWT_WRONG_AUDIENCE] = {"InvalidJWTToken", "Token is meant for another audience"},
	[JWT_WRONG_ISSUER] = {"InvalidJWTToken", "Token is from another issuer"},
	[JWT_NO_MEMORY] = {"UnableToConnectToProject", "Error connecting to Realtime"}
};

/*
 * The texts of a verdict.
 */
static const TokenText *
token_text(const TokenRefusal *refusal)
{
	return refusal->verdict == JWT_OK ? &bad_role : &token_texts[refusal->verdict];
}

/*
 * Error of a refused upgrade.
 */
const char *
refusal_of_connect(const TokenRefusal *refusal, int *status)
{
	*status = 401;
	if (refusal->verdict == JWT_OK)
		*status = 403;
	else if (refusal->verdict == JWT_NO_MEMORY)
		*status = 500;
	return token_text(refusal)->message;
}

/*
 * A message, with its code or without.
 */
static const char *
write_token_text(const TokenRefusal *refusal, const char *code, RefusalText *room)
{
	const char *separator = code[0] != '\0' ? ": " : "";

	if (refusal->verdict == JWT_EXPIRED)
		snprintf(room->text, sizeof(room->text), "%s%sToken has expired " INT64_FORMAT " seconds ago",
				 code, separator, loop_wall / 1000 - refusal->exp);
	else
		snprintf(room->text, sizeof(room->text), "%s%s%s",
				 code, separator, token_text(refusal)->message);
	return room->text;
}

/*
 * Reason of a refused join.
 */
const char *
refusal_of_join(const TokenRefusal *refusal, RefusalText *room)
{
	return write_token_text(refusal, token_text(refusal)->code, room);
}

/*
 * Message before a channel is closed.
 */
const char *
refusal_of_token(const TokenRefusal *refusal, RefusalText *room)
{
	return write_token_text(refusal, "", room);
}

/*
 * Reason of a join that policies do not allow.
 */
const char *
refusal_of_topic(Slice topic, RefusalText *room)
{
	snprintf(room->text, sizeof(room->text),
			 "Unauthorized: You do not have permissions to read from this Channel topic: " SLICE_FMT,
			 SLICE_ARG(topic));
	return room->text;
}

/*
 * Reason of a join that could not be decided.  A policy that raises an error
 * allows nothing, and neither does a role that may not be used.
 */
const char *
refusal_of_job(JobOutcome outcome, Slice topic, RefusalText *room)
{
	switch (outcome)
	{
		case JOB_BUSY:
			return "IncreaseConnectionPool: Please increase your connection pool size";
		case JOB_UNAVAILABLE:
			return "UnableToConnectToProject: Realtime was unable to connect to the project database";
		case JOB_TIMED_OUT:
			return "QueryCanceled: Query was cancelled, please try again";
		default:
			return refusal_of_topic(topic, room);
	}
}

/*
 * The status of a reason, by its code.  What is not in the table is about the
 * token.
 */
int
refusal_status(const char *reason)
{
	static const struct
	{
		const char *code;
		int			status;
	}			codes[] = {
		{"Unauthorized:", 403},
		{"IncreaseConnectionPool:", 429},
		{"UnableToConnectToProject:", 503},
		{"QueryCanceled:", 503},
	};

	for (int i = 0; i < (int) lengthof(codes); i++)
	{
		if (strncmp(reason, codes[i].code, strlen(codes[i].code)) == 0)
			return codes[i].status;
	}
	return 401;
}
