/*-------------------------------------------------------------------------
 *
 * topics.c
 *	  Which channels of this gateway hear which topic.
 *
 * The index is a hash table with chains through the topics themselves.  It is
 * not simplehash, because names come from clients: growing it must be able to
 * fail (then the chains get longer, and that is all), and the hash is seeded
 * so that nobody can choose names that fall into one bucket.
 *
 * Interest.  The hub sends us a topic's messages after it has read our
 * BUS_INTEREST, and a join is answered only when the hub has acknowledged it,
 * so that what commits after the answer is always delivered.  Both directions
 * of the bus keep their order, hence one growing number says it all: an
 * acknowledgement of n covers every request up to n.  Requests are collected
 * over a turn, so that a member that leaves and comes back in one turn costs
 * nothing and 1,000 joins are one write.
 *
 * src/gateway/topics.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/agent_channels.h"
#include "gateway/gw_stats.h"
#include "gateway/held.h"
#include "gateway/topics.h"
#include "program/bus_link.h"

#define FIRST_BUCKETS 1024		/* a power of two, like every size */
#define FIRST_MEMBERS 4

static Topic **buckets;
static uint32 nbuckets;
static uint32 ntopics;
static uint64 hash_seed;

static uint64 interest_seq;		/* of the last BUS_INTEREST */
static dlist_head changed = DLIST_STATIC_INIT(changed);
static dlist_head asked = DLIST_STATIC_INIT(asked); /* by asked_seq */

/*
 * Set up the index.
 */
bool
topics_init(void)
{
	buckets = calloc(FIRST_BUCKETS, sizeof(Topic *));
	nbuckets = FIRST_BUCKETS;
	return buckets != NULL && pg_strong_random(&hash_seed, sizeof(hash_seed));
}

/*
 * Seeded, so that names that collide cannot be chosen.
 */
uint32
topics_hash(Slice name)
{
	return (uint32) hash_bytes_extended((const unsigned char *) name.data,
										(int) name.len, hash_seed);
}

/*
 * Look a topic up.
 */
Topic *
topics_find(bool is_private, Slice name, uint32 hash)
{
	Topic	   *topic = buckets[hash & (nbuckets - 1)];

	while (topic != NULL &&
		   !(topic->hash == hash && topic->is_private == is_private &&
			 slice_equals(topic_name(topic), name)))
		topic = topic->next_in_bucket;
	return topic;
}

/*
 * Put a topic into its chain.
 */
static void
link_topic(Topic *topic)
{
	Topic	  **bucket = &buckets[topic->hash & (nbuckets - 1)];

	topic->next_in_bucket = *bucket;
	*bucket = topic;
}

/*
 * Double the table if it is full.  Without memory it stays as it is.
 */
static void
grow_table(void)
{
	Topic	  **old = buckets;
	uint32		nold = nbuckets;
	Topic	  **new;

	if (ntopics < nbuckets || nbuckets > PG_UINT32_MAX / 2)
		return;
	new = calloc((size_t) nold * 2, sizeof(Topic *));
	if (new == NULL)
		return;
	buckets = new;
	nbuckets = nold * 2;
	for (uint32 i = 0; i < nold; i++)
	{
		Topic	   *topic = old[i];

		while (topic != NULL)
		{
			Topic	   *next = topic->next_in_bucket;

			link_topic(topic);
			topic = next;
		}
	}
	free(old);
}

/*
 * Look a topic up, or make it.
 */
Topic *
topics_get(bool is_private, Slice name, uint32 hash)
{
	Topic	   *topic = topics_find(is_private, name, hash);

	if (topic != NULL)
	{
		topics_hold(topic);
		return topic;
	}
	Assert(name.len <= TOPIC_MAX_BYTES);
	topic = calloc(1, offsetof(Topic, full_name) + TOPIC_PREFIX_LEN + name.len);
	if (topic == NULL)
		return NULL;
	topic->hash = hash;
	topic->is_private = is_private;
	topic->holders = 1;
	topic->name_len = (uint8) name.len;
	memcpy(topic->full_name, TOPIC_PREFIX, TOPIC_PREFIX_LEN);
	memcpy(topic->full_name + TOPIC_PREFIX_LEN, name.data, name.len);
	ntopics++;
	grow_table();
	link_topic(topic);
	return topic;
}

/*
 * Take a topic out of the index and free it.
 */
static void
free_topic(Topic *topic)
{
	Topic	  **link = &buckets[topic->hash & (nbuckets - 1)];

	while (*link != topic)
		link = &(*link)->next_in_bucket;
	*link = topic->next_in_bucket;
	ntopics--;
	for (int v = 0; v < DIALECTS; v++)
	{
		Assert(topic->members[v].count == 0 && topic->open[v] == NULL);
		if (topic->members[v].cap > 0)
			free(topic->members[v].array);
	}
	agent_name_free(topic->agent_name);
	free(topic);
}

/*
 * Have topics_flush_interest() look at a topic, once.
 */
static void
note_changed(Topic *topic)
{
	if (topic->changed)
		return;
	dlist_push_tail(&changed, &topic->changed_node);
	topic->changed = true;
}

/*
 * One more holder.
 */
void
topics_hold(Topic *topic)
{
	topic->holders++;
}

/*
 * One holder less.
 */
void
topics_release(Topic *topic)
{
	Assert(topic->holders > 0);
	if (--topic->holders == 0)
		note_changed(topic);
}

/*
 * Walk the index.
 */
void
topics_visit(void (*visit) (Topic *topic))
{
	for (uint32 i = 0; i < nbuckets; i++)
	{
		for (Topic *topic = buckets[i]; topic != NULL; topic = topic->next_in_bucket)
			visit(topic);
	}
}

/*
 * Does anybody hear it?
 */
bool
topic_has_members(const Topic *topic)
{
	if (topic->held != NULL)
		return true;
	for (int v = 0; v < DIALECTS; v++)
	{
		if (topic->members[v].count > 0)
			return true;
	}
	return false;
}

/*
 * Has a topic gained its first member, or lost its last one?
 */
static void
note_members(Topic *topic, bool had_members)
{
	bool		has_members = topic_has_members(topic);

	if (has_members == had_members)
		return;
	if (has_members)
		STAT_INC(BUS_STAT_TOPICS);
	else
		STAT_DEC(BUS_STAT_TOPICS);
	note_changed(topic);
}

/*
 * Make room for one more member; false without memory.
 */
static bool
grow_members(Members *members)
{
	uint32		cap = Max(members->cap * 2, FIRST_MEMBERS);
	struct Channel **array;

	if (members->count < Max(members->cap, 1))
		return true;
	if (members->cap > PG_UINT32_MAX / 2)
		return false;
	array = realloc(members->cap > 0 ? members->array : NULL, cap * sizeof(struct Channel *));
	if (array == NULL)
		return false;
	if (members->cap == 0)
		array[0] = members->one;
	members->array = array;
	members->cap = cap;
	return true;
}

/*
 * Give memory back when most of a large array is unused.  Without memory for
 * the smaller one it stays large.
 */
static void
shrink_members(Members *members)
{
	struct Channel **array;
	uint32		cap = members->cap / 2;

	if (members->cap <= FIRST_MEMBERS || members->count > members->cap / 4)
		return;
	array = realloc(members->array, cap * sizeof(struct Channel *));
	if (array == NULL)
		return;
	members->array = array;
	members->cap = cap;
}

/*
 * Put a member behind the others.
 */
bool
topics_add_member(Topic *topic, Dialect dialect,
				  struct Channel *channel, uint32 *place)
{
	Members    *members = &topic->members[dialect];
	bool		had_members = topic_has_members(topic);

	if (!grow_members(members))
		return false;
	*place = members->count++;
	members_array(members)[*place] = channel;
	note_members(topic, had_members);
	return true;
}

/*
 * Fill the gap with the last member.
 */
struct Channel *
topics_remove_member(Topic *topic, Dialect dialect, uint32 place)
{
	Members    *members = &topic->members[dialect];
	struct Channel **array = members_array(members);
	struct Channel *moved = NULL;

	Assert(place < members->count);
	members->count--;
	if (place < members->count)
		moved = array[place] = array[members->count];
	shrink_members(members);
	note_members(topic, true);
	return moved;
}

/*
 * Hold messages from now on.
 */
bool
topics_begin_hold(Topic *topic)
{
	bool		had_members = topic_has_members(topic);

	if (topic->held == NULL)
		topic->held = held_new();
	note_members(topic, had_members);
	return topic->held != NULL;
}

/*
 * Hold no more.
 */
void
topics_end_hold(Topic *topic)
{
	held_free(topic->held);
	topic->held = NULL;
	note_members(topic, true);
}

/*
 * Queue one BUS_INTEREST; returns its number.
 */
static uint64
send_interest(const Topic *topic, bool add)
{
	BusInterest interest = {0};

	interest.seq = ++interest_seq;
	interest.add = add;
	interest.is_private = topic->is_private;
	bus_send(BUS_INTEREST, &interest, sizeof(interest),
			 topic_name(topic).data, topic_name(topic).len);
	return interest.seq;
}

/*
 * Ask for a topic whose interest is NONE.
 */
static void
ask_for(Topic *topic)
{
	topic->asked_seq = send_interest(topic, true);
	topic->interest = INTEREST_ASKED;
	dlist_push_tail(&asked, &topic->asked_node);
}

/*
 * Give up the interest in a topic, if there is any.
 */
static void
give_up(Topic *topic)
{
	if (topic->interest == INTEREST_NONE)
		return;
	if (topic->interest == INTEREST_ASKED)
		dlist_delete(&topic->asked_node);
	send_interest(topic, false);
	topic->interest = INTEREST_NONE;
}

/*
 * A queue of bytes to the hub that is long already is left alone: the rest of
 * the topics wait for a later turn, and so do their joins.
 */
void
topics_flush_interest(void)
{
	while (!dlist_is_empty(&changed) && bus_queued() < BUS_OUT_MARK)
	{
		Topic	   *topic = dlist_container(Topic, changed_node,
											dlist_pop_head_node(&changed));

		topic->changed = false;
		if (!topic_has_members(topic))
			give_up(topic);
		else if (topic->interest == INTEREST_NONE)
			ask_for(topic);
		if (topic->holders == 0)
			free_topic(topic);
	}
}

/*
 * Take the next topic off the list of those that were asked for.
 */
Topic *
topics_acknowledged(uint64 seq)
{
	Topic	   *topic;

	if (dlist_is_empty(&asked))
		return NULL;
	topic = dlist_head_element(Topic, asked_node, &asked);
	if (topic->asked_seq > seq)
		return NULL;
	dlist_delete(&topic->asked_node);
	topic->interest = INTEREST_HELD;
	return topic;
}
