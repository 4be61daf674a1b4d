/*-------------------------------------------------------------------------
 *
 * test_presence_store.c
 *	  Who is on which topic: what the hub tells its gateways.
 *
 * Whatever the store emits is held against a list of what is expected, event
 * by event; in the second part the expectation comes from a model that keeps
 * everything in one array and walks it.
 *
 * test/unit/test_presence_store.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "hub/presence_store.h"

#define FIRST_REF (PG_UINT64_MAX - 100) /* refs are to go past the end */
#define SLOTS 4
#define TOPICS 6				/* of three names, private and public */
#define KEYS 5
#define METAS 4
#define IDS 30					/* of members, on each slot */
#define STEPS 100000

typedef struct Event
{
	uint64		slots;
	int			op;
	uint64		ref;
	uint64		prev_ref;
	int			topic;			/* an index, like the others */
	int			key;			/* -1 = none */
	int			meta;
} Event;

typedef struct ModelMember
{
	int			slot;
	uint64		id;
	int			topic;
	int			key;
	int			meta;
	uint64		ref;
} ModelMember;

static const char *const names[TOPICS / 2] = {"room", "room:1", "r"};
static const char *const keys[KEYS] = {"a", "b", "\xc3\xa9", "\"", "a b"};
static const char *const metas[METAS] = {"{}", "{\"a\":1}", "{\"a\":2}", "{\"x\": {\"y\": []}}"};

static Event *emitted;
static int	nemitted;
static int	emitted_size;
static bool emitted_right = true;

static ModelMember model[SLOTS * IDS];	/* in the order of their coming */
static int	nmodel;
static uint64 watchers[TOPICS];
static uint64 model_ref = FIRST_REF - 1;

static Event *expected;
static int	nexpected;
static int	expected_size;

/* Append to one of the two lists. */
static void
append_event(Event **list, int *n, int *size, const Event *event)
{
	if (*n == *size)
	{
		*size = Max(*size * 2, 16);
		*list = realloc(*list, *size * sizeof(Event));
	}
	(*list)[(*n)++] = *event;
}

/* Which of these is it?  -1 for none. */
static int
index_of(const char *const *list, int n, Slice text)
{
	for (int i = 0; i < n; i++)
	{
		if (slice_equals_cstr(text, list[i]))
			return i;
	}
	return -1;
}

/* The store tells of a change: what a gateway would decode is put down. */
static void
record(uint64 slots, const BusPresent *head, Slice rest)
{
	Bytes		body;
	BusPresent	got;
	PresenceParts texts;
	Event		event;
	Slice		copy;

	bytes_init(&body);
	bytes_append(&body, head, sizeof(*head));
	bytes_append_slice(&body, rest);
	copy = exact(bytes_slice(&body));
	bytes_free(&body);
	if (!presence_decode_present(copy, &got, &texts))
	{
		emitted_right = false;
		release(copy);
		return;
	}
	event.slots = slots;
	event.op = got.op;
	event.ref = got.ref;
	event.prev_ref = got.prev_ref;
	event.topic = index_of(names, TOPICS / 2, texts.topic) * 2 + got.is_private;
	event.key = index_of(keys, KEYS, texts.key);
	event.meta = index_of(metas, METAS, texts.meta);
	release(copy);
	append_event(&emitted, &nemitted, &emitted_size, &event);
}

/* Expect an event, if anybody is told. */
static void
expect(uint64 slots, int op, uint64 ref, uint64 prev_ref, int topic, int key, int meta)
{
	Event		event = {slots, op, ref, prev_ref, topic, key, meta};

	if (slots != 0)
		append_event(&expected, &nexpected, &expected_size, &event);
}

/* Were just those told that were expected?  Empties both lists. */
static bool
as_expected(void)
{
	bool		good = emitted_right && nemitted == nexpected;

	for (int i = 0; good && i < nemitted; i++)
	{
		const Event *e = &emitted[i];
		const Event *x = &expected[i];

		good = e->slots == x->slots && e->op == x->op && e->ref == x->ref &&
			e->prev_ref == x->prev_ref && e->topic == x->topic && e->key == x->key &&
			e->meta == x->meta;
		if (!good)
			diag("event %d: op %d of topic %d, expected op %d of topic %d", i,
				 e->op, e->topic, x->op, x->topic);
	}
	if (nemitted != nexpected)
		diag("%d events, expected %d", nemitted, nexpected);
	nemitted = nexpected = 0;
	return good;
}

/* Texts by their indices. */
static PresenceParts
texts_of(int topic, int key, int meta)
{
	PresenceParts parts;

	parts.topic = slice_make(names[topic / 2], strlen(names[topic / 2]));
	parts.key = slice_make(keys[key], strlen(keys[key]));
	parts.meta = slice_make(metas[meta], strlen(metas[meta]));
	return parts;
}

/* The ref that comes next. */
static uint64
next_ref(void)
{
	if (++model_ref == 0)
		++model_ref;
	return model_ref;
}

/* Place of a member in the model; -1 = it is not there. */
static int
model_find(int slot, uint64 id)
{
	for (int i = 0; i < nmodel; i++)
	{
		if (model[i].slot == slot && model[i].id == id)
			return i;
	}
	return -1;
}

/* Track, in both worlds. */
static bool
track(int slot, uint64 id, int topic, int key, int meta)
{
	PresenceParts parts = texts_of(topic, key, meta);
	TrackVerdict verdict = presence_store_track(slot, id, topic % 2, &parts);
	int			at = model_find(slot, id);
	ModelMember *m = &model[at >= 0 ? at : nmodel];

	if (at < 0)
	{
		nmodel++;
		*m = (ModelMember)
		{
			slot, id, topic, key, meta, next_ref()
		};
		expect(watchers[topic], PRESENCE_JOIN, m->ref, 0, topic, key, meta);
	}
	else if (m->topic != topic || m->key != key)
		return verdict == TRACK_CONTRADICTION && as_expected();
	else if (m->meta != meta)
	{
		uint64		prev_ref = m->ref;

		m->ref = next_ref();
		m->meta = meta;
		expect(watchers[topic], PRESENCE_UPDATE, m->ref, prev_ref, topic, key, meta);
	}
	return verdict == TRACK_TAKEN && as_expected();
}

/* A member of the model leaves. */
static void
model_leave(int at)
{
	ModelMember m = model[at];

	nmodel--;
	memmove(&model[at], &model[at + 1], (nmodel - at) * sizeof(ModelMember));
	expect(watchers[m.topic], PRESENCE_LEAVE, m.ref, 0, m.topic, -1, -1);
}

/* Untrack, in both worlds. */
static bool
untrack(int slot, uint64 id)
{
	int			at = model_find(slot, id);

	presence_store_untrack(slot, id);
	if (at >= 0)
		model_leave(at);
	return as_expected();
}

/* Watch, in both worlds. */
static bool
watch(int slot, int topic)
{
	uint64		bit = UINT64CONST(1) << slot;
	bool		done = presence_store_watch(slot, topic % 2, texts_of(topic, 0, 0).topic);

	watchers[topic] |= bit;
	expect(bit, PRESENCE_BEGIN, 0, 0, topic, -1, -1);
	for (int i = 0; i < nmodel; i++)
	{
		if (model[i].topic == topic)
			expect(bit, PRESENCE_JOIN, model[i].ref, 0, topic, model[i].key, model[i].meta);
	}
	return done && as_expected();
}

/* Unwatch, in both worlds. */
static bool
unwatch(int slot, int topic)
{
	presence_store_unwatch(slot, topic % 2, texts_of(topic, 0, 0).topic);
	watchers[topic] &= ~(UINT64CONST(1) << slot);
	return as_expected();
}

/* A gateway is gone, in both worlds. */
static bool
forget(int slot)
{
	presence_store_forget(slot);
	for (int t = 0; t < TOPICS; t++)
		watchers[t] &= ~(UINT64CONST(1) << slot);
	for (int i = 0; i < nmodel;)
	{
		if (model[i].slot == slot)
			model_leave(i);
		else
			i++;
	}
	return as_expected();
}

/* One after the other. */
static void
test_story(void)
{
	ok(track(0, 1, 0, 0, 0), "a member joins, nobody watches");
	ok(watch(1, 0), "who watches is told the state");
	ok(watch(2, 1), "the private topic of that name is another one");
	ok(track(1, 1, 0, 0, 1), "a member joins, with the key of another");
	ok(track(1, 1, 0, 0, 1), "the same again is no change");
	ok(track(1, 1, 0, 0, 2), "another meta is an update");
	ok(watch(0, 0), "a second one watches and is told alone");
	ok(watch(0, 0), "and is told again when it asks again");
	ok(track(0, 1, 0, 1, 0), "another key is a contradiction");
	ok(track(0, 1, 1, 0, 0), "another topic is one, too");
	ok(track(0, 2, 0, 3, 3), "both are told of a third member");
	ok(unwatch(1, 0) && track(0, 2, 0, 3, 1), "who no longer watches is not told");
	ok(untrack(0, 2), "a member leaves");
	ok(untrack(0, 2), "nothing happens when it leaves again");
	ok(track(0, 2, 0, 3, 1), "it comes back under a new ref");
	ok(forget(1), "a gateway goes, and its members leave");
	ok(forget(0) && forget(2), "all go");
	is_int(presence_store_members(), 0, "nobody is left");
	is_int(presence_store_bytes(), 0, "nothing is held");
}

/* Anything in any order. */
static void
test_random(void)
{
	bool		good = true;

	for (int step = 0; good && step < STEPS; step++)
	{
		int			slot = (int) tap_below(SLOTS);
		int			topic = (int) tap_below(TOPICS);
		uint64		id = tap_below(IDS);
		int			at = model_find(slot, id);
		size_t		dice = tap_below(1000);

		if (dice < 550)
		{
			/* mostly what the member may do */
			bool		right = at >= 0 && tap_below(50) > 0;

			good = track(slot, id, right ? model[at].topic : topic,
						 right ? model[at].key : (int) tap_below(KEYS), (int) tap_below(METAS));
		}
		else if (dice < 900)
			good = untrack(slot, id);
		else if (dice < 950)
			good = watch(slot, topic);
		else if (dice < 998)
			good = unwatch(slot, topic);
		else
			good = forget(slot);
		good = good && presence_store_members() == nmodel;
		if (!good)
			diag("step %d", step);
	}
	ok(good, "%d random steps", STEPS);
	ok(model_ref < FIRST_REF, "refs went past the end");
	for (int slot = 0; slot < SLOTS; slot++)
		good = good && forget(slot);
	ok(good, "all go");
	is_int(presence_store_members(), 0, "nobody is left");
	is_int(presence_store_bytes(), 0, "nothing is held");
}

/* Members and bytes have bounds. */
static void
test_limits(void)
{
	PresenceParts parts = texts_of(0, 0, 1);
	PresenceParts longer = texts_of(0, 0, 3);
	uint64		two;

	presence_store_limit(2, PG_UINT64_MAX);
	ok(track(0, 1, 0, 0, 1) && track(0, 2, 0, 0, 1), "two members");
	two = presence_store_bytes();
	is_int(presence_store_track(0, 3, false, &parts), TRACK_FULL, "not three");
	ok(track(0, 1, 0, 0, 2), "one of the two may change");
	presence_store_limit(1, PG_UINT64_MAX);
	ok(track(0, 1, 0, 0, 1), "even when there may be only one");
	is_int(presence_store_members(), 2, "who is there stays");
	ok(untrack(0, 2), "one leaves");

	presence_store_limit(10, two - 1);
	is_int(presence_store_track(0, 2, false, &parts), TRACK_FULL, "not the bytes of two");
	presence_store_limit(10, two);
	ok(track(0, 2, 0, 0, 1), "the bytes of two");
	is_int(presence_store_track(0, 2, false, &longer), TRACK_FULL, "no longer meta");
	ok(track(0, 2, 0, 0, 2), "another one as long");
	presence_store_limit(10, two - 1);
	ok(track(0, 2, 0, 0, 0), "a shorter one, even when there is too much already");
	ok(as_expected(), "who is refused is not told of");
	ok(forget(0), "all go");
	presence_store_limit(PG_UINT64_MAX, PG_UINT64_MAX);
	is_int(presence_store_bytes(), 0, "nothing is held");
}

/* Many members of one topic: what each costs does not depend on the others. */
static void
test_many(void)
{
	enum
	{
		MANY = 200000
	};
	Slice		topic = texts_of(0, 0, 0).topic;
	bool		good = presence_store_watch(0, false, topic);

	for (uint64 id = 1; id <= MANY; id++)
	{
		char		key[20];
		PresenceParts parts = texts_of(0, 0, id % METAS);

		snprintf(key, sizeof(key), UINT64_FORMAT, id);
		parts.key = slice_make(key, strlen(key));
		good = good && presence_store_track(id % 2, id, false, &parts) == TRACK_TAKEN;
	}
	is_int(nemitted, 1 + MANY, "many join");
	for (uint64 id = 1; id <= MANY; id += 4)
		presence_store_untrack(id % 2, id);
	is_int(nemitted, 1 + MANY + MANY / 4, "some leave");
	presence_store_forget(1);
	is_int(nemitted, 1 + MANY + MANY / 2, "the gateway of half of them goes");
	is_int(presence_store_members(), MANY / 2, "the others stay");
	presence_store_forget(0);
	ok(good && emitted_right, "without a complaint");
	nemitted = 0;
}

int
main(void)
{
	presence_store_init(17, FIRST_REF, record);
	test_story();
	test_random();
	test_limits();
	test_many();
	free(emitted);
	free(expected);
	return done_testing();
}
