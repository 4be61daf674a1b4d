/*-------------------------------------------------------------------------
 *
 * test_bytes.c
 *	  A growing buffer, and what everybody does when it can not grow.
 *
 * The linker lets our realloc() take the place of libc's (-Wl,--wrap), so that
 * every allocation of a writer can be made to fail in turn.
 *
 * test/unit/test_bytes.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/http_request.h"
#include "proto/jslice.h"
#include "proto/phoenix.h"
#include "proto/ws_handshake.h"

extern void *__real_realloc(void *p, size_t size);
extern void *__wrap_realloc(void *p, size_t size);

static int	allocations_left = -1;	/* -1 = no limit */

/* realloc() for the code under test: fails when its turn has come. */
void *
__wrap_realloc(void *p, size_t size)
{
	if (allocations_left == 0)
		return NULL;
	if (allocations_left > 0)
		allocations_left--;
	return __real_realloc(p, size);
}

/* Appending and consuming. */
static void
test_append(void)
{
	Bytes		b;
	char		big[300];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	bytes_init(&b);
	ok(bytes_slice(&b).len == 0, "empty");
	ok(bytes_append(&b, NULL, 0) && b.data == NULL, "nothing appended takes no memory");
	ok(bytes_append_cstr(&b, "abc") && bytes_append_byte(&b, 0) &&
	   bytes_append_slice(&b, B("def")), "appended");
	is_bytes(bytes_slice(&b), B("abc\0def"), "in order");
	bytes_consume(&b, 4);
	is_text(bytes_slice(&b), "def", "the front consumed");
	bytes_consume(&b, 0);
	bytes_consume(&b, 3);
	is_int(b.len, 0, "all consumed");

	bytes_append_u64(&b, 0);
	bytes_append_byte(&b, ' ');
	bytes_append_u64(&b, 1234567890);
	bytes_append_byte(&b, ' ');
	bytes_append_u64(&b, PG_UINT64_MAX);
	is_text(bytes_slice(&b), "0 1234567890 18446744073709551615", "numbers");

	b.len = 0;
	ok(bytes_printf(&b, "%d-%s", -5, "five"), "formatted");
	ok(bytes_printf(&b, "%s", big) && bytes_printf(&b, "%s", ""), "longer than the room, and nothing");
	is_int(b.len, strlen("-5-five") + 299, "all of it");
	bytes_free(&b);
	ok(b.data == NULL && b.len == 0 && b.cap == 0, "freed");
	bytes_printf(&b, "%s", big);
	is_int(b.len, 299, "formatted into nothing");
	bytes_free(&b);
}

/* Growing: exact at first, then in powers. */
static void
test_growth(void)
{
	Bytes		b;
	int			moves = 0;
	size_t		cap = 0;

	bytes_init(&b);
	ok(bytes_reserve(&b, 1000) && b.cap == 1000, "the first allocation is exact");
	for (int i = 0; i < 1000000; i++)
	{
		bytes_append_byte(&b, 'x');
		moves += b.cap != cap;
		cap = b.cap;
	}
	ok(moves < 15, "a million bytes took %d allocations", moves);
	bytes_free(&b);
}

/* A failure leaves the buffer as it was and stops everything after it. */
static void
test_failure(void)
{
	Bytes		b;

	bytes_init(&b);
	bytes_append_cstr(&b, "kept");
	ok(!bytes_reserve(&b, SIZE_MAX) && b.failed, "more than there is");
	ok(!bytes_append_byte(&b, 'x') && !bytes_printf(&b, "x") && !bytes_append_u64(&b, 1) &&
	   !bytes_reserve(&b, 0), "nothing works after a failure");
	is_text(bytes_slice(&b), "kept", "what was there is");
	bytes_free(&b);
	ok(!b.failed && bytes_append_byte(&b, 'x'), "a fresh start");
	bytes_free(&b);

	allocations_left = 0;
	ok(!bytes_append_cstr(&b, "x") && b.failed && b.data == NULL, "no memory at all");
	allocations_left = -1;
	bytes_free(&b);
}

#define TOPIC B("realtime:\1\2\3\4\5\6\7 that needs many escapes")

/* Everything that writes into a Bytes: each appends and returns its verdict. */
static bool
write_unescaped(Bytes *out)
{
	return jslice_unescape(B("\"a long enough string with an \\u00e9 that is decoded into more than 64 bytes\""), out);
}

/* ... */
static bool
write_string(Bytes *out)
{
	return jslice_append_string(out, TOPIC);
}

/* ... */
static bool
write_query(Bytes *out)
{
	return http_query_get(B("%61=12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
						  "a", out) == 1;
}

/* ... */
static bool
write_response(Bytes *out)
{
	return http_response(out, 200, "text/plain", TOPIC, "X: y\r\n", true);
}

/* ... */
static bool
write_handshake(Bytes *out)
{
	HttpRequest req;
	size_t		scanned = 0;
	Slice		text = B("GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");

	return http_request_parse(text.data, text.len, &scanned, &req) > 0 &&
		ws_handshake_response(out, &req);
}

/* ... */
static bool
write_reply(Bytes *out)
{
	return phx_encode_reply(out, PHX_V2, B("1"), B("2"), TOPIC, "ok", B("{}"));
}

/* ... */
static bool
write_error(Bytes *out)
{
	return phx_encode_error(out, PHX_V1, B("1"), B("2"), TOPIC, "\1\2\3\4\5\6\7\1\2\3\4\5\6\7\1\2\3\4\5\6\7");
}

/* ... */
static bool
write_broadcast_v1(Bytes *out)
{
	return phx_encode_broadcast(out, PHX_V1, TOPIC, TOPIC, false, B("{}"), B("{}"));
}

/* ... */
static bool
write_broadcast_v2(Bytes *out)
{
	return phx_encode_broadcast(out, PHX_V2, TOPIC, TOPIC, false, B("{\"a\":1}"), B("{}"));
}

/*
 * Let the n-th allocation of a writer fail, for every n: it says so, leaves
 * what was there, and the same writer works with memory.
 */
static void
test_writer(const char *name, bool (*writer) (Bytes *))
{
	int			n = 0;
	bool		good = true;
	bool		done = false;

	while (!done && n < 100)
	{
		Bytes		out;

		bytes_init(&out);
		bytes_append_cstr(&out, "before");
		allocations_left = n++;
		done = writer(&out);
		allocations_left = -1;
		if (!done)
			good = good && out.failed && slice_equals(bytes_slice(&out), B("before"));
		else
			good = good && !out.failed && out.len > 6 && memcmp(out.data, "before", 6) == 0;
		bytes_free(&out);
	}
	ok(good && done && n >= 2, "%s: each of its allocations fails once", name);
}

int
main(void)
{
	test_append();
	test_growth();
	test_failure();
	test_writer("jslice_unescape", write_unescaped);
	test_writer("jslice_append_string", write_string);
	test_writer("http_query_get", write_query);
	test_writer("http_response", write_response);
	test_writer("ws_handshake_response", write_handshake);
	test_writer("phx_encode_reply", write_reply);
	test_writer("phx_encode_error", write_error);
	test_writer("phx_encode_broadcast v1", write_broadcast_v1);
	test_writer("phx_encode_broadcast v2", write_broadcast_v2);
	return done_testing();
}
