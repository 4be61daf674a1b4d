/*-------------------------------------------------------------------------
 *
 * endpoints.c
 *	  Servers that webhooks lead to: how they do, and how much they get.
 *
 * What keeps a dead server from slowing the others down is that nothing is
 * shared but memory: each has its own requests under way and its own deliveries
 * in hand, both bounded.  One that fails TROUBLE_FAILURES times in a row gets one
 * request at a time, after pauses that double, until it answers again; so one
 * that lets every request time out takes one connection, and one that refuses
 * them costs nothing.
 *
 * src/courier/endpoints.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "courier/courier_settings.h"
#include "courier/endpoints.h"
#include "program/loop.h"

#define TROUBLE_FAILURES 3
#define PAUSE_MAX_MS 30000

/* Longest that an endpoint may have us wait with all of its deliveries. */
#define RETRY_AFTER_MAX 300

/* Deliveries in hand for each request that may be under way. */
#define HELD_PER_REQUEST 8

/* An endpoint that failed is remembered for so long after its pause. */
#define MEMORY_MS (10 * 60 * 1000)

dlist_head	endpoints_all = DLIST_STATIC_INIT(endpoints_all);

static ChainTable table;

/*
 * Hash of a name.
 */
static uint32
hash_of(Slice name)
{
	return hash_bytes((const unsigned char *) name.data, (int) name.len);
}

/*
 * Find one; NULL if it is not there.
 */
static Endpoint *
find(Slice name, uint32 hash)
{
	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		Endpoint   *endpoint = chain_container(Endpoint, node, node);

		if (slice_equals_cstr(name, endpoint->name))
			return endpoint;
	}
	return NULL;
}

/*
 * Find or make one.
 */
Endpoint *
endpoint_get(Slice name)
{
	uint32		hash = hash_of(name);
	Endpoint   *endpoint = find(name, hash);

	if (endpoint != NULL)
		return endpoint;
	endpoint = calloc(1, sizeof(Endpoint));
	if (endpoint == NULL)
		return NULL;
	endpoint->name = strndup(name.data, name.len);
	if (endpoint->name == NULL)
	{
		free(endpoint);
		return NULL;
	}
	dlist_init(&endpoint->waiting);
	endpoint->room_asked = endpoint_usual_room();
	chain_insert(&table, &endpoint->node, hash);
	dlist_push_tail(&endpoints_all, &endpoint->all);
	return endpoint;
}

/*
 * Has it failed so often that it is treated with care?
 */
static bool
is_in_trouble(const Endpoint *endpoint)
{
	return endpoint->failures >= TROUBLE_FAILURES;
}

/*
 * How many requests may be under way.
 */
static int
concurrency_of(const Endpoint *endpoint)
{
	return is_in_trouble(endpoint) ? 1 : (int) courier_settings.concurrency;
}

/*
 * May a request begin?
 */
bool
endpoint_is_ready(const Endpoint *endpoint, int64 now)
{
	return endpoint->paused_until <= now &&
		endpoint->under_way < concurrency_of(endpoint);
}

/*
 * All is well.
 */
void
endpoint_succeeded(Endpoint *endpoint)
{
	endpoint->failures = 0;
	endpoint->paused_until = 0;
}

/*
 * How long to leave it alone after so many failures.
 */
static int64
pause_of(int failures)
{
	int64		pause = courier_settings.retry_delay;

	for (int i = TROUBLE_FAILURES; i < failures && pause < PAUSE_MAX_MS; i++)
		pause *= 2;
	return Min(pause, PAUSE_MAX_MS);
}

/*
 * Something is wrong with it.
 */
bool
endpoint_failed(Endpoint *endpoint, int64 retry_after, int64 now)
{
	if (endpoint->failures < PG_INT32_MAX)
		endpoint->failures++;
	if (retry_after > 0)
		endpoint->paused_until = Max(endpoint->paused_until,
									 now + Min(retry_after, RETRY_AFTER_MAX) * 1000);
	if (!is_in_trouble(endpoint))
		return false;
	endpoint->paused_until = Max(endpoint->paused_until, now + pause_of(endpoint->failures));
	return true;
}

/*
 * How much more of it?
 */
int
endpoint_room(const Endpoint *endpoint)
{
	return Max(concurrency_of(endpoint) * (is_in_trouble(endpoint) ? 1 : HELD_PER_REQUEST) -
			   endpoint->held, 0);
}

/*
 * How much of one that we know nothing of?
 */
int
endpoint_usual_room(void)
{
	return (int) courier_settings.concurrency * HELD_PER_REQUEST;
}

/*
 * Forget one.
 */
static void
forget(Endpoint *endpoint)
{
	chain_remove(&table, &endpoint->node);
	dlist_delete(&endpoint->all);
	free(endpoint->name);
	free(endpoint);
}

/*
 * Forget those that nothing is to be remembered of.
 */
void
endpoints_sweep(int64 now)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &endpoints_all)
	{
		Endpoint   *endpoint = dlist_container(Endpoint, all, iter.cur);

		if (endpoint->held == 0 &&
			(endpoint->failures == 0 || endpoint->paused_until + MEMORY_MS < now) &&
			endpoint->paused_until <= now)
			forget(endpoint);
	}
}

/*
 * When may somebody go on who waits?
 */
int64
endpoints_deadline(int64 now)
{
	int64		deadline = LOOP_NEVER;
	dlist_iter	iter;

	dlist_foreach(iter, &endpoints_all)
	{
		Endpoint   *endpoint = dlist_container(Endpoint, all, iter.cur);

		if (endpoint->paused_until > now && !dlist_is_empty(&endpoint->waiting))
			deadline = Min(deadline, endpoint->paused_until);
	}
	return deadline;
}
