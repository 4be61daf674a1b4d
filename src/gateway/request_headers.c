/*-------------------------------------------------------------------------
 *
 * request_headers.c
 *	  The x-... headers of a client's upgrade request, for policies.
 *
 * Policies see them as request.headers (supabase.md 1.3).  They are one JSON
 * object, names in lower case, the values of a name that is repeated joined
 * with commas (RFC 9110 5.3); x-api-key is a secret and not among them.  A
 * value that is not UTF-8 cannot be told to SQL and is left out.  Too many are
 * refused, because a client could crowd out those that its proxy adds.
 *
 * Most clients have none, and then there is no object.
 *
 * src/gateway/request_headers.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/request_headers.h"
#include "proto/jslice.h"
#include "proto/utf8.h"

#define JSON_MAX 4096

/*
 * Is this header for policies?
 */
static bool
is_wanted(const HttpHeader *header)
{
	return header->name.len > 2 && pg_strncasecmp(header->name.data, "x-", 2) == 0 &&
		!(header->name.len == 9 && pg_strncasecmp(header->name.data, "x-api-key", 9) == 0) &&
		utf8_valid(header->value.data, header->value.len);
}

/*
 * Do two headers have one name?
 */
static bool
same_name(const HttpHeader *a, const HttpHeader *b)
{
	return a->name.len == b->name.len &&
		pg_strncasecmp(a->name.data, b->name.data, a->name.len) == 0;
}

/*
 * Was a header of this name there before the i-th?
 */
static bool
is_repeated(const HttpRequest *req, int i)
{
	for (int j = 0; j < i; j++)
	{
		if (same_name(&req->headers[j], &req->headers[i]) && is_wanted(&req->headers[j]))
			return true;
	}
	return false;
}

/*
 * Append the values of all headers that are called like the i-th, which is the
 * first of them, with `value` as a scratch buffer.
 */
static void
append_values(Bytes *json, Bytes *value, const HttpRequest *req, int i)
{
	value->len = 0;
	for (int j = i; j < req->nheaders; j++)
	{
		if (!same_name(&req->headers[j], &req->headers[i]) || !is_wanted(&req->headers[j]))
			continue;
		if (j > i)
			bytes_append_cstr(value, ", ");
		bytes_append_slice(value, req->headers[j].value);
	}
	if (value->failed)
		json->failed = true;
	else
		jslice_append_string(json, bytes_slice(value));
}

/*
 * Append one member.  A token has nothing to escape.
 */
static void
append_member(Bytes *json, Bytes *value, const HttpRequest *req, int i)
{
	Slice		name = req->headers[i].name;

	bytes_append_cstr(json, json->len > 0 ? ",\"" : "{\"");
	for (size_t j = 0; j < name.len; j++)
		bytes_append_byte(json, (uint8) pg_ascii_tolower((unsigned char) name.data[j]));
	bytes_append_cstr(json, "\":");
	append_values(json, value, req, i);
}

/*
 * Copy the text, if there is any, to an object of its own.
 */
static int
keep(const Bytes *json, RequestHeaders **headers)
{
	if (json->failed)
		return 500;
	if (json->len > JSON_MAX)
		return 431;
	if (json->len == 0)
		return 0;
	*headers = malloc(offsetof(RequestHeaders, json) + json->len);
	if (*headers == NULL)
		return 500;
	(*headers)->refs = 1;
	(*headers)->len = (uint32) json->len;
	memcpy((*headers)->json, json->data, json->len);
	return 0;
}

/*
 * Keep the headers of a request.
 */
int
request_headers_take(const HttpRequest *req, RequestHeaders **headers)
{
	Bytes		json;
	Bytes		value;
	int			status;

	*headers = NULL;
	bytes_init(&json);
	bytes_init(&value);
	for (int i = 0; i < req->nheaders; i++)
	{
		if (is_wanted(&req->headers[i]) && !is_repeated(req, i))
			append_member(&json, &value, req, i);
	}
	if (json.len > 0)
		bytes_append_byte(&json, '}');
	status = keep(&json, headers);
	bytes_free(&value);
	bytes_free(&json);
	return status;
}

/*
 * The text of the object.
 */
Slice
request_headers_json(const RequestHeaders *headers)
{
	return headers != NULL ? slice_make(headers->json, headers->len) : SLICE_LIT("{}");
}

/*
 * One reference more.
 */
RequestHeaders *
request_headers_ref(RequestHeaders *headers)
{
	if (headers != NULL)
		headers->refs++;
	return headers;
}

/*
 * One reference less.
 */
void
request_headers_unref(RequestHeaders *headers)
{
	if (headers != NULL && --headers->refs == 0)
		free(headers);
}
