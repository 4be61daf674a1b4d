/*-------------------------------------------------------------------------
 *
 * webhook_url.c
 *	  Where a webhook's URL leads.
 *
 * src/proto/webhook_url.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/webhook_url.h"

/* A scheme that can be delivered to. */
typedef struct Scheme
{
	const char *prefix;
	const char *port;
} Scheme;

static const Scheme schemes[] = {
	{"http://", ":80"},
	{"https://", ":443"}
};

/*
 * The scheme of a URL, NULL if it is none of ours.
 */
static const Scheme *
find_scheme(Slice url)
{
	for (int i = 0; i < (int) lengthof(schemes); i++)
	{
		size_t		len = strlen(schemes[i].prefix);

		if (url.len > len && pg_strncasecmp(url.data, schemes[i].prefix, len) == 0)
			return &schemes[i];
	}
	return NULL;
}

/*
 * Is every byte one that may stand in a URL?  Spaces and control characters do
 * not, and a backslash is a slash to some who read URLs.
 */
static bool
is_clean(Slice url)
{
	for (size_t i = 0; i < url.len; i++)
	{
		unsigned char c = (unsigned char) url.data[i];

		if (c <= ' ' || c == 0x7F || c == '\\')
			return false;
	}
	return true;
}

/*
 * What stands between the scheme and the path, without user and password.
 */
static Slice
authority_of(Slice url, const Scheme *scheme)
{
	const char *start = url.data + strlen(scheme->prefix);
	const char *end = url.data + url.len;

	for (const char *p = start; p < end; p++)
	{
		if (*p == '/' || *p == '?' || *p == '#')
			end = p;
	}
	for (const char *p = end; p > start; p--)
	{
		if (p[-1] == '@')
			return slice_make(p, end - p);
	}
	return slice_make(start, end - start);
}

/*
 * Take the port, with its colon, off an authority.  False if what is left is no
 * host, or there is a colon and no port behind it.
 */
static bool
split_port(Slice *host, Slice *port)
{
	size_t		len = host->len;
	long		number = 0;

	while (len > 0 && host->data[len - 1] >= '0' && host->data[len - 1] <= '9')
		len--;
	*port = slice_make(NULL, 0);
	if (len > 0 && host->data[len - 1] == ':' &&
		(host->data[0] != '[' || (len > 1 && host->data[len - 2] == ']')))
	{
		*port = slice_make(host->data + len - 1, host->len - len + 1);
		if (port->len < 2 || port->len > 6)
			return false;
		for (size_t i = 1; i < port->len; i++)
			number = number * 10 + (port->data[i] - '0');
		if (number < 1 || number > 65535)
			return false;
		*host = slice_make(host->data, len - 1);
	}
	if (host->len == 0)
		return false;
	if (host->data[0] == '[')
		return host->len > 2 && memchr(host->data, ']', host->len) == host->data + host->len - 1;
	return memchr(host->data, ':', host->len) == NULL;
}

/*
 * Append bytes, letters in lower case; returns the end.
 */
static char *
append_lower(char *dst, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*dst++ = s[i] >= 'A' && s[i] <= 'Z' ? s[i] - 'A' + 'a' : s[i];
	return dst;
}

/*
 * Write the endpoint.
 */
size_t
webhook_endpoint(Slice url, char *dst)
{
	const Scheme *scheme = url.len <= WEBHOOK_URL_MAX ? find_scheme(url) : NULL;
	char	   *end = dst;
	Slice		host;
	Slice		port;

	if (scheme == NULL || !is_clean(url))
		return 0;
	host = authority_of(url, scheme);
	if (!split_port(&host, &port))
		return 0;
	if (port.len == 0)
		port = slice_make(scheme->port, strlen(scheme->port));
	end = append_lower(end, scheme->prefix, strlen(scheme->prefix));
	end = append_lower(end, host.data, host.len);
	end = append_lower(end, port.data, port.len);
	return end - dst;
}
