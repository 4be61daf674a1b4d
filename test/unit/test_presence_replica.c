/*-------------------------------------------------------------------------
 *
 * test_presence_replica.c
 *	  The replica of a topic: its states and diffs, and where they lead a
 *	  client.
 *
 * The first part shows the JSON.  In the second, random changes go through the
 * hub's store to a replica, late, and clients that join at any time are given
 * states and diffs: in the end each knows what the store knows.
 *
 * test/unit/test_presence_replica.c
 *
 *-------------------------------------------------------------------------
 */
#include "presence_client.h"

#include <limits.h>

#include "gateway/presence_member.h"
#include "gateway/presence_replica.h"
#include "hub/presence_store.h"

#define STEPS 100000
#define CLIENTS 8
#define MEMBERS 40
#define KEYS 6
#define METAS 4

static const char *const keys[KEYS] = {"a", "b", "__proto__", "\xc3\xa9\xe2\x82\xac", "\"\\\n", "a b"};
static const char *const metas[METAS] = {"{}", "{\"a\":1}", "{\"a\":2}", "{\"x\":{\"phx_ref\":[]}}"};

static PresenceReplica replica;
static Bytes out;

/* Take a change from texts; a NULL key means none. */
static ReplicaVerdict
apply(PresenceOp op, uint64 ref, uint64 prev_ref, const char *key, const char *meta)
{
	PresenceParts parts = {P("room"), {NULL, 0}, {NULL, 0}};
	BusPresent	head;
	Slice		meta_copy;
	ReplicaVerdict verdict;

	if (key != NULL)
		parts.key = slice_make(key, strlen(key));
	meta_copy = exact(meta != NULL ? slice_make(meta, strlen(meta)) : parts.meta);
	parts.meta = meta_copy;
	head = presence_head(op, false, &parts);
	head.ref = ref;
	head.prev_ref = prev_ref;
	verdict = presence_replica_apply(&replica, &head, &parts, (int64) ref);
	release(meta_copy);
	return verdict;
}

/* The diff, which is told by this, is that. */
static void
is_diff(const char *want, const char *name)
{
	out.len = 0;
	ok(presence_replica_diff(&replica, &out), "%s: a diff", name);
	ok(presence_replica_has_news(&replica) == (out.len > 0), "%s: if there is any news", name);
	presence_replica_settle(&replica);
	is_text(bytes_slice(&out), want, name);
	ok(!presence_replica_changed(&replica), "%s: all is told", name);
}

/* The state is that. */
static void
is_state(const char *want, const char *name)
{
	out.len = 0;
	ok(presence_replica_state(&replica, &out), "%s: a state", name);
	is_text(bytes_slice(&out), want, name);
}

/* What it looks like; the refs 1 to 64 are one letter each. */
#define R1 "\"phx_ref\":\"AAAAAAAAAAE\""
#define R2 "\"phx_ref\":\"AAAAAAAAAAI\""
#define R3 "\"phx_ref\":\"AAAAAAAAAAM\""
#define R4 "\"phx_ref\":\"AAAAAAAAAAQ\""
#define R5 "\"phx_ref\":\"AAAAAAAAAAU\""
#define R6 "\"phx_ref\":\"AAAAAAAAAAY\""
#define PREV3 "\"phx_ref_prev\":\"AAAAAAAAAAM\""

static void
test_json(void)
{
	presence_replica_init(&replica);
	is_int(apply(PRESENCE_LEAVE, 99, 0, NULL, NULL), REPLICA_OK, "what is left of an earlier watch is dropped");
	ok(!presence_replica_go_live(&replica), "a state that has not begun is not complete");
	is_int(apply(PRESENCE_BEGIN, 0, 0, NULL, NULL), REPLICA_OK, "the state begins");
	is_int(apply(PRESENCE_JOIN, 77, 0, "gone", "{}"), REPLICA_OK, "a member");
	is_int(apply(PRESENCE_BEGIN, 0, 0, NULL, NULL), REPLICA_OK, "it begins again");
	is_int(apply(PRESENCE_JOIN, 1, 0, "a\"b", "{\"x\":1}"), REPLICA_OK, "a member");
	is_int(apply(PRESENCE_JOIN, 2, 0, "c", "{}"), REPLICA_OK, "another");
	ok(presence_replica_go_live(&replica), "the state is complete");
	ok(!presence_replica_changed(&replica), "nothing is to be told");
	is_state("{\"a\\\"b\":{\"metas\":[{" R1 ",\"x\":1}]},\"c\":{\"metas\":[{" R2 "}]}}", "two keys");
	is_diff("", "nothing");

	apply(PRESENCE_JOIN, 3, 0, "c", " { \"y\" : [ 1 , 2 ] , \"z\" : null } ");
	ok(presence_replica_changed(&replica), "something is to be told");
	is_state("{\"a\\\"b\":{\"metas\":[{" R1 ",\"x\":1}]},\"c\":{\"metas\":[{" R2 "}]}}", "the state waits for the diff");
	is_diff("{\"joins\":{\"c\":{\"metas\":[{" R3 ",\"y\":[ 1 , 2 ],\"z\":null}]}},\"leaves\":{}}", "a join");
	is_state("{\"a\\\"b\":{\"metas\":[{" R1 ",\"x\":1}]},\"c\":{\"metas\":[{" R2 "},{" R3 ",\"y\":[ 1 , 2 ],\"z\":null}]}}",
			 "two metas of a key");

	apply(PRESENCE_UPDATE, 4, 3, "c", "{\"phx_ref\":\"mine\",\"y\":2,\"phx_ref_prev\":\"mine\",\"phx\\u005fref\":0}");
	is_diff("{\"joins\":{\"c\":{\"metas\":[{" R4 "," PREV3 ",\"y\":2}]}},"
			"\"leaves\":{\"c\":{\"metas\":[{" R3 ",\"y\":[ 1 , 2 ],\"z\":null}]}}}", "an update, with refs of the user's");
	is_state("{\"a\\\"b\":{\"metas\":[{" R1 ",\"x\":1}]},\"c\":{\"metas\":[{" R2 "},{" R4 ",\"y\":2}]}}",
			 "no phx_ref_prev in the state");

	apply(PRESENCE_LEAVE, 1, 0, NULL, NULL);
	apply(PRESENCE_LEAVE, 2, 0, NULL, NULL);
	is_diff("{\"joins\":{},\"leaves\":{\"a\\\"b\":{\"metas\":[{" R1 ",\"x\":1}]},\"c\":{\"metas\":[{" R2 "}]}}}", "two leaves");
	is_state("{\"c\":{\"metas\":[{" R4 ",\"y\":2}]}}", "one is left");

	apply(PRESENCE_JOIN, 5, 0, "d", "{}");
	apply(PRESENCE_UPDATE, 6, 5, "d", "{\"v\":2}");
	apply(PRESENCE_LEAVE, 6, 0, NULL, NULL);
	is_diff("", "who came and went in between");
	presence_replica_clear(&replica);
}

/* Several changes of one member between two diffs. */
static void
test_chains(void)
{
	presence_replica_init(&replica);
	apply(PRESENCE_BEGIN, 0, 0, NULL, NULL);
	ok(presence_replica_go_live(&replica), "an empty topic");
	is_state("{}", "its state");
	apply(PRESENCE_JOIN, 1, 0, "d", "{\"v\":1}");
	apply(PRESENCE_UPDATE, 2, 1, "d", "{\"v\":2}");
	apply(PRESENCE_UPDATE, 3, 2, "d", "{\"v\":3}");
	is_diff("{\"joins\":{\"d\":{\"metas\":[{" R3 ",\"v\":3}]}},\"leaves\":{}}", "a join and two updates");
	apply(PRESENCE_UPDATE, 4, 3, "d", "{\"v\":4}");
	apply(PRESENCE_UPDATE, 5, 4, "d", "{\"v\":5}");
	is_state("{\"d\":{\"metas\":[{" R3 ",\"v\":3}]}}", "what is told, after two updates");
	is_diff("{\"joins\":{\"d\":{\"metas\":[{" R5 "," PREV3 ",\"v\":5}]}},"
			"\"leaves\":{\"d\":{\"metas\":[{" R3 ",\"v\":3}]}}}", "two updates");
	apply(PRESENCE_UPDATE, 6, 5, "d", "{\"v\":6}");
	apply(PRESENCE_LEAVE, 6, 0, NULL, NULL);
	is_diff("{\"joins\":{},\"leaves\":{\"d\":{\"metas\":[{" R5 ",\"v\":5}]}}}", "an update and a leave");
	is_state("{}", "nobody is left");
	apply(PRESENCE_JOIN, 1, 0, "d", "{}");
	apply(PRESENCE_LEAVE, 1, 0, NULL, NULL);
	apply(PRESENCE_JOIN, 2, 0, "d", "{}");
	is_diff("{\"joins\":{\"d\":{\"metas\":[{" R2 "}]}},\"leaves\":{}}", "one more who came and went, and came");
	presence_replica_clear(&replica);
}

/* What the hub never says. */
static void
test_contradictions(void)
{
	presence_replica_init(&replica);
	apply(PRESENCE_BEGIN, 0, 0, NULL, NULL);
	apply(PRESENCE_JOIN, 1, 0, "a", "{}");
	is_int(apply(PRESENCE_JOIN, 1, 0, "a", "{}"), REPLICA_CONTRADICTION, "a ref twice");
	is_int(apply(PRESENCE_LEAVE, 2, 0, NULL, NULL), REPLICA_CONTRADICTION, "no such ref leaves");
	is_int(apply(PRESENCE_UPDATE, 3, 2, "a", "{}"), REPLICA_CONTRADICTION, "no such ref is replaced");
	is_int(apply((PresenceOp) 9, 3, 2, "a", "{}"), REPLICA_CONTRADICTION, "an unknown operation");
	ok(presence_replica_go_live(&replica), "live");
	ok(!presence_replica_go_live(&replica), "not twice");
	is_int(apply(PRESENCE_BEGIN, 0, 0, NULL, NULL), REPLICA_CONTRADICTION, "a state begins when there is one");
	apply(PRESENCE_LEAVE, 1, 0, NULL, NULL);
	is_int(apply(PRESENCE_LEAVE, 1, 0, NULL, NULL), REPLICA_CONTRADICTION, "a ref leaves twice");
	is_int(apply(PRESENCE_UPDATE, 2, 1, "a", "{}"), REPLICA_CONTRADICTION, "one that left is replaced");
	presence_replica_clear(&replica);
}

/* What a member of the random part tracks; ref zero = nothing. */
typedef struct ModelMember
{
	uint64		ref;
	int			key;
	int			meta;
} ModelMember;

static ModelMember model[MEMBERS];
static uint64 model_ref;
static PresenceClient clients[CLIENTS];
static bool hears[CLIENTS];
static Bytes frames;			/* on their way: u32 length, body */

/* The store tells of a change: it is on its way. */
static void
queue_frame(uint64 slots, const BusPresent *head, Slice rest)
{
	uint32		len = (uint32) (sizeof(*head) + rest.len);

	if ((slots & 1) == 0)
		return;
	bytes_append(&frames, &len, sizeof(len));
	bytes_append(&frames, head, sizeof(*head));
	bytes_append_slice(&frames, rest);
}

/* Some of what is on its way arrives. */
static bool
arrive(int max)
{
	while (frames.len > 0 && max-- > 0)
	{
		uint32		len;
		BusPresent	head;
		PresenceParts parts;

		memcpy(&len, frames.data, sizeof(len));
		if (!presence_decode_present(slice_make(frames.data + sizeof(len), len), &head, &parts) ||
			presence_replica_apply(&replica, &head, &parts, 0) != REPLICA_OK)
			return false;
		bytes_consume(&frames, sizeof(len) + len);
	}
	return true;
}

/* A change is told to all who listen. */
static bool
tell(void)
{
	out.len = 0;
	if (!presence_replica_diff(&replica, &out))
		return false;
	presence_replica_settle(&replica);
	for (int i = 0; i < CLIENTS; i++)
	{
		if (hears[i] && out.len > 0)
			client_diff(&clients[i], bytes_slice(&out));
		if (clients[i].error != NULL)
		{
			diag("client %d: %s", i, clients[i].error);
			return false;
		}
	}
	return true;
}

/* A client begins to listen, or ceases. */
static bool
change_client(int i)
{
	if (hears[i])
		client_clear(&clients[i]);
	else
	{
		out.len = 0;
		if (!presence_replica_state(&replica, &out))
			return false;
		client_state(&clients[i], bytes_slice(&out));
	}
	hears[i] = !hears[i];
	return true;
}

/* A member does something. */
static void
change_member(int i)
{
	ModelMember *m = &model[i];
	PresenceParts parts = {P("room"), {NULL, 0}, {NULL, 0}};

	if (tap_below(3) == 0)
	{
		presence_store_untrack(i % 2, i);
		m->ref = 0;
		return;
	}
	if (m->ref == 0)
		m->key = (int) tap_below(KEYS);
	else if (tap_below(4) == 0)
		return;
	parts.key = slice_make(keys[m->key], strlen(keys[m->key]));
	for (;;)
	{
		int			meta = (int) tap_below(METAS);

		if (m->ref != 0 && meta == m->meta)
			continue;
		m->meta = meta;
		break;
	}
	parts.meta = slice_make(metas[m->meta], strlen(metas[m->meta]));
	if (presence_store_track(i % 2, i, false, &parts) == TRACK_TAKEN)
		m->ref = ++model_ref;
}

/* Does a client know what the model knows? */
static bool
knows_all(const PresenceClient *client)
{
	int			count = 0;

	for (int i = 0; i < MEMBERS; i++)
	{
		if (model[i].ref == 0)
			continue;
		count++;
		if (!client_has(client, model[i].ref, keys[model[i].key], metas[model[i].meta]))
			return false;
	}
	return client->count == count;
}

/* Everything arrives and is told: then all clients know everything. */
static bool
all_know(void)
{
	if (!arrive(INT_MAX) || !tell())
		return false;
	for (int i = 0; i < CLIENTS; i++)
	{
		if (hears[i] && !knows_all(&clients[i]))
			return false;
	}
	return true;
}

/* Changes, deliveries and clients in any order. */
static void
test_random(void)
{
	bool		good;

	presence_store_init(1, 1, queue_frame);
	presence_replica_init(&replica);
	good = presence_store_watch(0, false, B("room")) && arrive(INT_MAX) &&
		presence_replica_go_live(&replica);
	for (int step = 0; good && step < STEPS; step++)
	{
		size_t		dice = tap_below(100);

		if (dice < 60)
			change_member((int) tap_below(MEMBERS));
		else if (dice < 80)
			good = arrive((int) tap_below(10));
		else if (dice < 95)
			good = tell();
		else
			good = change_client((int) tap_below(CLIENTS));
		if (step % 1000 == 0)
			good = good && all_know();
		if (!good)
			diag("step %d", step);
	}
	ok(good && all_know(), "%d random steps", STEPS);

	/* watched again, as another replica would be */
	presence_replica_clear(&replica);
	for (int i = 0; i < CLIENTS; i++)
		client_clear(&clients[i]);
	good = presence_store_watch(0, false, B("room")) && arrive(INT_MAX) &&
		presence_replica_go_live(&replica);
	for (int i = 0; i < CLIENTS; i++)
	{
		hears[i] = false;
		good = good && change_client(i) && knows_all(&clients[i]);
	}
	ok(good, "a replica that is made anew knows the same");
	presence_store_forget(0);
	presence_store_forget(1);
	presence_replica_clear(&replica);
	for (int i = 0; i < CLIENTS; i++)
		client_clear(&clients[i]);
}

/* Many members: a diff takes as long as the changes, whoever is there. */
static void
test_many(void)
{
	enum
	{
		MANY = 100000
	};
	bool		good = true;
	size_t		bytes = 0;

	presence_replica_init(&replica);
	apply(PRESENCE_BEGIN, 0, 0, NULL, NULL);
	good = presence_replica_go_live(&replica);
	for (uint64 ref = 1; good && ref <= MANY; ref++)
	{
		char		key[20];

		/* half of them under one key */
		snprintf(key, sizeof(key), UINT64_FORMAT, ref % 2 == 0 ? ref : 0);
		good = apply(PRESENCE_JOIN, ref, 0, key, "{\"name\":\"somebody\"}") == REPLICA_OK;
		out.len = 0;
		good = good && presence_replica_diff(&replica, &out) && out.len > 0 && out.len < 100;
		presence_replica_settle(&replica);
		bytes += out.len;
	}
	ok(good, "%d members join, one by one (%zu bytes of diffs)", MANY, bytes);
	for (uint64 ref = 1; good && ref <= MANY; ref++)
	{
		good = apply(PRESENCE_LEAVE, ref, 0, NULL, NULL) == REPLICA_OK;
		out.len = 0;
		good = good && presence_replica_diff(&replica, &out) && out.len > 0 && out.len < 100;
		presence_replica_settle(&replica);
	}
	ok(good, "and leave");
	is_state("{}", "nobody is left");
	presence_replica_clear(&replica);
}

/* Members of a version, joined by blanks. */
typedef struct Members
{
	ReplicaVersion version;
	Bytes		text;
} Members;

static void
add_member(ReplicaKey *key, void *arg)
{
	Members    *members = arg;

	if (presence_member_append(&members->text, key, members->version))
		bytes_append_byte(&members->text, ' ');
}

/* All of them, or those with news, are these. */
static void
is_members(bool news_only, ReplicaVersion version, const char *want, const char *name)
{
	Members		members = {version};

	presence_replica_visit(&replica, news_only, add_member, &members);
	is_text(bytes_slice(&members.text), want, name);
	bytes_free(&members.text);
}

#define ANN "{\"type\":\"user\",\"presenceId\":\"ann\",\"joinedAt\":\"t1\""
#define SU "{\"type\":\"anonymous\",\"presenceId\":\"su\",\"joinedAt\":\"1970-01-01T00:00:00.002Z\""

static void
test_members(void)
{
	uint32		start;
	uint32		end;

	ok(apply(PRESENCE_BEGIN, 0, 0, NULL, NULL) == REPLICA_OK &&
	   apply(PRESENCE_JOIN, 1, 0, "ann", ANN "}") == REPLICA_OK &&
	   apply(PRESENCE_JOIN, 2, 0, "su", "{\"name\":\"Su\"}") == REPLICA_OK &&
	   presence_replica_go_live(&replica), "two members");
	is_members(false, REPLICA_TOLD, ANN "} " SU ",\"payload\":{\"name\":\"Su\"}} ",
			   "one of ours, and one of a client that knows nothing of members");
	ok(apply(PRESENCE_JOIN, 3, 0, "ann", "{\"type\":\"user\",\"presenceId\":\"ann\",\"joinedAt\":\"t3\",\"payload\":[3]}") == REPLICA_OK &&
	   apply(PRESENCE_UPDATE, 4, 2, "su", "{}") == REPLICA_OK, "another socket, and another payload");
	is_members(true, REPLICA_TOLD, ANN "} " SU ",\"payload\":{\"name\":\"Su\"}} ", "before, as they were told");
	is_members(true, REPLICA_NEW, ANN ",\"payload\":[3]} " SU "} ", "after: the oldest one's time, the newest one's payload");
	ok(presence_replica_own_news(&replica, B("\"ann\""), &start, &end) &&
	   presence_replica_was_told(&replica, B("\"ann\"")), "there are news of one that was told");
	presence_replica_settle(&replica);
	ok(!presence_replica_own_news(&replica, B("\"ann\""), &start, &end), "then there are none");
	ok(!presence_replica_own_news(&replica, B("\"bob\""), &start, &end) &&
	   !presence_replica_was_told(&replica, B("\"bob\"")), "of others nothing is known");
	ok(apply(PRESENCE_LEAVE, 1, 0, NULL, NULL) == REPLICA_OK && apply(PRESENCE_LEAVE, 3, 0, NULL, NULL) == REPLICA_OK,
	   "both sockets go");
	is_members(true, REPLICA_NEW, "", "and with them the member");
	is_members(true, REPLICA_TOLD, ANN ",\"payload\":[3]} ", "who was there before");
	presence_replica_clear(&replica);
}

int
main(void)
{
	presence_replicas_init(42);
	bytes_init(&out);
	bytes_init(&frames);
	test_json();
	test_chains();
	test_contradictions();
	test_random();
	test_many();
	bytes_free(&out);
	bytes_free(&frames);
	test_members();
	return done_testing();
}
