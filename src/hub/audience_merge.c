/*-------------------------------------------------------------------------
 *
 * audience_merge.c
 *	  Counts of several gateways for the same messages, added up.
 *
 * An array in the order of arrival, and an index into it by open addressing.
 * Entries leave at the front only, where the index is made anew: that costs less
 * than having put them in.  Pure: called by hub/audience.c, tested by itself.
 *
 * src/hub/audience_merge.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"
#include "port/pg_bitutils.h"

#include "hub/audience_merge.h"

/* Of a full table, what is dropped at once, lest each new one move all. */
#define DROP_PART 8

struct AudienceMerge
{
	uint64		seed;
	uint32		capacity;
	uint32		count;			/* entries, those that are taken first */
	uint32		taken;
	uint32		mask;			/* slots of the index, less one */
	uint32	   *index;			/* number of an entry plus one, 0 = free */
	AudienceEntry entries[FLEXIBLE_ARRAY_MEMBER];
};

/*
 * An empty one.
 */
AudienceMerge *
audience_merge_new(uint32 capacity, uint64 seed)
{
	uint32		slots = pg_nextpower2_32(capacity * 2);
	AudienceMerge *merge = malloc(offsetof(AudienceMerge, entries) +
								  capacity * sizeof(AudienceEntry));

	if (merge == NULL)
		return NULL;
	memset(merge, 0, offsetof(AudienceMerge, entries));
	merge->index = calloc(slots, sizeof(uint32));
	if (merge->index == NULL)
	{
		free(merge);
		return NULL;
	}
	merge->seed = seed;
	merge->capacity = capacity;
	merge->mask = slots - 1;
	return merge;
}

/*
 * With all that is in it.
 */
void
audience_merge_free(AudienceMerge *merge)
{
	free(merge->index);
	free(merge);
}

/*
 * The slot of an entry, or the free one where it belongs.
 */
static uint32 *
find_slot(AudienceMerge *merge, const AudienceEntry *entry)
{
	uint64		hash = hash_bytes_extended(entry->id, MESSAGE_ID_BYTES, merge->seed);

	for (uint32 i = (uint32) hash & merge->mask;; i = (i + 1) & merge->mask)
	{
		uint32	   *slot = &merge->index[i];
		const AudienceEntry *found;

		if (*slot == 0)
			return slot;
		found = &merge->entries[*slot - 1];
		if (memcmp(found->id, entry->id, MESSAGE_ID_BYTES) == 0 &&
			found->inserted_at == entry->inserted_at)
			return slot;
	}
}

/*
 * Add up entries that are for one message: the first one has the sum.
 */
static void
add_up(AudienceEntry *sum, const AudienceEntry *entry)
{
	uint64		sockets = (uint64) sum->sockets + entry->sockets;

	sum->sockets = (uint32) Min(sockets, PG_INT32_MAX);
}

/*
 * Make the index of all that is not taken.  What was put back may be there a
 * second time, because somebody counted on: these are added up.
 */
static void
make_index(AudienceMerge *merge)
{
	uint32		n = merge->taken;

	memset(merge->index, 0, (merge->mask + (size_t) 1) * sizeof(uint32));
	for (uint32 i = merge->taken; i < merge->count; i++)
	{
		uint32	   *slot = find_slot(merge, &merge->entries[i]);

		if (*slot != 0)
			add_up(&merge->entries[*slot - 1], &merge->entries[i]);
		else
		{
			merge->entries[n++] = merge->entries[i];
			*slot = n;
		}
	}
	merge->count = n;
}

/*
 * Forget n entries from some place on.
 */
static void
drop(AudienceMerge *merge, uint32 from, uint32 n)
{
	memmove(&merge->entries[from], &merge->entries[from + n],
			(merge->count - from - n) * sizeof(AudienceEntry));
	merge->count -= n;
}

/*
 * Add a count.
 */
uint32
audience_merge_add(AudienceMerge *merge, const AudienceEntry *entry)
{
	uint32	   *slot = find_slot(merge, entry);
	uint32		dropped = 0;

	if (*slot != 0)
	{
		add_up(&merge->entries[*slot - 1], entry);
		return 0;
	}
	if (merge->count == merge->capacity)
	{
		dropped = Max((merge->count - merge->taken) / DROP_PART, 1);
		dropped = Min(dropped, merge->count - merge->taken);
		if (dropped == 0)
			return 1;			/* all are taken: this one is it */
		drop(merge, merge->taken, dropped);
		make_index(merge);
		slot = find_slot(merge, entry);
	}
	merge->entries[merge->count++] = *entry;
	*slot = merge->count;
	return dropped;
}

/*
 * Take the oldest.
 */
Slice
audience_merge_take(AudienceMerge *merge, uint32 n)
{
	Assert(merge->taken == 0);
	merge->taken = Min(n, merge->count);
	make_index(merge);
	return slice_make((const char *) merge->entries, merge->taken * sizeof(AudienceEntry));
}

/*
 * They are done with.
 */
uint32
audience_merge_done(AudienceMerge *merge)
{
	uint32		n = merge->taken;

	drop(merge, 0, n);
	merge->taken = 0;
	make_index(merge);
	return n;
}

/*
 * They are not.
 */
void
audience_merge_put_back(AudienceMerge *merge)
{
	merge->taken = 0;
	make_index(merge);
}

/*
 * What may be taken.
 */
uint32
audience_merge_waiting(const AudienceMerge *merge)
{
	return merge->count - merge->taken;
}
