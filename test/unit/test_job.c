/*-------------------------------------------------------------------------
 *
 * test_job.c
 *	  Jobs and their answers: there and back, cut anywhere, damaged.
 *
 * test/unit/test_job.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/job.h"

/* A job that has something in every field. */
static AuthoriseJob
sample(void)
{
	AuthoriseJob job;

	job.wanted = RIGHT_BROADCAST_READ | RIGHT_PERSISTENCE_WRITE;
	job.role = B("authenticated");
	job.sub = B("u\xc3\xa9");
	job.topic = B("room:42");
	job.claims = B("{\"role\":\"authenticated\"}");
	job.headers = B("{}");
	return job;
}

/* Encode into memory that ends exactly; release() it. */
static Slice
encode(const AuthoriseJob *job)
{
	Bytes		encoded;
	Slice		body;

	bytes_init(&encoded);
	job_encode_authorise(&encoded, job);
	body = exact(bytes_slice(&encoded));
	bytes_free(&encoded);
	return body;
}

/* Does this job decode after having been encoded? */
static bool
decodes(const AuthoriseJob *job)
{
	Slice		body = encode(job);
	AuthoriseJob got;
	bool		result = job_decode_authorise(body, &got);

	release(body);
	return result;
}

/* Is a slice inside of that body? */
static bool
inside(Slice s, Slice body)
{
	return s.len == 0 || (s.data >= body.data && s.data + s.len <= body.data + body.len);
}

/* JOB_AUTHORISE. */
static void
test_authorise(void)
{
	AuthoriseJob job = sample();
	AuthoriseJob got;
	Slice		body = encode(&job);
	bool		good;

	if (ok(job_decode_authorise(body, &got), "a job"))
	{
		is_int(got.wanted, job.wanted, "the rights it asks for");
		is_bytes(got.role, job.role, "role");
		is_bytes(got.sub, job.sub, "sub");
		is_bytes(got.topic, job.topic, "topic");
		is_bytes(got.claims, job.claims, "claims");
		is_bytes(got.headers, job.headers, "headers");
		ok(inside(got.role, body) && inside(got.headers, body), "nothing was copied");
	}

	good = true;
	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		good = good && !job_decode_authorise(part, &got);
		release(part);
	}
	ok(good, "cut at every place");

	/* any byte may be wrong: then it is refused, or all is still inside */
	good = true;
	for (size_t at = 0; at < body.len; at++)
	{
		char	   *p = unconstify(char *, body.data) + at;
		char		was = *p;

		for (int byte = 0; byte < 256; byte++)
		{
			*p = (char) byte;
			if (job_decode_authorise(body, &got))
				good = good && got.wanted != 0 && got.wanted <= RIGHTS_ALL &&
					got.role.len >= 1 && got.role.len <= NAMEDATALEN - 1 &&
					got.topic.len >= 1 && got.topic.len <= TOPIC_MAX_BYTES &&
					inside(got.role, body) && inside(got.sub, body) && inside(got.topic, body) &&
					inside(got.claims, body) && inside(got.headers, body);
		}
		*p = was;
	}
	ok(good, "damaged at every place");
	release(body);
}

/* What each field may be. */
static void
test_authorise_fields(void)
{
	static char longest[TOPIC_MAX_BYTES + 1];
	AuthoriseJob job;

	memset(longest, 'x', sizeof(longest));
	job = sample();
	job.wanted = RIGHTS_ALL;
	ok(decodes(&job), "all rights");
	job.wanted = 0;
	ok(!decodes(&job), "no right");
	job.wanted = RIGHTS_ALL + 1;
	ok(!decodes(&job), "a right that there is not");

	job = sample();
	job.role = slice_make(longest, NAMEDATALEN - 1);
	ok(decodes(&job), "the longest role");
	job.role.len++;
	ok(!decodes(&job), "a longer one");
	job.role.len = 0;
	ok(!decodes(&job), "none");
	job.role = B("a\0b");
	ok(!decodes(&job), "one with a NUL");
	job.role = B("a\xff");
	ok(!decodes(&job), "one that is not UTF-8");

	job = sample();
	job.topic = slice_make(longest, TOPIC_MAX_BYTES);
	ok(decodes(&job), "the longest topic");
	job.topic.len++;
	ok(!decodes(&job), "a longer one");
	job.topic.len = 0;
	ok(!decodes(&job), "none");
	job.topic = B("\0");
	ok(!decodes(&job), "one with a NUL");

	job = sample();
	job.sub = B("");
	ok(decodes(&job), "no subject");
	job.sub = B("\0");
	ok(!decodes(&job), "one with a NUL");
	job = sample();
	job.claims = B("{");
	ok(!decodes(&job), "claims that can be no object");
	job = sample();
	job.headers = B("");
	ok(!decodes(&job), "headers that can be none");
}

/* JOB_CALL and its reply. */
static void
test_call(void)
{
	CallJob		job = {.function = CALL_CHECK_CHANNELS,.request = P("{\"names\":[]}")};
	CallJob		got_job;
	CallReply	reply = {.status = 429,.body = P("{\"error\":\"slow down\"}")};
	CallReply	got_reply;
	Bytes		encoded;
	Slice		body;

	bytes_init(&encoded);
	ok(job_encode_call(&encoded, &job), "a call");
	body = exact(bytes_slice(&encoded));
	ok(job_decode_call(body, &got_job) && got_job.function == CALL_CHECK_CHANNELS &&
	   slice_equals(got_job.request, job.request), "decodes");
	for (size_t len = 0; len <= 4; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		ok(!job_decode_call(part, &got_job), "not %zu bytes of it", len);
		release(part);
	}
	for (int at = 0; at < 4; at++)
	{
		unconstify(char *, body.data)[at] ^= 0x40;
		ok(!job_decode_call(body, &got_job), "not with byte %d another one", at);
		unconstify(char *, body.data)[at] ^= 0x40;
	}
	release(body);

	encoded.len = 0;
	ok(job_encode_call_reply(&encoded, &reply), "a reply");
	body = exact(bytes_slice(&encoded));
	ok(job_decode_call_reply(body, &got_reply) && got_reply.status == 429 &&
	   slice_equals(got_reply.body, reply.body), "decodes");
	for (size_t len = 0; len < 4; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		ok(!job_decode_call_reply(part, &got_reply), "not %zu bytes of it", len);
		release(part);
	}
	ok(job_decode_call_reply(slice_make(body.data, 4), &got_reply) && got_reply.body.len == 0,
	   "a reply may have no body");
	unconstify(char *, body.data)[2] = 1;
	ok(!job_decode_call_reply(body, &got_reply), "a reserved field is set");
	release(body);

	for (int status = 0; status <= 65535; status += status < 1000 ? 1 : 997)
	{
		encoded.len = 0;
		reply.status = (uint16) status;
		job_encode_call_reply(&encoded, &reply);
		if (job_decode_call_reply(bytes_slice(&encoded), &got_reply) != (status >= 100 && status <= 599))
			ok(false, "status %d", status);
	}
	bytes_free(&encoded);
}

/* The rights that come back. */
static void
test_rights(void)
{
	int			taken = 0;
	uint8		rights = 0xFF;

	for (int byte = 0; byte < 256; byte++)
	{
		char		body = (char) byte;

		if (job_decode_rights(slice_make(&body, 1), &rights))
			taken += rights == byte;
	}
	is_int(taken, RIGHTS_ALL + 1, "any rights there are, and none");
	ok(!job_decode_rights(B(""), &rights) && !job_decode_rights(B("\0\0"), &rights), "in one byte");
}

/* JOB_COMMITS. */
static void
test_commits(void)
{
	CommitsHead head = {.epoch = 1,.timeline = 2,.count = 3};
	CommitsHead got;
	Bytes		encoded;
	Slice		body;
	Slice		entries;
	bool		good = true;

	bytes_init(&encoded);
	bytes_append(&encoded, &head, sizeof(head));
	for (uint32 i = 0; i < head.count; i++)
	{
		CommitEntry entry = {.lsn = 10 + i,.restart_lsn = 20,.xid = 30,.committed_at = -40,.messages = 50 + i};

		bytes_append(&encoded, &entry, sizeof(entry));
	}
	body = exact(bytes_slice(&encoded));
	if (ok(job_decode_commits(body, &got, &entries) && memcmp(&got, &head, sizeof(head)) == 0, "commits"))
	{
		for (uint32 i = 0; i < got.count; i++)
		{
			CommitEntry entry;

			job_commit_entry(entries, i, &entry);
			good = good && entry.lsn == 10 + i && entry.restart_lsn == 20 && entry.xid == 30 &&
				entry.committed_at == -40 && entry.messages == 50 + i;
		}
		ok(good, "each of them");
	}
	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		good = good && !job_decode_commits(part, &got, &entries);
		release(part);
	}
	ok(good, "cut at every place");
	release(body);
	bytes_append_byte(&encoded, 0);
	ok(!job_decode_commits(bytes_slice(&encoded), &got, &entries), "a byte more");

	/* a count whose bytes would not fit 32 bits */
	head.count = UINT32_MAX;
	memcpy(encoded.data, &head, sizeof(head));
	ok(!job_decode_commits(slice_make(encoded.data, encoded.len - 1), &got, &entries), "more than there are");
	head.count = 0;
	memcpy(encoded.data, &head, sizeof(head));
	ok(!job_decode_commits(slice_make(encoded.data, sizeof(head)), &got, &entries), "none");
	bytes_free(&encoded);
}

/* JOB_POSITION. */
static void
test_position(void)
{
	PositionReply reply = {.epoch = 1,.lsn = 2,.restart_lsn = 3,.timeline = 4,.found = 1};
	PositionReply got;
	Slice		body = exact(slice_make((const char *) &reply, sizeof(reply)));
	bool		good = true;

	ok(job_decode_position(body, &got) && memcmp(&got, &reply, sizeof(reply)) == 0, "a position");
	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		good = good && !job_decode_position(part, &got);
		release(part);
	}
	ok(good, "cut at every place");
	release(body);
	reply.found = 2;
	body = exact(slice_make((const char *) &reply, sizeof(reply)));
	ok(!job_decode_position(body, &got), "neither found nor not");
	release(body);
}

/* HistoryJob. */
static void
test_history(void)
{
	HistoryJob	job = {.head = {.kind = HISTORY_RESUME,.is_private = 1,.is_first = 1,
			.after = {5, {6, 7, 8}}
	},.topic = B("room")};
	HistoryJob	got;
	Bytes		encoded;
	Slice		body;
	int			refused = 0;

	bytes_init(&encoded);
	ok(job_encode_history(&encoded, &job), "a question about history");
	body = exact(bytes_slice(&encoded));
	ok(job_decode_history(body, &got) && memcmp(&got.head, &job.head, sizeof(job.head)) == 0,
	   "decodes");
	is_text(got.topic, "room", "with its topic");
	for (size_t len = 0; len <= sizeof(HistoryHead); len++)
		refused += !job_decode_history(slice_make(body.data, len), &got);
	is_int(refused, sizeof(HistoryHead) + 1, "cut anywhere before that");
	release(body);
	bytes_free(&encoded);

#define REFUSED(change, what) \
	do { \
		HistoryJob	bad = job; \
		change; \
		(void) job_encode_history(&encoded, &bad); \
		ok(!job_decode_history(bytes_slice(&encoded), &got), what); \
		bytes_free(&encoded); \
	} while (0)

	REFUSED(bad.head.kind = 0, "no kind");
	REFUSED(bad.head.kind = 3, "an unknown kind");
	REFUSED(bad.head.is_private = 2, "a room that is neither");
	REFUSED(bad.head.is_first = 2, "not quite the first");
	REFUSED(bad.head.reserved = 1, "a reserved field");
	REFUSED(bad.head.after.place.lsn = 0, "behind nothing");
	REFUSED(bad.head.kind = HISTORY_REPLAY, "a replay of no messages");
	REFUSED(bad.topic = B("a\0b"), "a topic with a NUL");
	REFUSED(bad.topic = B("\xff"), "a topic that is no text");
#undef REFUSED
}

/* HistoryReply. */
static void
test_history_reply(void)
{
	HistoryReply reply = {.verdict = HISTORY_FOUND,.complete = 1,.count = 2,.until = {9, 1, 2}};
	HistoryReply got;
	BusMessageHead head = {{3, 1, 4}, 5};
	BusMessageHead got_head;
	WalMessage	message = {.kind = WAL_MESSAGE_BROADCAST,.number = 4,.topic = B("t"),
		.event = B("e"),.payload = B("{}")};
	WalMessage	got_message;
	Bytes		encoded;
	Slice		body;
	Slice		entries;
	bool		good = true;
	size_t		whole;

	bytes_init(&encoded);
	bytes_append(&encoded, &reply, sizeof(reply));
	for (int i = 0; i < 2; i++)
		good = job_encode_history_entry(&encoded, &head, &message) && good;
	ok(good, "a page of two messages");
	body = exact(bytes_slice(&encoded));
	ok(job_decode_history_reply(body, &got, &entries) && memcmp(&got, &reply, sizeof(reply)) == 0,
	   "decodes");
	whole = entries.len;
	for (int i = 0; i < 2; i++)
	{
		ok(job_next_history_entry(&entries, &got_head, &got_message) &&
		   memcmp(&got_head, &head, sizeof(head)) == 0, "and so does a message");
		is_text(got_message.event, "e", "with its event");
	}
	ok(entries.len == 0 && !job_next_history_entry(&entries, &got_head, &got_message), "no more");
	for (size_t len = 0; len < whole / 2; len++)
	{
		Slice		part = exact(slice_make(body.data + sizeof(reply), len));
		Slice		rest = part;

		good = good && !job_next_history_entry(&rest, &got_head, &got_message);
		release(part);
	}
	ok(good, "cut anywhere");
	release(body);

	reply.verdict = HISTORY_LIMIT;
	ok(!job_decode_history_reply(slice_make((char *) &reply, sizeof(reply)), &got, &entries),
	   "a refusal with messages");
	reply.count = 0;
	ok(job_decode_history_reply(slice_make((char *) &reply, sizeof(reply)), &got, &entries),
	   "a refusal");
	reply.verdict = HISTORY_NOT_YET + 1;
	ok(!job_decode_history_reply(slice_make((char *) &reply, sizeof(reply)), &got, &entries),
	   "an unknown verdict");
	bytes_free(&encoded);
}

/* A broadcast to be stored. */
static void
test_store(void)
{
	StoreHead	head = {.ttl = 60};
	StoreHead	got;
	WalMessage	message = {.kind = WAL_MESSAGE_CAST,.flags = WAL_MESSAGE_PRIVATE,
		.topic = B("t"),.event = B("e"),.payload = B("{}")};
	WalMessage	got_message;
	Bytes		encoded;
	Slice		body;
	int			refused = 0;

	bytes_init(&encoded);
	ok(job_encode_store(&encoded, &head, &message), "a broadcast to be stored");
	body = exact(bytes_slice(&encoded));
	ok(job_decode_store(body, &got, &got_message) && got.ttl == 60, "decodes");
	is_text(got_message.payload, "{}", "with its payload");
	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		refused += !job_decode_store(part, &got, &got_message);
		release(part);
	}
	is_int(refused, body.len, "cut anywhere");
	release(body);
	bytes_free(&encoded);

#define REFUSED(change, what) \
	do { \
		StoreHead	h = head; \
		WalMessage	m = message; \
		change; \
		(void) job_encode_store(&encoded, &h, &m); \
		ok(!job_decode_store(bytes_slice(&encoded), &got, &got_message), what); \
		bytes_free(&encoded); \
	} while (0)

	REFUSED(h.ttl = 259201, "for too long");
	REFUSED(h.reserved = 1, "a reserved field");
	REFUSED(m.flags = 0, "to a public room");
	REFUSED(m.flags |= WAL_MESSAGE_WHOLE, "a whole payload");
	REFUSED(m.kind = WAL_MESSAGE_BROADCAST; m.number = 1, "no cast");
	REFUSED(m.topic = B("a\0b"), "a topic with a NUL");
	REFUSED(m.payload = B("\"\xff\""), "a payload that is no text");
#undef REFUSED
	message.flags |= WAL_MESSAGE_BINARY;
	message.payload = B("\0\xff");
	(void) job_encode_store(&encoded, &head, &message);
	ok(job_decode_store(bytes_slice(&encoded), &got, &got_message), "bytes may be anything");
	bytes_free(&encoded);
}

/* So many bytes of a text. */
static const char *
many_bytes(size_t n)
{
	static char bytes[512];

	Assert(n <= sizeof(bytes));
	memset(bytes, 'b', sizeof(bytes));
	return bytes;
}

/* What a client publishes. */
static void
test_publish(void)
{
	PublishJob	job = {
		.role = B("authenticated"),.sub = B("u"),.channel = B("chat:1"),.claims = B("{\"a\":1}"),
		.headers = B("{}"),.event = B("said"),.payload = B("[1]"),.is_broadcast = true
	};
	PublishJob	got;
	PublishReply reply = {.verdict = PUBLISH_DENIED};
	PublishReply got_reply;
	Bytes		encoded;
	Slice		body;
	int			refused = 0;

	bytes_init(&encoded);
	ok(job_encode_publish(&encoded, &job), "something to be published");
	body = exact(bytes_slice(&encoded));
	if (ok(job_decode_publish(body, &got), "decodes"))
	{
		is_bytes(got.role, job.role, "role");
		is_bytes(got.sub, job.sub, "sub");
		is_bytes(got.channel, job.channel, "channel");
		is_bytes(got.claims, job.claims, "claims");
		is_bytes(got.headers, job.headers, "headers");
		is_bytes(got.event, job.event, "event");
		is_bytes(got.payload, job.payload, "payload");
		ok(got.is_broadcast, "type");
	}
	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		refused += !job_decode_publish(part, &got);
		release(part);
	}
	is_int(refused, body.len, "cut anywhere");
	(void) bytes_append_byte(&encoded, 'x');
	ok(!job_decode_publish(bytes_slice(&encoded), &got), "one byte more");
	encoded.data[0] = 2;
	ok(!job_decode_publish(slice_make(encoded.data, encoded.len - 1), &got), "a type that there is not");
	release(body);
	bytes_free(&encoded);

#define REFUSED(change, what) \
	do { \
		PublishJob	j = job; \
		change; \
		(void) job_encode_publish(&encoded, &j); \
		ok(!job_decode_publish(bytes_slice(&encoded), &got), what); \
		bytes_free(&encoded); \
	} while (0)

	REFUSED(j.role = B(""), "no role");
	REFUSED(j.channel = B(""), "no channel");
	REFUSED(j.channel = slice_make(many_bytes(TOPIC_MAX_BYTES + 1), TOPIC_MAX_BYTES + 1), "a channel that is too long");
	REFUSED(j.channel = B("a\0b"), "a channel with a NUL");
	REFUSED(j.claims = B(""), "no claims");
	REFUSED(j.headers = B(""), "no headers");
	REFUSED(j.event = B(""), "no event");
	REFUSED(j.event = slice_make(many_bytes(EVENT_MAX_BYTES + 1), EVENT_MAX_BYTES + 1), "an event that is too long");
	REFUSED(j.event = B("\xff"), "an event that is no text");
	REFUSED(j.payload = B(""), "no payload");
	REFUSED(j.payload = B("\"\0\""), "a payload with a NUL");
#undef REFUSED
	job.sub = B("");
	(void) job_encode_publish(&encoded, &job);
	ok(job_decode_publish(bytes_slice(&encoded), &got), "there may be no sub");
	bytes_free(&encoded);

	body = slice_make((const char *) &reply, sizeof(reply));
	ok(job_decode_publish_reply(body, &got_reply) && got_reply.verdict == PUBLISH_DENIED, "an answer");
	ok(!job_decode_publish_reply(slice_make(body.data, body.len - 1), &got_reply), "cut");
	reply.reserved[6] = 1;
	ok(!job_decode_publish_reply(body, &got_reply), "with a reserved field");
	reply.reserved[6] = 0;
	reply.verdict = PUBLISH_DENIED + 1;
	ok(!job_decode_publish_reply(body, &got_reply), "with another verdict");
}

/* How many sockets messages have reached. */
static void
test_audience(void)
{
	AudienceEntry entries[2] = {{.inserted_at = -5,.sockets = 1}, {.inserted_at = 7,.sockets = 300}};
	static AudienceEntry many[AUDIENCE_MAX_ENTRIES + 1];
	AudienceEntry got;
	Slice		body = slice_make((const char *) entries, sizeof(entries));
	Slice		part = exact(slice_make(body.data, sizeof(entries) - 1));
	uint32		count;

	ok(job_decode_audience(body, &count) && count == 2, "two entries");
	job_audience_entry(body, 1, &got);
	ok(got.inserted_at == 7 && got.sockets == 300, "the second of them");
	ok(!job_decode_audience(part, &count), "cut");
	release(part);
	ok(!job_decode_audience(slice_make(body.data, 0), &count), "none");
	entries[1].reserved = 1;
	ok(!job_decode_audience(body, &count), "a reserved field");
	entries[1].reserved = 0;
	entries[0].sockets = 0;
	ok(!job_decode_audience(body, &count), "no socket");
	for (int i = 0; i <= AUDIENCE_MAX_ENTRIES; i++)
		many[i].sockets = 1;
	body = slice_make((const char *) many, sizeof(many));
	ok(!job_decode_audience(body, &count), "too many");
	body.len -= sizeof(AudienceEntry);
	ok(job_decode_audience(body, &count) && count == AUDIENCE_MAX_ENTRIES, "as many as may be");
}

int
main(void)
{
	test_authorise();
	test_authorise_fields();
	test_call();
	test_rights();
	test_commits();
	test_position();
	test_history();
	test_history_reply();
	test_store();
	test_publish();
	test_audience();
	return done_testing();
}
