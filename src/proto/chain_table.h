/*-------------------------------------------------------------------------
 *
 * chain_table.h
 *	  A hash table with chains through the elements themselves.
 *
 * For keys that clients choose: nothing here can fail.  The table grows as it
 * fills; where there is no memory for that, the chains get longer, and that is
 * all.  The caller makes the hash (seeded, if somebody could choose keys that
 * fall into one chain) and compares the elements.
 *
 * A table of zeros is an empty one.  Elements embed a ChainNode and are found
 * like this:
 *
 *		for (node = chain_first(&table, hash); node != NULL; node = chain_next(node))
 *			if (is_it(chain_container(Thing, node, node))) ...
 *
 * src/proto/chain_table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHAIN_TABLE_H
#define REALTIME_CHAIN_TABLE_H

#include "proto/proto.h"

typedef struct ChainNode
{
	struct ChainNode *next;		/* in its chain; hashes differ there */
	uint32		hash;
} ChainNode;

typedef struct ChainTable
{
	ChainNode **buckets;		/* NULL while `only` is enough */
	ChainNode  *only;
	uint32		nbuckets;		/* a power of two, or 0 */
	uint32		count;
} ChainTable;

#define chain_container(type, member, node) \
	((type *) ((char *) (node) - offsetof(type, member)))

/* Add an element; it must not be in a table. */
extern void chain_insert(ChainTable *table, ChainNode *node, uint32 hash);

/* Take out an element that is in this table.  The table does not shrink. */
extern void chain_remove(ChainTable *table, ChainNode *node);

/* The first element of that hash, NULL if there is none. */
extern ChainNode *chain_first(const ChainTable *table, uint32 hash);

/* The next one of the same hash. */
extern ChainNode *chain_next(const ChainNode *node);

/*
 * Call visit() for every element; it may remove (and free) the one that it is
 * called for, and no other.
 */
extern void chain_visit(ChainTable *table, void (*visit) (ChainNode *node, void *arg),
						void *arg);

/* Give back the memory of a table without elements. */
extern void chain_free(ChainTable *table);

#endif							/* REALTIME_CHAIN_TABLE_H */
