/*-------------------------------------------------------------------------
 *
 * http_text.c
 *	  The texts around a request: percent-encoding and responses.
 *
 * src/proto/http_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/http_request.h"

#include "proto/hex_digit.h"
#include "proto/utf8.h"

/*
 * Percent-decode s onto *out; plus_is_space is the rule of queries.  What comes
 * out must be UTF-8 without NUL, since all of it ends up as text somewhere.  On
 * failure *out is as before.
 */
static bool
percent_decode(Slice s, bool plus_is_space, Bytes *out)
{
	size_t		before = out->len;
	size_t		len;
	char	   *dst;

	if (!bytes_reserve(out, s.len))
		return false;
	if (s.len == 0)
		return true;

	dst = out->data + before;
	for (size_t i = 0; i < s.len; i++)
	{
		char		c = s.data[i];

		if (c == '%')
		{
			int			byte = percent_encoded(slice_make(s.data + i, s.len - i));

			if (byte < 0)
				return false;
			c = (char) byte;
			i += 2;
		}
		else if (c == '+' && plus_is_space)
			c = ' ';
		if (c == '\0')
			return false;
		*dst++ = c;
	}
	len = dst - (out->data + before);
	if (!utf8_valid(out->data + before, len))
		return false;
	out->len = before + len;
	return true;
}

/* Percent-decode one path segment onto *out. */
bool
http_percent_decode(Slice s, Bytes *out)
{
	return percent_decode(s, false, out);
}

/* Is this parameter's encoded name that one?  It decodes onto *scratch. */
static bool
param_is(Slice encoded, Slice name, Bytes *scratch)
{
	size_t		before = scratch->len;
	bool		same;

	if (encoded.len < name.len || !percent_decode(encoded, true, scratch))
		return false;
	same = slice_equals(slice_make(scratch->data + before, scratch->len - before), name);
	scratch->len = before;
	return same;
}

/*
 * Find the next parameter of a name, decode its value onto *out, and leave what
 * follows it in *query: 1, 0 or -1 as in http_request.h.
 */
int
http_query_next(Slice *query, const char *name, Bytes *out)
{
	Slice		wanted = slice_make(name, strlen(name));

	while (query->len > 0)
	{
		const char *amp = memchr(query->data, '&', query->len);
		size_t		len = amp ? amp - query->data : query->len;
		Slice		param = slice_make(query->data, len);
		const char *eq = len > 0 ? memchr(param.data, '=', len) : NULL;
		size_t		name_len = eq ? eq - param.data : len;

		*query = slice_make(param.data + len + (amp != NULL),
							query->len - len - (amp != NULL));
		if (param_is(slice_make(param.data, name_len), wanted, out))
		{
			size_t		value = eq ? name_len + 1 : len;

			return percent_decode(slice_make(param.data + value, len - value),
								  true, out) ? 1 : -1;
		}
		if (out->failed)
			return -1;
	}
	return 0;
}

/*
 * Find the first one.
 */
int
http_query_get(Slice query, const char *name, Bytes *out)
{
	return http_query_next(&query, name, out);
}

/* Reason phrase of a status this server sends. */
const char *
http_status_text(int status)
{
	switch (status)
	{
		case 101:
			return "Switching Protocols";
		case 200:
			return "OK";
		case 202:
			return "Accepted";
		case 204:
			return "No Content";
		case 400:
			return "Bad Request";
		case 401:
			return "Unauthorized";
		case 403:
			return "Forbidden";
		case 404:
			return "Not Found";
		case 405:
			return "Method Not Allowed";
		case 408:
			return "Request Timeout";
		case 411:
			return "Length Required";
		case 413:
			return "Content Too Large";
		case 414:
			return "URI Too Long";
		case 415:
			return "Unsupported Media Type";
		case 417:
			return "Expectation Failed";
		case 422:
			return "Unprocessable Content";
		case 426:
			return "Upgrade Required";
		case 429:
			return "Too Many Requests";
		case 431:
			return "Request Header Fields Too Large";
		case 500:
			return "Internal Server Error";
		case 501:
			return "Not Implemented";
		case 503:
			return "Service Unavailable";
		case 504:
			return "Gateway Timeout";
		case 505:
			return "HTTP Version Not Supported";
		default:
			return "Unknown";
	}
}

/*
 * Append a whole response; on failure *out is as before.
 */
bool
http_response(Bytes *out, int status, const char *content_type,
			  Slice body, const char *extra_headers, bool close)
{
	size_t		before = out->len;

	bytes_printf(out, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
	if (content_type)
		bytes_printf(out, "Content-Type: %s\r\n", content_type);
	/* RFC 9110 8.6: not in these, which can have no body */
	if (status >= 200 && status != 204)
	{
		bytes_append_cstr(out, "Content-Length: ");
		bytes_append_u64(out, body.len);
		bytes_append_cstr(out, "\r\n");
	}
	if (extra_headers)
		bytes_append_cstr(out, extra_headers);
	if (close)
		bytes_append_cstr(out, "Connection: close\r\n");
	bytes_append_cstr(out, "\r\n");
	bytes_append_slice(out, body);
	if (out->failed)
		out->len = before;
	return !out->failed;
}
