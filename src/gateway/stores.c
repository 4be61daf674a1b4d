/*-------------------------------------------------------------------------
 *
 * stores.c
 *	  Broadcasts of clients that are stored on their way (persist).
 *
 * supabase.md 4.8.  Upstream delivers such a message at once and stores it
 * besides.  Here an executor stores it as a row like any other, and what its
 * commit brings is what everybody hears, with a place in the order of stored
 * messages and a cursor: who is away meanwhile can have it later.
 *
 * The message gets its id here, so that it is known again when it comes over
 * the bus and can be kept from its sender.
 *
 * src/gateway/stores.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"
#include "lib/ilist.h"

#include "gateway/gw_stats.h"
#include "gateway/stores.h"
#include "program/bus_jobs.h"
#include "program/loop.h"
#include "proto/chain_table.h"
#include "proto/uuid.h"

struct Store
{
	ChainNode	node;			/* by id */
	uint8		id[MESSAGE_ID_BYTES];
	const Channel *sender;
	const StoreHandlers *handlers;
	void	   *owner;			/* NULL = nobody wants to know any more */
	bool		is_answered;
	bool		is_published;
	bool		listed;			/* to have `published` called */
	dlist_node	published_node;
};

static ChainTable table;
static dlist_head published = DLIST_STATIC_INIT(published);
static Bytes job;				/* being encoded */

/*
 * Hash of an id.
 */
static uint32
id_hash(const uint8 *id)
{
	return hash_bytes(id, MESSAGE_ID_BYTES);
}

/*
 * Free a store of which nothing is to be expected.
 */
static void
free_if_done(Store *store)
{
	if (!store->is_answered || !store->is_published || store->listed)
		return;
	chain_remove(&table, &store->node);
	free(store);
}

/*
 * It has been published, or never will be.
 */
static void
note_published(Store *store)
{
	if (store->is_published)
		return;
	store->is_published = true;
	dlist_push_tail(&published, &store->published_node);
	store->listed = true;
}

/*
 * Will it come over the bus?  It does if its sender hears the topic.
 */
static bool
will_come(const Store *store)
{
	return store->owner != NULL && store->sender != NULL &&
		(store->sender->member || store->sender->catch_up != NULL);
}

/*
 * The answer to a job.
 */
static void
answered(JobOutcome outcome, Slice body, void *arg)
{
	Store	   *store = arg;
	char		text[UUID_TEXT_LENGTH + 1];

	store->is_answered = true;
	uuid_write(store->id, text);
	text[UUID_TEXT_LENGTH] = '\0';
	if (outcome == JOB_DONE)
		STAT_INC(BUS_STAT_STORED);
	if (store->owner != NULL)
		store->handlers->answered(store->owner, outcome, text);
	if (outcome != JOB_DONE || !will_come(store))
		note_published(store);
	free_if_done(store);
}

/*
 * Encode the job; false without memory.
 */
static bool
encode(const WalMessage *message, uint32 ttl)
{
	StoreHead	head = {.ttl = ttl};

	bytes_free(&job);
	return job_encode_store(&job, &head, message);
}

/*
 * Begin.
 */
Store *
store_begin(const WalMessage *message, uint32 ttl, const Channel *sender,
			const StoreHandlers *handlers, void *owner)
{
	WalMessage	stored = *message;
	Store	   *store = calloc(1, sizeof(Store));
	bool		asked;

	if (store == NULL || !uuid_make_v7(store->id, loop_wall))
	{
		free(store);
		return NULL;
	}
	memcpy(stored.id, store->id, MESSAGE_ID_BYTES);
	asked = encode(&stored, ttl) && bus_jobs_ask(JOB_STORE, bytes_slice(&job), answered, store);
	bytes_free(&job);
	if (!asked)
	{
		free(store);
		return NULL;
	}
	store->sender = sender;
	store->handlers = handlers;
	store->owner = owner;
	chain_insert(&table, &store->node, id_hash(store->id));
	return store;
}

/*
 * The owner ends.
 */
void
store_forget(Store *store)
{
	store->owner = NULL;
	store->sender = NULL;
	if (store->is_answered)
		note_published(store);
}

/*
 * Who does not hear a message?
 */
const Channel *
stores_sender(const WalMessage *message)
{
	uint32		hash;

	if (table.count == 0)
		return NULL;
	hash = id_hash(message->id);
	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		Store	   *store = chain_container(Store, node, node);

		if (memcmp(store->id, message->id, MESSAGE_ID_BYTES) == 0)
		{
			note_published(store);
			return store->sender != NULL && !store->sender->self ? store->sender : NULL;
		}
	}
	return NULL;
}

/*
 * Tell of what has been published.
 */
void
stores_flush(void)
{
	while (!dlist_is_empty(&published))
	{
		Store	   *store = dlist_container(Store, published_node,
											dlist_pop_head_node(&published));

		store->listed = false;
		if (store->owner != NULL)
			store->handlers->published(store->owner);
		free_if_done(store);
	}
}
