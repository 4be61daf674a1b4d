/*-------------------------------------------------------------------------
 *
 * target_bus_jobs.c
 *	  Work for the executors and its answers, and changes of rows.
 *
 * test/fuzz/target_bus_jobs.c
 *
 *-------------------------------------------------------------------------
 */
#include "target_bus.h"

#include "proto/change_frame.h"
#include "proto/change_job.h"
#include "proto/jslice.h"
#include "proto/job.h"
#include "reference.h"

/* Decode a body that may be one, and encode what was found. */
typedef bool (*Recode) (Slice body, Bytes *again);

static bool
recode_authorise(Slice body, Bytes *again)
{
	AuthoriseJob job;

	return job_decode_authorise(body, &job) && job_encode_authorise(again, &job);
}

static bool
recode_publish(Slice body, Bytes *again)
{
	PublishJob	job;

	return job_decode_publish(body, &job) && job_encode_publish(again, &job);
}

static bool
recode_call(Slice body, Bytes *again)
{
	CallJob		job;

	return job_decode_call(body, &job) && job_encode_call(again, &job);
}

static bool
recode_call_reply(Slice body, Bytes *again)
{
	CallReply	reply;

	return job_decode_call_reply(body, &reply) && job_encode_call_reply(again, &reply);
}

static bool
recode_history(Slice body, Bytes *again)
{
	HistoryJob	job;

	return job_decode_history(body, &job) && job_encode_history(again, &job);
}

static bool
recode_store(Slice body, Bytes *again)
{
	StoreHead	head;
	WalMessage	msg;

	return job_decode_store(body, &head, &msg) && job_encode_store(again, &head, &msg);
}

static bool
recode_commits(Slice body, Bytes *again)
{
	CommitsHead head;
	CommitEntry entry;
	Slice		entries;

	if (!job_decode_commits(body, &head, &entries))
		return false;
	bytes_append(again, &head, sizeof(head));
	for (uint32 i = 0; i < head.count; i++)
	{
		job_commit_entry(entries, i, &entry);
		bytes_append(again, &entry, sizeof(entry));
	}
	return !again->failed;
}

static bool
recode_audience(Slice body, Bytes *again)
{
	AudienceEntry entry;
	uint32		count;

	if (!job_decode_audience(body, &count))
		return false;
	for (uint32 i = 0; i < count; i++)
	{
		job_audience_entry(body, i, &entry);
		bytes_append(again, &entry, sizeof(entry));
	}
	return !again->failed;
}

static bool
recode_history_reply(Slice body, Bytes *again)
{
	HistoryReply reply;
	BusMessageHead head;
	WalMessage	msg;
	Slice		entries;
	Slice		before;

	if (!job_decode_history_reply(body, &reply, &entries))
		return false;
	bytes_append(again, &reply, sizeof(reply));
	before = entries;
	while (job_next_history_entry(&entries, &head, &msg))
	{
		must(job_encode_history_entry(again, &head, &msg));
		before = entries;
	}
	/* what is no message stays as it is */
	return bytes_append_slice(again, before);
}

static bool
recode_position(Slice body, Bytes *again)
{
	PositionReply reply;

	return job_decode_position(body, &reply) && bytes_append(again, &reply, sizeof(reply));
}

static bool
recode_publish_reply(Slice body, Bytes *again)
{
	PublishReply reply;

	return job_decode_publish_reply(body, &reply) && bytes_append(again, &reply, sizeof(reply));
}

static bool
recode_rights(Slice body, Bytes *again)
{
	uint8		rights;

	return job_decode_rights(body, &rights) && bytes_append_byte(again, rights);
}

static bool
recode_subscribe(Slice body, Bytes *again)
{
	SubscribeJob job;
	SubscribeEntry entry;
	Bytes	   *entries = fuzz_bytes();
	int			n = 0;

	if (!job_decode_subscribe(body, &job))
		return false;
	must(job.nentries > 0 && job.role.len > 0);
	while (subscribe_next_entry(&job.entries, &entry))
	{
		Bytes	   *names = fuzz_bytes();
		Slice		name;

		while (subscribe_next_name(&entry.select, &name))
			must(subscribe_append_name(names, name));
		entry.select = bytes_slice(names);
		must(subscribe_append_entry(entries, &entry));
		n++;
	}
	must(n == job.nentries);
	job.entries = bytes_slice(entries);
	return job_encode_subscribe(again, &job);
}

/* The conditions of a result, written again. */
static Slice
recode_conditions(Slice conditions)
{
	Bytes	   *again = fuzz_bytes();
	SubscribeCondition condition;
	FilterOperand operands[FILTER_MAX_IN_VALUES];

	while (subscribe_next_condition(&conditions, &condition, operands))
		must(subscribe_append_condition(again, &condition));
	must(conditions.len == 0);
	return bytes_slice(again);
}

static bool
recode_answer(Slice body, Bytes *again)
{
	SubscribeAnswer answer;
	SubscribeRelation relation;
	SubscribeResult result;
	Bytes	   *relations = fuzz_bytes();
	Bytes	   *results = fuzz_bytes();

	if (!job_decode_subscribe_answer(body, &answer))
		return false;
	while (subscribe_next_relation(&answer.relations, &relation))
	{
		for (int i = 0; i < relation.ntables; i++)
			(void) list_u32(relation.tables, i);
		must(subscribe_append_relation(relations, &relation));
	}
	while (subscribe_next_result(&answer.results, &result))
	{
		for (int i = 0; i < result.nrelations; i++)
			must(list_u16(result.relations, i) < answer.nrelations);
		result.conditions = recode_conditions(result.conditions);
		must(subscribe_append_result(results, &result));
	}
	must(answer.relations.len == 0 && answer.results.len == 0);
	answer.relations = bytes_slice(relations);
	answer.results = bytes_slice(results);
	return job_encode_subscribe_answer(again, &answer);
}

/* Append a record that was taken apart. */
static void
append_record(Bytes *out, const ChangeRecord *record)
{
	Slice		columns = record->columns;
	ChangeColumn column;
	uint16		last = 0;

	must(change_append_head(out, record));
	while (change_next_column(&columns, &column))
	{
		must(column.attnum > last && column.attnum <= CHANGE_MAX_COLUMNS);
		must((column.value.form == VALUE_ABSENT) == (record->op == CHANGE_DELETE));
		must(change_append_column(out, &column));
		last = column.attnum;
	}
	must(columns.len == 0);
}

static bool
recode_change(Slice body, Bytes *again)
{
	ChangeRecord record;

	if (!change_decode(body, &record))
		return false;
	must(change_peek_relid(body) == record.relid);
	append_record(again, &record);
	return true;
}

static bool
recode_visible(Slice body, Bytes *again)
{
	VisibleJob	job;
	ChangeRecord record;
	VisibleClient client;
	VisibleAsk	ask;
	FilterCondition condition;
	FilterOperand operands[FILTER_MAX_IN_VALUES];
	Bytes	   *changes = fuzz_bytes();
	Bytes	   *clients = fuzz_bytes();
	Bytes	   *asks = fuzz_bytes();
	Bytes	   *verdicts = fuzz_bytes();

	if (!job_decode_visible(body, &job))
		return false;
	must(job.relid != 0 && job.nchanges > 0 && job.nclients > 0 && job.nasks > 0);
	while (visible_next_change(&job.changes, &record))
	{
		Bytes	   *one = fuzz_bytes();

		append_record(one, &record);
		must(visible_append_change(changes, bytes_slice(one)));
	}
	while (visible_next_client(&job.clients, &client))
		must(visible_append_client(clients, &client));
	while (visible_next_ask(&job.asks, &ask))
	{
		Bytes	   *conditions = fuzz_bytes();

		must(ask.client < job.nclients);
		while (visible_next_condition(&ask.conditions, &condition, operands))
			must(visible_append_condition(conditions, &condition));
		ask.conditions = bytes_slice(conditions);
		must(visible_append_ask(asks, &ask));
	}
	must(job.changes.len + job.clients.len + job.asks.len == 0);
	job.changes = bytes_slice(changes);
	job.clients = bytes_slice(clients);
	job.asks = bytes_slice(asks);
	for (int i = 0; i < job.nchanges * job.nasks; i++)
		bytes_append_byte(verdicts, i % 3);
	must(!verdicts->failed && job_decode_verdicts(exact_bytes(verdicts), &job));
	verdicts->data[0] = 3;
	must(!job_decode_verdicts(bytes_slice(verdicts), &job));
	return job_encode_visible(again, &job);
}

/*
 * What is decoded and encoded is the same.  A body that is good, with nothing
 * changed, has to be decoded.
 */
static void
check_recode(Recode recode, Slice body, bool is_good)
{
	Bytes	   *again = fuzz_bytes();

	if (recode(body, again))
		must(slice_equals(slice_make(body.data, Min(again->len, body.len)), bytes_slice(again)) &&
			 (again->len == body.len || recode == recode_history_reply));
	else
		must(!is_good && !again->failed);
}

/* A body made of the input, and the same with slips. */
static void
check_made(Recode recode, const Bytes *body, Slice *input)
{
	must(!body->failed);
	check_recode(recode, exact_bytes(body), true);
	check_recode(recode, with_flips(body, input), false);
}

/* Jobs of texts. */
static void
check_texts(Slice input)
{
	uint8		kind = input_byte(&input);
	Bytes	   *body = fuzz_bytes();

	if (kind & 1)
	{
		AuthoriseJob job = {kind % RIGHTS_ALL + 1};

		job.role = input_text(&input, 1, 63);
		job.sub = input_text(&input, 0, 255);
		job.topic = input_text(&input, 1, TOPIC_MAX_BYTES);
		job.claims = input_json(&input, true);
		job.headers = input_json(&input, true);
		(void) job_encode_authorise(body, &job);
		check_made(recode_authorise, body, &input);
	}
	else
	{
		PublishJob	job = {{NULL, 0}};

		job.role = input_text(&input, 1, 63);
		job.sub = input_text(&input, 0, 255);
		job.channel = input_text(&input, 1, TOPIC_MAX_BYTES);
		job.claims = input_json(&input, true);
		job.headers = input_json(&input, true);
		job.event = input_text(&input, 1, EVENT_MAX_BYTES);
		job.payload = input_json(&input, false);
		job.is_broadcast = (kind & 2) != 0;
		(void) job_encode_publish(body, &job);
		check_made(recode_publish, body, &input);
	}
}

/* History and what is to be stored. */
static void
check_messages(Slice input)
{
	uint8		kind = input_byte(&input);
	Bytes	   *body = fuzz_bytes();

	if (kind % 3 == 0)
	{
		StoreHead	head = {(uint32) input_number(&input, 2)};
		WalMessage	msg = input_message(&input, WAL_MESSAGE_CAST);

		msg.flags |= WAL_MESSAGE_PRIVATE;
		(void) job_encode_store(body, &head, &msg);
		check_made(recode_store, body, &input);
	}
	else if (kind % 3 == 1)
	{
		HistoryJob	job = {{0}};

		job.head.kind = kind & 8 ? HISTORY_RESUME : HISTORY_REPLAY;
		job.head.limit = input_byte(&input) + 1;
		job.head.after.place.lsn = input_number(&input, 8) | 1;
		job.topic = input_text(&input, 1, TOPIC_MAX_BYTES);
		(void) job_encode_history(body, &job);
		check_made(recode_history, body, &input);
	}
	else
	{
		HistoryReply reply = {HISTORY_FOUND};
		BusMessageHead head = {{input_number(&input, 8)}};

		reply.count = input_byte(&input) % 3;
		bytes_append(body, &reply, sizeof(reply));
		for (uint32 i = 0; i < reply.count; i++)
		{
			WalMessage	msg = input_message(&input, WAL_MESSAGE_BROADCAST);

			(void) job_encode_history_entry(body, &head, &msg);
		}
		check_made(recode_history_reply, body, &input);
	}
}

/* A value of a row of that form. */
static ChangeValue
input_value(Slice *input)
{
	ChangeValue value = {input_byte(input) % (VALUE_LEFT_OUT + 1)};

	if (value.form == VALUE_ABSENT)
		value.form = VALUE_NULL;
	if (value.form == VALUE_STRING)
		value.json = SLICE_LIT("\"a \\u00e9\"");
	else if (value.form == VALUE_HEX)
		value.json = SLICE_LIT("\"00ff\"");
	else if (VALUE_HAS_JSON(value.form))
		value.json = input_json(input, false);
	if (value.form == VALUE_WITH_TEXT)
		value.text = input_text(input, 0, 255);
	return value;
}

/* Append a change of a row. */
static void
make_change(Bytes *out, Slice *input, uint32 relid)
{
	ChangeRecord record = {relid};
	uint16		attnum = 0;

	record.op = input_byte(input) % 3 + CHANGE_INSERT;
	record.flags = input_byte(input) % 4;
	record.ncolumns = input_byte(input) % 4;
	record.schema = input_text(input, 1, 63);
	record.table = input_text(input, 1, 63);
	(void) change_append_head(out, &record);
	for (int i = 0; i < record.ncolumns; i++)
	{
		ChangeColumn column = {0};

		attnum += input_byte(input) % 8 + 1;
		column.attnum = attnum;
		column.flags = input_byte(input) % 4;
		column.name = input_text(input, 1, 63);
		column.type = input_text(input, 1, 63);
		if (record.op != CHANGE_DELETE)
			column.value = input_value(input);
		if (record.op == CHANGE_DELETE ||
			(record.op == CHANGE_UPDATE && (column.flags & CHANGE_IDENTITY) != 0))
			column.old_value = input_value(input);
		(void) change_append_column(out, &column);
	}
	must(!out->failed);
}

/* What clients are told of a change is JSON, and the texts of its values text. */
static void
check_told(Slice data, Slice *input)
{
	ChangeRecord record;
	ChangeColumn column;
	ChangeColumns columns = {true};
	Slice		rest;
	Slice		wanted[1];
	Bytes	   *out = fuzz_bytes();
	Bytes	   *attnums = fuzz_bytes();

	must(change_decode(data, &record));
	rest = record.columns;
	while (change_next_column(&rest, &column))
	{
		const ChangeValue *value = change_row_value(&record, &column);

		out->len = 0;
		must(change_value_text(value, out) == VALUE_HAS_JSON(value->form));
		must(ref_utf8(exact_bytes(out)) == REF_UTF8_WHOLE);
		if (input_byte(input) & 1)
			bytes_append(attnums, &column.attnum, sizeof(column.attnum));
		wanted[0] = column.name;
		columns.nwanted = input_byte(input) & 1;
	}
	columns.wanted = wanted;
	columns.all = input_byte(input) & 1;
	columns.attnums = bytes_slice(attnums);
	out->len = 0;
	must(change_encode_data(out, &record, &columns, (int64) input_number(input, 7) - (INT64CONST(1) << 55),
							change_fault(&record, &columns)));
	must(ref_json_object(exact_bytes(out)));
	must(jslice_string_equals(jslice_get(exact_bytes(out), "schema"), record.schema));
	must(slice_equals_cstr(jslice_get(exact_bytes(out), "type"),
						   record.op == CHANGE_INSERT ? "\"INSERT\"" :
						   record.op == CHANGE_UPDATE ? "\"UPDATE\"" : "\"DELETE\""));
	out->len = 0;
	must(change_encode_data(out, &record, &columns, 0, CHANGE_POLICY_FAILED));
	must(ref_json_object(exact_bytes(out)));
}

static void
check_change(Slice input)
{
	Bytes	   *body = fuzz_bytes();

	make_change(body, &input, (uint32) input_number(&input, 4) | 1);
	check_made(recode_change, body, &input);
	check_told(exact_bytes(body), &input);
}

/* A condition, with operands of the caller. */
static FilterCondition
input_condition(Slice *input, FilterOperand *operands, int max)
{
	FilterCondition condition = {input_byte(input) % FILTER_OPS};

	condition.negated = input_byte(input) & 1;
	condition.column = input_text(input, 1, 63);
	condition.operands = operands;
	condition.noperands = condition.op == FILTER_IN ? input_byte(input) % max : 1;
	for (uint32 i = 0; i < condition.noperands; i++)
	{
		operands[i].is_null = input_byte(input) & 1;
		operands[i].text = input_text(input, 0, 255);
	}
	return condition;
}

static void
check_subscribe(Slice input)
{
	SubscribeJob job = {input_text(&input, 1, 63)};
	Bytes	   *entries = fuzz_bytes();
	Bytes	   *body = fuzz_bytes();

	job.nentries = input_byte(&input) % 3 + 1;
	for (int i = 0; i < job.nentries; i++)
	{
		SubscribeEntry entry = {input_byte(&input) % 4};
		Bytes	   *names = fuzz_bytes();

		entry.nselect = input_byte(&input) % 3;
		entry.has_select = entry.nselect > 0;
		for (int n = 0; n < entry.nselect; n++)
			(void) subscribe_append_name(names, input_text(&input, 0, 63));
		entry.schema = input_text(&input, 0, 63);
		entry.table = input_text(&input, 0, 63);
		entry.filter = input_text(&input, 0, 255);
		entry.select = bytes_slice(names);
		(void) subscribe_append_entry(entries, &entry);
	}
	job.entries = bytes_slice(entries);
	(void) job_encode_subscribe(body, &job);
	must(!entries->failed);
	check_made(recode_subscribe, body, &input);
}

/* The result of an entry. */
static void
make_result(Bytes *results, Slice *input, uint16 nrelations)
{
	SubscribeResult result = {nrelations == 0 || (input_byte(input) & 1)};
	SubscribeCondition condition = {1};
	FilterOperand operands[4];
	Bytes	   *list = fuzz_bytes();
	Bytes	   *conditions = fuzz_bytes();
	uint16		place;

	if (result.failed)
		result.error = input_text(input, 1, 63);
	else
	{
		/* an entry of all tables may have none */
		result.nrelations = input_byte(input) % 2 + 1;
		for (int i = 0; i < result.nrelations; i++)
		{
			place = input_byte(input) % nrelations;
			bytes_append(list, &place, sizeof(place));
		}
		if (result.nrelations == 1)
			result.nconditions = input_byte(input) % 3;
		for (int i = 0; i < result.nconditions; i++)
		{
			condition.attnum = input_byte(input) + 1;
			condition.class = input_byte(input) % (FILTER_AS_TIME + 1);
			condition.condition = input_condition(input, operands, lengthof(operands));
			(void) subscribe_append_condition(conditions, &condition);
		}
	}
	result.relations = bytes_slice(list);
	result.conditions = bytes_slice(conditions);
	must(!list->failed && !conditions->failed && subscribe_append_result(results, &result));
}

static void
check_answer(Slice input)
{
	SubscribeAnswer answer = {input_byte(&input) % 3, input_byte(&input) % 3 + 1};
	Bytes	   *relations = fuzz_bytes();
	Bytes	   *results = fuzz_bytes();
	Bytes	   *body = fuzz_bytes();

	for (int i = 0; i < answer.nrelations; i++)
	{
		SubscribeRelation relation = {(uint32) input_number(&input, 2) + 1};

		relation.flags = input_byte(&input) % 4;
		relation.ntables = input_byte(&input) % 2;
		relation.ncolumns = input_byte(&input) % 3;
		relation.schema = input_text(&input, 1, 63);
		relation.table = input_text(&input, 1, 63);
		relation.tables = slice_make("\1\0\0\0", relation.ntables * 4);
		relation.columns = slice_make("\1\0\2\0", relation.ncolumns * 2);
		(void) subscribe_append_relation(relations, &relation);
	}
	for (int i = 0; i < answer.nresults; i++)
		make_result(results, &input, answer.nrelations);
	answer.relations = bytes_slice(relations);
	answer.results = bytes_slice(results);
	(void) job_encode_subscribe_answer(body, &answer);
	must(!relations->failed);
	check_made(recode_answer, body, &input);
}

static void
check_visible(Slice input)
{
	VisibleJob	job = {(uint32) input_number(&input, 2) + 1};
	FilterOperand operands[4];
	Bytes	   *changes = fuzz_bytes();
	Bytes	   *clients = fuzz_bytes();
	Bytes	   *asks = fuzz_bytes();
	Bytes	   *body = fuzz_bytes();

	job.nchanges = input_byte(&input) % 2 + 1;
	job.nclients = input_byte(&input) % 2 + 1;
	job.nasks = input_byte(&input) % 3 + 1;
	for (int i = 0; i < job.nchanges; i++)
	{
		Bytes	   *one = fuzz_bytes();

		make_change(one, &input, job.relid);
		(void) visible_append_change(changes, bytes_slice(one));
	}
	for (int i = 0; i < job.nclients; i++)
	{
		VisibleClient client = {input_text(&input, 1, 63)};

		client.sub = input_text(&input, 0, 63);
		client.claims = input_json(&input, true);
		client.headers = input_json(&input, true);
		(void) visible_append_client(clients, &client);
	}
	for (int i = 0; i < job.nasks; i++)
	{
		VisibleAsk	ask = {input_byte(&input) % job.nclients};
		Bytes	   *conditions = fuzz_bytes();

		ask.policies = input_byte(&input) & 1;
		ask.nconditions = input_byte(&input) % 3;
		for (int n = 0; n < ask.nconditions; n++)
		{
			FilterCondition condition = input_condition(&input, operands, lengthof(operands));

			(void) visible_append_condition(conditions, &condition);
		}
		must(!conditions->failed);
		ask.conditions = bytes_slice(conditions);
		(void) visible_append_ask(asks, &ask);
	}
	job.changes = bytes_slice(changes);
	job.clients = bytes_slice(clients);
	job.asks = bytes_slice(asks);
	must(!changes->failed && !clients->failed && !asks->failed);
	(void) job_encode_visible(body, &job);
	check_made(recode_visible, body, &input);
}

/* Any bytes, as any of them. */
static void
check_any(Slice input)
{
	static const Recode all[] = {
		recode_authorise, recode_publish, recode_call, recode_call_reply, recode_history,
		recode_store, recode_commits, recode_audience, recode_history_reply, recode_position,
		recode_publish_reply, recode_rights, recode_subscribe, recode_answer, recode_change,
		recode_visible
	};
	int			which = input_byte(&input) % lengthof(all);

	check_recode(all[which], fuzz_exact(input), false);
}

void
fuzz_bus_jobs(uint8 kind, Slice input)
{
	switch (kind)
	{
		case 0:
			check_texts(input);
			break;
		case 1:
			check_messages(input);
			break;
		case 2:
			check_change(input);
			break;
		case 3:
			check_subscribe(input);
			break;
		case 4:
			check_answer(input);
			break;
		case 5:
			check_visible(input);
			break;
		default:
			check_any(input);
			break;
	}
}
