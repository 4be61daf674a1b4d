/*-------------------------------------------------------------------------
 *
 * tokens.h
 *	  Which tokens this gateway accepts.
 *
 * src/gateway/tokens.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TOKENS_H
#define REALTIME_TOKENS_H

#include "proto/jwt.h"

/* Why a token is not accepted; refusals.h has the texts. */
typedef struct TokenRefusal
{
	JwtVerdict	verdict;		/* JWT_OK: genuine, but of no allowed role */
	int64		exp;			/* of one that is JWT_EXPIRED */
} TokenRefusal;

/*
 * Take keys and rules from the settings; true if tokens that were accepted may
 * not be any more.
 */
extern bool tokens_configure(void) RT_MUSTCHECK;

/*
 * Verify a token.  *text is as jwt_verify() leaves it, whatever the verdict;
 * *refusal is only set where the token is not accepted.
 */
extern bool token_verify(Slice token, Bytes *text, JwtClaims *claims,
						 TokenRefusal *refusal) RT_MUSTCHECK;

#endif							/* REALTIME_TOKENS_H */
