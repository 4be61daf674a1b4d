/*-------------------------------------------------------------------------
 *
 * change_plan.c
 *	  What the database says of a subscription: tables, columns, conditions.
 *
 * The arrays are counted first and allocated once, because targets point to
 * conditions, and those to operands.
 *
 * src/gateway/change_plan.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/change_plan.h"

/* How many of each an answer has. */
typedef struct Counts
{
	uint32		targets;
	uint32		conditions;
	uint32		operands;
} Counts;

/*
 * Hold a plan.
 */
Plan *
change_plan_ref(Plan *plan)
{
	plan->refs++;
	return plan;
}

/*
 * Let go of it.
 */
void
change_plan_unref(Plan *plan)
{
	if (--plan->refs > 0)
		return;
	Assert(plan->terms == NULL);
	free(plan->relations);
	free(plan->targets);
	free(plan->conditions);
	free(plan->operands);
	bytes_free(&plan->body);
	free(plan);
}

/*
 * Its weight, about.
 */
size_t
change_plan_weight(const Plan *plan)
{
	return sizeof(Plan) + plan->body.cap * 2 + plan->nrelations * sizeof(PlanRelation) +
		plan->ntargets * sizeof(Target);
}

/*
 * Count what the results have.
 */
static Counts
count(Slice results)
{
	FilterOperand operands[FILTER_MAX_IN_VALUES];
	SubscribeCondition condition;
	SubscribeResult result;
	Counts		counts = {0};

	while (subscribe_next_result(&results, &result))
	{
		counts.targets += result.nrelations;
		counts.conditions += result.nconditions;
		while (subscribe_next_condition(&result.conditions, &condition, operands))
			counts.operands += condition.condition.noperands;
	}
	return counts;
}

/*
 * Take the conditions of a result over into those of the plan, from `first`.
 */
static void
add_conditions(Plan *plan, const SubscribeResult *result, Counts *used)
{
	FilterOperand operands[FILTER_MAX_IN_VALUES];
	SubscribeCondition condition;
	Slice		rest = result->conditions;

	while (subscribe_next_condition(&rest, &condition, operands))
	{
		TargetCondition *mine = &plan->conditions[used->conditions++];

		mine->attnum = condition.attnum;
		mine->class = condition.class;
		mine->condition = condition.condition;
		mine->condition.operands = plan->operands + used->operands;
		memcpy(mine->condition.operands, operands,
			   condition.condition.noperands * sizeof(FilterOperand));
		used->operands += condition.condition.noperands;
	}
}

/*
 * Add the targets of an entry.
 */
static void
add_targets(Plan *plan, const SubscribeResult *result, uint32 entry, uint8 events,
			Counts *used)
{
	TargetCondition *conditions = plan->conditions + used->conditions;

	add_conditions(plan, result, used);
	for (uint32 i = 0; i < result->nrelations; i++)
	{
		Target	   *target = &plan->targets[used->targets++];

		target->plan = plan;
		target->entry = (uint8) entry;
		target->events = events;
		target->relation = list_u16(result->relations, i);
		target->conditions = conditions;
		target->nconditions = result->nconditions;
		if (result->nconditions > 0)
			plan->filtered[entry] = target;
	}
}

/*
 * Allocate the arrays; false without memory.
 */
static bool
allocate(Plan *plan, const SubscribeAnswer *answer, const Counts *counts)
{
	/* one more than there are: none of them may be NULL for want of members */
	plan->relations = calloc(answer->nrelations + 1, sizeof(PlanRelation));
	plan->targets = calloc(counts->targets + 1, sizeof(Target));
	plan->conditions = calloc(counts->conditions + 1, sizeof(TargetCondition));
	plan->operands = calloc(counts->operands + 1, sizeof(FilterOperand));
	return plan->relations != NULL && plan->targets != NULL &&
		plan->conditions != NULL && plan->operands != NULL;
}

/*
 * Fill them.
 */
static void
fill(Plan *plan, const SubscribeAnswer *answer, const uint8 *events, uint32 nentries)
{
	SubscribeRelation relation;
	SubscribeResult result;
	Slice		rest = answer->relations;
	Counts		used = {0};
	uint32		entry = 0;

	while (subscribe_next_relation(&rest, &relation))
	{
		PlanRelation *mine = &plan->relations[plan->nrelations++];

		mine->plan = plan;
		mine->ask = (relation.flags & RELATION_ASK) != 0;
		mine->all_columns = (relation.flags & RELATION_ALL_COLUMNS) != 0;
		mine->attnums = relation.columns;
		mine->parts = relation.tables;
	}
	rest = answer->results;
	while (entry < nentries && subscribe_next_result(&rest, &result))
	{
		add_targets(plan, &result, entry, events[entry], &used);
		entry++;
	}
	plan->ntargets = used.targets;
}

/*
 * Make a plan of an answer.
 */
Plan *
change_plan_make(Slice body, const uint8 *events, uint32 nentries)
{
	SubscribeAnswer answer;
	Counts		counts;
	Plan	   *plan = calloc(1, sizeof(Plan));

	if (plan == NULL)
		return NULL;
	plan->refs = 1;
	if (!bytes_append_slice(&plan->body, body) ||
		!job_decode_subscribe_answer(bytes_slice(&plan->body), &answer))
	{
		change_plan_unref(plan);
		return NULL;
	}
	counts = count(answer.results);
	if (!allocate(plan, &answer, &counts))
	{
		change_plan_unref(plan);
		return NULL;
	}
	fill(plan, &answer, events, nentries);
	return plan;
}

/*
 * Follow the tables of a plan, as far as there is memory.
 */
static bool
follow_tables(Plan *plan)
{
	SubscribeAnswer answer;
	SubscribeRelation relation;
	PlanRelation *mine = plan->relations;

	if (!job_decode_subscribe_answer(bytes_slice(&plan->body), &answer))
		return false;
	while (subscribe_next_relation(&answer.relations, &relation))
	{
		mine->table = change_tables_get(relation.relid, mine->parts);
		if (mine->table == NULL)
			return false;
		if (mine->table->state != TABLE_HELD)
		{
			dlist_push_tail(&mine->table->waiters, &mine->wait_node);
			mine->waits = true;
			plan->nwaiting++;
		}
		mine++;
	}
	return true;
}

/*
 * Leave the tables that were followed.
 */
static void
leave_tables(Plan *plan)
{
	for (uint32 i = 0; i < plan->nrelations; i++)
	{
		PlanRelation *relation = &plan->relations[i];

		if (relation->table == NULL)
			continue;
		if (relation->waits)
			dlist_delete(&relation->wait_node);
		relation->waits = false;
		change_tables_release(relation->table);
		relation->table = NULL;
	}
	plan->nwaiting = 0;
}

/*
 * From now on it counts.
 */
bool
change_plan_begin(Plan *plan, struct Terms *terms)
{
	if (!follow_tables(plan))
	{
		leave_tables(plan);
		return false;
	}
	plan->terms = terms;
	for (uint32 i = 0; i < plan->ntargets; i++)
	{
		Target	   *target = &plan->targets[i];

		change_index_insert(&plan->relations[target->relation].table->index, target);
	}
	return true;
}

/*
 * It does not any more.
 */
void
change_plan_end(Plan *plan)
{
	if (plan->terms == NULL)
		return;
	for (uint32 i = 0; i < plan->ntargets; i++)
	{
		Target	   *target = &plan->targets[i];

		change_index_remove(&plan->relations[target->relation].table->index, target);
	}
	plan->terms = NULL;
	leave_tables(plan);
}
