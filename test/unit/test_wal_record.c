/*-------------------------------------------------------------------------
 *
 * test_wal_record.c
 *	  The body of a message in the WAL: there and back, and nothing else.
 *
 * test/unit/test_wal_record.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/wal_record.h"

/* A message that has something in every field. */
static WalMessage
sample(void)
{
	WalMessage	msg = {0};

	msg.kind = WAL_MESSAGE_BROADCAST;
	msg.flags = WAL_MESSAGE_PRIVATE;
	msg.origin = 0xBEEF;
	msg.top_xid = UINT64CONST(0x0000000512345678);
	msg.number = 7;
	msg.inserted_at = INT64CONST(-815000000123456);
	for (int i = 0; i < MESSAGE_ID_BYTES; i++)
		msg.id[i] = (uint8) (0xF0 + i);
	msg.topic = B("room:42");
	msg.event = B("INSERT");
	msg.payload = B("{\"a\": \"\xc3\xa9\"}");
	return msg;
}

/* Encode into memory that ends exactly; release() it. */
static Slice
encode(const WalMessage *msg)
{
	size_t		size = wal_record_size(msg);
	char	   *data = malloc(size);

	wal_record_encode(msg, data);
	return slice_make(data, size);
}

/* All fields come back, with the slices inside the body. */
static void
round_trip(const WalMessage *msg, const char *name)
{
	Slice		body = encode(msg);
	WalMessage	got;

	is_int(body.len, WAL_RECORD_HEAD_BYTES +
		   ((msg->flags & WAL_MESSAGE_SENDER) != 0 ? MESSAGE_SENDER_BYTES : 0) +
		   msg->topic.len + msg->event.len + msg->payload.len, name);
	if (ok(wal_record_decode(body.data, body.len, &got), "decodes"))
	{
		ok(got.kind == msg->kind && got.flags == msg->flags && got.origin == msg->origin,
		   "kind, flags, origin");
		ok(got.top_xid == msg->top_xid && got.number == msg->number &&
		   got.inserted_at == msg->inserted_at, "xid, number and time");
		ok(memcmp(got.id, msg->id, MESSAGE_ID_BYTES) == 0, "id");
		ok(memcmp(got.sender, msg->sender, MESSAGE_SENDER_BYTES) == 0, "sender");
		is_bytes(got.topic, msg->topic, "topic");
		is_bytes(got.event, msg->event, "event");
		is_bytes(got.payload, msg->payload, "payload");
		ok(got.topic.data >= body.data &&
		   got.payload.data + got.payload.len == body.data + body.len,
		   "nothing was copied");
	}
	release(body);
}

/* A body with one byte replaced: does it decode? */
static bool
decodes_with(const WalMessage *msg, size_t at, uint8 byte)
{
	Slice		body = encode(msg);
	WalMessage	got;
	bool		result;

	unconstify(char *, body.data)[at] = (char) byte;
	result = wal_record_decode(body.data, body.len, &got);
	release(body);
	return result;
}

/* What is no body is refused: cut anywhere, longer, or with bad fields. */
static void
test_damage(void)
{
	WalMessage	msg = sample();
	Slice		body = encode(&msg);
	WalMessage	got;
	Bytes		longer;
	bool		good = true;

	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		good = good && !wal_record_decode(part.data, part.len, &got);
		release(part);
	}
	ok(good, "cut at every place");

	bytes_init(&longer);
	bytes_append_slice(&longer, body);
	bytes_append_byte(&longer, 'x');
	ok(!wal_record_decode(longer.data, longer.len, &got), "one byte more");
	bytes_free(&longer);

	ok(decodes_with(&msg, 0, WAL_RECORD_VERSION), "its version");
	ok(!decodes_with(&msg, 0, 0) && !decodes_with(&msg, 0, WAL_RECORD_VERSION + 1),
	   "another version");
	ok(!decodes_with(&msg, 1, 0) && !decodes_with(&msg, 1, WAL_MESSAGE_WEBHOOKS + 1) &&
	   !decodes_with(&msg, 1, 255),
	   "a kind that there is not");
	ok(!decodes_with(&msg, 1, WAL_MESSAGE_AGENTS_CHANGED), "a kind without such texts");
	ok(!decodes_with(&msg, 2, WAL_MESSAGE_WHOLE), "a flag of another kind");
	ok(!decodes_with(&msg, 2, msg.flags | WAL_MESSAGE_SENDER), "a sender that is not there");
	ok(!decodes_with(&msg, 3, 0) && !decodes_with(&msg, 3, 255), "another length of the event");
	for (size_t at = 4; at < 12; at++)
	{
		if (at == 6 || at == 7)
			continue;			/* the origin may be anything */
		good = good && !decodes_with(&msg, at, 0xFF);
	}
	ok(good, "other lengths of topic and payload");
	release(body);
}

/* Lengths at their limits, and lies that sum up rightly. */
static void
test_limits(void)
{
	static char topic[TOPIC_MAX_BYTES + 1];
	static char event[EVENT_MAX_BYTES];
	WalMessage	msg = sample();
	WalMessage	got;
	Slice		body;

	memset(topic, 't', sizeof(topic));
	memset(event, 'e', sizeof(event));
	msg.topic = slice_make(topic, TOPIC_MAX_BYTES);
	msg.event = slice_make(event, EVENT_MAX_BYTES);
	round_trip(&msg, "the longest topic and event");
	msg.topic = slice_make(topic, 1);
	msg.event = slice_make(event, 1);
	msg.payload = slice_make(NULL, 0);
	round_trip(&msg, "the shortest, and no payload");
	msg.flags = WAL_MESSAGE_BINARY | WAL_MESSAGE_PRIVATE;
	msg.payload = B("\0\xff\0");
	round_trip(&msg, "bytes");

	msg.topic = slice_make(topic, TOPIC_MAX_BYTES + 1);
	body = encode(&msg);
	ok(!wal_record_decode(body.data, body.len, &got), "a topic that no frame could carry");
	release(body);

	msg.topic = slice_make(topic, 0);
	body = encode(&msg);
	ok(!wal_record_decode(body.data, body.len, &got), "no topic");
	release(body);

	msg = sample();
	msg.number = 0;
	body = encode(&msg);
	ok(!wal_record_decode(body.data, body.len, &got), "no number");
	release(body);

	/* event and payload swap a byte of length: all sums stay as they are */
	msg = sample();
	msg.event.len--;
	body = encode(&msg);
	ok(wal_record_decode(body.data, body.len, &got) && got.event.len == 5, "an event of 5 bytes");
	release(body);
}

/* What is published on a channel: by whom, and as what. */
static void
test_published(void)
{
	static const uint8 flags[] = {
		WAL_MESSAGE_CHANNEL, WAL_MESSAGE_USER, WAL_MESSAGE_UNSTORED, WAL_MESSAGE_TYPE_BROADCAST
	};
	WalMessage	msg = sample();

	for (size_t i = 0; i < lengthof(flags); i++)
	{
		msg.flags = flags[i];
		round_trip(&msg, "one flag");
		msg.kind = WAL_MESSAGE_CAST;
		msg.number = 0;
		ok(!decodes_with(&msg, 1, WAL_MESSAGE_CAST), "which no cast has");
		msg = sample();
	}
	msg.flags = WAL_MESSAGE_PRIVATE | WAL_MESSAGE_CHANNEL | WAL_MESSAGE_USER |
		WAL_MESSAGE_SENDER | WAL_MESSAGE_UNSTORED | WAL_MESSAGE_TYPE_BROADCAST;
	for (int i = 0; i < MESSAGE_SENDER_BYTES; i++)
		msg.sender[i] = (uint8) (0xA0 + i);
	round_trip(&msg, "a sender, and all flags");
	ok(!decodes_with(&msg, 2, msg.flags & ~WAL_MESSAGE_SENDER), "a sender that is too much");
}

/* Agents have changed: a head and nothing else. */
static void
test_agents_changed(void)
{
	WalMessage	msg = sample();
	WalMessage	got;
	Slice		body;

	msg.kind = WAL_MESSAGE_AGENTS_CHANGED;
	msg.number = 0;
	msg.topic = msg.event = msg.payload = slice_make(NULL, 0);
	round_trip(&msg, "agents have changed");
	ok(!decodes_with(&msg, 1, WAL_MESSAGE_BROADCAST), "a broadcast without topic and event");
	for (int i = 0; i < 3; i++)
	{
		*(i == 0 ? &msg.topic : i == 1 ? &msg.event : &msg.payload) = B("x");
		body = encode(&msg);
		ok(!wal_record_decode(body.data, body.len, &got), "and something with it");
		release(body);
		msg.topic = msg.event = msg.payload = slice_make(NULL, 0);
	}
}

/* What a client says: its event may be empty, its payload be a whole one. */
static void
test_cast(void)
{
	WalMessage	msg = sample();
	WalMessage	got;
	Slice		body;

	msg.kind = WAL_MESSAGE_CAST;
	msg.number = 0;
	round_trip(&msg, "a cast");
	msg.event = slice_make(NULL, 0);
	round_trip(&msg, "without event");
	ok(!decodes_with(&msg, 1, WAL_MESSAGE_BROADCAST), "which no other broadcast may be");
	msg.flags = WAL_MESSAGE_WHOLE | WAL_MESSAGE_PRIVATE;
	round_trip(&msg, "a whole payload");
	ok(!decodes_with(&msg, 2, 0x08), "an unknown flag");
	msg.topic = slice_make(NULL, 0);
	body = encode(&msg);
	ok(!wal_record_decode(body.data, body.len, &got), "a cast to no topic");
	release(body);
}

/* A change of a row is its payload. */
static void
test_change(void)
{
	WalMessage	msg = sample();

	msg.kind = WAL_MESSAGE_CHANGE;
	msg.number = 0;
	msg.flags = 0;
	msg.topic = msg.event = slice_make(NULL, 0);
	round_trip(&msg, "a change");
	ok(!decodes_with(&msg, 1, WAL_MESSAGE_TABLES_CHANGED), "which has a payload");
	msg.payload = slice_make(NULL, 0);
	ok(decodes_with(&msg, 1, WAL_MESSAGE_TABLES_CHANGED), "tables have changed");
	ok(!decodes_with(&msg, 1, WAL_MESSAGE_CHANGE), "which is no change of a row");
	msg.topic = B("x");
	msg.payload = B("x");
	ok(!decodes_with(&msg, 1, WAL_MESSAGE_CHANGE), "nor has that a topic");
}

int
main(void)
{
	WalMessage	msg = sample();

	round_trip(&msg, "a message");
	test_damage();
	test_limits();
	test_published();
	test_agents_changed();
	test_cast();
	test_change();
	return done_testing();
}
