/*-------------------------------------------------------------------------
 *
 * chain_table.c
 *	  A hash table with chains through the elements themselves.
 *
 * src/proto/chain_table.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/chain_table.h"

#define FIRST_BUCKETS 16

/*
 * The chain that a hash belongs to.
 */
static inline ChainNode **
chain_of(ChainTable *table, uint32 hash)
{
	if (table->nbuckets == 0)
		return &table->only;
	return &table->buckets[hash & (table->nbuckets - 1)];
}

/*
 * Put an element in front of its chain.
 */
static void
link_node(ChainTable *table, ChainNode *node)
{
	ChainNode **chain = chain_of(table, node->hash);

	node->next = *chain;
	*chain = node;
}

/*
 * Move the elements of one chain of the old array to where they belong now.
 */
static void
relink(ChainTable *table, ChainNode *node)
{
	while (node != NULL)
	{
		ChainNode  *next = node->next;

		link_node(table, node);
		node = next;
	}
}

/*
 * Double the table if it is full.  Without memory it stays as it is.
 */
static void
grow(ChainTable *table)
{
	ChainNode **old = table->buckets;
	ChainNode  *only = table->only;
	uint32		nold = table->nbuckets;
	uint32		size = Max(nold * 2, FIRST_BUCKETS);
	ChainNode **buckets;

	if (table->count <= nold || nold > PG_UINT32_MAX / 2)
		return;
	buckets = calloc(size, sizeof(ChainNode *));
	if (buckets == NULL)
		return;
	table->buckets = buckets;
	table->nbuckets = size;
	table->only = NULL;
	relink(table, only);
	for (uint32 i = 0; i < nold; i++)
		relink(table, old[i]);
	free(old);
}

/*
 * Add an element.
 */
void
chain_insert(ChainTable *table, ChainNode *node, uint32 hash)
{
	table->count++;
	grow(table);
	node->hash = hash;
	link_node(table, node);
}

/*
 * Take an element out of its chain.
 */
void
chain_remove(ChainTable *table, ChainNode *node)
{
	ChainNode **link = chain_of(table, node->hash);

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	table->count--;
}

/*
 * From here on, the first element of a hash.
 */
static ChainNode *
same_hash(ChainNode *node, uint32 hash)
{
	while (node != NULL && node->hash != hash)
		node = node->next;
	return node;
}

/*
 * Begin to look for an element.
 */
ChainNode *
chain_first(const ChainTable *table, uint32 hash)
{
	return same_hash(*chain_of(unconstify(ChainTable *, table), hash), hash);
}

/*
 * Go on looking.
 */
ChainNode *
chain_next(const ChainNode *node)
{
	return same_hash(node->next, node->hash);
}

/*
 * Call visit() for the elements of one chain.
 */
static void
visit_chain(ChainNode *node, void (*visit) (ChainNode *node, void *arg), void *arg)
{
	while (node != NULL)
	{
		ChainNode  *next = node->next;

		visit(node, arg);
		node = next;
	}
}

/*
 * Go through all elements, in no order.
 */
void
chain_visit(ChainTable *table, void (*visit) (ChainNode *node, void *arg), void *arg)
{
	visit_chain(table->only, visit, arg);
	for (uint32 i = 0; i < table->nbuckets; i++)
		visit_chain(table->buckets[i], visit, arg);
}

/*
 * Begin anew.
 */
void
chain_free(ChainTable *table)
{
	Assert(table->count == 0);
	free(table->buckets);
	memset(table, 0, sizeof(*table));
}
