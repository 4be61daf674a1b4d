/*-------------------------------------------------------------------------
 *
 * deliveries.c
 *	  The deliveries that the courier has in hand, and whose turn it is.
 *
 * A delivery without a lane waits with its endpoint; of a lane only the first
 * one does, and the next one takes its place when that is delivered or given up.
 * If it is to be tried again, those behind it are given back: they are fetched
 * again when it is their turn.  The same is done with all of an endpoint that is
 * in trouble, so that memory is for those who can be delivered to.
 *
 * A lane is there until the last of its deliveries is reported, and as long it is
 * not fetched from: until then the table still shows what is done as due.
 *
 * src/courier/deliveries.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/crypto.h>

#include "common/hashfn.h"
#include "common/pg_prng.h"

#include "courier/courier_settings.h"
#include "courier/deliveries.h"
#include "courier/fetches.h"
#include "courier/reports.h"

dlist_head	deliveries_all = DLIST_STATIC_INIT(deliveries_all);
dlist_head	lanes_all = DLIST_STATIC_INIT(lanes_all);
int			deliveries_held;
int			deliveries_under_way;

static ChainTable lanes;
static size_t held_bytes;

/*
 * Is there room for more?
 */
bool
deliveries_have_room(void)
{
	return deliveries_held < DELIVERIES_MAX && held_bytes < DELIVERIES_MAX_BYTES;
}

/*
 * Find or make a lane; NULL without memory.
 */
static Lane *
lane_get(Endpoint *endpoint, int64 number)
{
	uint32		hash = hash_combine(endpoint->node.hash, (uint32) number);
	Lane	   *lane;

	for (ChainNode *node = chain_first(&lanes, hash); node != NULL; node = chain_next(node))
	{
		lane = chain_container(Lane, node, node);
		if (lane->endpoint == endpoint && lane->number == number)
			return lane;
	}
	lane = calloc(1, sizeof(Lane));
	if (lane == NULL)
		return NULL;
	lane->endpoint = endpoint;
	lane->number = number;
	dlist_init(&lane->behind);
	chain_insert(&lanes, &lane->node, hash);
	dlist_push_tail(&lanes_all, &lane->all);
	return lane;
}

/*
 * Forget a lane.  What came for it meanwhile can be fetched now.
 */
static void
lane_free(Lane *lane)
{
	chain_remove(&lanes, &lane->node);
	dlist_delete(&lane->all);
	free(lane);
	fetches_want();
}

/*
 * Copy a text to *place, with a NUL behind it, and move that on.
 */
static char *
put_text(char **place, Slice text)
{
	char	   *start = *place;

	if (text.len > 0)
		memcpy(start, text.data, text.len);
	start[text.len] = '\0';
	*place += text.len + 1;
	return start;
}

/*
 * Bytes of the texts and the body.
 */
static size_t
parts_size(const DeliveryParts *parts)
{
	return parts->url.len + parts->event.len + parts->channel.len +
		parts->secret.len + parts->body.len + 5;
}

/*
 * Make a delivery, which belongs nowhere yet; NULL without memory.
 */
static Delivery *
make(const DeliveryParts *parts)
{
	Delivery   *delivery = calloc(1, sizeof(Delivery) + parts_size(parts));
	char	   *place;

	if (delivery == NULL)
		return NULL;
	place = (char *) (delivery + 1);
	delivery->id = parts->id;
	delivery->attempts = parts->attempts;
	memcpy(delivery->message_id, parts->message_id.data,
		   Min(parts->message_id.len, MESSAGE_ID_TEXT));
	delivery->url = put_text(&place, parts->url);
	delivery->event = put_text(&place, parts->event);
	delivery->channel = put_text(&place, parts->channel);
	delivery->secret = slice_make(put_text(&place, parts->secret), parts->secret.len);
	delivery->body = slice_make(put_text(&place, parts->body), parts->body.len);
	return delivery;
}

/*
 * Let it wait where it belongs.
 */
static void
let_wait(Delivery *delivery)
{
	Lane	   *lane = delivery->lane;

	delivery->state = DELIVERY_WAITING;
	if (lane != NULL && lane->busy)
	{
		dlist_push_tail(&lane->behind, &delivery->node);
		return;
	}
	if (lane != NULL)
		lane->busy = true;
	dlist_push_tail(&delivery->endpoint->waiting, &delivery->node);
}

/*
 * Take one in hand.
 */
bool
delivery_add(const DeliveryParts *parts)
{
	Endpoint   *endpoint = endpoint_get(parts->endpoint);
	Delivery   *delivery;
	Lane	   *lane = NULL;

	if (endpoint == NULL || (delivery = make(parts)) == NULL)
		return false;
	if (parts->has_lane && (lane = lane_get(endpoint, parts->lane)) == NULL)
	{
		free(delivery);
		return false;
	}
	delivery->endpoint = endpoint;
	delivery->lane = lane;
	endpoint->held++;
	endpoint->got++;
	if (lane != NULL)
		lane->held++;
	else
		endpoint->since = Max(endpoint->since, parts->turn);
	deliveries_held++;
	held_bytes += delivery->body.len;
	dlist_push_tail(&deliveries_all, &delivery->all);
	let_wait(delivery);
	return true;
}

/*
 * The next one to be sent.
 */
Delivery *
delivery_next(Endpoint *endpoint, int64 now)
{
	Delivery   *delivery;

	if (dlist_is_empty(&endpoint->waiting) || !endpoint_is_ready(endpoint, now))
		return NULL;
	delivery = dlist_container(Delivery, node, dlist_pop_head_node(&endpoint->waiting));
	delivery->state = DELIVERY_SENT;
	endpoint->under_way++;
	deliveries_under_way++;
	return delivery;
}

/*
 * Free one that is in no list but deliveries_all.
 */
void
delivery_free(Delivery *delivery)
{
	Lane	   *lane = delivery->lane;

	dlist_delete(&delivery->all);
	delivery->endpoint->held--;
	deliveries_held--;
	held_bytes -= delivery->body.len;
	if (lane != NULL && --lane->held == 0)
		lane_free(lane);
	if (delivery->secret.len > 0)
		OPENSSL_cleanse(unconstify(char *, delivery->secret.data), delivery->secret.len);
	free(delivery);
}

/*
 * Give back all that waits with an endpoint, or in a lane behind one that is
 * still in hand.
 */
static void
give_back(dlist_head *list)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list)
	{
		Delivery   *delivery = dlist_container(Delivery, node, iter.cur);
		Lane	   *lane = delivery->lane;

		dlist_delete(iter.cur);

		/* it is to be found again */
		delivery->endpoint->since = 0;
		/* a first one takes those behind it along */
		if (lane != NULL && list != &lane->behind)
		{
			lane->busy = false;
			give_back(&lane->behind);
		}
		delivery_free(delivery);
	}
}

/*
 * The first one of a lane is done with: the next one is the first.
 */
static void
move_up(Lane *lane)
{
	lane->busy = false;
	if (!dlist_is_empty(&lane->behind))
		let_wait(dlist_container(Delivery, node, dlist_pop_head_node(&lane->behind)));
}

/*
 * Decide upon another attempt.
 */
static void
settle_retry(Delivery *delivery, int64 retry_after)
{
	int			attempts = delivery->attempts + 1;

	if (attempts >= courier_settings.max_attempts)
		delivery->verdict = VERDICT_DEAD;
	else
		delivery->retry_ms = retry_pause(attempts, courier_settings.retry_delay,
										 pg_prng_double(&pg_global_prng_state), retry_after);
}

/*
 * Its request has ended.
 */
void
delivery_ended(Delivery *delivery, bool is_trouble, int64 retry_after, int64 now)
{
	Endpoint   *endpoint = delivery->endpoint;
	Lane	   *lane = delivery->lane;

	Assert(delivery->state == DELIVERY_SENT);
	delivery->state = DELIVERY_ENDED;
	endpoint->under_way--;
	deliveries_under_way--;
	if (delivery->verdict == VERDICT_RETRY)
		settle_retry(delivery, retry_after);
	if (lane != NULL && delivery->verdict == VERDICT_RETRY)
	{
		lane->busy = false;
		give_back(&lane->behind);
	}
	else if (lane != NULL)
		move_up(lane);
	if (!is_trouble)
		endpoint_succeeded(endpoint);
	else if (endpoint_failed(endpoint, retry_after, now))
		give_back(&endpoint->waiting);
	reports_add(delivery, now);
}
