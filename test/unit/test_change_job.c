/*-------------------------------------------------------------------------
 *
 * test_change_job.c
 *	  Questions about followed tables and their answers: there and back.
 *
 * test/unit/test_change_job.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/change_job.h"

/* Move what was encoded to memory that ends exactly; release() it. */
static Slice
finished(Bytes *out)
{
	Slice		result = exact(bytes_slice(out));

	bytes_free(out);
	return result;
}

static bool
subscribe_decodes(Slice body)
{
	SubscribeJob job;

	return job_decode_subscribe(body, &job);
}

static bool
answer_decodes(Slice body)
{
	SubscribeAnswer answer;

	return job_decode_subscribe_answer(body, &answer);
}

static bool
visible_decodes(Slice body)
{
	VisibleJob	job;

	return job_decode_visible(body, &job);
}

/* A body decodes, but not if it is cut; with other bytes it may or may not. */
static void
check_bounds(Slice body, bool (*decodes) (Slice), const char *what)
{
	bool		good = decodes(body);

	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		good = good && !decodes(part);
		release(part);
	}
	for (size_t at = 0; at < body.len; at++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			Slice		copy = exact(body);

			unconstify(char *, copy.data)[at] ^= (char) (1 << bit);
			(void) decodes(copy);
			release(copy);
		}
	}
	ok(good, "%s, cut at every place, and with other bytes", what);
}

/* JOB_SUBSCRIBE. */
static void
test_subscribe(void)
{
	SubscribeEntry entry = {CHANGE_UPDATE, true, 2, B("public"), B("t"), B("a=eq.1")};
	SubscribeJob job = {B("anon"), 2};
	SubscribeJob got;
	SubscribeEntry out;
	Bytes		names = {0};
	Bytes		entries = {0};
	Bytes		body = {0};
	Slice		data;
	Slice		name;

	(void) subscribe_append_name(&names, B("a"));
	(void) subscribe_append_name(&names, B(""));
	entry.select = bytes_slice(&names);
	(void) subscribe_append_entry(&entries, &entry);
	entry = (SubscribeEntry) {0, false, 0, B("*"), B("*")};
	(void) subscribe_append_entry(&entries, &entry);
	job.entries = bytes_slice(&entries);
	(void) job_encode_subscribe(&body, &job);
	data = finished(&body);

	if (ok(job_decode_subscribe(data, &got), "a subscription"))
	{
		is_text(got.role, "anon", "role");
		is_int(got.nentries, 2, "entries");
		ok(subscribe_next_entry(&got.entries, &out) && out.op == CHANGE_UPDATE && out.has_select, "one");
		is_text(out.filter, "a=eq.1", "its filter");
		ok(subscribe_next_name(&out.select, &name), "a column");
		is_text(name, "a", "its name");
		ok(subscribe_next_name(&out.select, &name) && name.len == 0, "one without name");
		ok(!subscribe_next_name(&out.select, &name), "no more");
		ok(subscribe_next_entry(&got.entries, &out) && out.op == 0 && !out.has_select, "all of all");
		is_text(out.schema, "*", "schemas");
		ok(!subscribe_next_entry(&got.entries, &out), "no more entries");
	}
	check_bounds(data, subscribe_decodes, "a subscription");
	release(data);

	job.nentries = 0;
	job.entries = B("");
	(void) job_encode_subscribe(&body, &job);
	ok(!subscribe_decodes(bytes_slice(&body)), "without entries");
	bytes_free(&body);
	bytes_free(&names);
	bytes_free(&entries);
}

/* Its answer. */
static void
test_answer(void)
{
	uint32		tables[] = {11, 12};
	uint16		columns[] = {1, 3};
	uint16		place = 0;
	FilterOperand operands[FILTER_MAX_IN_VALUES] = {{B("1")}, {B(""), true}};
	SubscribeRelation relation = {11, RELATION_ASK, 2, 2, B("public"), B("t"),
	{(const char *) tables, sizeof(tables)}, {(const char *) columns, sizeof(columns)}};
	SubscribeCondition condition = {3, FILTER_AS_NUMBER, {FILTER_IN, true, B("c"), B(""), operands, 2}};
	SubscribeResult result = {false, 1, 1, B(""), {(const char *) &place, sizeof(place)}};
	SubscribeAnswer answer = {1, 2};
	SubscribeAnswer got;
	Bytes		relations = {0};
	Bytes		conditions = {0};
	Bytes		results = {0};
	Bytes		body = {0};
	Slice		data;

	(void) subscribe_append_relation(&relations, &relation);
	(void) subscribe_append_condition(&conditions, &condition);
	result.conditions = bytes_slice(&conditions);
	(void) subscribe_append_result(&results, &result);
	result = (SubscribeResult) {true, 0, 0, B("no such table")};
	(void) subscribe_append_result(&results, &result);
	answer.relations = bytes_slice(&relations);
	answer.results = bytes_slice(&results);
	(void) job_encode_subscribe_answer(&body, &answer);
	data = finished(&body);

	if (ok(job_decode_subscribe_answer(data, &got), "an answer"))
	{
		memset(operands, 0, sizeof(operands));
		ok(subscribe_next_relation(&got.relations, &relation) && relation.relid == 11 &&
		   relation.flags == RELATION_ASK && relation.ntables == 2 &&
		   list_u32(relation.tables, 1) == 12 && list_u16(relation.columns, 1) == 3, "a relation");
		ok(subscribe_next_result(&got.results, &result) && !result.failed &&
		   list_u16(result.relations, 0) == 0, "a result");
		ok(subscribe_next_condition(&result.conditions, &condition, operands) &&
		   condition.attnum == 3 && condition.class == FILTER_AS_NUMBER &&
		   condition.condition.op == FILTER_IN && condition.condition.negated &&
		   condition.condition.noperands == 2 && operands[1].is_null, "a condition");
		is_text(operands[0].text, "1", "its value");
		ok(subscribe_next_result(&got.results, &result) && result.failed, "a failure");
		is_text(result.error, "no such table", "and why");
		ok(!subscribe_next_result(&got.results, &result), "no more results");
	}
	check_bounds(data, answer_decodes, "an answer");
	release(data);

	place = 1;
	results.len = 0;
	result = (SubscribeResult) {false, 1, 0, B(""), {(const char *) &place, sizeof(place)}};
	(void) subscribe_append_result(&results, &result);
	answer.nresults = 1;
	answer.results = bytes_slice(&results);
	(void) job_encode_subscribe_answer(&body, &answer);
	ok(!answer_decodes(bytes_slice(&body)), "a relation that is not there");
	bytes_free(&body);
	bytes_free(&relations);
	bytes_free(&conditions);
	bytes_free(&results);
}

/* Append a change of one column of table 7. */
static void
append_change(Bytes *changes, uint32 relid)
{
	ChangeRecord record = {relid, CHANGE_INSERT, 0, 1, B("public"), B("t")};
	ChangeColumn column = {1, 0, B("a"), B("int4"), {VALUE_VERBATIM, P("5")}};
	Bytes		out = {0};

	(void) change_append_head(&out, &record);
	(void) change_append_column(&out, &column);
	(void) visible_append_change(changes, bytes_slice(&out));
	bytes_free(&out);
}

/* JOB_VISIBLE and its answer. */
static void
test_visible(void)
{
	FilterOperand operands[FILTER_MAX_IN_VALUES] = {{B("^a")}};
	FilterCondition condition = {FILTER_MATCH, false, B("a"), B(""), operands, 1};
	VisibleClient client = {B("anon"), B("me"), B("{\"a\":1}"), B("{}")};
	VisibleAsk	ask = {0, true, 1};
	VisibleJob	job = {7, 2, 1, 2};
	VisibleJob	got;
	ChangeRecord record;
	Bytes		changes = {0};
	Bytes		clients = {0};
	Bytes		conditions = {0};
	Bytes		asks = {0};
	Bytes		body = {0};
	Slice		data;

	append_change(&changes, 7);
	append_change(&changes, 7);
	(void) visible_append_client(&clients, &client);
	(void) visible_append_condition(&conditions, &condition);
	ask.conditions = bytes_slice(&conditions);
	(void) visible_append_ask(&asks, &ask);
	ask = (VisibleAsk) {0, false, 0};
	(void) visible_append_ask(&asks, &ask);
	job.changes = bytes_slice(&changes);
	job.clients = bytes_slice(&clients);
	job.asks = bytes_slice(&asks);
	(void) job_encode_visible(&body, &job);
	data = finished(&body);

	if (ok(job_decode_visible(data, &got), "a question"))
	{
		ok(visible_next_change(&got.changes, &record) && record.ncolumns == 1 &&
		   visible_next_change(&got.changes, &record) &&
		   !visible_next_change(&got.changes, &record), "two changes");
		ok(visible_next_client(&got.clients, &client), "a client");
		is_text(client.sub, "me", "sub");
		ok(visible_next_ask(&got.asks, &ask) && ask.policies && ask.client == 0, "an ask");
		ok(visible_next_condition(&ask.conditions, &condition, operands) &&
		   condition.op == FILTER_MATCH, "its condition");
		is_text(operands[0].text, "^a", "its value");
		ok(visible_next_ask(&got.asks, &ask) && !ask.policies &&
		   !visible_next_ask(&got.asks, &ask), "another ask");
		ok(job_decode_verdicts(B("\0\1\2\1"), &got), "four verdicts");
		ok(!job_decode_verdicts(B("\0\1\2"), &got) && !job_decode_verdicts(B("\0\1\2\3"), &got),
		   "too few, or one that there is not");
	}
	check_bounds(data, visible_decodes, "a question");
	release(data);

	append_change(&changes, 8);
	job.nchanges++;
	job.changes = bytes_slice(&changes);
	(void) job_encode_visible(&body, &job);
	ok(!visible_decodes(bytes_slice(&body)), "a change of another table");
	bytes_free(&body);
	bytes_free(&changes);
	bytes_free(&clients);
	bytes_free(&conditions);
	bytes_free(&asks);
}

int
main(void)
{
	test_subscribe();
	test_answer();
	test_visible();
	return done_testing();
}
