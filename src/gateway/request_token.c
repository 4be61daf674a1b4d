/*-------------------------------------------------------------------------
 *
 * request_token.c
 *	  Which token a request by HTTP shows.
 *
 * src/gateway/request_token.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/request_token.h"

/*
 * Look into Authorization, then into apikey.
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
