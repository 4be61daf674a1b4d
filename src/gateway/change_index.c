/*-------------------------------------------------------------------------
 *
 * change_index.c
 *	  What is wanted of a table, found by the values of a row.
 *
 * Ten thousand clients that follow a row each by "id=eq.<n>" must not cost ten
 * thousand comparisons per change.  So a target that has a condition with eq
 * or in is put under the values of that condition, in a hash table for its
 * column, and a change looks up its own values.  All other targets are looked
 * at one by one.
 *
 * What is found still has all its conditions tested: the index only spares
 * the others.
 *
 * src/gateway/change_index.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/change_index.h"
#include "gateway/change_row.h"
#include "gateway/replies.h"
#include "gateway/topics.h"

/* All values of a column that somebody wants. */
typedef struct IndexedColumn
{
	struct IndexedColumn *next;
	uint16		attnum;
	uint8		class;			/* FilterClass */
	uint32		nvalues;
	ChainTable	values;			/* of IndexedValue */
} IndexedColumn;

/* Who wants one of them. */
typedef struct IndexedValue
{
	ChainNode	node;
	IndexedColumn *column;
	dlist_head	links;
	size_t		len;
	char		key[FLEXIBLE_ARRAY_MEMBER]; /* filter_key() */
} IndexedValue;

/* Of one target, one for each of its values. */
typedef struct IndexLink
{
	dlist_node	node;
	Target	   *target;
	IndexedValue *value;
} IndexLink;

static Bytes key;				/* of the value being looked up */

/*
 * Nothing is wanted.
 */
void
change_index_init(ChangeIndex *index)
{
	dlist_init(&index->scanned);
	index->columns = NULL;
}

/*
 * Make the key of a value; false if it has none.
 */
static bool
make_key(uint8 class, Slice text)
{
	scratch_reset(&key);
	return filter_key(class, text, &key);
}

/*
 * Can a target be found by this condition?
 */
static bool
serves(const TargetCondition *condition)
{
	if (condition->condition.negated ||
		(condition->condition.op != FILTER_EQ && condition->condition.op != FILTER_IN))
		return false;
	for (uint32 i = 0; i < condition->condition.noperands; i++)
	{
		const FilterOperand *operand = &condition->condition.operands[i];

		if (!operand->is_null && !make_key(condition->class, operand->text))
			return false;
	}
	return true;
}

/*
 * The condition that a target is to be found by; NULL if there is none.
 */
static const TargetCondition *
choose(const Target *target)
{
	for (int i = 0; i < target->nconditions; i++)
	{
		if (serves(&target->conditions[i]))
			return &target->conditions[i];
	}
	return NULL;
}

/*
 * The values of a column, made if there were none; NULL without memory.
 */
static IndexedColumn *
get_column(ChangeIndex *index, const TargetCondition *condition)
{
	IndexedColumn *column;

	for (column = index->columns; column != NULL; column = column->next)
	{
		if (column->attnum == condition->attnum && column->class == condition->class)
			return column;
	}
	column = calloc(1, sizeof(IndexedColumn));
	if (column == NULL)
		return NULL;
	column->attnum = condition->attnum;
	column->class = condition->class;
	column->next = index->columns;
	index->columns = column;
	return column;
}

/*
 * Find the value whose key is `key`; NULL if nobody wants it.
 */
static IndexedValue *
find_value(const IndexedColumn *column)
{
	Slice		wanted = bytes_slice(&key);
	ChainNode  *node = chain_first(&column->values, topics_hash(wanted));

	for (; node != NULL; node = chain_next(node))
	{
		IndexedValue *value = chain_container(IndexedValue, node, node);

		if (slice_equals(slice_make(value->key, value->len), wanted))
			return value;
	}
	return NULL;
}

/*
 * The same, made if there was none; NULL without memory.
 */
static IndexedValue *
get_value(IndexedColumn *column)
{
	IndexedValue *value = find_value(column);

	if (value != NULL)
		return value;
	value = malloc(offsetof(IndexedValue, key) + key.len);
	if (value == NULL)
		return NULL;
	value->column = column;
	dlist_init(&value->links);
	value->len = key.len;
	if (key.len > 0)
		memcpy(value->key, key.data, key.len);
	column->nvalues++;
	chain_insert(&column->values, &value->node, topics_hash(bytes_slice(&key)));
	return value;
}

/*
 * Put a target under the values of a condition, as far as there is memory.
 */
static bool
link_values(IndexedColumn *column, Target *target, const TargetCondition *condition)
{
	for (uint32 i = 0; i < condition->condition.noperands; i++)
	{
		const FilterOperand *operand = &condition->condition.operands[i];
		IndexLink  *link = &target->links[target->nlinks];

		if (operand->is_null)
			continue;
		if (!make_key(condition->class, operand->text))
			return false;
		link->target = target;
		link->value = get_value(column);
		if (link->value == NULL)
			return false;
		dlist_push_tail(&link->value->links, &link->node);
		target->nlinks++;
	}
	return true;
}

/*
 * Free a column that nobody wants a value of.
 */
static void
drop_column(ChangeIndex *index, IndexedColumn *column)
{
	IndexedColumn **link = &index->columns;

	while (*link != column)
		link = &(*link)->next;
	*link = column->next;
	chain_free(&column->values);
	free(column);
}

/*
 * Take out one link, and the value if it was the last.
 */
static void
drop_link(ChangeIndex *index, IndexLink *link)
{
	IndexedValue *value = link->value;
	IndexedColumn *column = value->column;

	dlist_delete(&link->node);
	if (!dlist_is_empty(&value->links))
		return;
	chain_remove(&column->values, &value->node);
	free(value);
	if (--column->nvalues == 0)
		drop_column(index, column);
}

/*
 * Add a target.
 */
void
change_index_insert(ChangeIndex *index, Target *target)
{
	const TargetCondition *condition = choose(target);
	IndexedColumn *column;

	target->links = NULL;
	target->nlinks = 0;
	if (condition == NULL || condition->condition.noperands == 0)
	{
		dlist_push_tail(&index->scanned, &target->scanned_node);
		return;
	}
	target->links = calloc(condition->condition.noperands, sizeof(IndexLink));
	column = target->links != NULL ? get_column(index, condition) : NULL;
	if (column != NULL && link_values(column, target, condition) && target->nlinks > 0)
		return;

	/* no memory, or a list of nothing but nulls: be found by none of them */
	for (uint32 i = 0; i < target->nlinks; i++)
		drop_link(index, &target->links[i]);
	if (column != NULL && target->nlinks == 0 && column->nvalues == 0)
		drop_column(index, column);
	free(target->links);
	target->links = NULL;
	target->nlinks = 0;
	dlist_push_tail(&index->scanned, &target->scanned_node);
}

/*
 * Take a target out.
 */
void
change_index_remove(ChangeIndex *index, Target *target)
{
	if (target->links == NULL)
	{
		dlist_delete(&target->scanned_node);
		return;
	}
	for (uint32 i = 0; i < target->nlinks; i++)
		drop_link(index, &target->links[i]);
	free(target->links);
	target->links = NULL;
	target->nlinks = 0;
}

/*
 * Visit those who want a value.
 */
static void
visit_links(IndexedValue *value, TargetVisitor visit)
{
	dlist_iter	iter;

	dlist_foreach(iter, &value->links)
		visit(dlist_container(IndexLink, node, iter.cur)->target);
}

/*
 * The same, for chain_visit().
 */
static void
visit_node(ChainNode *node, void *arg)
{
	visit_links(chain_container(IndexedValue, node, node), *(TargetVisitor *) arg);
}

/*
 * Visit those who want the value that the row has in a column; all of them if
 * it cannot be told which one that is.
 */
static void
visit_column(IndexedColumn *column, TargetVisitor visit)
{
	FilterOperand operand;
	RowValue	state = change_row_value_of(column->attnum, &operand);
	IndexedValue *value;

	if (state == ROW_ABSENT || (state == ROW_VALUE && operand.is_null))
		return;
	if (state == ROW_LEFT_OUT || !make_key(column->class, operand.text))
	{
		chain_visit(&column->values, visit_node, &visit);
		return;
	}
	value = find_value(column);
	if (value != NULL)
		visit_links(value, visit);
}

/*
 * Visit all that may want the row.
 */
void
change_index_visit(ChangeIndex *index, TargetVisitor visit)
{
	dlist_iter	iter;

	dlist_foreach(iter, &index->scanned)
		visit(dlist_container(Target, scanned_node, iter.cur));
	for (IndexedColumn *column = index->columns; column != NULL; column = column->next)
		visit_column(column, visit);
}

/*
 * Test all conditions.  Of a value that was too large to be recorded a client
 * is rather told too much than nothing: the change comes with an error that
 * says so.
 */
FilterVerdict
change_target_test(const Target *target)
{
	FilterVerdict verdict = FILTER_YES;

	for (int i = 0; i < target->nconditions; i++)
	{
		const TargetCondition *condition = &target->conditions[i];
		FilterOperand value;

		switch (change_row_value_of(condition->attnum, &value))
		{
			case ROW_ABSENT:
				return FILTER_NO;
			case ROW_LEFT_OUT:
				continue;
			case ROW_VALUE:
				break;
		}
		switch (filter_test(condition->class, &condition->condition, &value))
		{
			case FILTER_NO:
				return FILTER_NO;
			case FILTER_UNSURE:
				verdict = FILTER_UNSURE;
				break;
			case FILTER_YES:
				break;
		}
	}
	return verdict;
}
