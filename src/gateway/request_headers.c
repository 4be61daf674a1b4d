/*-------------------------------------------------------------------------
 *
 * request_headers.c
 *	  The headers of a client's request, for policies.
 *
 * Policies see them as request.headers (supabase.md 1.3, 7.3): of an upgrade
 * those called x-..., of a broadcast by HTTP all.  They are one JSON object,
 * names in lower case, the values of a name that is repeated joined with commas
 * (RFC 9110 5.3).  What holds a secret is not among them: policies have the
 * claims of the token, and SQL has ways into logs that we do not know.  A
 * value that is not UTF-8 cannot be told to SQL and is left out.  Too many are
 * refused, because a client could crowd out those that its proxy adds.
 *
 * Most sockets have none, and then there is no object.
 *
 * src/gateway/request_headers.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/request_headers.h"
#include "proto/jslice.h"
#include "proto/utf8.h"

#define X_JSON_MAX 4096			/* kept as long as its connection */
#define ALL_JSON_MAX 24576		/* of one request */

/*
 * Does a header of this name hold a secret?
 */
static bool
is_secret(Slice name)
{
	static const char *const secrets[] = {"authorization", "apikey", "x-api-key",
	"cookie", "proxy-authorization"};

	for (int i = 0; i < (int) lengthof(secrets); i++)
	{
		if (name.len == strlen(secrets[i]) &&
			pg_strncasecmp(name.data, secrets[i], name.len) == 0)
			return true;
	}
	return false;
}

/*
 * Is this header for policies?
 */
static bool
is_wanted(const HttpHeader *header, HeaderChoice choice)
{
	return (choice == HEADERS_ALL ||
			(header->name.len > 2 && pg_strncasecmp(header->name.data, "x-", 2) == 0)) &&
		!is_secret(header->name) && utf8_valid(header->value.data, header->value.len);
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
is_repeated(const HttpRequest *req, HeaderChoice choice, int i)
{
	for (int j = 0; j < i; j++)
	{
		if (same_name(&req->headers[j], &req->headers[i]) && is_wanted(&req->headers[j], choice))
			return true;
	}
	return false;
}

/*
 * Append the values of all headers that are called like the i-th, which is the
 * first of them, with `value` as a scratch buffer.
 */
static void
append_values(Bytes *json, Bytes *value, const HttpRequest *req, HeaderChoice choice, int i)
{
	value->len = 0;
	for (int j = i; j < req->nheaders; j++)
	{
		if (!same_name(&req->headers[j], &req->headers[i]) ||
			!is_wanted(&req->headers[j], choice))
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
append_member(Bytes *json, Bytes *value, const HttpRequest *req, HeaderChoice choice, int i)
{
	Slice		name = req->headers[i].name;

	bytes_append_cstr(json, json->len > 0 ? ",\"" : "{\"");
	for (size_t j = 0; j < name.len; j++)
		bytes_append_byte(json, (uint8) pg_ascii_tolower((unsigned char) name.data[j]));
	bytes_append_cstr(json, "\":");
	append_values(json, value, req, choice, i);
}

/*
 * Copy the text, if there is any, to an object of its own.
 */
static int
keep(const Bytes *json, size_t max, RequestHeaders **headers)
{
	if (json->failed)
		return 500;
	if (json->len > max)
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
request_headers_take(const HttpRequest *req, HeaderChoice choice, RequestHeaders **headers)
{
	Bytes		json;
	Bytes		value;
	int			status;

	*headers = NULL;
	bytes_init(&json);
	bytes_init(&value);
	for (int i = 0; i < req->nheaders; i++)
	{
		if (is_wanted(&req->headers[i], choice) && !is_repeated(req, choice, i))
			append_member(&json, &value, req, choice, i);
	}
	if (json.len > 0)
		bytes_append_byte(&json, '}');
	status = keep(&json, choice == HEADERS_X ? X_JSON_MAX : ALL_JSON_MAX, headers);
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
