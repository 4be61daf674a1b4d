/*-------------------------------------------------------------------------
 *
 * test_phoenix_shared.c
 *	  A shared payload between its head and its tail is the message that
 *	  phx_encode_text() makes.
 *
 * test/unit/test_phoenix_shared.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/phoenix_shared.h"

/* The whole of one message, made in two ways. */
static bool
same(PhxVersion version, Slice join_ref, Slice topic, size_t payload_len)
{
	Bytes		payload;
	Bytes		whole;
	Bytes		parts;
	bool		good;

	bytes_init(&payload);
	bytes_init(&whole);
	bytes_init(&parts);
	for (size_t i = 0; i < payload_len; i++)
		bytes_append_byte(&payload, (uint8) ('0' + i % 10));
	bytes_append_cstr(&whole, "what was there");
	bytes_append_slice(&parts, bytes_slice(&whole));

	good = phx_encode_text(&whole, version, join_ref, slice_make(NULL, 0), topic,
						   "presence_state", bytes_slice(&payload)) &&
		phx_encode_shared_head(&parts, version, join_ref, topic, "presence_state", payload_len);
	bytes_append_slice(&parts, bytes_slice(&payload));
	bytes_append_slice(&parts, phx_shared_tail(version));
	good = good && slice_equals(bytes_slice(&whole), bytes_slice(&parts));
	bytes_free(&payload);
	bytes_free(&whole);
	bytes_free(&parts);
	return good;
}

/* Every payload around the places where a WebSocket header grows. */
static void
test_sizes(PhxVersion version, Slice join_ref, Slice topic, const char *name)
{
	bool		good = true;

	for (size_t len = 0; len < 200; len++)
		good = good && same(version, join_ref, topic, len);
	ok(good, "short payloads, %s", name);
	for (size_t len = 65536 - 600; len < 65536 + 20; len++)
		good = good && same(version, join_ref, topic, len);
	ok(good, "payloads of about 64 kB, %s", name);
}

int
main(void)
{
	char		long_topic[TOPIC_MAX_BYTES];
	char		long_ref[255];

	memset(long_topic, '"', sizeof(long_topic));
	memset(long_ref, '9', sizeof(long_ref));
	for (int v = 0; v < PHX_VERSIONS; v++)
	{
		test_sizes(v, B("\"7\""), B("realtime:room"), "short head");
		test_sizes(v, slice_make(NULL, 0), B("realtime:a topic with \xc3\xa9 and \\, quite long, "
											 "so that its head is about 126 bytes"), "longer head");
		test_sizes(v, slice_make(long_ref, sizeof(long_ref)),
				   slice_make(long_topic, sizeof(long_topic)), "the longest head");
	}
	return done_testing();
}
