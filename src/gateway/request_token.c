/*-------------------------------------------------------------------------
 *
 * request_token.c
 *	  Who sends an HTTP request that is no upgrade.
 *
 * src/gateway/request_token.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/refusals.h"
#include "gateway/request_token.h"

/*
 * The token of a request: that of Authorization, if it is one for bearers,
 * else that of apikey.
 */
Slice
request_token(const HttpRequest *req)
{
	const Slice *value = http_header(req, "Authorization");

	if (value != NULL && value->len > 7 && pg_strncasecmp(value->data, "Bearer ", 7) == 0)
	{
		Slice		token = slice_make(value->data + 7, value->len - 7);

		while (token.len > 0 && token.data[0] == ' ')
			token = slice_make(token.data + 1, token.len - 1);
		return token;
	}
	value = http_header(req, "apikey");
	return value != NULL ? *value : slice_make(NULL, 0);
}

/*
 * Verify it.
 */
Identity *
request_identity(const HttpRequest *req)
{
	Slice		token = request_token(req);
	TokenRefusal refusal;

	return token.len > 0 ? identity_get(token, &refusal) : NULL;
}

/*
 * Who shows a token?
 */
Identity *
connect_identity(int there, Slice token, int *status, const char **error)
{
	TokenRefusal refusal = {JWT_MALFORMED, 0};
	Identity   *identity = NULL;

	*status = 401;
	*error = "API key is missing";
	if (there > 0 && token.len > 0)
		identity = identity_get(token, &refusal);
	if (identity == NULL && there != 0)
		*error = refusal_of_connect(&refusal, status);
	return identity;
}
