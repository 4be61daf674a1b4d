/*-------------------------------------------------------------------------
 *
 * test_bus_frame.c
 *	  Frames of the bus: complete, incomplete and hostile ones.
 *
 * test/unit/test_bus_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/bus_frame.h"

/* Append a frame. */
static void
put_frame(Bytes *out, BusFrameType type, Slice body)
{
	char		head[BUS_HEADER_BYTES];

	bus_frame_header(head, type, body.len);
	bytes_append(out, head, sizeof(head));
	bytes_append_slice(out, body);
}

/* Frames behind each other, cut at every place. */
static void
test_frames(void)
{
	static const struct
	{
		BusFrameType type;
		Slice		body;
	}			frames[] = {
		{BUS_READY, P("127.0.0.1:4000")},
		{BUS_SHUTDOWN, P("")},
		{BUS_LOG, P("\x02" "careful")},
	};
	Bytes		stream;
	bool		good = true;

	bytes_init(&stream);
	for (int i = 0; i < lengthof(frames); i++)
		put_frame(&stream, frames[i].type, frames[i].body);

	for (size_t len = 0; len <= stream.len; len++)
	{
		Slice		part = exact(slice_make(stream.data, len));
		size_t		done = 0;
		size_t		ends = 0;

		for (int i = 0; i < lengthof(frames); i++)
		{
			BusHeader	header;
			Slice		body;
			ssize_t		n = bus_frame_decode(part.data + done, part.len - done, &header, &body);

			ends += BUS_HEADER_BYTES + frames[i].body.len;
			if (ends > len)
			{
				good = good && n == 0;
				break;
			}
			good = good && n == BUS_HEADER_BYTES + (ssize_t) frames[i].body.len &&
				header.type == frames[i].type && slice_equals(body, frames[i].body);
			done += n;
		}
		release(part);
	}
	ok(good, "three frames, cut at every place");
	bytes_free(&stream);
}

/* Headers alone: sized as soon as they are there, refused as soon as wrong. */
static void
test_headers(void)
{
	char	   *head = malloc(BUS_HEADER_BYTES);
	BusHeader	header = {0};
	Slice		body;
	uint32		too_much = BUS_MAX_BODY + 1;

	bus_frame_header(head, BUS_MESSAGE, BUS_MAX_BODY);
	is_int(bus_frame_decode(head, BUS_HEADER_BYTES, &header, &body), 0, "the largest body has to come yet");
	is_int(header.length, BUS_MAX_BODY, "its size is known");
	is_int(header.type, BUS_MESSAGE, "and its type");
	is_int(bus_frame_decode(head, BUS_HEADER_BYTES - 1, &header, &body), 0, "half a header");

	memcpy(head + offsetof(BusHeader, length), &too_much, sizeof(too_much));
	is_int(bus_frame_decode(head, BUS_HEADER_BYTES, &header, &body), -1, "a body too large");
	memset(head, 0xFF, 4);
	is_int(bus_frame_decode(head, BUS_HEADER_BYTES, &header, &body), -1, "a body of 4 GiB");
	for (int i = 0; i < 3; i++)
	{
		bus_frame_header(head, BUS_READY, 0);
		head[offsetof(BusHeader, reserved) + i] = 1;
		is_int(bus_frame_decode(head, BUS_HEADER_BYTES, &header, &body), -1, "a reserved byte is set");
	}
	free(head);
}

/* A fixed part and what follows it, as memory that ends exactly. */
static Slice
body_of(const void *fixed, size_t size, Slice rest)
{
	Bytes		text;
	Slice		body;

	bytes_init(&text);
	bytes_append(&text, fixed, size);
	bytes_append_slice(&text, rest);
	body = exact(bytes_slice(&text));
	bytes_free(&text);
	return body;
}

/* BUS_CONFIG. */
static void
test_hello(void)
{
	BusHello	hello = {.version = BUS_VERSION,.slot = 1,.generation = 2,.epoch = 3,.position = 4};
	BusHello	got;
	Slice		settings = slice_make(NULL, 0);
	Slice		body = body_of(&hello, sizeof(hello), B("port\0" "4000\0" "empty\0\0"));
	const char *key = "";
	const char *value = "";

	ok(bus_decode_hello(body, &got, &settings) && memcmp(&got, &hello, sizeof(hello)) == 0, "a hello");
	ok(bus_next_setting(&settings, &key, &value) == 1 && strcmp(key, "port") == 0 &&
	   strcmp(value, "4000") == 0, "a setting");
	ok(bus_next_setting(&settings, &key, &value) == 1 && strcmp(key, "empty") == 0 &&
	   strcmp(value, "") == 0, "an empty one");
	is_int(bus_next_setting(&settings, &key, &value), 0, "no more");
	for (size_t len = 0; len < sizeof(hello); len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		if (bus_decode_hello(part, &got, &settings))
			ok(false, "a hello of %zu bytes", len);
		release(part);
	}
	release(body);

	hello.version++;
	body = body_of(&hello, sizeof(hello), B(""));
	ok(!bus_decode_hello(body, &got, &settings), "another version");
	release(body);

	for (int i = 0; i < 3; i++)
	{
		static const Slice bad[] = {P("x"), P("key\0"), P("key\0value")};

		body = exact(bad[i]);
		settings = body;
		is_int(bus_next_setting(&settings, &key, &value), -1, "settings cut off");
		release(body);
	}
}

/* BUS_MESSAGE. */
static void
test_message(void)
{
	BusMessageHead head = {.place = {1, 2, 3},.committed_at = 4};
	BusMessageHead got;
	Slice		record = slice_make(NULL, 0);
	Slice		body = body_of(&head, sizeof(head), B("record"));

	ok(bus_decode_message(body, &got, &record) && memcmp(&got, &head, sizeof(head)) == 0, "a message");
	is_text(record, "record", "and its record");
	ok(!bus_decode_message(slice_make(body.data, sizeof(head) - 1), &got, &record), "too short");
	release(body);
}

/* BUS_INTEREST_ACK. */
static void
test_interest_ack(void)
{
	BusInterestAck ack = {.seq = 7,.place = {1, 2, PLACE_WHOLE}};
	BusInterestAck got;
	Slice		body = body_of(&ack, sizeof(ack), B(""));

	ok(bus_decode_interest_ack(body, &got) && memcmp(&got, &ack, sizeof(ack)) == 0,
	   "an acknowledgement");
	ok(!bus_decode_interest_ack(slice_make(body.data, sizeof(ack) - 1), &got), "too short");
	release(body);
	body = body_of(&ack, sizeof(ack), B("x"));
	ok(!bus_decode_interest_ack(body, &got), "too long");
	release(body);
}

/* Does BUS_INTEREST with this fixed part and topic decode? */
static bool
interest_decodes(const BusInterest *interest, Slice topic)
{
	Slice		body = body_of(interest, sizeof(*interest), topic);
	BusInterest got;
	Slice		rest;
	bool		result = bus_decode_interest(body, &got, &rest);

	if (result)
		result = memcmp(&got, interest, sizeof(got)) == 0 && slice_equals(rest, topic);
	release(body);
	return result;
}

/* BUS_INTEREST. */
static void
test_interest(void)
{
	static char topic[TOPIC_MAX_BYTES + 1];
	BusInterest interest = {.seq = 7,.add = 1,.is_private = 1};
	BusInterest got;
	Slice		rest;

	memset(topic, 't', sizeof(topic));
	ok(interest_decodes(&interest, B("room")), "an interest");
	ok(interest_decodes(&interest, slice_make(topic, TOPIC_MAX_BYTES)), "in the longest topic");
	ok(!interest_decodes(&interest, slice_make(topic, TOPIC_MAX_BYTES + 1)), "in a longer one");
	ok(!interest_decodes(&interest, B("")), "in none");
	interest.add = 2;
	ok(!interest_decodes(&interest, B("room")), "neither added nor removed");
	interest.add = 0;
	interest.is_private = 2;
	ok(!interest_decodes(&interest, B("room")), "neither public nor private");
	ok(!bus_decode_interest(B("short"), &got, &rest), "too short");
}

/* BUS_JOB and BUS_RUN. */
static void
test_job(void)
{
	BusJob		job = {.id = UINT64_MAX,.kind = 3};
	BusJob		got;
	Slice		rest = slice_make(NULL, 0);
	Slice		body = body_of(&job, sizeof(job), B("what to do"));

	ok(bus_decode_job(body, &got, &rest) && memcmp(&got, &job, sizeof(job)) == 0, "a job");
	is_text(rest, "what to do", "and what it is about");
	for (size_t len = 0; len < sizeof(job); len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		ok(!bus_decode_job(part, &got, &rest), "not %zu bytes of it", len);
		release(part);
	}
	release(body);
	for (int i = 0; i < lengthof(job.reserved); i++)
	{
		job.reserved[i] = 1;
		body = body_of(&job, sizeof(job), B(""));
		ok(!bus_decode_job(body, &got, &rest), "a reserved byte is set");
		release(body);
		job.reserved[i] = 0;
	}
}

/* BUS_RESULT and BUS_DONE. */
static void
test_result(void)
{
	BusResult	result = {.id = 7,.outcome = 5};
	BusResult	got;
	Slice		rest = slice_make("", 0);
	Slice		body = body_of(&result, sizeof(result), B(""));

	ok(bus_decode_result(body, &got, &rest) && memcmp(&got, &result, sizeof(result)) == 0, "a result");
	is_int(rest.len, 0, "without a body");
	for (size_t len = 0; len < sizeof(result); len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		ok(!bus_decode_result(part, &got, &rest), "not %zu bytes of it", len);
		release(part);
	}
	release(body);
	for (int i = 0; i < lengthof(result.reserved); i++)
	{
		result.reserved[i] = 0x80;
		body = body_of(&result, sizeof(result), B("x"));
		ok(!bus_decode_result(body, &got, &rest), "a reserved byte is set");
		release(body);
		result.reserved[i] = 0;
	}
}

/* BUS_FOLLOW and its acknowledgement. */
static void
test_follow(void)
{
	uint32		tables[] = {5, 6};
	Slice		list = slice_make((const char *) tables, sizeof(tables));
	BusFollow	follow = {.seq = 1,.relid = 5,.add = 1};
	BusFollow	got;
	BusFollowAck ack = {.seq = 1,.relid = 5,.outcome = BUS_FOLLOW_BUSY};
	BusFollowAck got_ack;
	Slice		rest;
	Slice		body = body_of(&follow, sizeof(follow), list);

	ok(bus_decode_follow(body, &got, &rest) && memcmp(&got, &follow, sizeof(got)) == 0, "a table");
	is_bytes(rest, list, "and those where its rows are");
	ok(!bus_decode_follow(slice_make(body.data, body.len - 1), &got, &rest), "one of them cut off");
	ok(!bus_decode_follow(slice_make(body.data, sizeof(follow) - 1), &got, &rest), "too short");
	release(body);
	follow.add = 0;
	body = body_of(&follow, sizeof(follow), list);
	ok(!bus_decode_follow(body, &got, &rest), "who ends waits for nothing");
	ok(bus_decode_follow(slice_make(body.data, sizeof(follow)), &got, &rest), "and need not");
	release(body);
	follow.relid = 0;
	body = body_of(&follow, sizeof(follow), B(""));
	ok(!bus_decode_follow(body, &got, &rest), "no table");
	release(body);

	body = body_of(&ack, sizeof(ack), B(""));
	ok(bus_decode_follow_ack(body, &got_ack) && memcmp(&got_ack, &ack, sizeof(ack)) == 0,
	   "an acknowledgement");
	ok(!bus_decode_follow_ack(slice_make(body.data, body.len - 1), &got_ack), "cut off");
	release(body);
	body = body_of(&ack, sizeof(ack), B("x"));
	ok(!bus_decode_follow_ack(body, &got_ack), "and something behind it");
	release(body);
	ack.outcome = BUS_FOLLOW_BUSY + 1;
	body = body_of(&ack, sizeof(ack), B(""));
	ok(!bus_decode_follow_ack(body, &got_ack), "another outcome");
	release(body);
}

/* Every statistic has a name of its own. */
static void
test_stat_names(void)
{
	bool		good = true;

	for (int i = 0; i < BUS_STAT_COUNT; i++)
	{
		good = good && bus_stat_name((BusStat) i) != NULL;
		for (int k = 0; good && k < i; k++)
			good = strcmp(bus_stat_name((BusStat) i), bus_stat_name((BusStat) k)) != 0;
	}
	ok(good, "names of statistics");
}

int
main(void)
{
	test_frames();
	test_headers();
	test_hello();
	test_message();
	test_interest_ack();
	test_interest();
	test_job();
	test_result();
	test_follow();
	test_stat_names();
	return done_testing();
}
