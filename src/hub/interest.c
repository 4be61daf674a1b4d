/*-------------------------------------------------------------------------
 *
 * interest.c
 *	  Which gateways have members of which topic.
 *
 * Looked up for every message, changed when the first member of a gateway
 * joins or its last one leaves.  The private and the public room of one name
 * are two topics (supabase.md 4.2).
 *
 * src/hub/interest.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "hub/interest.h"

typedef struct TopicKey
{
	Slice		name;			/* in the table: a copy of our own */
	bool		is_private;
} TopicKey;

typedef struct InterestEntry
{
	TopicKey	key;
	uint32		hash;
	char		status;
	uint64		slots;			/* bit n: slot n wants it */
} InterestEntry;

/*
 * Hash of a topic, room included.
 */
static inline uint32
topic_hash(TopicKey key)
{
	return hash_bytes((const unsigned char *) key.name.data, (int) key.name.len) ^
		(key.is_private ? 0x9e3779b9 : 0);
}

#define SH_PREFIX interest_map
#define SH_ELEMENT_TYPE InterestEntry
#define SH_KEY_TYPE TopicKey
#define SH_KEY key
#define SH_HASH_KEY(tb, k) topic_hash(k)
#define SH_EQUAL(tb, a, b) \
	((a).is_private == (b).is_private && slice_equals((a).name, (b).name))
#define SH_STORE_HASH
#define SH_GET_HASH(tb, entry) (entry)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static interest_map_hash *map = NULL;
static MemoryContext interest_context = NULL;

/*
 * Set up; once per process.
 */
void
interest_init(void)
{
	interest_context = AllocSetContextCreate(TopMemoryContext, "realtime interest",
											 ALLOCSET_DEFAULT_SIZES);
	map = interest_map_create(interest_context, 256, NULL);
}

/*
 * A key for looking up; borrows the topic's bytes.
 */
static TopicKey
make_key(bool is_private, Slice topic)
{
	TopicKey	key;

	key.name = topic;
	key.is_private = is_private;
	return key;
}

/*
 * A slot wants a topic.
 */
void
interest_add(int slot, bool is_private, Slice topic)
{
	bool		found;
	InterestEntry *entry = interest_map_insert(map, make_key(is_private, topic), &found);

	if (!found)
	{
		char	   *copy = MemoryContextAlloc(interest_context, topic.len);

		memcpy(copy, topic.data, topic.len);
		entry->key.name = slice_make(copy, topic.len);
		entry->slots = 0;
	}
	entry->slots |= UINT64CONST(1) << slot;
}

/*
 * Take a slot's bit out of an entry, and the entry out of the map with its
 * last one.
 */
static void
clear_slot(InterestEntry *entry, int slot)
{
	char	   *name = unconstify(char *, entry->key.name.data);

	entry->slots &= ~(UINT64CONST(1) << slot);
	if (entry->slots != 0)
		return;
	interest_map_delete_item(map, entry);
	pfree(name);
}

/*
 * A slot no longer wants a topic.
 */
void
interest_remove(int slot, bool is_private, Slice topic)
{
	InterestEntry *entry = interest_map_lookup(map, make_key(is_private, topic));

	if (entry != NULL)
		clear_slot(entry, slot);
}

/*
 * A slot wants nothing any more.
 */
void
interest_forget(int slot)
{
	interest_map_iterator iter;
	InterestEntry *entry;

	/* deleting the entry just visited is allowed while walking backwards */
	interest_map_start_iterate(map, &iter);
	while ((entry = interest_map_iterate(map, &iter)) != NULL)
		clear_slot(entry, slot);
}

/*
 * Who wants a topic.
 */
uint64
interest_lookup(bool is_private, Slice topic)
{
	InterestEntry *entry;

	if (map->members == 0)
		return 0;
	entry = interest_map_lookup(map, make_key(is_private, topic));
	return entry ? entry->slots : 0;
}
