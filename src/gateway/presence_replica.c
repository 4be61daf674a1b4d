/*-------------------------------------------------------------------------
 *
 * presence_replica.c
 *	  What this gateway knows of the presence of one topic.
 *
 * A replica holds two versions at once: what clients have been told, and what
 * has changed since.  A meta that came is FRESH until it is told of, one that
 * went is kept as GONE until then, and one that came and went in between leaves
 * no trace.  The state that a joining client gets is always the version that
 * was told, and the next diff, which it gets like everybody else, leads on from
 * there.  So the state changes only when a diff is told, and all who join
 * between two diffs can share one encoding of it.
 *
 * Clients compare metas by phx_ref alone (supabase.md 5.2).  It is put in front
 * of the user's fields, and fields of the user's that are called phx_ref or
 * phx_ref_prev are left out.  phx_ref_prev is told once, in the diff that
 * brings the new meta, and names the version that clients have seen, not one
 * that came and went between two diffs.
 *
 * Every operation takes as long as the change is large, and a diff as long as
 * the changes since the last one; only a state takes as long as the topic has
 * members.  Nothing here knows of channels or sockets.
 *
 * src/gateway/presence_replica.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/presence_replica.h"
#include "proto/base64url.h"
#include "proto/chain_table.h"
#include "proto/jslice.h"

#define KEEP_BYTES (64 * 1024)	/* scratch memory kept between changes */
#define REF_TEXT_BYTES 11		/* 8 bytes in base64url */
#define REF_MEMBER_BYTES (sizeof("\"phx_ref\":\"\"") - 1 + REF_TEXT_BYTES)
#define AROUND_KEY_BYTES (sizeof(",:{\"metas\":[]}") - 1)

typedef enum MetaStanding
{
	META_TOLD,					/* clients know it; next: GONE, freed */
	META_FRESH,					/* they do not yet; next: TOLD, freed */
	META_GONE,					/* they do, but it is gone; next: freed */
	META_STANDINGS
} MetaStanding;

/* A key with its metas; it exists while it has one. */
struct ReplicaKey
{
	ChainNode	node;			/* in keys */
	PresenceReplica *replica;
	dlist_node	in_replica;
	dlist_node	in_changed;
	bool		changed;		/* is in_changed */
	dlist_head	metas[META_STANDINGS];
	uint32		news_start;		/* in the frames of the diff at hand; empty */
	uint32		news_end;		/* where they say nothing of it */
	uint32		json_len;
	char		json[FLEXIBLE_ARRAY_MEMBER];	/* a string, with quotes */
};

typedef struct ReplicaMeta
{
	ChainNode	node;			/* in metas */
	ReplicaKey *key;
	dlist_node	in_key;
	uint64		ref;
	uint64		told_prev;		/* of a FRESH one: what it replaces, or zero */
	int64		seen_at;		/* when it or what it replaces came, by the wall
								 * clock */
	uint8		standing;		/* MetaStanding */
	uint32		len;
	char		json[FLEXIBLE_ARRAY_MEMBER];	/* the object with phx_ref in
												 * front */
} ReplicaMeta;

static ChainTable keys;			/* of all replicas */
static ChainTable metas;		/* of all replicas, by ref */
static uint64 secret;
static Bytes scratch;

/*
 * Set up.
 */
void
presence_replicas_init(uint64 hash_secret)
{
	secret = hash_secret;
}

/*
 * Begin with nothing.
 */
void
presence_replica_init(PresenceReplica *replica)
{
	dlist_init(&replica->keys);
	dlist_init(&replica->changed);
	replica->size = 0;
	replica->stage = REPLICA_STALE;
}

/*
 * Empty the scratch buffer and give memory back that it does not usually need.
 */
static void
reset_scratch(void)
{
	if (scratch.failed || scratch.cap > KEEP_BYTES)
		bytes_free(&scratch);
	scratch.len = 0;
}

/*
 * Hash of a ref.  Refs are numbers in a row.
 */
static uint32
ref_hash(uint64 ref)
{
	return (uint32) ref;
}

/*
 * Look a meta up; NULL if the replica has none with that ref.
 */
static ReplicaMeta *
find_meta(const PresenceReplica *replica, uint64 ref)
{
	ChainNode  *node = chain_first(&metas, ref_hash(ref));

	for (; node != NULL; node = chain_next(node))
	{
		ReplicaMeta *meta = chain_container(ReplicaMeta, node, node);

		if (meta->ref == ref && meta->key->replica == replica)
			return meta;
	}
	return NULL;
}

/*
 * Hash of a key of a replica.
 */
static uint32
key_hash(const PresenceReplica *replica, Slice json)
{
	return (uint32) hash_bytes_extended((const unsigned char *) json.data, (int) json.len,
										secret + (uintptr_t) replica);
}

/*
 * A key as it is told.
 */
Slice
replica_key_json(const ReplicaKey *key)
{
	return slice_make(key->json, key->json_len);
}

/*
 * Look a key up by its JSON; NULL if there is none.
 */
static ReplicaKey *
find_key(const PresenceReplica *replica, Slice json, uint32 hash)
{
	for (ChainNode *node = chain_first(&keys, hash); node != NULL; node = chain_next(node))
	{
		ReplicaKey *key = chain_container(ReplicaKey, node, node);

		if (key->replica == replica && slice_equals(replica_key_json(key), json))
			return key;
	}
	return NULL;
}

/*
 * Look a key up, or make it; NULL without memory.
 */
static ReplicaKey *
get_key(PresenceReplica *replica, Slice json)
{
	uint32		hash = key_hash(replica, json);
	ReplicaKey *key = find_key(replica, json, hash);

	if (key != NULL)
		return key;
	key = malloc(offsetof(ReplicaKey, json) + json.len);
	if (key == NULL)
		return NULL;
	key->replica = replica;
	key->changed = false;
	key->news_start = 0;
	key->news_end = 0;
	for (int i = 0; i < META_STANDINGS; i++)
		dlist_init(&key->metas[i]);
	key->json_len = (uint32) json.len;
	memcpy(key->json, json.data, json.len);
	chain_insert(&keys, &key->node, hash);
	dlist_push_tail(&replica->keys, &key->in_replica);
	replica->size += AROUND_KEY_BYTES + json.len;
	return key;
}

/*
 * Free a key if it has no metas.
 */
static void
release_key(ReplicaKey *key)
{
	for (int i = 0; i < META_STANDINGS; i++)
	{
		if (!dlist_is_empty(&key->metas[i]))
			return;
	}
	chain_remove(&keys, &key->node);
	dlist_delete(&key->in_replica);
	if (key->changed)
		dlist_delete(&key->in_changed);
	key->replica->size -= AROUND_KEY_BYTES + key->json_len;
	free(key);
}

/*
 * Note that there is something to tell of a key.
 */
static void
mark_changed(ReplicaKey *key)
{
	if (key->changed)
		return;
	key->changed = true;
	dlist_push_tail(&key->replica->changed, &key->in_changed);
}

/*
 * Put a meta among those of another standing.
 */
static void
set_standing(ReplicaMeta *meta, MetaStanding standing)
{
	dlist_delete(&meta->in_key);
	meta->standing = (uint8) standing;
	dlist_push_tail(&meta->key->metas[standing], &meta->in_key);
}

/*
 * Free a meta; its key stays.
 */
static void
free_meta(ReplicaMeta *meta)
{
	chain_remove(&metas, &meta->node);
	dlist_delete(&meta->in_key);
	meta->key->replica->size -= meta->len + 1;
	free(meta);
}

/*
 * Free everything.
 */
void
presence_replica_clear(PresenceReplica *replica)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &replica->keys)
	{
		ReplicaKey *key = dlist_container(ReplicaKey, in_replica, iter.cur);

		for (int i = 0; i < META_STANDINGS; i++)
		{
			while (!dlist_is_empty(&key->metas[i]))
				free_meta(dlist_head_element(ReplicaMeta, in_key, &key->metas[i]));
		}
		release_key(key);
	}
	presence_replica_init(replica);
}

/*
 * Append a member with a ref as its value.
 */
static void
append_ref(Bytes *out, const char *name, uint64 ref)
{
	char		bytes[sizeof(ref)];

	for (size_t i = 0; i < sizeof(ref); i++)
		bytes[i] = (char) (ref >> (8 * (sizeof(ref) - 1 - i)));
	bytes_append_cstr(out, name);
	if (!base64url_encode(slice_make(bytes, sizeof(bytes)), out))
		return;					/* out->failed says it */
	bytes_append_byte(out, '"');
}

/*
 * Append the JSON of a meta: our ref and then the user's fields.
 */
static void
append_meta(Bytes *out, uint64 ref, Slice user)
{
	JsliceIter	it;
	Slice		name;
	Slice		value;

	append_ref(out, "{\"phx_ref\":\"", ref);
	jslice_iter_init(&it, user);
	while (jslice_iter_next(&it, &name, &value))
	{
		if (jslice_string_equals(name, SLICE_LIT("phx_ref")) ||
			jslice_string_equals(name, SLICE_LIT("phx_ref_prev")))
			continue;
		bytes_append_byte(out, ',');
		bytes_append_slice(out, name);
		bytes_append_byte(out, ':');
		bytes_append_slice(out, value);
	}
	bytes_append_byte(out, '}');
}

/*
 * Make a meta with its key; NULL without memory.
 */
static ReplicaMeta *
make_meta(PresenceReplica *replica, uint64 ref, const PresenceParts *parts)
{
	ReplicaKey *key = NULL;
	ReplicaMeta *meta = NULL;
	size_t		key_len;

	if (jslice_append_string(&scratch, parts->key))
	{
		key_len = scratch.len;
		append_meta(&scratch, ref, parts->meta);
		if (!scratch.failed)
			key = get_key(replica, slice_make(scratch.data, key_len));
	}
	if (key != NULL)
	{
		size_t		len = scratch.len - key_len;

		meta = malloc(offsetof(ReplicaMeta, json) + len);
		if (meta == NULL)
			release_key(key);
		else
		{
			meta->key = key;
			meta->ref = ref;
			meta->told_prev = 0;
			meta->len = (uint32) len;
			memcpy(meta->json, scratch.data + key_len, len);
		}
	}
	reset_scratch();
	return meta;
}

/*
 * A new meta.  While the state comes there is nothing to tell of it.
 */
static ReplicaVerdict
add(PresenceReplica *replica, uint64 ref, uint64 told_prev, const PresenceParts *parts,
	int64 wall)
{
	bool		live = replica->stage == REPLICA_LIVE;
	ReplicaMeta *meta;

	if (find_meta(replica, ref) != NULL)
		return REPLICA_CONTRADICTION;
	meta = make_meta(replica, ref, parts);
	if (meta == NULL)
		return REPLICA_NO_MEMORY;
	meta->standing = live ? META_FRESH : META_TOLD;
	meta->told_prev = live ? told_prev : 0;
	meta->seen_at = wall;
	chain_insert(&metas, &meta->node, ref_hash(ref));
	dlist_push_tail(&meta->key->metas[meta->standing], &meta->in_key);
	replica->size += meta->len + 1;
	if (live)
		mark_changed(meta->key);
	return REPLICA_OK;
}

/*
 * A meta that is not GONE goes.
 */
static void
remove_meta(PresenceReplica *replica, ReplicaMeta *meta)
{
	ReplicaKey *key = meta->key;

	if (replica->stage == REPLICA_LIVE && meta->standing == META_TOLD)
	{
		set_standing(meta, META_GONE);
		mark_changed(key);
		return;
	}
	free_meta(meta);
	release_key(key);
}

/*
 * One that clients were never told of is replaced without a trace: the new one
 * takes over what it was to replace.
 */
static ReplicaVerdict
replace(PresenceReplica *replica, const BusPresent *head, const PresenceParts *parts)
{
	ReplicaMeta *old = find_meta(replica, head->prev_ref);
	ReplicaVerdict verdict;

	if (old == NULL || old->standing == META_GONE)
		return REPLICA_CONTRADICTION;
	verdict = add(replica, head->ref,
				  old->standing == META_FRESH ? old->told_prev : old->ref, parts, old->seen_at);
	if (verdict == REPLICA_OK)
		remove_meta(replica, old);
	return verdict;
}

/*
 * Take a change from the hub; see presence_frame.h for what it may be.
 */
ReplicaVerdict
presence_replica_apply(PresenceReplica *replica, const BusPresent *head,
					   const PresenceParts *parts, int64 wall)
{
	ReplicaMeta *meta;

	if (head->op == PRESENCE_BEGIN)
	{
		if (replica->stage == REPLICA_LIVE)
			return REPLICA_CONTRADICTION;
		presence_replica_clear(replica);
		replica->stage = REPLICA_FILLING;
		return REPLICA_OK;
	}
	if (replica->stage == REPLICA_STALE)
		return REPLICA_OK;
	switch (head->op)
	{
		case PRESENCE_JOIN:
			return add(replica, head->ref, 0, parts, wall);
		case PRESENCE_UPDATE:
			return replace(replica, head, parts);
		case PRESENCE_LEAVE:
			meta = find_meta(replica, head->ref);
			if (meta == NULL || meta->standing == META_GONE)
				return REPLICA_CONTRADICTION;
			remove_meta(replica, meta);
			return REPLICA_OK;
		default:
			return REPLICA_CONTRADICTION;
	}
}

/*
 * From FILLING to LIVE.
 */
bool
presence_replica_go_live(PresenceReplica *replica)
{
	if (replica->stage != REPLICA_FILLING)
		return false;
	replica->stage = REPLICA_LIVE;
	return true;
}

/*
 * Append the objects of a list of metas, each with a comma in front but the
 * very first one of the array.
 */
static void
append_metas(Bytes *out, const dlist_head *list, bool *first)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, list))
	{
		const ReplicaMeta *meta = dlist_container(ReplicaMeta, in_key, iter.cur);

		if (!*first)
			bytes_append_byte(out, ',');
		*first = false;
		if (meta->told_prev == 0)
		{
			bytes_append(out, meta->json, meta->len);
			continue;
		}
		bytes_append(out, meta->json, 1 + REF_MEMBER_BYTES);
		append_ref(out, ",\"phx_ref_prev\":\"", meta->told_prev);
		bytes_append(out, meta->json + 1 + REF_MEMBER_BYTES,
					 meta->len - (1 + REF_MEMBER_BYTES));
	}
}

/*
 * Append a key with the metas of one or two standings, if it has any.
 */
static void
append_key(Bytes *out, const ReplicaKey *key, MetaStanding one, MetaStanding other,
		   bool *first)
{
	bool		first_meta = true;

	if (dlist_is_empty(unconstify(dlist_head *, &key->metas[one])) &&
		dlist_is_empty(unconstify(dlist_head *, &key->metas[other])))
		return;
	if (!*first)
		bytes_append_byte(out, ',');
	*first = false;
	bytes_append(out, key->json, key->json_len);
	bytes_append_cstr(out, ":{\"metas\":[");
	append_metas(out, &key->metas[one], &first_meta);
	if (other != one)
		append_metas(out, &key->metas[other], &first_meta);
	bytes_append_cstr(out, "]}");
}

/*
 * The version that was told: what is FRESH is not in it, what is GONE is.
 */
bool
presence_replica_state(const PresenceReplica *replica, Bytes *out)
{
	bool		first = true;
	dlist_iter	iter;

	bytes_reserve(out, replica->size + 2);
	bytes_append_byte(out, '{');
	dlist_foreach(iter, unconstify(dlist_head *, &replica->keys))
		append_key(out, dlist_container(ReplicaKey, in_replica, iter.cur),
				   META_TOLD, META_GONE, &first);
	return bytes_append_byte(out, '}');
}

/*
 * Append the changes of one kind; returns whether there are any.
 */
static bool
append_changes(const PresenceReplica *replica, MetaStanding standing, Bytes *out)
{
	bool		first = true;
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &replica->changed))
		append_key(out, dlist_container(ReplicaKey, in_changed, iter.cur),
				   standing, standing, &first);
	return !first;
}

/*
 * The step from the version that was told to the present one.
 */
bool
presence_replica_diff(const PresenceReplica *replica, Bytes *out)
{
	size_t		start = out->len;
	bool		any;

	bytes_append_cstr(out, "{\"joins\":{");
	any = append_changes(replica, META_FRESH, out);
	bytes_append_cstr(out, "},\"leaves\":{");
	any = append_changes(replica, META_GONE, out) || any;
	bytes_append_cstr(out, "}}");
	if (out->failed || !any)
		out->len = start;
	return !out->failed;
}

/*
 * What came and went between two diffs is in the list, but no news.
 */
bool
presence_replica_has_news(const PresenceReplica *replica)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &replica->changed))
	{
		ReplicaKey *key = dlist_container(ReplicaKey, in_changed, iter.cur);

		if (!dlist_is_empty(&key->metas[META_FRESH]) ||
			!dlist_is_empty(&key->metas[META_GONE]))
			return true;
	}
	return false;
}

/*
 * All that has changed of a key is told.
 */
static void
settle_key(ReplicaKey *key)
{
	dlist_head *fresh = &key->metas[META_FRESH];
	dlist_head *gone = &key->metas[META_GONE];

	while (!dlist_is_empty(fresh))
	{
		ReplicaMeta *meta = dlist_head_element(ReplicaMeta, in_key, fresh);

		meta->told_prev = 0;
		set_standing(meta, META_TOLD);
	}
	while (!dlist_is_empty(gone))
		free_meta(dlist_head_element(ReplicaMeta, in_key, gone));
	dlist_delete(&key->in_changed);
	key->changed = false;
	key->news_start = 0;
	key->news_end = 0;
	release_key(key);
}

/*
 * All is told.
 */
void
presence_replica_settle(PresenceReplica *replica)
{
	while (!dlist_is_empty(&replica->changed))
		settle_key(dlist_head_element(ReplicaKey, in_changed, &replica->changed));
}

/*
 * Walk the keys.
 */
void
presence_replica_visit(PresenceReplica *replica, bool news_only, ReplicaKeyVisitor visit,
					   void *arg)
{
	dlist_iter	iter;

	if (news_only)
	{
		dlist_foreach(iter, &replica->changed)
			visit(dlist_container(ReplicaKey, in_changed, iter.cur), arg);
		return;
	}
	dlist_foreach(iter, &replica->keys)
		visit(dlist_container(ReplicaKey, in_replica, iter.cur), arg);
}

/*
 * Walk the metas of one standing.
 */
static void
visit_metas(const ReplicaKey *key, MetaStanding standing, ReplicaMetaVisitor visit, void *arg)
{
	dlist_iter	iter;

	dlist_foreach(iter, unconstify(dlist_head *, &key->metas[standing]))
	{
		const ReplicaMeta *meta = dlist_container(ReplicaMeta, in_key, iter.cur);

		visit(slice_make(meta->json, meta->len), meta->seen_at, arg);
	}
}

/*
 * Walk the metas of a version.  Of those that were told, the ones that have gone
 * are listed apart.
 */
void
replica_key_visit_metas(const ReplicaKey *key, ReplicaVersion version,
						ReplicaMetaVisitor visit, void *arg)
{
	if (version == REPLICA_TOLD)
		visit_metas(key, META_GONE, visit, arg);
	visit_metas(key, META_TOLD, visit, arg);
	if (version == REPLICA_NEW)
		visit_metas(key, META_FRESH, visit, arg);
}

/*
 * Fields of a meta.
 */
Slice
replica_meta_fields(Slice meta)
{
	size_t		before = 1 + REF_MEMBER_BYTES;	/* and the comma, if any follow */

	if (meta.len <= before + 1)
		return slice_make(NULL, 0);
	return slice_make(meta.data + before + 1, meta.len - before - 2);
}

/*
 * Note where it is told of a key.
 */
void
replica_key_note_news(ReplicaKey *key, size_t start, size_t end)
{
	key->news_start = (uint32) start;
	key->news_end = (uint32) end;
}

/*
 * Is a key in the version that was told?
 */
bool
presence_replica_was_told(const PresenceReplica *replica, Slice json)
{
	const ReplicaKey *key = find_key(replica, json, key_hash(replica, json));

	return key != NULL &&
		(!dlist_is_empty(unconstify(dlist_head *, &key->metas[META_TOLD])) ||
		 !dlist_is_empty(unconstify(dlist_head *, &key->metas[META_GONE])));
}

/*
 * Look up the key of somebody who listens.
 */
bool
presence_replica_own_news(PresenceReplica *replica, Slice json, uint32 *start, uint32 *end)
{
	const ReplicaKey *key = find_key(replica, json, key_hash(replica, json));

	if (key == NULL || !key->changed)
		return false;
	*start = key->news_start;
	*end = key->news_end;
	return true;
}
