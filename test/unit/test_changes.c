/*-------------------------------------------------------------------------
 *
 * test_changes.c
 *	  Following tables in a gateway, against a model: who is told what, in
 *	  which order, whatever the order in which executors answer.
 *
 * The hub, the executors and the sockets are here.  There are two tables: one
 * that everybody may read, and one with row-level security whose rows are
 * visible by a rule that the model knows, too.
 *
 * test/unit/test_changes.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "gateway/change_delivery.h"
#include "gateway/changes.h"
#include "gateway/fanout.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"
#include "program/bus_jobs.h"
#include "proto/change_job.h"
#include "proto/jslice.h"

#define OPEN_TABLE 100
#define SECURE_TABLE 200
#define MAX_CLIENTS 64
#define MAX_JOBS 256

/* A client with one channel. */
typedef struct Client
{
	Conn		conn;
	Channel    *channel;		/* NULL = it has ended */
	Identity	identity;
	char		sub[16];
	char		claims[64];
	uint64		seen;			/* hash over what it was told, in order */
	uint64		expected;
	uint32		nseen;
	uint32		nexpected;
	int			ended;			/* times that its channel was ended */
	int			ok_messages;
	char		error[512];		/* of the last system message */
	Bytes		in;				/* of a message that is not complete */
	/* what it asks for */
	bool		secure;
	bool		only_even;		/* by a filter that only SQL can evaluate */
	int			id;				/* filter id=eq.<id>; 0 = none */
} Client;

typedef struct Asked
{
	JobKind		kind;
	Slice		body;
	JobHandler	handler;
	void	   *arg;
} Asked;

static Client clients[MAX_CLIENTS];
static int	nclients;
static Asked questions[MAX_JOBS];
static int	nquestions;
static bool full_bus;			/* bus_jobs_room() */
static uint64 follow_seq[2];	/* of OPEN_TABLE, SECURE_TABLE; 0 = not followed */
static int	unfollowed;
static bool gone;				/* the tables do not exist any more */
static bool leave_out;			/* the next verdicts cannot be given */
static int	pieces;				/* whole messages that came */
static bool long_rows;			/* rows have a text of 1,000 bytes */

uint64		gw_stats[BUS_STAT_COUNT];
GwSettings	gw_settings;
int64		loop_now = 1;

/* What the modules under test need of others. */
bool
bus_jobs_room(void)
{
	return !full_bus;
}

bool
bus_jobs_ask(JobKind kind, Slice body, JobHandler handler, void *arg)
{
	Asked   *question = &questions[nquestions++];

	Assert(nquestions <= MAX_JOBS && body.len <= CHANGE_JOB_MAX_BODY);
	question->kind = kind;
	question->body = exact(body);
	question->handler = handler;
	question->arg = arg;
	return true;
}

void
bus_send(BusFrameType type, const void *head, size_t head_len, const void *rest, size_t rest_len)
{
	BusFollow	follow;

	Assert(type == BUS_FOLLOW && head_len == sizeof(follow));
	memcpy(&follow, head, sizeof(follow));
	if (follow.add)
		follow_seq[follow.relid == SECURE_TABLE] = follow.seq;
	else
	{
		follow_seq[follow.relid == SECURE_TABLE] = 0;
		unfollowed++;
	}
}

uint32
topics_hash(Slice name)
{
	uint32		hash = 5381;

	for (size_t i = 0; i < name.len; i++)
		hash = hash * 33 + (uint8) name.data[i];
	return hash;
}

void
topics_hold(Topic *topic)
{
	topic->holders++;
}

void
topics_release(Topic *topic)
{
	topic->holders--;
}

void
identity_unref(Identity *identity)
{
	identity->refs--;
}

RequestHeaders *
request_headers_ref(RequestHeaders *headers)
{
	return headers;
}

void
request_headers_unref(RequestHeaders *headers)
{
}

Slice
request_headers_json(const RequestHeaders *headers)
{
	return SLICE_LIT("{}");
}

void
fanout_settle(void)
{
}

void
backpressure_bus_read(int64 now)
{
}

bool
backpressure_holding(void)
{
	return false;
}

const char *
refusal_of_job(JobOutcome outcome, Slice topic, RefusalText *room)
{
	return "refused";
}

void
reply_no_memory(Conn *conn)
{
	abort();
}

void
conn_close(Conn *conn, int code, const char *reason)
{
	abort();
}

Conn *
conn_first_open(void)
{
	return NULL;
}

Conn *
conn_next_open(Conn *conn)
{
	return NULL;
}

static Client *
client_of(const Channel *channel)
{
	return (Client *) ((char *) channel->conn - offsetof(Client, conn));
}

/* End a client's channel. */
static void
end_client(Client *client)
{
	Channel    *channel = client->channel;

	client->channel = NULL;
	bytes_free(&client->in);
	changes_close(channel);
	free(channel);
}

void
join_refuse(Channel *channel, const char *reason)
{
	client_of(channel)->ended++;
	end_client(client_of(channel));
}

void
join_end(Channel *channel, const char *message, ChannelEnd end)
{
	client_of(channel)->ended++;
	end_client(client_of(channel));
}

void
reply_system(Channel *channel, const SystemMessage *message)
{
	Client	   *client = client_of(channel);

	if (strcmp(message->status, "ok") == 0)
		client->ok_messages++;
	else
		strlcpy(client->error, message->message, sizeof(client->error));
}

void
join_continue(Channel *channel)
{
	if (changes_ready(channel))
	{
		channel->state = CHANNEL_JOINED;
		changes_answered(channel);
	}
}

/* One more message, whose number is n, in a hash over all. */
static uint64
note(uint64 hash, uint64 n)
{
	return (hash ^ n) * UINT64CONST(1099511628211) + 1;
}

bool
conn_deliver(Conn *conn, FrameBuf *buf, uint32 start, uint32 end)
{
	Client	   *client = (Client *) ((char *) conn - offsetof(Client, conn));
	size_t		len;
	Slice		text;
	Slice		data;
	Slice		id;

	bytes_append(&client->in, buf->data + start, end - start);
	len = ((uint8) client->in.data[2] << 8) + (uint8) client->in.data[3];
	if (client->in.len - 4 < len)
		return true;			/* the rest comes in another piece */
	text = slice_make(client->in.data + 4, client->in.len - 4);
	if (text.len != len || !jslice_validate(text.data, text.len, NULL))
		abort();
	data = jslice_get(jslice_at(text, 4), "data");
	id = jslice_get(jslice_get(data, "record"), "id");
	client->in.len = 0;
	pieces++;

	client->seen = note(client->seen, strtoul(id.data, NULL, 10));
	client->nseen++;
	return true;
}

/*
 * The rule by which rows of the table with row-level security are visible.
 */
static bool
is_visible(Slice sub, uint64 id)
{
	return (id + (uint8) sub.data[sub.len - 1]) % 3 != 0;
}

/* The id of a row in a record. */
static uint64
id_of(const ChangeRecord *record)
{
	Slice		rest = record->columns;
	ChangeColumn column;

	if (!change_next_column(&rest, &column))
		return 0;
	return strtoul(column.value.json.data, NULL, 10);
}

/* Answer JOB_SUBSCRIBE: an entry names one of the two tables. */
static void
answer_subscribe(Asked *question)
{
	SubscribeJob job;
	SubscribeEntry entry;
	SubscribeAnswer answer = {0};
	SubscribeRelation relation = {0};
	SubscribeResult result = {0};
	SubscribeCondition condition = {0};
	uint16		zero = 0;
	uint32		parts[1];
	Bytes		relations = {0};
	Bytes		results = {0};
	Bytes		conditions = {0};
	Bytes		body = {0};
	Bytes		error = {0};
	ChangeFilter filter;

	if (!job_decode_subscribe(question->body, &job) || !subscribe_next_entry(&job.entries, &entry))
		abort();
	relation.relid = slice_equals_cstr(entry.table, "secure") ? SECURE_TABLE : OPEN_TABLE;
	parts[0] = relation.relid;
	relation.flags = RELATION_ALL_COLUMNS | (relation.relid == SECURE_TABLE ? RELATION_ASK : 0);
	relation.ntables = 1;
	relation.tables = slice_make((char *) parts, sizeof(parts));
	relation.schema = SLICE_LIT("public");
	relation.table = entry.table;
	subscribe_append_relation(&relations, &relation);
	if (filter_parse(entry.filter, &filter, &error) != FILTER_PARSED)
		abort();
	for (uint32 i = 0; i < filter.nconditions; i++)
	{
		condition.attnum = 1;
		condition.class = FILTER_AS_NUMBER;
		condition.condition = filter.conditions[i];
		subscribe_append_condition(&conditions, &condition);
	}
	if (gone)
	{
		result.failed = true;
		result.error = SLICE_LIT("no such table");
	}
	else
	{
		result.nrelations = 1;
		result.relations = slice_make((char *) &zero, sizeof(zero));
		result.nconditions = (uint16) filter.nconditions;
		result.conditions = bytes_slice(&conditions);
	}
	subscribe_append_result(&results, &result);
	answer.nrelations = 1;
	answer.nresults = 1;
	answer.relations = bytes_slice(&relations);
	answer.results = bytes_slice(&results);
	job_encode_subscribe_answer(&body, &answer);
	question->handler(JOB_DONE, bytes_slice(&body), question->arg);
	filter_free(&filter);
	bytes_free(&relations);
	bytes_free(&results);
	bytes_free(&conditions);
	bytes_free(&body);
}

/* Answer JOB_VISIBLE by the rule; the condition for SQL is "even". */
static void
answer_visible(Asked *question)
{
	VisibleJob	job;
	VisibleClient list[1024];
	VisibleAsk	ask;
	Bytes		body = {0};
	Slice		rest;
	int			n = 0;

	if (!job_decode_visible(question->body, &job))
		abort();
	rest = job.clients;
	while (visible_next_client(&rest, &list[n]))
		n++;
	while (visible_next_ask(&job.asks, &ask))
	{
		ChangeRecord record;

		rest = job.changes;
		while (visible_next_change(&rest, &record))
		{
			bool		yes = !ask.policies || is_visible(list[ask.client].sub, id_of(&record));

			if (ask.nconditions > 0 && id_of(&record) % 2 == 1)
				yes = false;
			bytes_append_byte(&body, yes ? VISIBLE_YES : VISIBLE_NO);
		}
	}
	if (leave_out)
		question->handler(JOB_BUSY, slice_make(NULL, 0), question->arg);
	else
		question->handler(JOB_DONE, bytes_slice(&body), question->arg);
	bytes_free(&body);
}

/* Have an executor answer one of the questions. */
static void
answer(int n)
{
	Asked	question = questions[n];

	questions[n] = questions[--nquestions];
	if (question.kind == JOB_SUBSCRIBE)
		answer_subscribe(&question);
	else
		answer_visible(&question);
	release(question.body);
}

/* The end of a turn. */
static void
end_turn(void)
{
	change_terms_flush();
	change_delivery_flush();
	loop_now++;
}

/* The hub has an answer about a table. */
static void
acknowledge(uint32 relid, BusFollowOutcome outcome)
{
	BusFollowAck ack = {0};

	ack.seq = follow_seq[relid == SECURE_TABLE];
	ack.relid = relid;
	ack.outcome = outcome;
	if (outcome == BUS_FOLLOW_BUSY)
		follow_seq[relid == SECURE_TABLE] = 0;
	ok(change_terms_acknowledged(slice_make((char *) &ack, sizeof(ack))), "acknowledged");
}

/* Answer all there is. */
static void
settle(void)
{
	end_turn();
	while (nquestions > 0 || change_delivery_deadline() != LOOP_NEVER)
	{
		if (nquestions > 0)
			answer((int) tap_below(nquestions));
		end_turn();
	}
}

static Topic *
make_topic(const char *name)
{
	Topic	   *topic = calloc(1, offsetof(Topic, full_name) + 64);

	snprintf(topic->full_name, 64, "realtime:%s", name);
	topic->name_len = (uint8) strlen(name);
	return topic;
}

/* A client joins; its question is not answered yet. */
static Client *
join(Topic *topic, bool secure, int id, bool only_even)
{
	Client	   *client = &clients[nclients++];
	Bytes		payload = {0};
	PhxJoin		settings;

	memset(client, 0, sizeof(*client));
	snprintf(client->sub, sizeof(client->sub), "user%d", nclients);
	snprintf(client->claims, sizeof(client->claims), "{\"role\":\"r\",\"sub\":\"%s\"}", client->sub);
	client->identity.refs = 1;
	client->identity.claims.role = SLICE_LIT("r");
	client->identity.claims.sub = slice_make(client->sub, strlen(client->sub));
	client->identity.claims.json = slice_make(client->claims, strlen(client->claims));
	client->secure = secure;
	client->only_even = only_even;
	client->id = id;
	client->conn.version = PHX_V2;
	client->channel = calloc(1, sizeof(Channel));
	client->channel->conn = &client->conn;
	client->channel->topic = topic;
	client->channel->identity = &client->identity;
	client->channel->state = CHANNEL_JOINING;
	bytes_printf(&payload, "{\"config\":{\"postgres_changes\":[{\"event\":\"*\",\"schema\":\"public\","
				 "\"table\":\"%s\"", secure ? "secure" : "open");
	if (id > 0)
		bytes_printf(&payload, ",\"filter\":\"id=eq.%d\"", id);
	else if (only_even)
		bytes_append_cstr(&payload, ",\"filter\":\"id=match.[02468]$\"");
	bytes_append_cstr(&payload, "}]}}");
	if (!phx_join_parse(bytes_slice(&payload), &settings) ||
		!changes_open(client->channel, bytes_slice(&payload), &settings))
		abort();
	bytes_free(&payload);
	return client;
}

/* Is a client to be told of a row? */
static bool
wants(const Client *client, bool secure, uint64 id)
{
	if (client->channel == NULL || client->channel->state != CHANNEL_JOINED ||
		client->secure != secure)
		return false;
	if (client->id != 0 && client->id != id)
		return false;
	if (client->only_even && id % 2 == 1)
		return false;
	return !secure || is_visible(client->identity.claims.sub, id);
}

/* A row is inserted, and everybody who should be told is expected to be. */
static void
insert_row(bool secure, uint64 id)
{
	ChangeRecord record = {0};
	ChangeColumn column = {0};
	WalMessage	message = {0};
	BusMessageHead head = {0};
	Bytes		bytes = {0};
	char		json[24];

	snprintf(json, sizeof(json), UINT64_FORMAT, id);
	record.relid = secure ? SECURE_TABLE : OPEN_TABLE;
	record.op = CHANGE_INSERT;
	record.flags = CHANGE_HAS_KEY;
	record.ncolumns = long_rows ? 2 : 1;
	record.schema = SLICE_LIT("public");
	record.table = SLICE_LIT("t");
	column.attnum = 1;
	column.flags = CHANGE_KEY | CHANGE_IDENTITY;
	column.name = SLICE_LIT("id");
	column.type = SLICE_LIT("int8");
	column.value.form = VALUE_VERBATIM;
	column.value.json = slice_make(json, strlen(json));
	change_append_head(&bytes, &record);
	change_append_column(&bytes, &column);
	if (long_rows)
	{
		char		text[1002];

		memset(text, 'x', sizeof(text));
		text[0] = text[sizeof(text) - 1] = '"';
		column.attnum = 2;
		column.flags = 0;
		column.name = SLICE_LIT("note");
		column.value.form = VALUE_STRING;
		column.value.json = slice_make(text, sizeof(text));
		change_append_column(&bytes, &column);
	}
	message.kind = WAL_MESSAGE_CHANGE;
	message.payload = exact(bytes_slice(&bytes));
	bytes_free(&bytes);
	for (int i = 0; i < nclients; i++)
	{
		if (wants(&clients[i], secure, id))
		{
			clients[i].expected = note(clients[i].expected, id);
			clients[i].nexpected++;
		}
	}
	if (!change_delivery_take(&head, &message))
		ok(false, "a change is taken");
	release(message.payload);
}

/* Have all clients been told what they should have been? */
static void
check(const char *name)
{
	bool		good = true;

	for (int i = 0; i < nclients; i++)
	{
		if (clients[i].channel == NULL || clients[i].seen == clients[i].expected)
			continue;
		good = false;
		diag("client %d: told of %u, expected %u", i, clients[i].nseen, clients[i].nexpected);
	}
	ok(good, "%s", name);
}

/* All clients leave; nothing may be left of them. */
static void
leave_all(void)
{
	bool		good = true;

	for (int i = 0; i < nclients; i++)
	{
		if (clients[i].channel != NULL)
			end_client(&clients[i]);
	}
	settle();
	for (int i = 0; i < nclients; i++)
		good = good && clients[i].identity.refs == 1;
	ok(good, "no identity is held");
	ok(follow_seq[0] == 0 && follow_seq[1] == 0, "no table is followed");
	is_int(gw_stats[BUS_STAT_CHANGES_HELD], 0, "no change is held");
	nclients = 0;
}

/* Joins share their question, and are answered when the hub follows. */
static void
test_join(void)
{
	Topic	   *topic = make_topic("join");
	Client	   *a = join(topic, false, 0, false);
	Client	   *b = join(topic, false, 0, false);
	Client	   *c;

	end_turn();
	is_int(nquestions, 1, "two joins, one question");
	answer(0);
	ok(follow_seq[0] != 0, "the table is followed");
	is_int(a->channel->state, CHANNEL_JOINING, "not answered before the hub is");
	insert_row(false, 1);
	acknowledge(OPEN_TABLE, BUS_FOLLOW_HELD);
	ok(a->channel->state == CHANNEL_JOINED && b->channel->state == CHANNEL_JOINED,
	   "both are answered");
	is_int(a->ok_messages, 1, "and told so");
	insert_row(false, 2);
	insert_row(false, 3);
	end_turn();
	check("rows after the answer");
	c = join(topic, false, 0, false);
	ok(!changes_ready(c->channel), "who comes later asks as well");
	end_turn();
	is_int(nquestions, 1, "a question of his own");
	join(topic, false, 0, false);
	end_turn();
	is_int(nquestions, 1, "who comes after it was sent");
	insert_row(false, 4);
	answer(0);
	is_int(c->channel->state, CHANNEL_JOINED, "does not share its answer");
	end_turn();
	is_int(nquestions, 1, "but asks again");
	insert_row(false, 5);
	settle();
	insert_row(false, 6);
	check("rows go on meanwhile");
	leave_all();

	a = join(topic, false, 0, false);
	settle();
	acknowledge(OPEN_TABLE, BUS_FOLLOW_BUSY);
	is_int(a->ended, 1, "a table that cannot be followed now");
	leave_all();
	is_int(topic->holders, 0, "the topic is not held");
	free(topic);
}

/* Filters by value find their clients, and only them. */
static void
test_index(void)
{
	Topic	   *topic = make_topic("index");

	for (int i = 0; i < 40; i++)
		join(topic, false, i % 20 + 1, false);
	settle();
	acknowledge(OPEN_TABLE, BUS_FOLLOW_HELD);
	for (int i = 0; i < 400; i++)
		insert_row(false, tap_below(25));
	end_turn();
	check("each has its rows");
	is_int(clients[0].nseen, clients[20].nseen, "who asks the same is told the same");
	leave_all();
	free(topic);
}

/* Verdicts in any order, changes in one. */
static void
test_order(void)
{
	Topic	   *topics[4];

	for (int i = 0; i < 4; i++)
		topics[i] = make_topic("order");
	for (int round = 0; round < 20; round++)
	{
		long_rows = round % 2 == 1;
		for (int i = 0; i < 24; i++)
			join(topics[i % 4], i % 3 != 0, 0, i % 5 == 0);
		settle();
		acknowledge(OPEN_TABLE, BUS_FOLLOW_HELD);
		acknowledge(SECURE_TABLE, BUS_FOLLOW_HELD);
		for (int i = 0; i < 300; i++)
		{
			insert_row(tap_below(2) == 0, i);
			if (tap_below(4) == 0)
				end_turn();
			if (nquestions > 0 && tap_below(6) == 0)
				answer((int) tap_below(nquestions));
			if (i == 150)
				end_client(&clients[tap_below(24)]);
		}
		settle();
		check("everything in its order");
		leave_all();
	}
	long_rows = false;
	ok(pieces > 0, "%d messages came", pieces);
	for (int i = 0; i < 4; i++)
	{
		is_int(topics[i]->holders, 0, "the topic is not held");
		free(topics[i]);
	}
}

/* Too many wait: the channel is ended, and nobody else is harmed. */
static void
test_bound(void)
{
	Topic	   *topic = make_topic("bound");
	Client	   *client = join(topic, true, 0, false);
	Client	   *other = join(topic, false, 0, false);

	settle();
	acknowledge(OPEN_TABLE, BUS_FOLLOW_HELD);
	acknowledge(SECURE_TABLE, BUS_FOLLOW_HELD);
	gw_settings.max_pending_changes = 10;
	for (int i = 0; i < 10; i++)
		insert_row(true, i);
	is_int(client->ended, 0, "ten may wait");
	insert_row(true, 10);
	is_int(client->ended, 1, "eleven may not");
	is_int(gw_stats[BUS_STAT_CHANGES_OVERRUN], 1, "which is counted");
	insert_row(false, 11);
	settle();
	is_int(other->nseen, 1, "others go on");
	gw_settings.max_pending_changes = 10000;
	leave_all();

	client = join(topic, true, 0, false);
	settle();
	acknowledge(SECURE_TABLE, BUS_FOLLOW_HELD);
	insert_row(true, 1);
	insert_row(true, 2);
	leave_out = true;
	settle();
	leave_out = false;
	is_int(client->ended, 1, "no verdict");
	leave_all();
	free(topic);
}

/*
 * A transaction of many rows with many clients that have to be asked about: what
 * cannot be asked at once waits, and nobody is ended.
 */
static void
test_burst(void)
{
	Topic	   *topic = make_topic("burst");
	int			most = 0;

	for (int i = 0; i < MAX_CLIENTS; i++)
		join(topic, i > 0, 0, false);
	settle();
	acknowledge(OPEN_TABLE, BUS_FOLLOW_HELD);
	acknowledge(SECURE_TABLE, BUS_FOLLOW_HELD);
	for (int i = 0; i < 5000; i++)
	{
		insert_row(i % 100 != 0, i);
		most = Max(most, gw_stats[BUS_STAT_CHANGES_HELD]);
	}
	ok(most > 0 && most < 5000 * (MAX_CLIENTS - 1) * 3 / 4, "%d of 315,000 are held", most);
	settle();
	check("everybody is told of everything");
	is_int(gw_stats[BUS_STAT_CHANGES_OVERRUN], 1, "nobody is ended");
	leave_all();
	free(topic);
}

/* Tables change: nothing is told by old answers, and nothing is lost. */
static void
test_tables_changed(void)
{
	Topic	   *topic = make_topic("tables");
	Client	   *open = join(topic, false, 0, false);
	Client	   *late;

	join(topic, true, 0, false);
	settle();
	acknowledge(OPEN_TABLE, BUS_FOLLOW_HELD);
	acknowledge(SECURE_TABLE, BUS_FOLLOW_HELD);
	unfollowed = 0;
	change_terms_tables_changed();
	insert_row(false, 1);
	end_turn();
	insert_row(false, 2);
	is_int(open->nseen, 0, "nobody is told before the answer is there");
	late = join(topic, false, 0, false);
	ok(!changes_ready(late->channel), "who joins waits for it");
	settle();
	check("then all are");
	is_int(open->ok_messages, 1, "and hear no more of it");
	is_int(late->channel->state, CHANNEL_JOINED, "and the join is answered");
	is_int(unfollowed, 0, "the tables were followed all the time");

	change_terms_tables_changed();
	end_turn();
	change_terms_tables_changed();
	insert_row(true, 3);
	settle();
	check("changes during the question");

	gone = true;
	change_terms_tables_changed();
	settle();
	is_text(slice_make(open->error, strlen(open->error)), "no such table", "a dropped table is told");
	ok(open->channel != NULL, "the channel stays");
	late = join(topic, false, 0, false);
	settle();
	is_text(slice_make(late->error, strlen(late->error)), "no such table", "and told at joins");
	is_int(late->channel->state, CHANNEL_JOINED, "which succeed");
	gone = false;
	leave_all();
	is_int(topic->holders, 0, "the topic is not held");
	free(topic);
}

/* Another token: of the same role at once, of another one after an answer. */
static void
test_identity(void)
{
	Topic	   *topic = make_topic("identity");
	Client	   *client = join(topic, true, 0, false);
	Identity	second = {0};

	settle();
	acknowledge(SECURE_TABLE, BUS_FOLLOW_HELD);
	second = client->identity;
	second.refs = 1;
	second.claims.sub = SLICE_LIT("user2");
	client->channel->identity = &second;
	changes_identified(client->channel);
	is_int(client->ok_messages, 2, "the same role goes on at once");
	is_int(client->identity.refs, 1, "the old token is let go");
	insert_row(true, 1);
	settle();
	is_int(client->nseen, is_visible(SLICE_LIT("user2"), 1), "its rights count");

	client->identity.claims.role = SLICE_LIT("s");
	client->channel->identity = &client->identity;
	changes_identified(client->channel);
	is_int(client->ok_messages, 2, "another role waits");
	insert_row(true, 3);
	settle();
	is_int(client->ok_messages, 3, "until it is answered");
	is_int(second.refs, 1, "then the former token is let go");
	leave_all();
	free(topic);
}

int
main(void)
{
	gw_settings.max_pending_changes = 10000;
	changes_init();
	test_join();
	test_index();
	test_order();
	test_bound();
	test_burst();
	test_tables_changed();
	test_identity();
	change_delivery_flush();
	return done_testing();
}
