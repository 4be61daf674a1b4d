/*-------------------------------------------------------------------------
 *
 * presence_store.c
 *	  Who is on which topic, over all gateways.
 *
 * The one place where changes of presence get their order.  A topic is here
 * while it has a member or somebody watches it.  Every operation on a member
 * takes the same time however many there are; watching takes as long as the
 * topic has members, and the end of a gateway as long as it had members.
 *
 * Nothing is read, sent or logged here and nothing throws: memory comes from
 * malloc, and where there is none, a member is refused like one too many.  So
 * it compiles as a program's code, too, and its test needs no server.
 *
 * What follows the head in a frame is kept with the member as it is sent: topic,
 * key and meta behind each other.
 *
 * src/hub/presence_store.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"
#include "lib/ilist.h"

#include "hub/presence_store.h"
#include "proto/chain_table.h"

/* A topic; the private and the public one of a name are two. */
typedef struct StoredTopic
{
	ChainNode	node;			/* in topics */
	uint64		watchers;		/* bit n: slot n */
	dlist_head	members;		/* in the order of their coming */
	bool		is_private;
	uint8		name_len;
	char		name[FLEXIBLE_ARRAY_MEMBER];
} StoredTopic;

typedef struct StoredMember
{
	ChainNode	node;			/* in members */
	dlist_node	in_topic;
	dlist_node	in_slot;
	StoredTopic *topic;
	uint64		id;
	uint64		ref;
	uint32		meta_len;
	uint16		key_len;
	uint8		slot;
	char	   *rest;			/* topic, key, meta */
} StoredMember;

static ChainTable topics;
static ChainTable members;
static dlist_head slot_members[PRESENCE_SLOTS];
static uint64 secret;
static uint64 last_ref;
static PresenceEmit emit_change;
static uint64 members_max = PG_UINT64_MAX;
static uint64 bytes_max = PG_UINT64_MAX;
static uint64 bytes_held;		/* by members and topics */

/*
 * Set up.
 */
void
presence_store_init(uint64 hash_secret, uint64 first_ref, PresenceEmit emit)
{
	secret = hash_secret;
	last_ref = first_ref - 1;
	emit_change = emit;
	for (int i = 0; i < PRESENCE_SLOTS; i++)
		dlist_init(&slot_members[i]);
}

/*
 * Change the bounds.
 */
void
presence_store_limit(uint64 max_members, uint64 max_bytes)
{
	members_max = max_members;
	bytes_max = max_bytes;
}

/*
 * Members of all topics.
 */
uint64
presence_store_members(void)
{
	return members.count;
}

/*
 * Memory of members and topics.
 */
uint64
presence_store_bytes(void)
{
	return bytes_held;
}

/*
 * Hash of a topic, room included.
 */
static uint32
topic_hash(bool is_private, Slice name)
{
	return (uint32) hash_bytes_extended((const unsigned char *) name.data, (int) name.len,
										secret + is_private);
}

/*
 * Look a topic up; NULL if it is not here.
 */
static StoredTopic *
find_topic(bool is_private, Slice name)
{
	ChainNode  *node = chain_first(&topics, topic_hash(is_private, name));

	for (; node != NULL; node = chain_next(node))
	{
		StoredTopic *topic = chain_container(StoredTopic, node, node);

		if (topic->is_private == is_private &&
			slice_equals(slice_make(topic->name, topic->name_len), name))
			return topic;
	}
	return NULL;
}

/*
 * Memory of a topic.
 */
static size_t
topic_size(Slice name)
{
	return offsetof(StoredTopic, name) + name.len;
}

/*
 * Look a topic up, or make it; NULL without memory.  Topics count, but have no
 * bound: what is watched is bounded by what gateways have room for.
 */
static StoredTopic *
get_topic(bool is_private, Slice name)
{
	StoredTopic *topic = find_topic(is_private, name);

	if (topic != NULL)
		return topic;
	Assert(name.len >= 1 && name.len <= TOPIC_MAX_BYTES);
	topic = malloc(topic_size(name));
	if (topic == NULL)
		return NULL;
	topic->watchers = 0;
	dlist_init(&topic->members);
	topic->is_private = is_private;
	topic->name_len = (uint8) name.len;
	memcpy(topic->name, name.data, name.len);
	chain_insert(&topics, &topic->node, topic_hash(is_private, name));
	bytes_held += topic_size(name);
	return topic;
}

/*
 * Free a topic if nobody is there or watches any more.
 */
static void
release_topic(StoredTopic *topic)
{
	if (topic->watchers != 0 || !dlist_is_empty(&topic->members))
		return;
	bytes_held -= topic_size(slice_make(topic->name, topic->name_len));
	chain_remove(&topics, &topic->node);
	free(topic);
}

/*
 * Hash of a member.
 */
static uint32
member_hash(int slot, uint64 id)
{
	return (uint32) hash_bytes_extended((const unsigned char *) &id, sizeof(id),
										secret + slot);
}

/*
 * Look a member up; NULL if it is not here.
 */
static StoredMember *
find_member(int slot, uint64 id)
{
	ChainNode  *node = chain_first(&members, member_hash(slot, id));

	for (; node != NULL; node = chain_next(node))
	{
		StoredMember *member = chain_container(StoredMember, node, node);

		if (member->id == id && member->slot == slot)
			return member;
	}
	return NULL;
}

/*
 * Topic, key and meta of a member.
 */
static PresenceParts
member_parts(const StoredMember *member)
{
	PresenceParts parts;

	parts.topic = slice_make(member->rest, member->topic->name_len);
	parts.key = slice_make(slice_end(parts.topic), member->key_len);
	parts.meta = slice_make(slice_end(parts.key), member->meta_len);
	return parts;
}

/*
 * Bytes of the parts behind each other.
 */
static size_t
parts_size(const PresenceParts *parts)
{
	return parts->topic.len + parts->key.len + parts->meta.len;
}

/*
 * The parts in memory of their own, NULL if there is none.
 */
static char *
copy_parts(const PresenceParts *parts)
{
	char	   *copy = malloc(parts_size(parts));

	if (copy == NULL)
		return NULL;
	memcpy(copy, parts->topic.data, parts->topic.len);
	memcpy(copy + parts->topic.len, parts->key.data, parts->key.len);
	memcpy(copy + parts->topic.len + parts->key.len, parts->meta.data, parts->meta.len);
	return copy;
}

/*
 * A ref that was never used before; zero means none.
 */
static uint64
next_ref(void)
{
	if (++last_ref == 0)
		++last_ref;
	return last_ref;
}

/*
 * Tell slots that a member is there, with its present meta.
 */
static void
emit_member(uint64 slots, PresenceOp op, const StoredMember *member, uint64 prev_ref)
{
	PresenceParts parts = member_parts(member);
	BusPresent	head = presence_head(op, member->topic->is_private, &parts);

	if (slots == 0)
		return;
	head.ref = member->ref;
	head.prev_ref = prev_ref;
	emit_change(slots, &head, slice_make(member->rest, parts_size(&parts)));
}

/*
 * Tell slots something that has neither key nor meta.
 */
static void
emit_bare(uint64 slots, PresenceOp op, const StoredTopic *topic, uint64 ref)
{
	PresenceParts parts = {.topic = slice_make(topic->name, topic->name_len)};
	BusPresent	head = presence_head(op, topic->is_private, &parts);

	if (slots == 0)
		return;
	head.ref = ref;
	emit_change(slots, &head, parts.topic);
}

/*
 * A new member of a topic.
 */
static TrackVerdict
join(int slot, uint64 id, bool is_private, const PresenceParts *parts)
{
	size_t		size = sizeof(StoredMember) + parts_size(parts);
	StoredMember *member;

	if (members.count >= members_max || bytes_held + size > bytes_max)
		return TRACK_FULL;
	member = malloc(sizeof(StoredMember));
	if (member == NULL)
		return TRACK_FULL;
	member->rest = copy_parts(parts);
	member->topic = member->rest != NULL ? get_topic(is_private, parts->topic) : NULL;
	if (member->topic == NULL)
	{
		free(member->rest);
		free(member);
		return TRACK_FULL;
	}
	member->id = id;
	member->ref = next_ref();
	member->key_len = (uint16) parts->key.len;
	member->meta_len = (uint32) parts->meta.len;
	member->slot = (uint8) slot;
	chain_insert(&members, &member->node, member_hash(slot, id));
	dlist_push_tail(&member->topic->members, &member->in_topic);
	dlist_push_tail(&slot_members[slot], &member->in_slot);
	bytes_held += size;
	emit_member(member->topic->watchers, PRESENCE_JOIN, member, 0);
	return TRACK_TAKEN;
}

/*
 * A member tracks again.  The same bytes are no change (supabase.md 5.2).
 */
static TrackVerdict
update(StoredMember *member, bool is_private, const PresenceParts *parts)
{
	PresenceParts old = member_parts(member);
	uint64		prev_ref = member->ref;
	char	   *copy;

	if (member->topic->is_private != is_private ||
		!slice_equals(old.topic, parts->topic) || !slice_equals(old.key, parts->key))
		return TRACK_CONTRADICTION;
	if (slice_equals(old.meta, parts->meta))
		return TRACK_TAKEN;
	if (parts->meta.len > old.meta.len &&
		bytes_held + (parts->meta.len - old.meta.len) > bytes_max)
		return TRACK_FULL;
	copy = copy_parts(parts);
	if (copy == NULL)
		return TRACK_FULL;
	bytes_held = bytes_held - old.meta.len + parts->meta.len;
	free(member->rest);
	member->rest = copy;
	member->meta_len = (uint32) parts->meta.len;
	member->ref = next_ref();
	emit_member(member->topic->watchers, PRESENCE_UPDATE, member, prev_ref);
	return TRACK_TAKEN;
}

/*
 * Join or update.
 */
TrackVerdict
presence_store_track(int slot, uint64 id, bool is_private, const PresenceParts *parts)
{
	StoredMember *member = find_member(slot, id);

	Assert(slot >= 0 && slot < PRESENCE_SLOTS);
	if (member == NULL)
		return join(slot, id, is_private, parts);
	return update(member, is_private, parts);
}

/*
 * Take a member out, tell of it and free it.
 */
static void
leave(StoredMember *member)
{
	StoredTopic *topic = member->topic;
	PresenceParts parts = member_parts(member);

	bytes_held -= sizeof(StoredMember) + parts_size(&parts);
	chain_remove(&members, &member->node);
	dlist_delete(&member->in_topic);
	dlist_delete(&member->in_slot);
	emit_bare(topic->watchers, PRESENCE_LEAVE, topic, member->ref);
	free(member->rest);
	free(member);
	release_topic(topic);
}

/*
 * A member leaves.
 */
void
presence_store_untrack(int slot, uint64 id)
{
	StoredMember *member = find_member(slot, id);

	if (member != NULL)
		leave(member);
}

/*
 * Tell a slot who is there, and from now on who comes and goes.
 */
bool
presence_store_watch(int slot, bool is_private, Slice name)
{
	StoredTopic *topic = get_topic(is_private, name);
	uint64		bit = UINT64CONST(1) << slot;
	dlist_iter	iter;

	Assert(slot >= 0 && slot < PRESENCE_SLOTS);
	if (topic == NULL)
		return false;
	topic->watchers |= bit;
	emit_bare(bit, PRESENCE_BEGIN, topic, 0);
	dlist_foreach(iter, &topic->members)
		emit_member(bit, PRESENCE_JOIN, dlist_container(StoredMember, in_topic, iter.cur), 0);
	return true;
}

/*
 * Clear a slot's bit, and free the topic with the last one.
 */
static void
remove_watcher(StoredTopic *topic, int slot)
{
	topic->watchers &= ~(UINT64CONST(1) << slot);
	release_topic(topic);
}

/*
 * Tell a slot no more of a topic.
 */
void
presence_store_unwatch(int slot, bool is_private, Slice name)
{
	StoredTopic *topic = find_topic(is_private, name);

	if (topic != NULL)
		remove_watcher(topic, slot);
}

/*
 * remove_watcher() for chain_visit(): *arg is the slot.
 */
static void
visit_topic(ChainNode *node, void *arg)
{
	remove_watcher(chain_container(StoredTopic, node, node), *(int *) arg);
}

/*
 * A gateway is gone.
 */
void
presence_store_forget(int slot)
{
	dlist_head *list = &slot_members[slot];

	Assert(slot >= 0 && slot < PRESENCE_SLOTS);
	chain_visit(&topics, visit_topic, &slot);
	while (!dlist_is_empty(list))
		leave(dlist_head_element(StoredMember, in_slot, list));
}
