/*-------------------------------------------------------------------------
 *
 * ws_handshake.c
 *	  The opening handshake of RFC 6455 section 4.2, server side.
 *
 * SHA-1 and base64 come from OpenSSL, which both builds link: libpgcommon's
 * functions changed their signatures between the versions we support.
 *
 * src/proto/ws_handshake.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/ws_handshake.h"

#include <openssl/evp.h>

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define WS_KEY_BYTES 24			/* base64 of 16 bytes */
#define WS_VERSION "13"

/*
 * Is this the base64 of 16 bytes: 22 digits and two '='?
 *
 * The four spare bits of the last digit may be anything, as every other server
 * allows: the key is hashed as it stands, never decoded.
 */
static bool
key_valid(const Slice *key)
{
	if (key == NULL || key->len != WS_KEY_BYTES)
		return false;
	for (int i = 0; i < WS_KEY_BYTES - 2; i++)
	{
		char		c = key->data[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			  (c >= '0' && c <= '9') || c == '+' || c == '/'))
			return false;
	}
	return key->data[WS_KEY_BYTES - 2] == '=' && key->data[WS_KEY_BYTES - 1] == '=';
}

/*
 * Judge an upgrade request; 101 to accept.
 *
 * Bytes that follow the head are frames, so a request that announces a body
 * is refused: two readers could disagree on where the frames begin.
 */
int
ws_handshake_check(const HttpRequest *req)
{
	const Slice *version = http_header(req, "Sec-WebSocket-Version");

	if (!slice_equals(req->method, SLICE_LIT("GET")))
		return 405;
	if (req->minor_version < 1 || req->chunked || req->content_length > 0)
		return 400;
	if (!http_header_has_token(req, "Upgrade", "websocket") ||
		!http_header_has_token(req, "Connection", "upgrade"))
		return 426;
	if (http_header_count(req, "Sec-WebSocket-Version") > 1)
		return 400;
	if (version == NULL || !slice_equals(*version, SLICE_LIT(WS_VERSION)))
		return 426;
	return key_valid(http_header(req, "Sec-WebSocket-Key")) ? 101 : 400;
}

/* Sec-WebSocket-Accept: base64 of the SHA-1 of key and GUID. */
bool
ws_handshake_accept(Slice key, char *accept)
{
	char		text[WS_KEY_BYTES + sizeof(WS_GUID) - 1];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len;
	unsigned char base64[WS_ACCEPT_BYTES + 1];	/* OpenSSL adds a NUL */

	if (key.len != WS_KEY_BYTES)
		return false;
	memcpy(text, key.data, WS_KEY_BYTES);
	memcpy(text + WS_KEY_BYTES, WS_GUID, sizeof(WS_GUID) - 1);
	if (EVP_Digest(text, sizeof(text), digest, &digest_len, EVP_sha1(), NULL) != 1)
		return false;
	if (EVP_EncodeBlock(base64, digest, digest_len) != WS_ACCEPT_BYTES)
		return false;
	memcpy(accept, base64, WS_ACCEPT_BYTES);
	return true;
}

/* Append the 101 response; on failure *out is as before. */
bool
ws_handshake_response(Bytes *out, const HttpRequest *req)
{
	const Slice *key = http_header(req, "Sec-WebSocket-Key");
	char		accept[WS_ACCEPT_BYTES];

	if (key == NULL || !ws_handshake_accept(*key, accept))
		return false;
	return bytes_printf(out,
						"HTTP/1.1 101 Switching Protocols\r\n"
						"Upgrade: websocket\r\n"
						"Connection: Upgrade\r\n"
						"Sec-WebSocket-Accept: %.*s\r\n\r\n",
						WS_ACCEPT_BYTES, accept);
}

/* Does the list of allowed origins have this one, or a "*"? */
static bool
origin_listed(Slice origin, const char *allowed)
{
	while (*allowed != '\0')
	{
		size_t		len;

		allowed += strspn(allowed, ", \t");
		len = strcspn(allowed, ", \t");
		if (len == 1 && *allowed == '*')
			return true;
		if (len > 0 && len == origin.len &&
			pg_strncasecmp(allowed, origin.data, len) == 0)
			return true;
		allowed += len;
	}
	return false;
}

/*
 * May a page of this origin connect?
 *
 * The whole origin is compared, in any case: scheme and host are insensitive,
 * a port has no case.  "null" is what a browser sends for a page it does not
 * want to name; only "*" lets it in.
 */
bool
ws_origin_allowed(const HttpRequest *req, const char *allowed)
{
	int			count = http_header_count(req, "Origin");
	const Slice *origin = http_header(req, "Origin");

	if (count == 0)
		return true;
	if (count > 1)
		return false;
	if (origin->len == 4 && pg_strncasecmp(origin->data, "null", 4) == 0)
		return origin_listed(slice_make(NULL, 0), allowed);
	return origin_listed(*origin, allowed);
}
