/*-------------------------------------------------------------------------
 *
 * test_http.c
 *	  HTTP request heads, queries and responses.
 *
 * B1 to B6 are the cases of the project's reliability catalogue; what an
 * upgrade request needs beyond a well-formed head is in test_handshake.c.
 *
 * test/unit/test_http.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/http_request.h"

#define HOST "Host: h\r\n"
#define MORE_NEEDED 0

/* Parse a copy that ends exactly. */
static int
parse_once(Slice text, HttpRequest *req)
{
	size_t		scanned = 0;
	Slice		copy = exact(text);
	int			verdict = http_request_parse(copy.data, copy.len, &scanned, req);

	release(copy);
	return verdict;
}

/*
 * Parse as bytes arrive, `step` at a time, each time in a new buffer: the
 * first verdict, and in *used how many bytes it took.
 */
static int
parse_stepwise(Slice text, size_t step, size_t *used)
{
	HttpRequest req;
	size_t		scanned = 0;
	int			verdict = MORE_NEEDED;

	for (size_t len = Min(step, text.len); len <= text.len; len = Min(len + step, text.len))
	{
		Slice		copy = exact(slice_make(text.data, len));

		verdict = http_request_parse(copy.data, copy.len, &scanned, &req);
		release(copy);
		*used = len;
		if (verdict != MORE_NEEDED || len == text.len)
			break;
	}
	return verdict;
}

static const struct
{
	const char *name;
	int			verdict;		/* minus a status, or 1 = accepted */
	Slice		text;
}			heads[] = {
	{"a plain GET", 1, P("GET / HTTP/1.1\r\n" HOST "\r\n")},
	{"HTTP/1.0 with Host", 1, P("GET / HTTP/1.0\r\n" HOST "\r\n")},
	{"one empty line in front", 1, P("\r\nGET / HTTP/1.1\r\n" HOST "\r\n")},
	{"tabs and blanks around a value", 1, P("GET / HTTP/1.1\r\nHost:\t h \t\r\n\r\n")},
	{"an empty value", 1, P("GET / HTTP/1.1\r\n" HOST "X:\r\n\r\n")},
	{"a value beyond ASCII", 1, P("GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\xff\r\n\r\n")},
	{"a tab inside a value", 1, P("GET / HTTP/1.1\r\n" HOST "X: a\tb\r\n\r\n")},
	{"all characters of a token", 1, P("M-S!#$%&'*+-.^_`|~ / HTTP/1.1\r\n" HOST "!#$%&'*+-.^_`|~09az: 1\r\n\r\n")},
	{"host and port", 1, P("GET / HTTP/1.1\r\nHost: a.example:4000\r\n\r\n")},
	{"IPv6 host and port", 1, P("GET / HTTP/1.1\r\nHost: [::1]:4000\r\n\r\n")},
	{"absolute form of the same authority", 1, P("GET http://A.example:80/x HTTP/1.1\r\nHost: a.example:80\r\n\r\n")},
	{"absolute form without a path", 1, P("GET https://h HTTP/1.1\r\n" HOST "\r\n")},
	{"OPTIONS *", 1, P("OPTIONS * HTTP/1.1\r\n" HOST "\r\n")},
	{"Content-Length", 1, P("POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n")},
	{"Transfer-Encoding: chunked", 1, P("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n")},

	/* B1: version and Host */
	{"B1 no Host", -400, P("GET / HTTP/1.1\r\n\r\n")},
	{"B1 no Host, HTTP/1.0", -400, P("GET / HTTP/1.0\r\n\r\n")},
	{"B1 two Hosts", -400, P("GET / HTTP/1.1\r\n" HOST HOST "\r\n")},
	{"B1 two Hosts in one", -400, P("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n")},
	{"B1 empty Host", -400, P("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
	{"B1 Host with a path", -400, P("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n")},
	{"B1 Host with a user", -400, P("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n")},
	{"B1 Host with a bad port", -400, P("GET / HTTP/1.1\r\nHost: h:8o\r\n\r\n")},
	{"B1 Host with a long port", -400, P("GET / HTTP/1.1\r\nHost: h:655350\r\n\r\n")},
	{"B1 Host with an open bracket", -400, P("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n")},
	{"B1 Host with no address in brackets", -400, P("GET / HTTP/1.1\r\nHost: [/::1]\r\n\r\n")},
	{"B1 Host with empty brackets", -400, P("GET / HTTP/1.1\r\nHost: []\r\n\r\n")},
	{"B1 no target", -400, P("GET  HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 HTTP/2.0", -505, P("GET / HTTP/2.0\r\n" HOST "\r\n")},
	{"B1 HTTP/0.9", -505, P("GET / HTTP/0.9\r\n" HOST "\r\n")},
	{"B1 HTTP/1.2", -505, P("GET / HTTP/1.2\r\n" HOST "\r\n")},
	{"B1 no version", -400, P("GET /\r\n" HOST "\r\n")},
	{"B1 version in lower case", -400, P("GET / http/1.1\r\n" HOST "\r\n")},
	{"B1 version with another digit", -400, P("GET / HTTP/1.10\r\n" HOST "\r\n")},
	{"B1 version without a point", -400, P("GET / HTTP/1,1\r\n" HOST "\r\n")},
	{"B1 a blank behind the version", -400, P("GET / HTTP/1.1 \r\n" HOST "\r\n")},
	{"B1 two blanks", -400, P("GET  / HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 a blank in front", -400, P(" GET / HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 a tab for a blank", -400, P("GET\t/ HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 method is no token", -400, P("GE(T / HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 no method", -400, P("/ HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 CONNECT", -400, P("CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 GET *", -400, P("GET * HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 target without a slash", -400, P("GET x HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 target with a fragment", -400, P("GET /x#y HTTP/1.1\r\n" HOST "\r\n")},
	{"B1 target beyond ASCII", -400, P("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n")},

	/* B2: smuggling */
	{"B2 Content-Length and Transfer-Encoding", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")},
	{"B2 two Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n")},
	{"B2 two equal Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n")},
	{"B2 a list of Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n")},
	{"B2 Content-Length with a sign", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n")},
	{"B2 negative Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n")},
	{"B2 hexadecimal Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n")},
	{"B2 empty Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n")},
	{"B2 endless Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n")},
	{"B2 xchunked", -400, P("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n")},
	{"B2 gzip, chunked", -400, P("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
	{"B2 identity", -400, P("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n")},
	{"B2 chunked twice", -400, P("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
	{"B2 empty Transfer-Encoding", -400, P("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n")},
	{"B2 chunked in HTTP/1.0", -400, P("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n")},
	{"B2 blank before the colon", -400, P("GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n")},
	{"B2 blank before the colon of Content-Length", -400, P("POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n")},
	{"B2 obs-fold", -400, P("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n")},
	{"B2 obs-fold with a tab", -400, P("GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n")},
	{"B2 blank before the first header", -400, P("GET / HTTP/1.1\r\n Host: h\r\n\r\n")},
	{"B2 a header without a colon", -400, P("GET / HTTP/1.1\r\n" HOST "X\r\n\r\n")},
	{"B2 a header without a name", -400, P("GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n")},
	{"B2 a name beyond ASCII", -400, P("GET / HTTP/1.1\r\n" HOST "\xc3\xa9: y\r\n\r\n")},
	{"B2 NUL in a value", -400, P("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n")},
	{"B2 NUL in the target", -400, P("GET /\0 HTTP/1.1\r\n" HOST "\r\n")},
	{"B2 bare CR in a value", -400, P("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n")},
	{"B2 bare CR behind the request line", -400, P("GET / HTTP/1.1\r" HOST "\r\n")},
	{"B2 CR CR LF", -400, P("GET / HTTP/1.1\r\r\n" HOST "\r\n")},
	{"B2 bare LF behind the request line", -400, P("GET / HTTP/1.1\n" HOST "\r\n")},
	{"B2 bare LF behind a header", -400, P("GET / HTTP/1.1\r\nHost: h\n\r\n")},
	{"B2 bare LF at the end", -400, P("GET / HTTP/1.1\r\n" HOST "\n")},
	{"B2 LF in front", -400, P("\nGET / HTTP/1.1\r\n" HOST "\r\n")},
	{"B2 two empty lines in front", -400, P("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n")},
	{"B2 escape character", -400, P("GET / HTTP/1.1\r\n" HOST "X: \x1b[0m\r\n\r\n")},
	{"B2 DEL", -400, P("GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n")},
	{"B2 absolute form of another authority", -400, P("GET http://evil/ HTTP/1.1\r\n" HOST "\r\n")},
	{"B2 absolute form of another port", -400, P("GET http://h:81/ HTTP/1.1\r\nHost: h:80\r\n\r\n")},
	{"B2 absolute form with a user", -400, P("GET http://h@evil/ HTTP/1.1\r\n" HOST "\r\n")},
	{"B2 absolute form of another scheme", -400, P("GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n")},
	{"B2 absolute form without a host", -400, P("GET http:///x HTTP/1.1\r\n" HOST "\r\n")},
	{"a TLS hello", -400, P("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
};

/* Every head whole, a byte at a time, in other steps, and all its prefixes. */
static void
test_heads(void)
{
	for (int i = 0; i < lengthof(heads); i++)
	{
		HttpRequest req;
		size_t		used = 0;
		int			want = heads[i].verdict > 0 ? (int) heads[i].text.len : heads[i].verdict;
		bool		prefixes = true;

		is_int(parse_once(heads[i].text, &req), want, heads[i].name);
		is_int(parse_stepwise(heads[i].text, 1, &used), want, "a byte at a time");
		is_int(parse_stepwise(heads[i].text, 7, &used), want, "seven at a time");
		for (size_t len = 0; len < heads[i].text.len; len++)
		{
			int			verdict = parse_once(slice_make(heads[i].text.data, len), &req);

			prefixes = prefixes && (verdict == MORE_NEEDED ||
									(want < 0 && verdict == want));
		}
		ok(prefixes, "no prefix says more than the whole");
	}
}

/* What a parsed request holds. */
static void
test_fields(void)
{
	Slice		text = exact(B("POST /a%20b/c?x=1&y=?/ HTTP/1.1\r\n"
							   "Host: h.example:4000\r\n"
							   "Connection: keep-alive, Upgrade\r\n"
							   "X-Twice: 1\r\n"
							   "x-twice: 2, three\r\n"
							   "CONTENT-LENGTH: 0012\r\n"
							   "\r\nthe body and more"));
	HttpRequest req;
	size_t		scanned = 0;

	is_int(http_request_parse(text.data, text.len, &scanned, &req),
		   text.len - strlen("the body and more"), "the head ends before the body");
	is_text(req.method, "POST", "method");
	is_text(req.path, "/a%20b/c", "path, still encoded");
	is_text(req.query, "x=1&y=?/", "query, still encoded");
	is_int(req.minor_version, 1, "version");
	ok(req.keep_alive, "keep-alive");
	ok(!req.chunked, "not chunked");
	is_int(req.content_length, 12, "content length");
	is_int(req.nheaders, 5, "headers");
	is_text(*http_header(&req, "host"), "h.example:4000", "a header in any case");
	ok(http_header(&req, "X-Twice") == NULL, "a repeated header has no one value");
	ok(http_header(&req, "X-None") == NULL, "nor has one that is not there");
	is_int(http_header_count(&req, "X-TWICE"), 2, "counted");
	ok(http_header_has_token(&req, "connection", "upgrade"), "a token in any case");
	ok(http_header_has_token(&req, "x-twice", "three"), "a token in the second of two");
	ok(!http_header_has_token(&req, "connection", "keep"), "no part of a token");
	ok(!http_header_has_token(&req, "connection", ""), "no empty token");
	release(text);
}

/* Connection and the version decide whether the connection lives on. */
static void
test_keep_alive(void)
{
	static const struct
	{
		bool		keep_alive;
		const char *text;
	}			cases[] = {
		{true, "GET / HTTP/1.1\r\n" HOST "\r\n"},
		{false, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"},
		{false, "GET / HTTP/1.1\r\n" HOST "Connection: x , CLOSE\r\n\r\n"},
		{false, "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n"},
		{false, "GET / HTTP/1.0\r\n" HOST "\r\n"},
		{true, "GET / HTTP/1.0\r\n" HOST "Connection: Keep-Alive\r\n\r\n"},
		{false, "GET / HTTP/1.0\r\n" HOST "Connection: keep-alive, close\r\n\r\n"},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		HttpRequest req;
		int			verdict = parse_once(slice_make(cases[i].text, strlen(cases[i].text)), &req);

		ok(verdict > 0 && req.keep_alive == cases[i].keep_alive,
		   "keep_alive %d: %s", cases[i].keep_alive, cases[i].text);
	}
}

/* Paths and queries of all forms of a target. */
static void
test_targets(void)
{
	static const struct
	{
		const char *target;
		const char *path;
		const char *query;
	}			cases[] = {
		{"/", "/", ""}, {"/?", "/", ""}, {"/a?b?c", "/a", "b?c"}, {"//x", "//x", ""},
		{"http://h", "/", ""}, {"http://h?q", "/", "q"}, {"HTTP://H/p?q", "/p", "q"},
		{"/realtime/v1/websocket?apikey=k&vsn=2.0.0", "/realtime/v1/websocket", "apikey=k&vsn=2.0.0"},
		{"/{\"'|<>^`\\}", "/{\"'|<>^`\\}", ""},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Bytes		text;
		Slice		copy;
		HttpRequest req;
		size_t		scanned = 0;

		bytes_init(&text);
		bytes_printf(&text, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
		copy = exact(bytes_slice(&text));
		ok(http_request_parse(copy.data, copy.len, &scanned, &req) > 0, "%s", cases[i].target);
		is_text(req.path, cases[i].path, "path");
		is_text(req.query, cases[i].query, "query");
		release(copy);
		bytes_free(&text);
	}
}

/* Append a byte many times. */
static void
repeat(Bytes *b, const char *s, int n)
{
	for (int i = 0; i < n; i++)
		bytes_append_cstr(b, s);
}

/* B3: every limit, kept and broken, within HTTP_MAX_HEAD bytes. */
static void
test_limits(void)
{
	Bytes		text;
	HttpRequest req;
	size_t		used;

	bytes_init(&text);
	bytes_append_cstr(&text, "GET / HTTP/1.1\r\n" HOST "X: ");
	repeat(&text, "x", HTTP_MAX_HEAD - text.len - 4);
	bytes_append_cstr(&text, "\r\n\r\n");
	is_int(parse_once(bytes_slice(&text), &req), HTTP_MAX_HEAD, "B3 a head of the limit");

	text.len -= 4;
	bytes_append_cstr(&text, "x\r\n\r\n");
	is_int(parse_once(bytes_slice(&text), &req), -431, "B3 a head of the limit + 1");

	text.len -= 4;
	repeat(&text, "x", 65536);
	is_int(parse_stepwise(bytes_slice(&text), 1000, &used), -431, "B3 a header of 64 KiB");
	ok(used <= HTTP_MAX_HEAD + 1000, "B3 refused after %zu bytes", used);

	text.len = 0;
	bytes_append_cstr(&text, "GET / HTTP/1.1\r\n" HOST);
	repeat(&text, "X: y\r\n", HTTP_MAX_HEADERS - 1);
	bytes_append_cstr(&text, "\r\n");
	ok(parse_once(bytes_slice(&text), &req) > 0, "B3 as many headers as allowed");
	is_int(req.nheaders, HTTP_MAX_HEADERS, "B3 all there");
	text.len -= 2;
	bytes_append_cstr(&text, "X: y\r\n\r\n");
	is_int(parse_once(bytes_slice(&text), &req), -431, "B3 one more header");

	text.len = 0;
	bytes_append_cstr(&text, "GET / HTTP/1.1\r\n" HOST);
	repeat(&text, "X: y\r\n", 5000);
	bytes_append_cstr(&text, "\r\n");
	is_int(parse_stepwise(bytes_slice(&text), 1000, &used), -431, "B3 5,000 headers");
	ok(used <= HTTP_MAX_HEAD + 1000, "B3 refused after %zu bytes", used);

	text.len = 0;
	bytes_append_cstr(&text, "GET /");
	repeat(&text, "x", HTTP_MAX_TARGET - 1);
	bytes_append_cstr(&text, " HTTP/1.1\r\n" HOST "\r\n");
	ok(parse_once(bytes_slice(&text), &req) > 0, "B3 a target of the limit");

	text.len = 0;
	bytes_append_cstr(&text, "GET /");
	repeat(&text, "x", HTTP_MAX_TARGET);
	bytes_append_cstr(&text, " HTTP/1.1\r\n" HOST "\r\n");
	is_int(parse_once(bytes_slice(&text), &req), -414, "B3 a target of the limit + 1");

	text.len = 0;
	bytes_append_cstr(&text, "GET /");
	repeat(&text, "x", 65536);
	is_int(parse_stepwise(bytes_slice(&text), 1000, &used), -414, "B3 a target of 64 KiB");
	ok(used <= HTTP_MAX_HEAD + 1000, "B3 refused after %zu bytes", used);

	text.len = 0;
	repeat(&text, "0123456789abcdef", 65536);
	is_int(parse_stepwise(bytes_slice(&text), 1000, &used), -414, "B3 1 MiB without a line's end");
	ok(used <= HTTP_MAX_HEAD + 1000, "B3 refused after %zu bytes", used);
	bytes_free(&text);
}

/* B6: a byte at a time costs linear time, because nothing is looked at twice. */
static void
test_scanned(void)
{
	Slice		text = B("GET / HTTP/1.1\r\n" HOST);
	HttpRequest req;
	size_t		scanned = 0;
	bool		good = true;

	for (size_t len = 0; len <= text.len; len++)
		good = good && http_request_parse(text.data, len, &scanned, &req) == MORE_NEEDED &&
			scanned == len;
	ok(good, "B6 an incomplete head is remembered to its end");
}

/* Query parameters. */
static void
test_query(void)
{
	static const struct
	{
		const char *query;
		const char *name;
		int			verdict;
		Slice		value;
	}			cases[] = {
		{"apikey=KEY&vsn=2.0.0", "vsn", 1, {"2.0.0", 5}},
		{"apikey=KEY&vsn=2.0.0", "apikey", 1, {"KEY", 3}},
		{"apikey=KEY&vsn=2.0.0", "log_level", 0, {"", 0}},
		{"", "a", 0, {"", 0}},
		{"&&a=1&", "a", 1, {"1", 1}},
		{"a", "a", 1, {"", 0}},
		{"a=", "a", 1, {"", 0}},
		{"a=b=c", "a", 1, {"b=c", 3}},
		{"a=1&a=2", "a", 1, {"1", 1}},
		{"ab=1&b=2", "b", 1, {"2", 1}},
		{"A=1", "a", 0, {"", 0}},
		{"a=x+y%20z%2B", "a", 1, {"x y z+", 6}},
		{"a=%C3%a9", "a", 1, {"\xc3\xa9", 2}},
		{"persist%5Bttl%5D=5", "persist[ttl]", 1, {"5", 1}},
		{"%zz=1&a=2", "a", 1, {"2", 1}},
		{"a=%", "a", -1, {"", 0}},
		{"a=%4", "a", -1, {"", 0}},
		{"a=%4g", "a", -1, {"", 0}},
		{"a=%4&b=1", "a", -1, {"", 0}},
		{"a=%00", "a", -1, {"", 0}},
		{"a=%ff", "a", -1, {"", 0}},
		{"a=%ed%a0%80", "a", -1, {"", 0}},
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		Slice		query = exact(slice_make(cases[i].query, strlen(cases[i].query)));
		Bytes		out;

		bytes_init(&out);
		bytes_append_cstr(&out, ">");
		is_int(http_query_get(query, cases[i].name, &out), cases[i].verdict, cases[i].query);
		is_bytes(slice_make(out.data + 1, out.len - 1), cases[i].value, "its value");
		bytes_free(&out);
		release(query);
	}
}

/* All values of a name. */
static void
test_query_next(void)
{
	Slice		query = exact(B("x=0&a=1&b=2&a=%41&a&aa=3&a=+&b=4&a=%"));
	Slice		rest = query;
	Bytes		out;

	bytes_init(&out);
	for (int i = 0; i < 4; i++)
	{
		is_int(http_query_next(&rest, "a", &out), 1, "one more value");
		bytes_append_byte(&out, '|');
	}
	is_text(bytes_slice(&out), "1|A|| |", "in their order");
	is_int(http_query_next(&rest, "a", &out), -1, "a bad one");
	is_int(http_query_next(&rest, "a", &out), 0, "and no more");
	is_text(bytes_slice(&out), "1|A|| |", "which leave nothing behind");
	bytes_free(&out);
	release(query);
}

/* Path segments. */
static void
test_percent_decode(void)
{
	Bytes		out;

	bytes_init(&out);
	ok(http_percent_decode(B("a%2Fb%3ac+d%20e"), &out), "a segment");
	is_text(bytes_slice(&out), "a/b:c+d e", "decoded; a plus stays");
	ok(!http_percent_decode(B("%c3%28"), &out), "no UTF-8");
	ok(!http_percent_decode(B("a%0"), &out), "cut off");
	is_text(bytes_slice(&out), "a/b:c+d e", "a failure leaves nothing behind");
	ok(http_percent_decode(slice_make(NULL, 0), &out), "nothing");
	bytes_free(&out);
}

/* Responses. */
static void
test_response(void)
{
	static const int statuses[] = {
		101, 200, 202, 204, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417,
		422, 426, 429, 431, 500, 501, 503, 504, 505
	};
	Bytes		out;

	for (int i = 0; i < lengthof(statuses); i++)
		ok(strcmp(http_status_text(statuses[i]), "Unknown") != 0, "%d is %s",
		   statuses[i], http_status_text(statuses[i]));
	ok(strcmp(http_status_text(299), "Unknown") == 0, "299 is not ours");

	bytes_init(&out);
	http_response(&out, 200, "text/plain", B("ok"), NULL, false);
	is_text(bytes_slice(&out), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			"Content-Length: 2\r\n\r\nok", "a response");
	out.len = 0;
	http_response(&out, 426, NULL, slice_make(NULL, 0),
				  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", true);
	is_text(bytes_slice(&out), "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n"
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n\r\n",
			"one without a body, with headers, closing");
	out.len = 0;
	http_response(&out, 204, NULL, slice_make(NULL, 0), NULL, false);
	is_text(bytes_slice(&out), "HTTP/1.1 204 No Content\r\n\r\n", "204 has no length");
	bytes_free(&out);
}

int
main(void)
{
	test_heads();
	test_fields();
	test_keep_alive();
	test_targets();
	test_limits();
	test_scanned();
	test_query();
	test_query_next();
	test_percent_decode();
	test_response();
	return done_testing();
}
