/*-------------------------------------------------------------------------
 *
 * change_job.c
 *	  What gateways ask executors about followed tables, as bytes.
 *
 * A list is a text (pieces.h) around its members.  A decoder walks all lists to
 * their ends once, with the functions that take their members off, and then
 * looks at what is left.
 *
 * src/proto/change_job.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/change_job.h"

#include "proto/pieces.h"
#include "proto/utf8.h"

#define ROLE_MAX_BYTES (NAMEDATALEN - 1)

/*
 * Take a boolean.
 */
static bool
take_bool(Slice *rest, bool *value)
{
	uint8		byte;

	if (!take_u8(rest, &byte) || byte > 1)
		return false;
	*value = byte == 1;
	return true;
}

/*
 * Take a text that may become a C string in the server.
 */
static bool
take_string(Slice *rest, size_t max, Slice *text)
{
	return take_text(rest, max, text) &&
		(text->len == 0 ||
		 (memchr(text->data, '\0', text->len) == NULL && utf8_valid(text->data, text->len)));
}

/*
 * Take the name of a role.
 */
static bool
take_role(Slice *rest, Slice *role)
{
	return take_string(rest, ROLE_MAX_BYTES, role) && role->len > 0;
}

/*
 * Take a list of n numbers of that size.
 */
static bool
take_numbers(Slice *rest, size_t n, size_t size, Slice *numbers)
{
	return take_bytes(rest, n * size, numbers);
}

/*
 * A condition; `raw` does not travel.
 */
bool
visible_append_condition(Bytes *conditions, const FilterCondition *condition)
{
	bool		good = put_u8(conditions, condition->op) &&
		put_u8(conditions, condition->negated) &&
		put_text(conditions, condition->column) &&
		put_u16(conditions, (uint16) condition->noperands);

	for (uint32 i = 0; i < condition->noperands && good; i++)
		good = put_u8(conditions, condition->operands[i].is_null) &&
			put_text(conditions, condition->operands[i].text);
	return good;
}

/*
 * Take one.
 */
bool
visible_next_condition(Slice *conditions, FilterCondition *condition, FilterOperand *operands)
{
	uint16		noperands;

	memset(condition, 0, sizeof(*condition));
	if (conditions->len == 0 ||
		!take_u8(conditions, &condition->op) || !FILTER_OP_VALID(condition->op) ||
		!take_bool(conditions, &condition->negated) ||
		!take_string(conditions, CHANGE_MAX_NAME, &condition->column) ||
		!take_u16(conditions, &noperands) || noperands > FILTER_MAX_IN_VALUES ||
		(noperands != 1 && condition->op != FILTER_IN))
		return false;
	for (int i = 0; i < noperands; i++)
	{
		if (!take_bool(conditions, &operands[i].is_null) ||
			!take_string(conditions, SIZE_MAX, &operands[i].text))
			return false;
	}
	condition->operands = operands;
	condition->noperands = noperands;
	return true;
}

/*
 * Are there n conditions in the list, and nothing else?
 */
static bool
conditions_fit(Slice conditions, int n)
{
	FilterOperand operands[FILTER_MAX_IN_VALUES];
	FilterCondition condition;

	for (int i = 0; i < n; i++)
	{
		if (!visible_next_condition(&conditions, &condition, operands))
			return false;
	}
	return conditions.len == 0;
}

/*
 * A name of a column.
 */
bool
subscribe_append_name(Bytes *names, Slice name)
{
	return put_text(names, name);
}

/*
 * Take one.
 */
bool
subscribe_next_name(Slice *names, Slice *name)
{
	return names->len > 0 && take_string(names, SIZE_MAX, name);
}

/*
 * An entry of a subscription.
 */
bool
subscribe_append_entry(Bytes *entries, const SubscribeEntry *entry)
{
	return put_u8(entries, entry->op) &&
		put_u8(entries, entry->has_select) &&
		put_u16(entries, entry->nselect) &&
		put_text(entries, entry->schema) &&
		put_text(entries, entry->table) &&
		put_text(entries, entry->filter) &&
		put_text(entries, entry->select);
}

/*
 * Take one.
 */
bool
subscribe_next_entry(Slice *entries, SubscribeEntry *entry)
{
	Slice		names;
	Slice		name;
	int			n = 0;

	if (entries->len == 0 ||
		!take_u8(entries, &entry->op) ||
		(entry->op != 0 && !CHANGE_OP_VALID(entry->op)) ||
		!take_bool(entries, &entry->has_select) ||
		!take_u16(entries, &entry->nselect) ||
		!take_string(entries, SIZE_MAX, &entry->schema) ||
		!take_string(entries, SIZE_MAX, &entry->table) ||
		!take_string(entries, SIZE_MAX, &entry->filter) ||
		!take_text(entries, SIZE_MAX, &entry->select))
		return false;
	names = entry->select;
	while (subscribe_next_name(&names, &name))
		n++;
	return names.len == 0 && n == entry->nselect && (n > 0) == entry->has_select;
}

/*
 * JOB_SUBSCRIBE.
 */
bool
job_encode_subscribe(Bytes *out, const SubscribeJob *job)
{
	return put_text(out, job->role) &&
		put_u16(out, job->nentries) &&
		bytes_append_slice(out, job->entries);
}

/*
 * JOB_SUBSCRIBE, checked.
 */
bool
job_decode_subscribe(Slice body, SubscribeJob *job)
{
	SubscribeEntry entry;

	if (!take_role(&body, &job->role) ||
		!take_u16(&body, &job->nentries) ||
		job->nentries < 1 || job->nentries > SUBSCRIBE_MAX_ENTRIES)
		return false;
	job->entries = body;
	for (int i = 0; i < job->nentries; i++)
	{
		if (!subscribe_next_entry(&body, &entry))
			return false;
	}
	return body.len == 0;
}

/*
 * A relation that entries are about.
 */
bool
subscribe_append_relation(Bytes *relations, const SubscribeRelation *relation)
{
	return put_u32(relations, relation->relid) &&
		put_u8(relations, relation->flags) &&
		put_u16(relations, relation->ntables) &&
		put_u16(relations, relation->ncolumns) &&
		put_text(relations, relation->schema) &&
		put_text(relations, relation->table) &&
		bytes_append_slice(relations, relation->tables) &&
		bytes_append_slice(relations, relation->columns);
}

/*
 * Take one.
 */
bool
subscribe_next_relation(Slice *relations, SubscribeRelation *relation)
{
	return relations->len > 0 &&
		take_u32(relations, &relation->relid) && relation->relid != 0 &&
		take_u8(relations, &relation->flags) &&
		(relation->flags & ~(RELATION_ASK | RELATION_ALL_COLUMNS)) == 0 &&
		take_u16(relations, &relation->ntables) &&
		relation->ntables <= BUS_FOLLOW_MAX_TABLES &&
		take_u16(relations, &relation->ncolumns) &&
		relation->ncolumns <= CHANGE_MAX_COLUMNS &&
		take_string(relations, CHANGE_MAX_NAME, &relation->schema) &&
		take_string(relations, CHANGE_MAX_NAME, &relation->table) &&
		take_numbers(relations, relation->ntables, sizeof(uint32), &relation->tables) &&
		take_numbers(relations, relation->ncolumns, sizeof(uint16), &relation->columns);
}

/*
 * A condition with what the column's type makes of it.
 */
bool
subscribe_append_condition(Bytes *conditions, const SubscribeCondition *condition)
{
	return put_u16(conditions, condition->attnum) &&
		put_u8(conditions, condition->class) &&
		visible_append_condition(conditions, &condition->condition);
}

/*
 * Take one.
 */
bool
subscribe_next_condition(Slice *conditions, SubscribeCondition *condition,
						 FilterOperand *operands)
{
	return conditions->len > 0 &&
		take_u16(conditions, &condition->attnum) &&
		condition->attnum >= 1 && condition->attnum <= CHANGE_MAX_COLUMNS &&
		take_u8(conditions, &condition->class) && FILTER_CLASS_VALID(condition->class) &&
		visible_next_condition(conditions, &condition->condition, operands);
}

/*
 * The result of an entry.
 */
bool
subscribe_append_result(Bytes *results, const SubscribeResult *result)
{
	return put_u8(results, result->failed) &&
		put_u16(results, result->nrelations) &&
		put_u16(results, result->nconditions) &&
		put_text(results, result->error) &&
		bytes_append_slice(results, result->relations) &&
		put_text(results, result->conditions);
}

/*
 * Take one.
 */
bool
subscribe_next_result(Slice *results, SubscribeResult *result)
{
	return results->len > 0 &&
		take_bool(results, &result->failed) &&
		take_u16(results, &result->nrelations) &&
		take_u16(results, &result->nconditions) &&
		take_string(results, SIZE_MAX, &result->error) &&
		take_numbers(results, result->nrelations, sizeof(uint16), &result->relations) &&
		take_text(results, SIZE_MAX, &result->conditions);
}

/*
 * Is a result whole, and about relations that there are?
 */
static bool
result_fits(const SubscribeResult *result, uint16 nrelations)
{
	FilterOperand operands[FILTER_MAX_IN_VALUES];
	SubscribeCondition condition;
	Slice		rest = result->conditions;

	for (int i = 0; i < result->nrelations; i++)
	{
		if (list_u16(result->relations, i) >= nrelations)
			return false;
	}
	if (result->failed != (result->error.len > 0) ||
		result->failed == (result->nrelations > 0) ||
		result->nconditions > FILTER_MAX_CONDITIONS ||
		(result->nconditions > 0 && result->nrelations != 1))
		return false;
	for (int i = 0; i < result->nconditions; i++)
	{
		if (!subscribe_next_condition(&rest, &condition, operands))
			return false;
	}
	return rest.len == 0;
}

/*
 * The answer to JOB_SUBSCRIBE.
 */
bool
job_encode_subscribe_answer(Bytes *out, const SubscribeAnswer *answer)
{
	return put_u16(out, answer->nrelations) &&
		put_u16(out, answer->nresults) &&
		put_text(out, answer->relations) &&
		bytes_append_slice(out, answer->results);
}

/*
 * The answer to JOB_SUBSCRIBE, checked.
 */
bool
job_decode_subscribe_answer(Slice body, SubscribeAnswer *answer)
{
	SubscribeRelation relation;
	SubscribeResult result;
	Slice		rest;

	if (!take_u16(&body, &answer->nrelations) ||
		answer->nrelations > SUBSCRIBE_MAX_RELATIONS ||
		!take_u16(&body, &answer->nresults) ||
		answer->nresults < 1 || answer->nresults > SUBSCRIBE_MAX_ENTRIES ||
		!take_text(&body, SIZE_MAX, &answer->relations))
		return false;
	rest = answer->relations;
	for (int i = 0; i < answer->nrelations; i++)
	{
		if (!subscribe_next_relation(&rest, &relation))
			return false;
	}
	answer->results = body;
	for (int i = 0; i < answer->nresults; i++)
	{
		if (!subscribe_next_result(&body, &result) ||
			!result_fits(&result, answer->nrelations))
			return false;
	}
	return rest.len == 0 && body.len == 0;
}

/*
 * A change.
 */
bool
visible_append_change(Bytes *changes, Slice record)
{
	return put_text(changes, record);
}

/*
 * Take one.
 */
bool
visible_next_change(Slice *changes, ChangeRecord *record)
{
	Slice		data;

	return changes->len > 0 && take_text(changes, SIZE_MAX, &data) &&
		change_decode(data, record);
}

/*
 * A client.
 */
bool
visible_append_client(Bytes *clients, const VisibleClient *client)
{
	return put_text(clients, client->role) &&
		put_text(clients, client->sub) &&
		put_text(clients, client->claims) &&
		put_text(clients, client->headers);
}

/*
 * Take one.
 */
bool
visible_next_client(Slice *clients, VisibleClient *client)
{
	return clients->len > 0 &&
		take_role(clients, &client->role) &&
		take_string(clients, SIZE_MAX, &client->sub) &&
		take_string(clients, SIZE_MAX, &client->claims) && client->claims.len >= 2 &&
		take_string(clients, SIZE_MAX, &client->headers) && client->headers.len >= 2;
}

/*
 * A question.
 */
bool
visible_append_ask(Bytes *asks, const VisibleAsk *ask)
{
	return put_u16(asks, ask->client) &&
		put_u8(asks, ask->policies) &&
		put_u16(asks, ask->nconditions) &&
		put_text(asks, ask->conditions);
}

/*
 * Take one.
 */
bool
visible_next_ask(Slice *asks, VisibleAsk *ask)
{
	return asks->len > 0 &&
		take_u16(asks, &ask->client) &&
		take_bool(asks, &ask->policies) &&
		take_u16(asks, &ask->nconditions) &&
		ask->nconditions <= FILTER_MAX_CONDITIONS &&
		take_text(asks, SIZE_MAX, &ask->conditions);
}

/*
 * JOB_VISIBLE.
 */
bool
job_encode_visible(Bytes *out, const VisibleJob *job)
{
	return put_u32(out, job->relid) &&
		put_u16(out, job->nchanges) &&
		put_u16(out, job->nclients) &&
		put_u16(out, job->nasks) &&
		put_text(out, job->changes) &&
		put_text(out, job->clients) &&
		bytes_append_slice(out, job->asks);
}

/*
 * Are there as many changes of that table and as many clients as there should
 * be?
 */
static bool
visible_lists_fit(const VisibleJob *job)
{
	Slice		changes = job->changes;
	Slice		clients = job->clients;
	ChangeRecord record;
	VisibleClient client;

	for (int i = 0; i < job->nchanges; i++)
	{
		if (!visible_next_change(&changes, &record) || record.relid != job->relid)
			return false;
	}
	for (int i = 0; i < job->nclients; i++)
	{
		if (!visible_next_client(&clients, &client))
			return false;
	}
	return changes.len == 0 && clients.len == 0;
}

/*
 * JOB_VISIBLE, checked.
 */
bool
job_decode_visible(Slice body, VisibleJob *job)
{
	VisibleAsk	ask;

	if (!take_u32(&body, &job->relid) || job->relid == 0 ||
		!take_u16(&body, &job->nchanges) ||
		!take_u16(&body, &job->nclients) ||
		!take_u16(&body, &job->nasks) ||
		job->nchanges < 1 || job->nclients < 1 || job->nasks < 1 ||
		(uint32) job->nchanges * job->nasks > VISIBLE_MAX_VERDICTS ||
		!take_text(&body, SIZE_MAX, &job->changes) ||
		!take_text(&body, SIZE_MAX, &job->clients) ||
		!visible_lists_fit(job))
		return false;
	job->asks = body;
	for (int i = 0; i < job->nasks; i++)
	{
		if (!visible_next_ask(&body, &ask) || ask.client >= job->nclients ||
			!conditions_fit(ask.conditions, ask.nconditions))
			return false;
	}
	return body.len == 0;
}

/*
 * The answer to JOB_VISIBLE: the job's verdicts, each of which there is.
 */
bool
job_decode_verdicts(Slice body, const VisibleJob *job)
{
	if (body.len != (size_t) job->nchanges * job->nasks)
		return false;
	for (size_t i = 0; i < body.len; i++)
	{
		if ((uint8) body.data[i] > VISIBLE_FAILED)
			return false;
	}
	return true;
}
