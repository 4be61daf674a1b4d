/*-------------------------------------------------------------------------
 *
 * test_handshake.c
 *	  The opening handshake: who gets a 101, and from where.
 *
 * test/unit/test_handshake.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/ws_handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define START "GET /realtime/v1/websocket HTTP/1.1\r\nHost: h\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define WITH_KEY "Sec-WebSocket-Key: " KEY "\r\n"
#define GOOD UPGRADE VERSION WITH_KEY

/* B1 of the catalogue: everything here is a well-formed request. */
static const struct
{
	const char *name;
	int			status;
	const char *text;
}			requests[] = {
	{"a good one", 101, START GOOD "\r\n"},
	{"names and tokens in any case", 101, START "upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n"
	"sec-websocket-version: 13\r\nsec-websocket-key: " KEY "\r\n\r\n"},
	{"with what a browser sends", 101, START GOOD "Origin: https://a.example\r\n"
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nCookie: a=b\r\n\r\n"},
	{"Content-Length: 0", 101, START GOOD "Content-Length: 0\r\n\r\n"},
	{"spare bits in the key", 101, START UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB==\r\n\r\n"},
	{"POST", 405, "POST / HTTP/1.1\r\nHost: h\r\n" GOOD "\r\n"},
	{"get", 405, "get / HTTP/1.1\r\nHost: h\r\n" GOOD "\r\n"},
	{"HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: h\r\n" GOOD "\r\n"},
	{"with a body", 400, START GOOD "Content-Length: 1\r\n\r\n"},
	{"chunked", 400, START GOOD "Transfer-Encoding: chunked\r\n\r\n"},
	{"no Upgrade", 426, START "Connection: Upgrade\r\n" VERSION WITH_KEY "\r\n"},
	{"another Upgrade", 426, START "Upgrade: h2c\r\nConnection: Upgrade\r\n" VERSION WITH_KEY "\r\n"},
	{"websocket as a part of a token", 426, START "Upgrade: websockets\r\nConnection: Upgrade\r\n" VERSION WITH_KEY "\r\n"},
	{"no Connection", 426, START "Upgrade: websocket\r\n" VERSION WITH_KEY "\r\n"},
	{"Connection: keep-alive", 426, START "Upgrade: websocket\r\nConnection: keep-alive\r\n" VERSION WITH_KEY "\r\n"},
	{"no version", 426, START UPGRADE WITH_KEY "\r\n"},
	{"version 8", 426, START UPGRADE WITH_KEY "Sec-WebSocket-Version: 8\r\n\r\n"},
	{"version 99", 426, START UPGRADE WITH_KEY "Sec-WebSocket-Version: 99\r\n\r\n"},
	{"empty version", 426, START UPGRADE WITH_KEY "Sec-WebSocket-Version:\r\n\r\n"},
	{"versions 13, 8", 426, START UPGRADE WITH_KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n"},
	{"two versions", 400, START UPGRADE WITH_KEY VERSION VERSION "\r\n"},
	{"no key", 400, START UPGRADE VERSION "\r\n"},
	{"two keys", 400, START UPGRADE VERSION WITH_KEY WITH_KEY "\r\n"},
	{"empty key", 400, START UPGRADE VERSION "Sec-WebSocket-Key:\r\n\r\n"},
	{"key of 15 bytes", 400, START UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n\r\n"},
	{"key of 17 bytes", 400, START UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"},
	{"key without padding", 400, START UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n"},
	{"key with another digit", 400, START UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-==\r\n\r\n"},
	{"key with padding inside", 400, START UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25=ZQ==\r\n\r\n"},
};

/* Parse a request that has to be well-formed; release() the copy. */
static Slice
parse(const char *text, HttpRequest *req)
{
	Slice		copy = exact(slice_make(text, strlen(text)));
	size_t		scanned = 0;

	if (http_request_parse(copy.data, copy.len, &scanned, req) != (int) copy.len)
		ok(false, "well-formed: %s", text);
	return copy;
}

/* The table above, and a key of 4 KiB. */
static void
test_check(void)
{
	HttpRequest req;
	Slice		copy;
	Bytes		text;

	for (int i = 0; i < lengthof(requests); i++)
	{
		copy = parse(requests[i].text, &req);
		is_int(ws_handshake_check(&req), requests[i].status, requests[i].name);
		release(copy);
	}

	bytes_init(&text);
	bytes_append_cstr(&text, START UPGRADE VERSION "Sec-WebSocket-Key: ");
	for (int i = 0; i < 4096; i++)
		bytes_append_byte(&text, 'A');
	bytes_append(&text, "\r\n\r\n", 5);
	copy = parse(text.data, &req);
	is_int(ws_handshake_check(&req), 400, "key of 4 KiB");
	release(copy);
	bytes_free(&text);
}

/* RFC 6455 1.3 and 4.2.2. */
static void
test_accept(void)
{
	char	   *accept = malloc(WS_ACCEPT_BYTES);
	HttpRequest req;
	Slice		copy = parse(START GOOD "Sec-WebSocket-Protocol: chat\r\n"
							 "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", &req);
	Bytes		out;

	ok(ws_handshake_accept(B(KEY), accept), "accepted");
	is_text(slice_make(accept, WS_ACCEPT_BYTES), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "the RFC's example");
	ok(ws_handshake_accept(B("x3JJHMbDL1EzLkh9GBhXDw=="), accept), "accepted");
	is_text(slice_make(accept, WS_ACCEPT_BYTES), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=", "another, computed elsewhere");
	ok(!ws_handshake_accept(B("short"), accept), "no key");
	free(accept);

	bytes_init(&out);
	ok(ws_handshake_response(&out, &req), "a response");
	is_text(bytes_slice(&out), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
			"no protocol and no extension is ever accepted");
	release(copy);

	copy = parse(START "\r\n", &req);
	out.len = 0;
	ok(!ws_handshake_response(&out, &req) && out.len == 0, "none without a key");
	bytes_free(&out);
	release(copy);
}

/* B5: pages of other origins. */
static void
test_origin(void)
{
#define LIST "https://good.example, http://localhost:3000,https://b.example"
	static const struct
	{
		const char *origin;		/* header lines */
		const char *allowed;
		bool		want;
	}			cases[] = {
		{"", LIST, true},
		{"", "", true},
		{"Origin: https://good.example\r\n", "*", true},
		{"Origin: null\r\n", "*", true},
		{"Origin: https://good.example\r\n", LIST, true},
		{"Origin: HTTPS://Good.Example\r\n", LIST, true},
		{"Origin: http://localhost:3000\r\n", LIST, true},
		{"Origin: https://b.example\r\n", LIST, true},
		{"Origin: https://good.example\r\n", LIST ",*", true},
		{"Origin: https://other.example\r\n", LIST ",*", true},
		{"Origin: https://good.example\r\n", "", false},
		{"Origin: null\r\n", LIST, false},
		{"Origin: null\r\n", "null", false},
		{"Origin:\r\n", LIST, false},
		{"Origin: *\r\n", LIST, false},
		{"Origin: http://good.example\r\n", LIST, false},
		{"Origin: https://good.example:8443\r\n", LIST, false},
		{"Origin: http://localhost\r\n", LIST, false},
		{"Origin: http://localhost:30000\r\n", LIST, false},
		{"Origin: https://good.example.evil\r\n", LIST, false},
		{"Origin: https://evil.good.example\r\n", LIST, false},
		{"Origin: https://good.exampl\r\n", LIST, false},
		{"Origin: good.example\r\n", LIST, false},
		{"Origin: https://good.example, http://localhost:3000\r\n", LIST, false},
		{"Origin: https://good.example\r\nOrigin: https://good.example\r\n", LIST, false},
		{"Origin: https://good.example\r\nOrigin: https://evil.example\r\n", "*", false},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		HttpRequest req;
		Bytes		text;
		Slice		copy;

		bytes_init(&text);
		bytes_printf(&text, START GOOD "%s\r\n", cases[i].origin);
		bytes_append_byte(&text, '\0');
		copy = parse(text.data, &req);
		ok(ws_origin_allowed(&req, cases[i].allowed) == cases[i].want,
		   "B5 %s may%s if allowed is '%s'", cases[i].origin,
		   cases[i].want ? "" : " not", cases[i].allowed);
		release(copy);
		bytes_free(&text);
	}
}

int
main(void)
{
	test_check();
	test_accept();
	test_origin();
	return done_testing();
}
