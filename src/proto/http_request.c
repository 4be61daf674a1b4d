/*-------------------------------------------------------------------------
 *
 * http_request.c
 *	  HTTP/1.1 request heads, read strictly (RFC 9112).
 *
 * Two passes.  The first looks for the end of the head a byte at a time,
 * resumes where it stopped and refuses at once what no head can contain; the
 * second takes the complete head apart.  Nothing is repaired or skipped: a
 * proxy before us may have read it differently, and that is how requests are
 * smuggled.
 *
 * Query parameters, path segments and responses are in http_text.c.
 *
 * src/proto/http_request.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/http_request.h"

#define HTTP_BAD_REQUEST 400
#define HTTP_URI_TOO_LONG 414
#define HTTP_HEAD_TOO_LARGE 431
#define HTTP_VERSION_UNKNOWN 505

#define HTTP_VERSION_LEN 8		/* of "HTTP/1.1" */
#define PORT_CHARS 6			/* of ":65535" */
#define CONTENT_LENGTH_DIGITS 18	/* always fits an int64 */

/* ASCII only: ctype.h would follow the server's locale. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A letter or digit of ASCII, or one of these others. */
static bool
is_alnum_or(char c, const char *others)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
		(c != '\0' && strchr(others, c) != NULL);
}

/* A token of RFC 9110, section 5.6.2. */
static bool
is_token(Slice s)
{
	for (size_t i = 0; i < s.len; i++)
	{
		if (!is_alnum_or(s.data[i], "!#$%&'*+-.^_`|~"))
			return false;
	}
	return s.len > 0;
}

/* Are these the same but for the case of ASCII letters? */
static bool
equals_nocase(Slice a, Slice b)
{
	return a.len == b.len &&
		(a.len == 0 || pg_strncasecmp(a.data, b.data, a.len) == 0);
}

/* Does s start with the literal, in any case? */
static bool
has_prefix_nocase(Slice s, Slice prefix)
{
	return s.len >= prefix.len &&
		equals_nocase(slice_make(s.data, prefix.len), prefix);
}

/* Split s at the first sep: true, with the rest behind it, if there is one. */
static bool
split_at(Slice s, char sep, Slice *before, Slice *after)
{
	const char *hit = s.len > 0 ? memchr(s.data, sep, s.len) : NULL;

	if (hit == NULL)
	{
		*before = s;
		*after = slice_make(NULL, 0);
		return false;
	}
	*before = slice_make(s.data, hit - s.data);
	*after = slice_make(hit + 1, s.len - before->len - 1);
	return true;
}

/* s without blanks and tabs around it. */
static Slice
trim(Slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = slice_make(s.data + 1, s.len - 1);
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/*
 * Look for the empty line that ends a head, from *scanned on.
 *
 * Returns the bytes up to and including it, 0 if it has not come yet, or minus
 * a status.  A carriage return and a line feed may only come as a pair, and no
 * other control character but the tab may come at all (RFC 9112 2.2, 5.5).
 */
static int
find_head_end(const char *buf, size_t len, size_t *scanned)
{
	size_t		limit = Min(len, HTTP_MAX_HEAD);
	size_t		i;

	for (i = *scanned; i < limit; i++)
	{
		uint8		c = (uint8) buf[i];

		if (i > 0 && buf[i - 1] == '\r' && c != '\n')
			return -HTTP_BAD_REQUEST;
		if (c >= 0x20 && c != 0x7F)
			continue;
		if (c == '\n')
		{
			if (i == 0 || buf[i - 1] != '\r')
				return -HTTP_BAD_REQUEST;
			if (i >= 3 && buf[i - 2] == '\n')
				return (int) i + 1;
		}
		else if (c != '\r' && c != '\t')
			return -HTTP_BAD_REQUEST;
	}
	*scanned = i;

	if (len < HTTP_MAX_HEAD)
		return 0;
	/* Too long; of one line only the target can be that long. */
	return memchr(buf, '\n', HTTP_MAX_HEAD) == NULL ?
		-HTTP_URI_TOO_LONG : -HTTP_HEAD_TOO_LARGE;
}

/* Take a line off *rest, which ends with a line's end. */
static Slice
take_line(Slice *rest)
{
	const char *end = memchr(rest->data, '\r', rest->len);
	Slice		line = slice_make(rest->data, end - rest->data);

	*rest = slice_make(end + 2, rest->len - line.len - 2);
	return line;
}

/*
 * Is this a host with an optional port: a name, an IPv4 address or an IPv6
 * address in brackets?  Narrower than RFC 3986: none of the punctuation that
 * its grammar allows in names and nobody uses.
 */
static bool
is_authority(Slice s)
{
	size_t		i = 0;
	size_t		host;

	if (s.len > 0 && s.data[0] == '[')
	{
		for (i = 1; i < s.len && s.data[i] != ']'; i++)
		{
			if (!is_alnum_or(s.data[i], ":."))
				return false;
		}
		if (i < 3 || i == s.len)
			return false;
		i++;
	}
	else
	{
		while (i < s.len && is_alnum_or(s.data[i], "-._~"))
			i++;
		if (i == 0)
			return false;
	}

	host = i;
	if (i < s.len && s.data[i] == ':')
	{
		i++;
		while (i < s.len && is_digit(s.data[i]))
			i++;
	}
	return i == s.len && i - host <= PORT_CHARS;
}

/*
 * Take the request target apart.  *authority is set from an absolute-form one,
 * and left empty otherwise.  Returns 0 or a status.
 */
static int
parse_target(Slice target, Slice method, HttpRequest *req, Slice *authority)
{
	Slice		scheme_less;
	size_t		host_len;

	*authority = slice_make(NULL, 0);
	if (target.len > HTTP_MAX_TARGET)
		return HTTP_URI_TOO_LONG;
	if (target.len == 0)
		return HTTP_BAD_REQUEST;
	for (size_t i = 0; i < target.len; i++)
	{
		/* Neither beyond ASCII nor a fragment, which never leaves a client. */
		if ((uint8) target.data[i] <= 0x20 || (uint8) target.data[i] >= 0x7F ||
			target.data[i] == '#')
			return HTTP_BAD_REQUEST;
	}

	if (slice_equals(target, SLICE_LIT("*")) &&
		slice_equals(method, SLICE_LIT("OPTIONS")))
	{
		req->path = target;
		return 0;
	}
	if (target.data[0] != '/')
	{
		if (has_prefix_nocase(target, SLICE_LIT("http://")))
			scheme_less = slice_make(target.data + 7, target.len - 7);
		else if (has_prefix_nocase(target, SLICE_LIT("https://")))
			scheme_less = slice_make(target.data + 8, target.len - 8);
		else
			return HTTP_BAD_REQUEST;
		for (host_len = 0; host_len < scheme_less.len; host_len++)
		{
			if (scheme_less.data[host_len] == '/' || scheme_less.data[host_len] == '?')
				break;
		}
		*authority = slice_make(scheme_less.data, host_len);
		if (!is_authority(*authority))
			return HTTP_BAD_REQUEST;
		target = slice_make(scheme_less.data + host_len, scheme_less.len - host_len);
	}
	split_at(target, '?', &req->path, &req->query);
	if (req->path.len == 0)
		req->path = SLICE_LIT("/");
	return 0;
}

/* Take the request line apart; returns 0 or a status. */
static int
parse_request_line(Slice line, HttpRequest *req, Slice *authority)
{
	Slice		rest;
	Slice		target;
	Slice		version;

	if (!split_at(line, ' ', &req->method, &rest) || !is_token(req->method) ||
		!split_at(rest, ' ', &target, &version))
		return HTTP_BAD_REQUEST;
	if (version.len != HTTP_VERSION_LEN ||
		!slice_has_prefix(version, SLICE_LIT("HTTP/")) ||
		!is_digit(version.data[5]) || version.data[6] != '.' ||
		!is_digit(version.data[7]))
		return HTTP_BAD_REQUEST;
	if (version.data[5] != '1' || version.data[7] > '1')
		return HTTP_VERSION_UNKNOWN;
	req->minor_version = version.data[7] - '0';
	return parse_target(target, req->method, req, authority);
}

/* Take a header line apart; returns 0 or a status. */
static int
parse_header_line(Slice line, HttpRequest *req)
{
	HttpHeader *header;
	Slice		value;

	if (req->nheaders == HTTP_MAX_HEADERS)
		return HTTP_HEAD_TOO_LARGE;
	header = &req->headers[req->nheaders];
	/* A name that is no token covers obs-fold and a blank before the colon. */
	if (!split_at(line, ':', &header->name, &value) || !is_token(header->name))
		return HTTP_BAD_REQUEST;
	header->value = trim(value);
	req->nheaders++;
	return 0;
}

/*
 * Host: exactly one, well-formed, and the same as in the target.  That binds
 * HTTP/1.0 as well: a request without Host goes to a place nobody named.
 */
static int
check_host(const HttpRequest *req, Slice authority)
{
	const Slice *host = http_header(req, "Host");

	if (host == NULL || !is_authority(*host))
		return HTTP_BAD_REQUEST;
	if (authority.len > 0 && !equals_nocase(authority, *host))
		return HTTP_BAD_REQUEST;
	return 0;
}

/*
 * How the body is framed, RFC 9112 section 6: one Content-Length of digits, or
 * exactly "chunked", or neither.
 */
static int
parse_framing(HttpRequest *req)
{
	int			lengths = http_header_count(req, "Content-Length");
	int			codings = http_header_count(req, "Transfer-Encoding");
	const Slice *value;

	req->content_length = -1;
	if (lengths + codings > 1)
		return HTTP_BAD_REQUEST;
	if (codings == 1)
	{
		/* HTTP/1.0 knows no chunks: whoever sent it is confused or hostile. */
		value = http_header(req, "Transfer-Encoding");
		if (req->minor_version == 0 ||
			!equals_nocase(*value, SLICE_LIT("chunked")))
			return HTTP_BAD_REQUEST;
		req->chunked = true;
	}
	if (lengths == 1)
	{
		value = http_header(req, "Content-Length");
		if (value->len == 0 || value->len > CONTENT_LENGTH_DIGITS)
			return HTTP_BAD_REQUEST;
		req->content_length = 0;
		for (size_t i = 0; i < value->len; i++)
		{
			if (!is_digit(value->data[i]))
				return HTTP_BAD_REQUEST;
			req->content_length = req->content_length * 10 + (value->data[i] - '0');
		}
	}
	return 0;
}

/*
 * Take the complete head apart.  Returns 0 or the status to refuse it with.
 */
static int
parse_head(Slice head, HttpRequest *req)
{
	Slice		authority;
	Slice		line;
	int			status;

	/* RFC 9112 2.2: one empty line before the request is an old mistake. */
	if (slice_has_prefix(head, SLICE_LIT("\r\n")))
		head = slice_make(head.data + 2, head.len - 2);

	status = parse_request_line(take_line(&head), req, &authority);
	if (status != 0)
		return status;
	while ((line = take_line(&head)).len > 0)
	{
		status = parse_header_line(line, req);
		if (status != 0)
			return status;
	}

	status = check_host(req, authority);
	if (status == 0)
		status = parse_framing(req);
	req->keep_alive = !http_header_has_token(req, "Connection", "close") &&
		(req->minor_version == 1 ||
		 http_header_has_token(req, "Connection", "keep-alive"));
	return status;
}

/* Parse the head of the request at buf; see http_request.h. */
int
http_request_parse(const char *buf, size_t len, size_t *scanned, HttpRequest *req)
{
	int			head_len = find_head_end(buf, len, scanned);
	int			status;

	if (head_len <= 0)
		return head_len;

	/* Not the array, which is large and filled up to nheaders. */
	memset(req, 0, offsetof(HttpRequest, headers));
	status = parse_head(slice_make(buf, head_len), req);
	return status == 0 ? head_len : -status;
}

/* Number of headers of this name, in any case. */
int
http_header_count(const HttpRequest *req, const char *name)
{
	Slice		wanted = slice_make(name, strlen(name));
	int			count = 0;

	for (int i = 0; i < req->nheaders; i++)
	{
		if (equals_nocase(req->headers[i].name, wanted))
			count++;
	}
	return count;
}

/* Value of the only header of this name, or NULL. */
const Slice *
http_header(const HttpRequest *req, const char *name)
{
	Slice		wanted = slice_make(name, strlen(name));
	const Slice *found = NULL;

	for (int i = 0; i < req->nheaders; i++)
	{
		if (!equals_nocase(req->headers[i].name, wanted))
			continue;
		if (found)
			return NULL;
		found = &req->headers[i].value;
	}
	return found;
}

/* Is the token in one of the comma-separated lists of this name? */
bool
http_header_has_token(const HttpRequest *req, const char *name, const char *token)
{
	Slice		wanted_name = slice_make(name, strlen(name));
	Slice		wanted = slice_make(token, strlen(token));

	for (int i = 0; i < req->nheaders; i++)
	{
		Slice		rest = req->headers[i].value;
		Slice		item;

		if (!equals_nocase(req->headers[i].name, wanted_name))
			continue;
		while (rest.len > 0)
		{
			split_at(rest, ',', &item, &rest);
			if (equals_nocase(trim(item), wanted))
				return true;
		}
	}
	return false;
}
