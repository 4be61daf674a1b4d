/*-------------------------------------------------------------------------
 *
 * target_http.c
 *	  What HTTP clients send, and what it takes to send them something: heads of
 *	  requests, chunked bodies, queries, URLs of webhooks, ranges of addresses.
 *
 *	  input   kind | what that takes
 *
 * test/fuzz/target_http.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <arpa/inet.h>

#include "proto/http_chunked.h"
#include "proto/ip_range.h"
#include "proto/webhook_url.h"
#include "proto/ws_handshake.h"
#include "reference.h"

/*
 * Parse a head that comes in pieces; the verdict.
 */
static int
parse_pieces(Slice chars, Cuts cuts, HttpRequest *req)
{
	size_t		scanned = 0;
	int			verdict = 0;

	for (size_t len = 0; verdict == 0 && len < chars.len;)
	{
		len += cuts_next(&cuts, chars.len - len);
		verdict = http_request_parse(fuzz_exact(slice_make(chars.data, len)).data, len,
									 &scanned, req);
		must(scanned <= len);
	}
	return verdict;
}

/* Has it only bytes that a field may have? */
static bool
is_field(Slice s)
{
	for (size_t i = 0; i < s.len; i++)
	{
		uint8		c = (uint8) s.data[i];

		if ((c < ' ' && c != '\t') || c == 0x7F)
			return false;
	}
	return true;
}

/* RFC 9110 5.6.2. */
static bool
is_token(Slice s)
{
	for (size_t i = 0; i < s.len; i++)
	{
		if (!isalnum((unsigned char) s.data[i]) &&
			(s.data[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s.data[i]) == NULL))
			return false;
	}
	return s.len > 0;
}

/* Count headers the slow way. */
static int
count(const HttpRequest *req, const char *name, Slice *value)
{
	int			n = 0;

	for (int i = 0; i < req->nheaders; i++)
	{
		if (strcasecmp(fuzz_cstr(req->headers[i].name), name) == 0 &&
			req->headers[i].name.len == strlen(name))
		{
			*value = req->headers[i].value;
			n++;
		}
	}
	return n;
}

/*
 * What nobody may read in two ways: where a request ends, what for whom it is.
 */
static void
check_head(const HttpRequest *req, Slice head)
{
	Slice		value = {NULL, 0};
	Slice		host = {NULL, 0};
	int			lengths = count(req, "content-length", &value);
	int			codings = count(req, "transfer-encoding", &value);

	must(head.len <= HTTP_MAX_HEAD && slice_equals(slice_make(head.data + head.len - 4, 4), SLICE_LIT("\r\n\r\n")));
	must(is_token(req->method) && lies_in(req->method, head));
	must(lies_in(req->query, head) && req->path.len > 0);
	must(req->path.data[0] == '/' || slice_equals(req->path, SLICE_LIT("*")));
	must(req->minor_version == 0 || req->minor_version == 1);
	must(req->nheaders <= HTTP_MAX_HEADERS);
	for (int i = 0; i < req->nheaders; i++)
	{
		const HttpHeader *header = &req->headers[i];

		must(lies_in(header->name, head) && is_token(header->name));
		must(lies_in(header->value, head) && is_field(header->value));
		must(header->value.len == 0 || (!isblank(header->value.data[0]) &&
										!isblank(header->value.data[header->value.len - 1])));
	}
	must(count(req, "host", &host) == 1);
	must(lengths + codings <= 1);
	must(req->chunked == (codings == 1) && (req->content_length >= 0) == (lengths == 1));
	if (lengths == 1)
		must(strspn(fuzz_cstr(value), "0123456789") == value.len &&
			 strtoll(fuzz_cstr(value), NULL, 10) == req->content_length);
	if (codings == 1)
		must(strcasecmp(fuzz_cstr(value), "chunked") == 0 && req->minor_version == 1);
}

/* Written down again it is the same request. */
static void
check_again(const HttpRequest *req)
{
	Bytes	   *chars = fuzz_bytes();
	HttpRequest *again = fuzz_alloc(sizeof(HttpRequest));
	size_t		scanned = 0;
	Slice		head;

	bytes_append_slice(chars, req->method);
	bytes_append_byte(chars, ' ');
	bytes_append_slice(chars, req->path);
	if (req->query.len > 0)
		bytes_append_byte(chars, '?');
	bytes_append_slice(chars, req->query);
	bytes_printf(chars, " HTTP/1.%d\r\n", req->minor_version);
	for (int i = 0; i < req->nheaders; i++)
	{
		bytes_append_slice(chars, req->headers[i].name);
		bytes_append_byte(chars, ':');
		bytes_append_slice(chars, req->headers[i].value);
		bytes_append_cstr(chars, "\r\n");
	}
	must(bytes_append_cstr(chars, "\r\n"));
	head = exact_bytes(chars);
	must(http_request_parse(head.data, head.len, &scanned, again) == (int) head.len);
	must(slice_equals(again->method, req->method) && slice_equals(again->path, req->path));
	must(slice_equals(again->query, req->query) && again->nheaders == req->nheaders);
	must(again->keep_alive == req->keep_alive && again->chunked == req->chunked);
	must(again->content_length == req->content_length);
	for (int i = 0; i < req->nheaders; i++)
		must(slice_equals(again->headers[i].value, req->headers[i].value));
}

/* The handshake of such a request, and its origin. */
static void
check_handshake(const HttpRequest *req)
{
	int			status = ws_handshake_check(req);
	Bytes	   *response = fuzz_bytes();
	Slice		origin = {NULL, 0};
	int			origins = count(req, "origin", &origin);

	must(status == 101 || status == 400 || status == 405 || status == 426);
	if (status == 101)
	{
		must(slice_equals(req->method, SLICE_LIT("GET")) && req->content_length <= 0 && !req->chunked);
		must(ws_handshake_response(response, req));
	}
	must(ws_origin_allowed(req, "*") == (origins <= 1));
	must(!ws_origin_allowed(req, "") == (origins > 0));
	if (origins == 1 && ws_origin_allowed(req, "https://good.example, http://x"))
		must(strcasecmp(fuzz_cstr(origin), "https://good.example") == 0 ||
			 strcasecmp(fuzz_cstr(origin), "http://x") == 0);
}

/* A query's values are text, and say what was encoded. */
static void
check_query(Slice query)
{
	Slice		left = query;
	Bytes	   *value = fuzz_bytes();
	int			found;

	while ((found = http_query_next(&left, "a", value)) != 0)
	{
		must(lies_in(left, query));
		if (found < 0)
			continue;
		must(ref_utf8(bytes_slice(value)) == REF_UTF8_WHOLE && !has_byte(bytes_slice(value), '\0'));
		value->len = 0;
	}
	must(left.len == 0);
}

/* Percent-encoding, there and back. */
static void
check_percent(Slice chars)
{
	Bytes	   *encoded = fuzz_bytes();
	Bytes	   *decoded = fuzz_bytes();
	bool		is_text = ref_utf8(chars) == REF_UTF8_WHOLE && !has_byte(chars, '\0');

	for (size_t i = 0; i < chars.len; i++)
		bytes_printf(encoded, i % 2 ? "%%%02x" : "%%%02X", (uint8) chars.data[i]);
	must(!encoded->failed && http_percent_decode(exact_bytes(encoded), decoded) == is_text);
	if (is_text)
		must(slice_equals(bytes_slice(decoded), chars));

	decoded->len = 0;
	if (http_percent_decode(chars, decoded))
		must(decoded->len <= chars.len && ref_utf8(bytes_slice(decoded)) == REF_UTF8_WHOLE);
	else
		must(decoded->len == 0);
}

static void
check_request(Slice input)
{
	Cuts		cuts = input_cuts(&input);
	HttpRequest *req = fuzz_alloc(sizeof(HttpRequest));
	Slice		chars = fuzz_exact(input);
	size_t		scanned = 0;
	int			verdict = http_request_parse(chars.data, chars.len, &scanned, req);

	must(verdict == parse_pieces(input, cuts, fuzz_alloc(sizeof(HttpRequest))));
	must(verdict == 0 || verdict == -400 || verdict == -414 || verdict == -431 ||
		 verdict == -505 || (verdict > 0 && verdict <= (int) chars.len));
	if (verdict <= 0)
		return;
	check_head(req, slice_make(chars.data, verdict));
	check_again(req);
	check_handshake(req);
	check_query(req->query);
}

/*
 * A chunked body that nobody cuts: its size, -1 if it is malformed, -2 if it is
 * too large, -3 if it has no end.  *used is what it took.
 */
static int
naive_chunked(Slice chars, uint64 max_body, Bytes *body, size_t *used)
{
	size_t		at = 0;
	size_t		extensions = 0;
	size_t		trailer = 0;
	uint64		size;

#define NEXT_BYTE(c) do { if (at == chars.len) return -3; c = chars.data[at++]; } while (0)
#define LINE_END() do { char lf; NEXT_BYTE(lf); if (lf != '\n') return -1; } while (0)
	do
	{
		char		c;
		int			digits = 0;

		size = 0;
		for (;;)
		{
			NEXT_BYTE(c);
			if (!isxdigit((unsigned char) c))
				break;
			if (++digits > 16)
				return -1;
			size = size * 16 + (isdigit((unsigned char) c) ? c - '0' : (c | 0x20) - 'a' + 10);
		}
		if (digits == 0 || (c != ';' && c != '\r'))
			return -1;
		while (c != '\r')
		{
			NEXT_BYTE(c);
			if (c != '\r' && (!is_field(slice_make(&c, 1)) || ++extensions > CHUNKED_MAX_EXTENSIONS))
				return -1;
		}
		LINE_END();
		if (size > max_body - body->len)
			return -2;
		if (size > chars.len - at)
			return -3;
		if (size > 0)
		{
			bytes_append(body, chars.data + at, size);
			at += size;
			NEXT_BYTE(c);
			if (c != '\r')
				return -1;
			LINE_END();
		}
	} while (size > 0);
	for (;;)
	{
		bool		empty = true;
		char		c;

		NEXT_BYTE(c);
		if (c == ' ' || c == '\t')
			return -1;
		while (c != '\r')
		{
			if (!is_field(slice_make(&c, 1)) || ++trailer > CHUNKED_MAX_TRAILER)
				return -1;
			empty = false;
			NEXT_BYTE(c);
		}
		LINE_END();
		if (empty)
			break;
	}
	*used = at;
	return (int) body->len;
}

/* Decode in pieces. */
static ChunkedVerdict
decode_pieces(Slice chars, Cuts cuts, uint64 max_body, Bytes *body, size_t *used)
{
	HttpChunked state;
	ChunkedVerdict verdict = CHUNKED_MORE;
	size_t		consumed;

	*used = 0;
	http_chunked_init(&state, max_body);
	while (verdict == CHUNKED_MORE && *used < chars.len)
	{
		Slice		piece = fuzz_exact(slice_make(chars.data + *used,
												  cuts_next(&cuts, chars.len - *used)));

		verdict = http_chunked_decode(&state, piece.data, piece.len, body, &consumed);
		must(verdict == CHUNKED_MORE ? consumed == piece.len : consumed <= piece.len);
		*used += consumed;
	}
	return verdict;
}

static void
check_chunked(Slice input)
{
	uint64		max_body = (uint64) input_byte(&input) * 4;
	Cuts		cuts = input_cuts(&input);
	Bytes	   *naive = fuzz_bytes();
	Bytes	   *body = fuzz_bytes();
	Bytes	   *bytewise = fuzz_bytes();
	size_t		used;
	size_t		used_naive = 0;
	size_t		used_bytewise;
	ChunkedVerdict verdict = decode_pieces(input, cuts, max_body, body, &used);
	int			wanted;

	fuzz_pause_faults();
	wanted = naive_chunked(input, max_body, naive, &used_naive);
	fuzz_resume_faults();
	must(verdict == (wanted == -1 ? CHUNKED_MALFORMED : wanted == -2 ? CHUNKED_TOO_LARGE :
					 wanted == -3 ? CHUNKED_MORE : CHUNKED_DONE));
	must(decode_pieces(input, CUTS_BYTEWISE, max_body, bytewise, &used_bytewise) == verdict);
	must(slice_equals(bytes_slice(body), bytes_slice(bytewise)) && used == used_bytewise);
	must(body->len <= max_body);
	if (verdict == CHUNKED_DONE)
		must(slice_equals(bytes_slice(body), bytes_slice(naive)) && used == used_naive);
}

/* A response says how long it is. */
static void
check_response(Slice input)
{
	int			status = (int) input_number(&input, 2) % 600;
	bool		close = input_byte(&input) & 1;
	Bytes	   *out = fuzz_bytes();
	const char *chars;
	const char *body;

	must(http_response(out, status, close ? "text/plain" : NULL, input,
					   close ? NULL : "A: b\r\n", close));
	chars = fuzz_cstr(bytes_slice(out));
	body = strstr(chars, "\r\n\r\n");
	must(body != NULL && strlen(http_status_text(status)) > 0);
	must(slice_equals(slice_make(out->data + (body + 4 - chars), out->len - (body + 4 - chars)), input));
	if (status >= 200 && status != 204)
		must(atol(strstr(chars, "Content-Length: ") + 16) == (long) input.len);
}

/* Where a webhook leads. */
static void
check_url(Slice url)
{
	size_t		room = url.len + WEBHOOK_ENDPOINT_EXTRA;
	char	   *dst = fuzz_alloc(room);
	size_t		len = webhook_endpoint(url, dst);
	Slice		endpoint = slice_make(dst, len);
	char	   *again;
	char	   *chars;
	char	   *port;

	must(len <= room && len <= WEBHOOK_URL_MAX + WEBHOOK_ENDPOINT_EXTRA);
	if (len == 0)
		return;
	chars = unconstify(char *, fuzz_cstr(endpoint));
	must(strncmp(chars, "http://", 7) == 0 || strncmp(chars, "https://", 8) == 0);
	must(strcspn(strstr(chars, "//") + 2, "/?#@\\ \t\r\n") == strlen(strstr(chars, "//") + 2));
	for (size_t i = 0; i < len; i++)
		must(!isupper((unsigned char) chars[i]));
	port = strrchr(chars, ':');
	must(port[1] != '\0' && strspn(port + 1, "0123456789") == strlen(port + 1));
	must(atoi(port + 1) >= 1 && atoi(port + 1) <= 65535 && port > strstr(chars, "//") + 2);

	/* it is an endpoint of its own */
	if (len <= WEBHOOK_URL_MAX)
	{
		again = fuzz_alloc(len + WEBHOOK_ENDPOINT_EXTRA);
		must(webhook_endpoint(fuzz_exact(endpoint), again) == len && memcmp(again, dst, len) == 0);
	}
}

/* Is bit n, from the left, the same in both? */
static bool
same_bit(const IpAddress *a, const IpAddress *b, int n)
{
	return ((a->bytes[n / 8] ^ b->bytes[n / 8]) >> (7 - n % 8) & 1) == 0;
}

/* What must not be reached, whatever else is true of it. */
static bool
is_local(const IpAddress *address)
{
	static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
	const uint8 *b = address->bytes;

	if (memcmp(b, mapped, sizeof(mapped)) == 0)
	{
		b += 12;
		return b[0] == 0 || b[0] == 10 || b[0] == 127 || b[0] >= 224 ||
			(b[0] == 100 && b[1] >= 64 && b[1] < 128) || (b[0] == 169 && b[1] == 254) ||
			(b[0] == 172 && b[1] >= 16 && b[1] < 32) || (b[0] == 192 && b[1] == 168);
	}
	/* the IPv6 internet is 2000::/3, and 64:ff9b::/96 leads to IPv4 */
	return (b[0] & 0xE0) != 0x20 && !(b[0] == 0 && b[1] == 0x64 && b[2] == 0xFF && b[3] == 0x9B);
}

/* Ranges of addresses. */
static void
check_ranges(Slice input)
{
	uint8		raw[16];
	IpAddress	address;
	IpAddress	spelled;
	IpRange		range;
	char		chars[INET6_ADDRSTRLEN];
	Slice		list;
	int			more;

	for (int i = 0; i < 16; i++)
		raw[i] = input_byte(&input);
	if (raw[0] & 1)
		address = ip_from_v4(raw + 1);
	else
		address = ip_from_v6(raw);
	if (is_local(&address))
		must(!ip_is_public(&address));
	must(inet_ntop(AF_INET6, address.bytes, chars, sizeof(chars)) != NULL);
	must(ip_parse(fuzz_exact(slice_make(chars, strlen(chars))), &spelled));
	must(memcmp(&spelled, &address, sizeof(address)) == 0);

	list = input;
	while ((more = ip_next_range(&list, &range)) > 0)
	{
		bool		inside = true;

		must(lies_in(list, input) && range.bits >= 0 && range.bits <= 128);
		must(ip_in_range(&range.base, &range));
		for (int n = 0; n < range.bits; n++)
			inside = inside && same_bit(&address, &range.base, n);
		must(ip_in_range(&address, &range) == inside);
	}
	must(more < 0 || list.len == 0);
}

void
fuzz_http(Slice input)
{
	switch (input_byte(&input) % 8)
	{
		default:
			check_request(input);
			break;
		case 3:
			check_chunked(input);
			break;
		case 4:
			check_response(input);
			break;
		case 5:
			check_query(fuzz_exact(input));
			check_percent(fuzz_exact(input));
			break;
		case 6:
			check_url(fuzz_exact(input));
			break;
		case 7:
			check_ranges(fuzz_exact(input));
			break;
	}
}
