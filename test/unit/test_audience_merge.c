/*-------------------------------------------------------------------------
 *
 * test_audience_merge.c
 *	  Counts of sockets: added up per message, taken oldest first, bounded.
 *
 * A count that is put in comes out once, with those for the same message, or
 * belongs to an entry that was dropped for want of room: that is what the random
 * walk checks, against sums kept by message number.
 *
 * test/unit/test_audience_merge.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "hub/audience_merge.h"

#define SEED UINT64CONST(0x5eed)
#define MESSAGES 400
#define STEPS 200000

/*
 * A count for the n-th message.
 */
static AudienceEntry
count_of(uint32 n, uint32 sockets)
{
	AudienceEntry entry = {0};

	memcpy(entry.id, &n, sizeof(n));
	entry.inserted_at = n * INT64CONST(1000);
	entry.sockets = sockets;
	return entry;
}

/*
 * Put a count in; returns how many were dropped.
 */
static uint32
add(AudienceMerge *merge, uint32 n, uint32 sockets)
{
	AudienceEntry entry = count_of(n, sockets);

	return audience_merge_add(merge, &entry);
}

/*
 * Is the i-th of a slice the count of the n-th message?
 */
static bool
is_count(Slice taken, uint32 i, uint32 n, uint32 sockets)
{
	AudienceEntry wanted = count_of(n, sockets);

	return taken.len >= (i + 1) * sizeof(wanted) &&
		memcmp(taken.data + i * sizeof(wanted), &wanted, sizeof(wanted)) == 0;
}

/*
 * What one gateway counts is added to what another one does.
 */
static void
test_sums(void)
{
	AudienceMerge *merge = audience_merge_new(10, SEED);
	AudienceEntry other = count_of(1, 7);
	Slice		taken;

	is_int(audience_merge_waiting(merge), 0, "nothing at first");
	add(merge, 1, 3);
	add(merge, 2, 10);
	add(merge, 1, 4);
	is_int(audience_merge_waiting(merge), 2, "two messages");
	other.inserted_at++;
	(void) audience_merge_add(merge, &other);
	is_int(audience_merge_waiting(merge), 3, "one of the same id and another time is another one");

	taken = audience_merge_take(merge, 2);
	is_int(taken.len, 2 * sizeof(AudienceEntry), "two are taken");
	ok(is_count(taken, 0, 1, 7), "the first has the sum");
	ok(is_count(taken, 1, 2, 10), "then the second");
	is_int(audience_merge_waiting(merge), 1, "one is left");
	add(merge, 2, 5);
	is_int(audience_merge_waiting(merge), 2, "nothing is added to what is taken");
	is_int(audience_merge_done(merge), 2, "two are done with");
	taken = audience_merge_take(merge, 10);
	is_int(taken.len, 2 * sizeof(AudienceEntry), "the rest is taken");
	ok(memcmp(taken.data, &other, sizeof(other)) == 0, "in order");
	ok(is_count(taken, 1, 2, 5), "with what came late");
	add(merge, 2, 6);
	add(merge, 3, 1);
	audience_merge_put_back(merge);
	is_int(audience_merge_waiting(merge), 3, "what is put back is one with what came meanwhile");
	taken = audience_merge_take(merge, 10);
	ok(is_count(taken, 1, 2, 11), "and is older");
	ok(is_count(taken, 2, 3, 1), "than what is new");
	audience_merge_free(merge);
}

/*
 * Sums are numbers of SQL.
 */
static void
test_large(void)
{
	AudienceMerge *merge = audience_merge_new(10, SEED);

	add(merge, 1, PG_UINT32_MAX);
	add(merge, 1, PG_UINT32_MAX);
	ok(is_count(audience_merge_take(merge, 1), 0, 1, PG_INT32_MAX), "a sum has a bound");
	audience_merge_free(merge);
}

/*
 * A full one drops the oldest that are not taken.
 */
static void
test_full(void)
{
	AudienceMerge *merge = audience_merge_new(16, SEED);
	Slice		taken;

	for (uint32 n = 0; n < 16; n++)
		is_int(add(merge, n, 1), 0, "there is room");
	is_int(add(merge, 15, 1), 0, "and for more of the same");
	is_int(add(merge, 16, 1), 2, "the oldest go");
	is_int(add(merge, 17, 1), 0, "some at once");
	taken = audience_merge_take(merge, 4);
	ok(is_count(taken, 0, 2, 1), "the next one is the first");
	is_int(add(merge, 18, 1), 1, "of what is not taken");
	is_int(audience_merge_done(merge), 4, "what is taken stays");
	taken = audience_merge_take(merge, 16);
	ok(is_count(taken, 0, 7, 1), "the oldest of the rest is gone");
	ok(is_count(taken, 8, 15, 2), "sums stay with their messages");
	(void) audience_merge_done(merge);

	for (uint32 n = 0; n < 16; n++)
		add(merge, n, 1);
	(void) audience_merge_take(merge, 16);
	is_int(add(merge, 20, 1), 1, "if all are taken, there is no room");
	audience_merge_put_back(merge);
	is_int(audience_merge_waiting(merge), 16, "and all the others stay");
	audience_merge_free(merge);
}

/*
 * Read what was taken into the sums.
 */
static void
collect(Slice taken, uint64 *sums)
{
	for (size_t at = 0; at < taken.len; at += sizeof(AudienceEntry))
	{
		AudienceEntry entry;
		uint32		n;

		memcpy(&entry, taken.data + at, sizeof(entry));
		memcpy(&n, entry.id, sizeof(n));
		sums[n] += entry.sockets;
	}
}

/*
 * Anything in any order; with room for all, nothing is lost.
 */
static void
test_random(uint32 capacity)
{
	AudienceMerge *merge = audience_merge_new(capacity, SEED);
	uint64		in[MESSAGES] = {0};
	uint64		out[MESSAGES] = {0};
	uint64		dropped = 0;
	uint64		missing = 0;
	uint64		extra = 0;
	bool		is_taken = false;
	Slice		taken = slice_make(NULL, 0);

	srandom(1);
	for (int step = 0; step < STEPS; step++)
	{
		uint32		n = (uint32) random() % MESSAGES;

		if (random() % 50 != 0)
		{
			dropped += add(merge, n, n + 1);
			in[n] += n + 1;
		}
		else if (!is_taken)
		{
			taken = audience_merge_take(merge, n);
			is_taken = taken.len > 0;
			if (!is_taken)
				(void) audience_merge_done(merge);
		}
		else
		{
			if (random() % 2 == 0)
			{
				collect(taken, out);
				(void) audience_merge_done(merge);
			}
			else
				audience_merge_put_back(merge);
			is_taken = false;
		}
	}
	if (is_taken)
		audience_merge_put_back(merge);
	collect(audience_merge_take(merge, capacity), out);
	for (uint32 n = 0; n < MESSAGES; n++)
	{
		missing += in[n] > out[n];
		extra += out[n] > in[n];
	}
	ok(extra == 0, "nothing comes twice from %u", capacity);
	ok((missing == 0) == (dropped == 0), "what is missing was dropped from %u", capacity);
	ok((dropped == 0) == (capacity >= 2 * MESSAGES), "which is for want of room in %u", capacity);
	audience_merge_free(merge);
}

int
main(void)
{
	test_sums();
	test_large();
	test_full();
	test_random(2 * MESSAGES);
	test_random(MESSAGES / 4);
	test_random(1);
	return done_testing();
}
