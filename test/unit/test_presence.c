/*-------------------------------------------------------------------------
 *
 * test_presence.c
 *	  Presence in a gateway, between a hub and clients that are not there.
 *
 * The hub's store is real, and so is everything of presence in the gateway.
 * The bus between them is two buffers, which a test empties when it likes; a
 * connection is one that writes down what it is given, and a client behind it
 * looks at every message.
 *
 * In the random part several topics, private and public, are joined, left and
 * tracked on at any time, by this gateway and another, with much or little on
 * its way, and in the last run with memory that fails now and then.  Whenever
 * all has arrived, each client knows what the store knows.
 *
 * test/unit/test_presence.c
 *
 *-------------------------------------------------------------------------
 */
#include "presence_client.h"

#include <limits.h>

#include "gateway/channels.h"
#include "gateway/presence.h"
#include "gateway/presence_form.h"
#include "hub/presence_store.h"
#include "program/bus_link.h"
#include "proto/ws_frame.h"

#define MEMBERS 24				/* channels of this gateway, and of the other */
#define TOPICS 4				/* two names, private and public */
#define KEYS 5
#define METAS 4
#define STEPS 60000
#define WATCHER 2				/* a slot by which the test looks into the
								 * store */

/* A connection with one channel. */
typedef struct Fake
{
	Conn		conn;			/* must be first */
	Channel    *channel;		/* NULL = there is none */
	Presence   *presence;
	PresenceClient client;
	Bytes		in;				/* what it was given and has not looked at */
	FrameBuf   *last;			/* the shared buffer it was given last */
	bool		closed;			/* by the gateway */
	bool		listens;
	int			states;			/* messages that came */
	int			diffs;
	int			topic;
	const char *key;
	const char *meta;			/* what it tracks; NULL = nothing */
} Fake;

static const char *const names[TOPICS / 2] = {"room", "room:1"};
static const char *const keys[KEYS] = {"a", "b", "__proto__", "\xc3\xa9", "\"\\"};
static const char *const metas[METAS] = {"{}", "{\"a\":1}", "{\"a\":2}", "{\"a\":{\"phx_ref\":1}}"};

int64		loop_now;
int64		loop_wall;
uint64		gw_stats[BUS_STAT_COUNT];

static Topic *topics[TOPICS];
static Fake fakes[MEMBERS];
static struct
{
	const char *key;			/* NULL = nothing is tracked */
	const char *meta;
	int			topic;
}			others[MEMBERS];	/* of the other gateway */

static Bytes to_hub;			/* frames on their way */
static Bytes to_gateway;
static size_t queued;			/* what bus_queued() says beyond to_hub */
static uint64 hub_seq;
static uint64 hub_acked;
static int	words_seen;			/* BUS_TRACK frames that the hub got */
static bool bus_right = true;

static bool failing;			/* memory fails now and then */
static int	failures;

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
extern void *__real_realloc(void *p, size_t size);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t n, size_t size);
extern void *__wrap_realloc(void *p, size_t size);

/* Is this one of the times that memory fails? */
static bool
fails_now(void)
{
	if (!failing || tap_below(60) != 0)
		return false;
	failures++;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails_now() ? NULL : __real_realloc(p, size);
}

/*
 * Memory does not fail in what the test does itself; returns whether it did
 * for the gateway.
 */
static bool
steady(void)
{
	bool		was = failing;

	failing = false;
	return was;
}

/* Put a frame on a bus. */
static void
put_frame(Bytes *bus, int type, const void *head, size_t head_len, Slice rest)
{
	char		header[BUS_HEADER_BYTES];

	bus_frame_header(header, type, head_len + rest.len);
	bytes_append(bus, header, sizeof(header));
	bytes_append(bus, head, head_len);
	bytes_append_slice(bus, rest);
}

/* What the gateway asks of other files. */
void
bus_send(BusFrameType type, const void *head, size_t head_len,
		 const void *rest, size_t rest_len)
{
	bool		was = steady();

	put_frame(&to_hub, type, head, head_len, slice_make(rest, rest_len));
	failing = was;
}

size_t
bus_queued(void)
{
	return to_hub.len + queued;
}

uint32
topics_hash(Slice name)
{
	/* the same for all, so that names have to be compared */
	return 7;
}

void
conn_write(Conn *conn, const char *data, size_t len)
{
	Fake	   *fake = (Fake *) conn;
	bool		was = steady();

	if (!fake->closed)
		bytes_append(&fake->in, data, len);
	failing = was;
}

bool
conn_deliver(Conn *conn, FrameBuf *buf, uint32 start, uint32 end)
{
	Fake	   *fake = (Fake *) conn;

	conn_write(conn, buf->data + start, end - start);
	fake->last = buf;
	return !fake->closed;
}

void
conn_close(Conn *conn, int code, const char *reason)
{
	((Fake *) conn)->closed = true;
}

void
reply_no_memory(Conn *conn)
{
	((Fake *) conn)->closed = true;
}

/* Nobody here speaks Socket.IO. */
const PresenceForm sio_presence_form;

/* The store tells of a change. */
static Bytes truth;				/* what the test is told itself: bodies with
								 * length */

static void
emit(uint64 slots, const BusPresent *head, Slice rest)
{
	bool		was = steady();

	if ((slots & 1) != 0)
		put_frame(&to_gateway, BUS_PRESENT, head, sizeof(*head), rest);
	if ((slots & (1 << WATCHER)) != 0)
		put_frame(&truth, BUS_PRESENT, head, sizeof(*head), rest);
	failing = was;
}

/* Take the first frame off a bus; false if there is none. */
static bool
take_frame(Bytes *bus, BusHeader *header, Slice *body)
{
	ssize_t		n = bus_frame_decode(bus->data, bus->len, header, body);

	if (n <= 0)
		return false;
	*body = exact(*body);
	bytes_consume(bus, n);
	return true;
}

/* The hub reads some frames and acknowledges what was watched. */
static void
run_hub(int max)
{
	BusHeader	header;
	Slice		body;

	while (max-- > 0 && take_frame(&to_hub, &header, &body))
	{
		BusTrack	track;
		BusWatch	watch;
		PresenceParts parts;
		Slice		topic;

		if (header.type == BUS_TRACK && presence_decode_track(body, &track, &parts))
		{
			words_seen++;
			if (track.op == TRACK_NO_MORE)
				presence_store_untrack(0, track.member);
			else
				switch (presence_store_track(0, track.member, track.is_private, &parts))
				{
					case TRACK_TAKEN:
						break;
					case TRACK_FULL:
						put_frame(&to_gateway, BUS_TRACK_REFUSED, &track.member,
								  sizeof(track.member), B(""));
						break;
					case TRACK_CONTRADICTION:
						bus_right = false;
				}
		}
		else if (header.type == BUS_WATCH && presence_decode_watch(body, &watch, &topic) &&
				 watch.seq == hub_seq + 1)
		{
			hub_seq = watch.seq;
			if (!watch.add)
				presence_store_unwatch(0, watch.is_private, topic);
			else if (!presence_store_watch(0, watch.is_private, topic))
				bus_right = false;
		}
		else
			bus_right = false;
		release(body);
	}
	if (hub_acked < hub_seq)
		put_frame(&to_gateway, BUS_WATCHED, &hub_seq, sizeof(hub_seq), B(""));
	hub_acked = hub_seq;
}

/* One frame comes to the gateway. */
static bool
gateway_takes(int type, Slice body)
{
	Channel    *refused = NULL;

	switch (type)
	{
		case BUS_PRESENT:
			return presence_topics_present(body);
		case BUS_WATCHED:
			return presence_topics_watched(body);
		case BUS_TRACK_REFUSED:
			if (!presence_take_refused(body, &refused))
				return false;
			if (refused != NULL)
				conn_close(refused->conn, WS_CLOSE_TRY_LATER, "full");
			return true;
		default:
			return false;
	}
}

/* The gateway reads some frames. */
static void
run_bus(int max, bool with_failures)
{
	BusHeader	header;
	Slice		body;

	while (max-- > 0 && take_frame(&to_gateway, &header, &body))
	{
		failing = with_failures;
		if (!gateway_takes(header.type, body))
			bus_right = false;
		failing = false;
		release(body);
	}
}

/* Length of the first WebSocket frame and its payload; 0 if there is none. */
static size_t
first_message(const Bytes *in, Slice *payload)
{
	const uint8 *p = (const uint8 *) in->data;
	size_t		len;
	size_t		head = 2;

	if (in->len < 2 || p[0] != (0x80 | WS_OP_TEXT))
		return 0;
	len = p[1];
	if (len >= 126)
	{
		int			n = len == 126 ? 2 : 8;

		head += n;
		len = 0;
		for (int i = 0; i < n && in->len >= head; i++)
			len = len << 8 | p[2 + i];
	}
	if (in->len < head + len)
		return 0;
	*payload = slice_make(in->data + head, len);
	return head + len;
}

/* A client looks at one message. */
static void
look_at(Fake *fake, Slice text)
{
	PhxVersion	version = fake->conn.version;
	Slice		parts[5];
	const char *error;
	int			n = 0;
	Slice		event;

	if (version == PHX_V2)
	{
		if (!jslice_validate_array(text.data, text.len, parts, 5, &n, &error))
			n = 0;
	}
	else if (jslice_validate(text.data, text.len, &error))
	{
		parts[1] = jslice_get(text, "ref");
		parts[2] = jslice_get(text, "topic");
		parts[3] = jslice_get(text, "event");
		parts[4] = jslice_get(text, "payload");
		n = 5;
	}
	if (n != 5 || !slice_equals_cstr(parts[1], "null") ||
		!jslice_string_equals(parts[2], topic_full_name(topics[fake->topic])))
	{
		client_error(&fake->client, "a bad message");
		return;
	}
	event = parts[3];
	if (jslice_string_equals(event, B("presence_state")))
	{
		if (version == PHX_V2 && !slice_equals(parts[0], channel_join_ref(fake->channel)))
			client_error(&fake->client, "a state with another join ref");
		fake->states++;
		client_state(&fake->client, parts[4]);
	}
	else if (jslice_string_equals(event, B("presence_diff")))
	{
		if (version == PHX_V2 && !slice_equals_cstr(parts[0], "null"))
			client_error(&fake->client, "a diff with a join ref");
		fake->diffs++;
		client_diff(&fake->client, parts[4]);
	}
	else
		client_error(&fake->client, "an unknown message");
}

/* A client looks at all that came; false if something is wrong. */
static bool
look(Fake *fake)
{
	Slice		payload;
	size_t		n;

	while ((n = first_message(&fake->in, &payload)) > 0)
	{
		Slice		copy = exact(payload);

		look_at(fake, copy);
		release(copy);
		bytes_consume(&fake->in, n);
	}
	if (fake->in.len > 0)
		client_error(&fake->client, "half a message");
	if (fake->client.error != NULL)
		diag("%s", fake->client.error);
	return fake->client.error == NULL;
}

/* A channel of a topic, with a join ref of its own. */
static void
join(Fake *fake, int topic, PhxVersion version)
{
	static int	joins;
	char		join_ref[16];

	memset(fake, 0, sizeof(*fake));
	snprintf(join_ref, sizeof(join_ref), "\"%d\"", ++joins);
	fake->conn.version = version;
	fake->topic = topic;
	fake->channel = calloc(1, offsetof(Channel, join_ref) + strlen(join_ref));
	fake->channel->conn = &fake->conn;
	fake->channel->topic = topics[topic];
	fake->channel->join_ref_len = (uint8) strlen(join_ref);
	memcpy(fake->channel->join_ref, join_ref, strlen(join_ref));
}

/* It ends. */
static void
leave(Fake *fake)
{
	if (fake->presence != NULL)
		presence_close(fake->presence);
	free(fake->channel);
	fake->channel = NULL;
	fake->presence = NULL;
	fake->meta = NULL;
	client_clear(&fake->client);
	bytes_free(&fake->in);
}

/* A join with presence enabled; the key is plain and becomes JSON. */
static void
join_present(Fake *fake, int topic, PhxVersion version, const char *key)
{
	Bytes		json;

	join(fake, topic, version);
	bytes_init(&json);
	jslice_append_string(&json, slice_make(key, strlen(key)));
	fake->key = key;
	fake->presence = presence_open(fake->channel, bytes_slice(&json));
	if (fake->presence == NULL || !presence_listen(fake->presence))
		abort();
	fake->listens = true;
	bytes_free(&json);
}

/* A turn of the gateway's loop; what was closed is reaped. */
static bool
turn(int64 ms)
{
	bool		good = true;

	loop_now += ms;
	presence_topics_tell(loop_now);
	for (int i = 0; i < MEMBERS; i++)
	{
		Fake	   *fake = &fakes[i];

		if (fake->channel == NULL)
			continue;
		/* who is closed by accident may have been given half a message */
		if (!fake->closed)
			good = look(fake) && good;
		else
			leave(fake);
	}
	presence_flush();
	return good;
}

/* Turns until nothing is on its way or waits. */
static bool
settle(void)
{
	bool		good = turn(0);

	while (good && (to_hub.len > 0 || to_gateway.len > 0))
	{
		run_hub(INT_MAX);
		run_bus(INT_MAX, false);
		good = turn(1);
	}
	return good && turn(1000) && bus_right;
}

/* Does a client know just what the store has of its topic? */
static bool
knows_truth(const Fake *fake)
{
	Slice		name = topic_name(topics[fake->topic]);
	bool		is_private = topics[fake->topic]->is_private;
	BusHeader	header;
	Slice		body;
	int			count = -1;		/* of PRESENCE_BEGIN */
	bool		good = presence_store_watch(WATCHER, is_private, name);

	presence_store_unwatch(WATCHER, is_private, name);
	while (take_frame(&truth, &header, &body))
	{
		BusPresent	head;
		PresenceParts parts;
		char		key[40];
		char		meta[80];

		good = presence_decode_present(body, &head, &parts) &&
			copy_string(key, sizeof(key), parts.key) &&
			copy_string(meta, sizeof(meta), parts.meta) &&
			(count++ < 0 || client_has(&fake->client, head.ref, key, meta)) && good;
		release(body);
	}
	return good && fake->client.stated && fake->client.count == count;
}

/* Times that a key is there with a meta on a topic. */
static int
count_tracked(int topic, const char *key, const char *meta)
{
	int			n = 0;

	for (int i = 0; i < MEMBERS; i++)
	{
		n += fakes[i].channel != NULL && fakes[i].meta != NULL && fakes[i].topic == topic &&
			strcmp(fakes[i].key, key) == 0 && strcmp(fakes[i].meta, meta) == 0;
		n += others[i].key != NULL && others[i].topic == topic &&
			strcmp(others[i].key, key) == 0 && strcmp(others[i].meta, meta) == 0;
	}
	return n;
}

/* Does a client know just what all are tracking? */
static bool
knows_all(const Fake *fake)
{
	int			count = 0;

	for (int k = 0; k < KEYS; k++)
	{
		for (int m = 0; m < METAS; m++)
		{
			int			n = 0;

			for (int i = 0; i < fake->client.count; i++)
				n += strcmp(fake->client.metas[i].key, keys[k]) == 0 &&
					strcmp(fake->client.metas[i].user, metas[m]) == 0;
			if (n != count_tracked(fake->topic, keys[k], metas[m]))
				return false;
			count += n;
		}
	}
	return count == fake->client.count;
}

/* Does the hub still tell the gateway of any topic? */
static bool
is_told(void)
{
	bool		told = false;

	for (int i = 0; i < TOPICS; i++)
	{
		PresenceParts parts = {topic_name(topics[i]), P("k"), P("{}")};

		told = presence_store_track(1, 0, i % 2, &parts) != TRACK_TAKEN || told;
		presence_store_untrack(1, 0);
		told = to_gateway.len > 0 || told;
	}
	return told;
}

/* Everybody leaves; nothing stays behind. */
static bool
all_leave(void)
{
	bool		good;

	for (int i = 0; i < MEMBERS; i++)
	{
		if (fakes[i].channel != NULL)
			leave(&fakes[i]);
		others[i].key = NULL;
	}
	presence_store_forget(1);
	good = settle();
	return good && presence_store_members() == 0 && presence_store_bytes() == 0 && !is_told();
}

/* One after the other. */
static void
test_story(void)
{
	Fake	   *a = &fakes[0];
	Fake	   *b = &fakes[1];
	Fake	   *c = &fakes[2];

	join_present(a, 0, PHX_V2, "a");
	join_present(b, 0, PHX_V1, "b");
	ok(turn(0) && a->states == 0, "no state before the hub has told it");
	ok(settle() && a->states == 1 && b->states == 1, "then each gets one");
	ok(presence_track(a->presence, B("{\"a\":1}")) && settle(), "one tracks");
	ok(a->diffs == 1 && b->diffs == 1, "both are told");
	ok(knows_truth(a) && knows_truth(b) && a->client.count == 1, "both know");
	ok(presence_track(a->presence, B("{\"a\":1}")) && settle() && a->diffs == 1,
	   "the same again is not told");

	join_present(c, 0, PHX_V2, "a");
	ok(turn(0) && c->states == 1 && knows_truth(c), "a third one gets the state at once");
	ok(presence_track(c->presence, B("{\"a\":2}")) && presence_track(b->presence, B("{}")) && settle(),
	   "the others track");
	ok(a->diffs == 2 && c->diffs == 1 && knows_truth(a) && knows_truth(c), "in one diff");
	ok(presence_track(b->presence, B("{\"a\":1}")) && presence_track(b->presence, B("{\"a\":2}")) &&
	   settle() && a->diffs == 3 && knows_truth(a), "of two metas in a turn the last one is told");

	presence_deafen(b->presence);
	presence_untrack(a->presence);
	ok(settle() && a->diffs == 4 && b->diffs == 3 && knows_truth(a), "who does not listen is not told");
	words_seen = 0;
	presence_untrack(a->presence);
	ok(settle() && a->diffs == 4 && words_seen == 0, "nothing is untracked twice");
	leave(b);
	ok(settle() && a->diffs == 5 && a->client.count == 1, "who leaves, leaves");
	ok(presence_listen(a->presence) && turn(0) && a->states == 1, "who listens already gets nothing new");

	leave(a);
	join_present(a, 0, PHX_V2, "a");
	ok(settle() && a->states == 1 && knows_truth(a), "one comes back");
	leave(a);
	leave(c);
	words_seen = 0;
	ok(turn(0), "all leave");
	join_present(a, 0, PHX_V2, "a");
	ok(settle() && a->states == 1 && knows_truth(a), "one comes back before the hub knows that all left");
	ok(a->client.count == 0 && words_seen == 1, "and is alone");
	ok(all_leave(), "nobody is left");
}

/* A private topic is not the public one. */
static void
test_private(void)
{
	join_present(&fakes[0], 0, PHX_V2, "a");
	join_present(&fakes[1], 1, PHX_V2, "b");
	ok(presence_track(fakes[0].presence, B("{}")) && settle(), "on the public topic");
	is_int(fakes[0].client.count, 1, "it is seen there");
	is_int(fakes[1].client.count, 0, "and not on the private one");
	ok(all_leave(), "nobody is left");
}

/* Keys as they come. */
static void
test_keys(void)
{
	static char long_key[PRESENCE_KEY_MAX_BYTES + 3];
	Fake	   *fake = &fakes[0];
	const struct
	{
		Slice		raw;
		const char *key;		/* NULL = a UUID */
	}			cases[] = {
		{P("\"\\u0061\""), "a"},
		{P("7"), "7"},
		{P("-1.5e3"), "-1.5e3"},
		{P(""), NULL},
		{P("\"\""), NULL},
		{P("{}"), NULL},
		{{long_key, sizeof(long_key)}, NULL},
	};

	memset(long_key, 'k', sizeof(long_key));
	long_key[0] = long_key[sizeof(long_key) - 1] = '"';
	for (int i = 0; i < lengthof(cases); i++)
	{
		const char *got;

		join(fake, 0, PHX_V2);
		fake->presence = presence_open(fake->channel, cases[i].raw);
		ok(presence_listen(fake->presence) && presence_track(fake->presence, B("{}")) && settle() &&
		   fake->client.count == 1, "a key");
		got = fake->client.metas[0].key;
		if (cases[i].key != NULL)
			is_text(slice_make(got, strlen(got)), cases[i].key, "as it was given");
		else
			ok(strlen(got) == 36 && strspn(got, "0123456789abcdef-") == 36 && got[14] == '4',
			   "a UUID: %s", got);
		leave(fake);
	}
	ok(all_leave(), "nobody is left");
}

/* Calls are counted from the first one of a window. */
static void
test_calls(void)
{
	Fake	   *fake = &fakes[0];

	join(fake, 0, PHX_V2);
	fake->presence = presence_open(fake->channel, B(""));
	is_int(presence_count_call(fake->presence, 1000, 100), 1, "the first call");
	is_int(presence_count_call(fake->presence, 1001, 100), 2, "the second");
	is_int(presence_count_call(fake->presence, 1099, 100), 3, "the last of the window");
	is_int(presence_count_call(fake->presence, 1100, 100), 1, "the first of the next one");
	is_int(presence_count_call(fake->presence, 1199, 100), 2, "which begins with it");
	is_int(presence_count_call(fake->presence, 1050, 100), 3, "a clock that went back ends none");
	leave(fake);
	ok(all_leave(), "nobody is left");
}

/* A bus that is full makes words wait, and the latest one is said. */
static void
test_full_bus(void)
{
	for (int i = 0; i < 3; i++)
		join_present(&fakes[i], 0, PHX_V2, keys[i]);
	ok(settle(), "three channels");
	queued = BUS_OUT_MARK;
	words_seen = 0;
	ok(presence_track(fakes[0].presence, B("{\"a\":1}")) && turn(0) &&
	   presence_track(fakes[0].presence, B("{\"a\":2}")) && turn(0), "one tracks twice");
	ok(presence_track(fakes[1].presence, B("{}")) && turn(0), "one tracks");
	presence_untrack(fakes[1].presence);
	ok(presence_track(fakes[2].presence, B("{}")) && turn(0), "one tracks");
	leave(&fakes[2]);
	ok(turn(0) && to_hub.len == 0, "nothing is said");
	queued = 0;
	ok(settle() && words_seen == 1, "then the one word that counts is");
	is_int(fakes[0].client.count, 1, "one is there");

	queued = BUS_OUT_MARK;
	leave(&fakes[0]);
	ok(turn(0) && to_hub.len == 0, "who leaves waits to say so");
	queued = 0;
	ok(settle() && fakes[1].client.count == 0, "and says it");
	ok(all_leave(), "nobody is left");
}

/* No room in the store. */
static void
test_refused(void)
{
	Channel    *channel;
	uint64		id = 1;

	join_present(&fakes[0], 0, PHX_V2, "a");
	join_present(&fakes[1], 0, PHX_V2, "b");
	presence_store_limit(1, PG_UINT64_MAX);
	ok(presence_track(fakes[0].presence, B("{}")) && presence_track(fakes[1].presence, B("{}")) &&
	   settle(), "two track where there is room for one");
	ok(fakes[0].channel != NULL && fakes[1].channel == NULL, "the second one's channel is named");
	ok(presence_track(fakes[0].presence, B("{\"a\":1}")) && settle() && fakes[0].channel != NULL,
	   "the first one may change");
	presence_store_limit(PG_UINT64_MAX, PG_UINT64_MAX);
	ok(presence_take_refused(slice_make((char *) &id, sizeof(id)), &channel) && channel == NULL,
	   "a channel that has ended is not named");
	id = PG_UINT64_MAX;
	ok(!presence_take_refused(slice_make((char *) &id, sizeof(id)), &channel), "nor one that never was");
	ok(all_leave(), "nobody is left");
}

/* A state is encoded once, while it stays the same, and not for ever. */
static void
test_shared_state(void)
{
	FrameBuf   *first;

	join_present(&fakes[0], 0, PHX_V2, "a");
	ok(presence_track(fakes[0].presence, B("{}")) && settle(), "one is there");
	for (int i = 1; i < 6; i++)
	{
		join_present(&fakes[i], 0, i < 5 ? PHX_V2 : PHX_V1, "b");
		(void) turn(10);
	}
	first = fakes[1].last;
	ok(fakes[2].last == first && fakes[4].last == first && knows_truth(&fakes[4]),
	   "those that join share one state");
	ok(fakes[5].last != first && knows_truth(&fakes[5]), "but not with another version");
	ok(presence_topics_deadline() > loop_now && presence_topics_deadline() <= loop_now + 1000,
	   "it has a time to be forgotten");
	frame_buf_ref(first);
	(void) turn(presence_topics_deadline() - loop_now);
	is_int(first->refs, 1, "and is, then");
	is_int(presence_topics_deadline(), LOOP_NEVER, "nothing else is due");

	join_present(&fakes[6], 0, PHX_V2, "b");
	ok(fakes[6].last != first && turn(0) && knows_truth(&fakes[6]), "the next one gets a new one");
	frame_buf_unref(first);
	first = frame_buf_ref(fakes[6].last);
	presence_untrack(fakes[0].presence);
	ok(settle(), "a change is told");
	is_int(first->refs, 1, "and the state forgotten");
	frame_buf_unref(first);
	join_present(&fakes[7], 0, PHX_V2, "b");
	ok(turn(0) && knows_truth(&fakes[7]), "who joins then knows of it");
	ok(all_leave(), "nobody is left");
}

/* Many listeners are told less often. */
static void
test_pace(void)
{
	enum
	{
		MANY = 500				/* at 25 deliveries per ms: a diff in 20 ms */
	};
	static Fake crowd[MANY];
	PresenceParts parts = {{NULL, 0}, P("k"), P("{}")};
	Slice		name = topic_name(topics[0]);
	int			diffs;

	parts.topic = name;
	join_present(&fakes[0], 0, PHX_V2, "a");
	for (int i = 0; i < MANY; i++)
		join_present(&crowd[i], 0, PHX_V2, "b");
	ok(settle() && fakes[0].states == 1, "many listen");
	for (int i = 0; i < 100; i++)
	{
		if (presence_store_track(1, i, false, &parts) != TRACK_TAKEN)
			bus_right = false;
		run_bus(INT_MAX, false);
		(void) turn(1);
		if (i == 0)
			is_int(fakes[0].diffs, 1, "the first change is told at once");
		if (i == 1)
			ok(presence_topics_deadline() > loop_now && presence_topics_deadline() <= loop_now + MANY / 25,
			   "the next one has its time");
	}
	diffs = fakes[0].diffs;
	ok(diffs >= 4 && diffs <= 6, "100 changes in 100 ms are %d diffs", diffs);
	join_present(&fakes[1], 0, PHX_V2, "b");
	ok(turn(0) && fakes[1].client.count < 100, "who joins in between gets the state that was told");
	ok(settle() && knows_truth(&fakes[0]) && knows_truth(&fakes[1]), "and then the rest, like all");
	for (int i = 0; i < MANY; i++)
	{
		bus_right = look(&crowd[i]) && bus_right;
		leave(&crowd[i]);
	}
	presence_store_forget(1);
	ok(all_leave(), "nobody is left");
}

/* A channel does something; memory may fail at that. */
static void
random_channel_step(Fake *fake, bool with_failures)
{
	size_t		dice = tap_below(100);
	bool		good = true;

	if (fake->channel == NULL)
	{
		Bytes		json;

		join(fake, (int) tap_below(TOPICS), (PhxVersion) tap_below(PHX_VERSIONS));
		fake->key = keys[tap_below(KEYS)];
		bytes_init(&json);
		jslice_append_string(&json, slice_make(fake->key, strlen(fake->key)));
		failing = with_failures;
		fake->presence = presence_open(fake->channel, bytes_slice(&json));
		fake->listens = dice >= 10;
		good = fake->presence != NULL && (!fake->listens || presence_listen(fake->presence));
		failing = false;
		bytes_free(&json);
	}
	else if (fake->presence == NULL)
		return;
	else if (dice < 50)
	{
		const char *meta = metas[tap_below(METAS)];

		failing = with_failures;
		good = presence_track(fake->presence, slice_make(meta, strlen(meta)));
		failing = false;
		fake->meta = meta;
	}
	else if (dice < 70)
	{
		presence_untrack(fake->presence);
		fake->meta = NULL;
	}
	else if (dice < 75)
	{
		if (!look(fake))
			bus_right = false;
		presence_deafen(fake->presence);
		fake->listens = false;
		client_clear(&fake->client);
	}
	else if (dice < 80)
	{
		fake->listens = true;
		failing = with_failures;
		good = presence_listen(fake->presence);
		failing = false;
	}
	else
		leave(fake);
	if (!good)
		fake->closed = true;
}

/* A member of the other gateway does something. */
static void
random_other_step(int i)
{
	PresenceParts parts;

	if (others[i].key != NULL && tap_below(3) == 0)
	{
		presence_store_untrack(1, i);
		others[i].key = NULL;
		return;
	}
	if (others[i].key == NULL)
	{
		others[i].key = keys[tap_below(KEYS)];
		others[i].topic = (int) tap_below(TOPICS);
	}
	others[i].meta = metas[tap_below(METAS)];
	parts.topic = topic_name(topics[others[i].topic]);
	parts.key = slice_make(others[i].key, strlen(others[i].key));
	parts.meta = slice_make(others[i].meta, strlen(others[i].meta));
	if (presence_store_track(1, i, others[i].topic % 2, &parts) != TRACK_TAKEN)
		bus_right = false;
}

/* Everything arrives: then all clients know everything. */
static bool
all_know(void)
{
	if (!settle())
		return false;
	for (int i = 0; i < MEMBERS; i++)
	{
		Fake	   *fake = &fakes[i];

		if (fake->channel != NULL && fake->listens &&
			!(knows_truth(fake) && knows_all(fake)))
			return false;
	}
	return true;
}

/* Anything in any order. */
static void
test_random(bool with_failures, const char *name)
{
	bool		good = true;
	int			checked = 0;

	for (int step = 0; good && step < STEPS; step++)
	{
		size_t		dice = tap_below(1000);

		if (dice < 400)
			random_channel_step(&fakes[tap_below(MEMBERS)], with_failures);
		else if (dice < 550)
			random_other_step((int) tap_below(MEMBERS));
		else if (dice < 700)
			run_hub((int) tap_below(8));
		else if (dice < 850)
			run_bus((int) tap_below(8), with_failures);
		else if (dice < 997)
		{
			failing = with_failures;
			presence_topics_tell(loop_now);
			failing = false;
			good = turn((int64) tap_below(3));
		}
		else if (dice < 999)
		{
			good = all_know();
			checked++;
		}
		else
		{
			presence_store_forget(1);
			for (int i = 0; i < MEMBERS; i++)
				others[i].key = NULL;
		}
		good = good && bus_right;
		if (!good)
			diag("step %d", step);
	}
	ok(good && all_know(), "%s", name);
	ok(checked > 50, "all was known at %d times", checked);
	ok(all_leave(), "nobody is left");
}

/* What the hub never says. */
static void
test_bad_frames(void)
{
	BusPresent	head = {.ref = 1,.op = PRESENCE_LEAVE,.topic_len = 4};
	struct
	{
		BusPresent	head;
		char		topic[4];
	}			leaving = {head, {'r', 'o', 'o', 'm'}};
	Slice		frame = slice_make((char *) &leaving, sizeof(head) + 4);
	uint64		seq = PG_UINT64_MAX;

	ok(!presence_topics_present(B("garbage")) && !presence_topics_watched(B("no seq")), "garbage");
	ok(!presence_topics_watched(slice_make((char *) &seq, sizeof(seq))), "a watch that never was");
	ok(presence_topics_present(frame), "nobody listens: nobody cares");
	join_present(&fakes[0], 0, PHX_V2, "a");
	ok(settle() && !presence_topics_present(frame), "somebody leaves who is not there");
	ok(all_leave(), "nobody is left");
}

int
main(void)
{
	for (int i = 0; i < TOPICS; i++)
	{
		Slice		name = slice_make(names[i / 2], strlen(names[i / 2]));

		topics[i] = calloc(1, offsetof(Topic, full_name) + TOPIC_PREFIX_LEN + name.len);
		topics[i]->hash = topics_hash(name);
		topics[i]->is_private = i % 2;
		topics[i]->name_len = (uint8) name.len;
		memcpy(topics[i]->full_name, TOPIC_PREFIX, TOPIC_PREFIX_LEN);
		memcpy(topics[i]->full_name + TOPIC_PREFIX_LEN, name.data, name.len);
	}
	presence_store_init(1, PG_UINT64_MAX - 100, emit);
	ok(presence_topics_init(), "randomness");
	test_story();
	test_private();
	test_keys();
	test_calls();
	test_full_bus();
	test_refused();
	test_shared_state();
	test_pace();
	test_random(false, "random steps");
	test_random(true, "random steps with little memory");
	ok(failures > 100, "%d allocations have failed", failures);
	test_bad_frames();
	for (int i = 0; i < TOPICS; i++)
		free(topics[i]);
	bytes_free(&to_hub);
	bytes_free(&to_gateway);
	bytes_free(&truth);
	return done_testing();
}
