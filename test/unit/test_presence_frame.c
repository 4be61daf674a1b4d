/*-------------------------------------------------------------------------
 *
 * test_presence_frame.c
 *	  Frames of presence: what comes back, and what is refused.
 *
 * test/unit/test_presence_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/presence_frame.h"

static const PresenceParts sample = {P("room:42"), P("J\xc3\xbcrgen"), P("{\"a\": [1, \"\xc3\xa9\"]}")};
static const PresenceParts no_text = {P(""), P(""), P("")};

/* A fixed part and texts, as memory that ends exactly. */
static Slice
body_of(const void *head, size_t size, const PresenceParts *parts)
{
	Bytes		bytes;
	Slice		body;

	bytes_init(&bytes);
	bytes_append(&bytes, head, size);
	bytes_append_slice(&bytes, parts->topic);
	bytes_append_slice(&bytes, parts->key);
	bytes_append_slice(&bytes, parts->meta);
	body = exact(bytes_slice(&bytes));
	bytes_free(&bytes);
	return body;
}

/* Does a BUS_TRACK with these texts decode, and to the same? */
static bool
tracks(TrackOp op, const PresenceParts *parts)
{
	BusTrack	head = presence_track_head(7, op, true, parts);
	Slice		body = body_of(&head, sizeof(head), parts);
	BusTrack	got;
	PresenceParts got_text;
	bool		good = presence_decode_track(body, &got, &got_text);

	good = good && memcmp(&got, &head, sizeof(head)) == 0 &&
		slice_equals(got_text.topic, parts->topic) && slice_equals(got_text.key, parts->key) &&
		slice_equals(got_text.meta, parts->meta);
	release(body);
	return good;
}

/* Does a BUS_PRESENT decode, and to the same? */
static bool
presents(PresenceOp op, uint64 ref, uint64 prev_ref, const PresenceParts *parts)
{
	BusPresent	head = presence_head(op, false, parts);
	Slice		body;
	BusPresent	got;
	PresenceParts got_text;
	bool		good;

	head.ref = ref;
	head.prev_ref = prev_ref;
	body = body_of(&head, sizeof(head), parts);
	good = presence_decode_present(body, &got, &got_text) &&
		memcmp(&got, &head, sizeof(head)) == 0 &&
		slice_equals(got_text.topic, parts->topic) && slice_equals(got_text.key, parts->key) &&
		slice_equals(got_text.meta, parts->meta);
	release(body);
	return good;
}

/* The sample with another key. */
static PresenceParts
with_key(Slice key)
{
	PresenceParts parts = sample;

	parts.key = key;
	return parts;
}

/* The sample with another meta. */
static PresenceParts
with_meta(Slice meta)
{
	PresenceParts parts = sample;

	parts.meta = meta;
	return parts;
}

/* The sample with another topic. */
static PresenceParts
with_topic(Slice topic)
{
	PresenceParts parts = sample;

	parts.topic = topic;
	return parts;
}

/* What may be tracked, and what may not. */
static void
test_track(void)
{
	static char key[PRESENCE_KEY_MAX_BYTES + 1];
	static char meta[PRESENCE_META_MAX_BYTES + 1];
	static const char *const bad_metas[] = {"", " ", "[]", "null", "1", "\"{}\"", "{", "{}}", "{\"a\"}"};
	static const Slice bad_keys[] = {P(""), P("\xff"), P("\xc3"), P("a\0b")};
	PresenceParts parts;
	bool		good = true;

	ok(tracks(TRACK_META, &sample), "a meta");
	ok(tracks(TRACK_NO_MORE, &no_text), "none any more");
	ok(!tracks(TRACK_NO_MORE, &sample), "none any more, and a meta");
	ok(!tracks(TRACK_META, &no_text), "no texts");
	ok(!tracks((TrackOp) 2, &sample), "another operation");

	for (int i = 0; i < lengthof(bad_metas); i++)
	{
		parts = with_meta(slice_make(bad_metas[i], strlen(bad_metas[i])));
		good = good && !tracks(TRACK_META, &parts);
	}
	ok(good, "metas that are no JSON object");
	for (int i = 0; i < lengthof(bad_keys); i++)
	{
		parts = with_key(bad_keys[i]);
		good = good && !tracks(TRACK_META, &parts);
	}
	ok(good, "keys that are no text");

	memset(key, 'k', sizeof(key));
	parts = with_key(slice_make(key, sizeof(key) - 1));
	ok(tracks(TRACK_META, &parts), "the longest key");
	parts = with_key(slice_make(key, sizeof(key)));
	ok(!tracks(TRACK_META, &parts), "a longer one");
	parts = with_topic(slice_make(key, TOPIC_MAX_BYTES));
	ok(tracks(TRACK_META, &parts), "the longest topic");
	parts = with_topic(slice_make(key, TOPIC_MAX_BYTES + 1));
	ok(!tracks(TRACK_META, &parts), "a longer one");
	parts = with_topic(slice_make(key, 0));
	ok(!tracks(TRACK_META, &parts), "no topic");

	memset(meta, ' ', sizeof(meta));
	memcpy(meta, "{}", 2);
	parts = with_meta(slice_make(meta, sizeof(meta) - 1));
	ok(tracks(TRACK_META, &parts), "the longest meta");
	parts = with_meta(slice_make(meta, sizeof(meta)));
	ok(!tracks(TRACK_META, &parts), "a longer one");
}

/* What the hub says, and what it does not. */
static void
test_present(void)
{
	static const PresenceParts bare = {P("room:42"), P(""), P("")};

	ok(presents(PRESENCE_JOIN, 5, 0, &sample), "a join");
	ok(!presents(PRESENCE_JOIN, 0, 0, &sample) && !presents(PRESENCE_JOIN, 5, 4, &sample) &&
	   !presents(PRESENCE_JOIN, 5, 0, &bare), "other refs or texts");
	ok(presents(PRESENCE_UPDATE, 6, 5, &sample), "an update");
	ok(!presents(PRESENCE_UPDATE, 6, 0, &sample) && !presents(PRESENCE_UPDATE, 0, 5, &sample) &&
	   !presents(PRESENCE_UPDATE, 5, 5, &sample) && !presents(PRESENCE_UPDATE, 6, 5, &bare),
	   "other refs or texts");
	ok(presents(PRESENCE_LEAVE, 6, 0, &bare), "a leave");
	ok(!presents(PRESENCE_LEAVE, 0, 0, &bare) && !presents(PRESENCE_LEAVE, 6, 5, &bare) &&
	   !presents(PRESENCE_LEAVE, 6, 0, &sample) && !presents(PRESENCE_LEAVE, 6, 0, &no_text),
	   "other refs or texts");
	ok(presents(PRESENCE_BEGIN, 0, 0, &bare), "a beginning");
	ok(!presents(PRESENCE_BEGIN, 1, 0, &bare) && !presents(PRESENCE_BEGIN, 0, 1, &bare) &&
	   !presents(PRESENCE_BEGIN, 0, 0, &sample) && !presents(PRESENCE_BEGIN, 0, 0, &no_text),
	   "other refs or texts");
	ok(!presents((PresenceOp) 4, 5, 0, &sample), "another operation");
}

/* Cut at every place, longer by a byte, and with any byte of the head set. */
static void
test_damage(void)
{
	BusTrack	track = presence_track_head(1, TRACK_META, false, &sample);
	BusPresent	present = presence_head(PRESENCE_JOIN, false, &sample);
	BusTrack	got_track;
	BusPresent	got_present;
	PresenceParts parts;
	Slice		track_body = body_of(&track, sizeof(track), &sample);
	Slice		present_body;
	bool		good = true;

	present.ref = 1;
	present_body = body_of(&present, sizeof(present), &sample);
	for (size_t len = 0; len < track_body.len; len++)
	{
		Slice		part = exact(slice_make(track_body.data, len));

		good = good && !presence_decode_track(part, &got_track, &parts);
		release(part);
	}
	for (size_t len = 0; len < present_body.len; len++)
	{
		Slice		part = exact(slice_make(present_body.data, len));

		good = good && !presence_decode_present(part, &got_present, &parts);
		release(part);
	}
	ok(good, "cut at every place");

	for (size_t at = offsetof(BusTrack, op); at < sizeof(BusTrack); at++)
	{
		char	   *byte = unconstify(char *, track_body.data) + at;
		char		was = *byte;

		*byte = (char) 0xFF;
		good = good && !presence_decode_track(track_body, &got_track, &parts);
		*byte = was;
	}
	for (size_t at = offsetof(BusPresent, prev_ref); at < sizeof(BusPresent); at++)
	{
		char	   *byte = unconstify(char *, present_body.data) + at;
		char		was = *byte;

		*byte = (char) 0xFF;
		good = good && !presence_decode_present(present_body, &got_present, &parts);
		*byte = was;
	}
	ok(good, "any other byte in the head");
	ok(presence_decode_track(track_body, &got_track, &parts) &&
	   presence_decode_present(present_body, &got_present, &parts), "unharmed they decode");
	release(track_body);
	release(present_body);
}

/* BUS_WATCH and the frames that are a number. */
static void
test_watch(void)
{
	BusWatch	watch = {.seq = 9,.add = 1,.is_private = 1};
	BusWatch	got;
	PresenceParts parts = {P("room"), P(""), P("")};
	Slice		body = body_of(&watch, sizeof(watch), &parts);
	Slice		topic;
	uint64		number = 17;
	bool		good = true;

	ok(presence_decode_watch(body, &got, &topic) && memcmp(&got, &watch, sizeof(got)) == 0 &&
	   slice_equals(topic, parts.topic), "a watch");
	ok(!presence_decode_watch(slice_make(body.data, sizeof(watch)), &got, &topic), "no topic");
	for (size_t at = offsetof(BusWatch, add); at < sizeof(BusWatch); at++)
	{
		char	   *byte = unconstify(char *, body.data) + at;
		char		was = *byte;

		*byte = 2;
		good = good && !presence_decode_watch(body, &got, &topic);
		*byte = was;
	}
	ok(good, "any other byte behind the number");
	release(body);

	body = exact(slice_make((char *) &number, sizeof(number)));
	number = 0;
	ok(presence_decode_number(body, &number) && number == 17, "a number");
	ok(!presence_decode_number(slice_make(body.data, 7), &number), "not a whole one");
	release(body);
}

int
main(void)
{
	test_track();
	test_present();
	test_damage();
	test_watch();
	return done_testing();
}
