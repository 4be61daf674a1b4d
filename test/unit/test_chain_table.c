/*-------------------------------------------------------------------------
 *
 * test_chain_table.c
 *	  The chained hash table against an array, with and without memory.
 *
 * test/unit/test_chain_table.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/chain_table.h"

#define THINGS 2000
#define STEPS 100000

typedef struct Thing
{
	ChainNode	node;
	bool		present;
	bool		visited;
} Thing;

static Thing things[THINGS];
static ChainTable table;
static bool no_memory;

extern void *__real_calloc(size_t n, size_t size);
extern void *__wrap_calloc(size_t n, size_t size);

/* What the table gets. */
void *
__wrap_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __real_calloc(n, size);
}

/* A few things share each hash. */
static uint32
hash_of(const Thing *thing)
{
	return (uint32) ((thing - things) / 3) * 0x9E3779B9;
}

/* Is it found by its hash? */
static bool
found(const Thing *thing)
{
	ChainNode  *node = chain_first(&table, hash_of(thing));

	for (; node != NULL; node = chain_next(node))
	{
		if (node->hash != hash_of(thing))
			return false;
		if (chain_container(Thing, node, node) == thing)
			return true;
	}
	return false;
}

/* Every thing is found if, and only if, it is there. */
static bool
all_right(void)
{
	uint32		count = 0;

	for (int i = 0; i < THINGS; i++)
	{
		if (found(&things[i]) != things[i].present)
			return false;
		count += things[i].present;
	}
	return table.count == count;
}

/* Things come and go. */
static void
random_steps(const char *name)
{
	bool		good = true;

	for (int step = 0; step < STEPS; step++)
	{
		/* at first most come, later most go */
		Thing	   *thing = &things[tap_below(THINGS)];
		bool		wanted = tap_below(STEPS) > step;

		if (thing->present == wanted)
			continue;
		if (wanted)
			chain_insert(&table, &thing->node, hash_of(thing));
		else
			chain_remove(&table, &thing->node);
		thing->present = wanted;
		good = good && found(thing) == wanted;
		if (step % 5000 == 0)
			good = good && all_right();
	}
	ok(good && all_right(), "%s", name);
}

/* Called for each thing: remove every other one. */
static void
visit(ChainNode *node, void *arg)
{
	Thing	   *thing = chain_container(Thing, node, node);

	*(bool *) arg = *(bool *) arg && !thing->visited;
	thing->visited = true;
	if ((thing - things) % 2 == 0)
	{
		chain_remove(&table, node);
		thing->present = false;
	}
}

/* Every thing is visited once. */
static void
test_visit(void)
{
	bool		once = true;
	bool		all = true;

	for (int i = 0; i < THINGS; i++)
	{
		things[i].visited = false;
		if (!things[i].present)
			chain_insert(&table, &things[i].node, hash_of(&things[i]));
		things[i].present = true;
	}
	chain_visit(&table, visit, &once);
	for (int i = 0; i < THINGS; i++)
		all = all && things[i].visited;
	ok(once && all, "all are visited, once each");
	ok(all_right() && table.count == THINGS / 2, "and may be removed at that");
}

/* Take all out. */
static void
empty_table(void)
{
	for (int i = 0; i < THINGS; i++)
	{
		if (things[i].present)
			chain_remove(&table, &things[i].node);
		things[i].present = false;
	}
	chain_free(&table);
}

int
main(void)
{
	ok(all_right(), "nothing is in an empty table");
	random_steps("things come and go");
	ok(table.nbuckets >= THINGS / 4, "the table has grown");
	test_visit();
	empty_table();

	no_memory = true;
	random_steps("things come and go without memory");
	is_int(table.nbuckets, 0, "the table has not grown");
	no_memory = false;
	test_visit();
	ok(table.nbuckets > 0, "it does as soon as it can");
	empty_table();
	return done_testing();
}
