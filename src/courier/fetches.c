/*-------------------------------------------------------------------------
 *
 * fetches.c
 *	  Getting what is to be delivered from the database.
 *
 * One question is under way at a time.  It names what is in hand and how much
 * room there is for whom, and the answer has nothing else than that
 * (sql/18_webhooks.sql).  It is asked
 *
 * - when the hub says that something was added, or an answer said that there is
 *	 more; but not more often than every SPACING_MS while answers bring little,
 * - when there is room again for an endpoint that had more,
 * - when the first of those is due again that have failed,
 * - while some wait for another attempt, now and then: the database knows when
 *	 that is, and the courier keeps no more than one such time.  The longer a look
 *	 takes, the rarer they are.
 *
 * src/courier/fetches.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/crypto.h>

#include "courier/courier_settings.h"
#include "courier/deliveries.h"
#include "courier/fetches.h"
#include "program/bus_jobs.h"
#include "program/bus_link.h"
#include "program/loop.h"
#include "proto/jslice.h"

#define FETCH_MAX 512			/* deliveries that are asked for at a time */
#define SPACING_MS 10
#define LOOK_MAX_MS 500			/* between two looks while some wait */
#define LOOK_COST 20			/* and that times as long as a look takes */
#define RETRY_MS 1000			/* after a question that failed */

/*
 * A transaction that takes longer than OVERLAP_US leaves deliveries behind those
 * that were fetched meanwhile; they are found when all is looked at.
 */
#define OVERLAP_US 2000000
#define WHOLE_LOOK_MS 3000

static bool wanted = true;
static bool under_way;
static int64 not_before;		/* of the next question, whoever wants it */
static int64 look_at = LOOP_NEVER;	/* when one is asked though nobody does */
static int64 retry_at = LOOP_NEVER; /* the first one that is known of is due */
static int64 asked_at;
static int64 whole_look_at;		/* when all is looked at next */
static Bytes after;				/* endpoint behind which to go on */

/*
 * There may be something new.
 */
void
fetches_want(void)
{
	wanted = true;
}

/*
 * There will be.
 */
void
fetches_want_at(int64 time)
{
	retry_at = Min(retry_at, time);
}

/*
 * Append the ids of all that is in hand, and the lanes.
 */
static void
append_held(Bytes *json)
{
	const char *comma = "";
	dlist_iter	iter;

	bytes_append_cstr(json, "\"held\":\"{");
	dlist_foreach(iter, &deliveries_all)
	{
		bytes_printf(json, "%s" INT64_FORMAT, comma,
					 dlist_container(Delivery, all, iter.cur)->id);
		comma = ",";
	}
	bytes_append_cstr(json, "}\",\"lanes\":\"{");
	comma = "";
	dlist_foreach(iter, &lanes_all)
	{
		bytes_printf(json, "%s" INT64_FORMAT, comma,
					 dlist_container(Lane, all, iter.cur)->number);
		comma = ",";
	}
	bytes_append_cstr(json, "}\"");
}

/*
 * Append the room of endpoints that we know.
 */
static void
append_rooms(Bytes *json, int64 now)
{
	const char *comma = "";
	dlist_iter	iter;

	bytes_printf(json, ",\"room\":%d,\"rooms\":{", endpoint_usual_room());
	dlist_foreach(iter, &endpoints_all)
	{
		Endpoint   *endpoint = dlist_container(Endpoint, all, iter.cur);
		int			room = endpoint->paused_until > now ? 0 : endpoint_room(endpoint);

		bytes_append_cstr(json, comma);
		(void) jslice_append_string(json, slice_make(endpoint->name, strlen(endpoint->name)));
		bytes_printf(json, ":%d", room);
		endpoint->room_asked = room;
		endpoint->got = 0;
		comma = ",";
	}
	bytes_append_byte(json, '}');
}

/*
 * Append from where on to look at endpoints that we know.
 */
static void
append_since(Bytes *json)
{
	const char *comma = "";
	dlist_iter	iter;

	bytes_append_cstr(json, ",\"since\":{");
	dlist_foreach(iter, &endpoints_all)
	{
		Endpoint   *endpoint = dlist_container(Endpoint, all, iter.cur);

		if (endpoint->since <= OVERLAP_US)
			continue;
		bytes_append_cstr(json, comma);
		(void) jslice_append_string(json, slice_make(endpoint->name, strlen(endpoint->name)));
		bytes_printf(json, ":" INT64_FORMAT, endpoint->since - OVERLAP_US);
		comma = ",";
	}
	bytes_append_byte(json, '}');
}

/*
 * The job; false without memory.
 */
static bool
encode(Bytes *body, int64 now)
{
	CallJob		job = {.function = CALL_FETCH_WEBHOOKS};
	Bytes		json;
	bool		done;

	bytes_init(&json);
	bytes_append_byte(&json, '{');
	append_held(&json);
	append_rooms(&json, now);
	if (now < whole_look_at)
		append_since(&json);
	bytes_printf(&json, ",\"most\":%d,\"after\":", Min(FETCH_MAX, DELIVERIES_MAX - deliveries_held));
	(void) jslice_append_string(&json, bytes_slice(&after));
	bytes_append_byte(&json, '}');
	job.request = bytes_slice(&json);
	done = !json.failed && job_encode_call(body, &job);
	bytes_free(&json);
	return done;
}

/*
 * An integer value; 0 for anything else.
 */
static int64
integer(Slice value)
{
	char		digits[24];

	if (value.len == 0 || value.len >= sizeof(digits))
		return 0;
	memcpy(digits, value.data, value.len);
	digits[value.len] = '\0';
	return strtoll(digits, NULL, 10);
}

/*
 * A string's bytes, decoded into *texts, which does not move; empty for anything
 * else.
 */
static Slice
string(Slice value, Bytes *texts)
{
	size_t		before = texts->len;

	if (jslice_type(value) != JSLICE_STRING || !jslice_unescape(value, texts))
		return slice_make(NULL, 0);
	return slice_make(texts->data + before, texts->len - before);
}

/*
 * Take one member of a delivery.
 */
static void
take_member(Slice key, Slice value, Bytes *texts, DeliveryParts *parts)
{
	static const struct
	{
		const char *key;
		size_t		offset;
	}			strings[] = {
		{"endpoint", offsetof(DeliveryParts, endpoint)},
		{"messageId", offsetof(DeliveryParts, message_id)},
		{"url", offsetof(DeliveryParts, url)},
		{"event", offsetof(DeliveryParts, event)},
		{"channel", offsetof(DeliveryParts, channel)},
		{"secret", offsetof(DeliveryParts, secret)},
	};

	for (int i = 0; i < (int) lengthof(strings); i++)
	{
		if (jslice_string_equals(key, slice_make(strings[i].key, strlen(strings[i].key))))
			*(Slice *) ((char *) parts + strings[i].offset) = string(value, texts);
	}
	if (jslice_string_equals(key, SLICE_LIT("id")))
		parts->id = integer(value);
	else if (jslice_string_equals(key, SLICE_LIT("attempts")))
		parts->attempts = (int) integer(value);
	else if (jslice_string_equals(key, SLICE_LIT("turn")))
		parts->turn = integer(value);
	else if (jslice_string_equals(key, SLICE_LIT("body")))
		parts->body = value;
	else if (jslice_string_equals(key, SLICE_LIT("lane")))
	{
		parts->has_lane = jslice_type(value) == JSLICE_NUMBER;
		parts->lane = integer(value);
	}
}

/*
 * Take one delivery in hand; false without memory.
 */
static bool
take_delivery(Slice object)
{
	static Bytes texts;
	DeliveryParts parts = {0};
	JsliceIter	iter;
	Slice		key;
	Slice		value;
	bool		added;

	texts.len = 0;
	texts.failed = false;
	/* decoded, nothing gets longer: the slices into it hold */
	if (!bytes_reserve(&texts, object.len))
		return false;
	jslice_iter_init(&iter, object);
	while (jslice_iter_next(&iter, &key, &value))
		take_member(key, value, &texts, &parts);
	added = delivery_add(&parts);
	/* there may be a secret */
	OPENSSL_cleanse(texts.data, texts.len);
	return added;
}

/*
 * Take what an answer has; returns the number of deliveries.  It is not
 * validated, because it is the database's own JSON, which may be nested deeper
 * than we let anybody else's be.
 */
static int
take_answer(Slice body)
{
	Slice		deliveries = jslice_get(body, "deliveries");
	JsliceIter	iter;
	Slice		key;
	Slice		item;
	int			count = 0;

	after.len = 0;
	if (jslice_unescape(jslice_get(body, "after"), &after))
		wanted |= jslice_bool(jslice_get(body, "more"), false);
	jslice_iter_init(&iter, deliveries);
	while (jslice_iter_next(&iter, &key, &item))
	{
		/* what there is no memory for is fetched another time */
		if (!take_delivery(item))
			break;
		count++;
	}
	return count;
}

/*
 * Note who may have more than there was room for.
 */
static void
note_wants(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &endpoints_all)
	{
		Endpoint   *endpoint = dlist_container(Endpoint, all, iter.cur);

		endpoint->wants_more = endpoint->got >= endpoint->room_asked;
	}
}

/*
 * When to look at what waits for another attempt.
 */
static int64
look_pause(void)
{
	int64		pause = Max(Min(courier_settings.retry_delay / 2, LOOK_MAX_MS), SPACING_MS);

	return Max(pause, (loop_now - asked_at) * LOOK_COST);
}

/*
 * The answer: JobHandler.
 */
static void
fetch_answered(JobOutcome outcome, Slice body, void *arg)
{
	CallReply	reply;

	under_way = false;
	look_at = LOOP_NEVER;
	if (outcome != JOB_DONE || !job_decode_call_reply(body, &reply) || reply.status != 200)
	{
		wanted = true;
		not_before = loop_now + RETRY_MS;
		whole_look_at = loop_now;
		return;
	}
	if (whole_look_at == LOOP_NEVER)
		whole_look_at = loop_now + Max(WHOLE_LOOK_MS, (loop_now - asked_at) * LOOK_COST);
	if (take_answer(reply.body) < FETCH_MAX / 4)
		not_before = asked_at + SPACING_MS;
	note_wants();
	if (jslice_bool(jslice_get(reply.body, "waiting"), false))
		look_at = loop_now + look_pause();
}

/*
 * Has an endpoint room again that had more for us?
 */
static bool
is_short_of_work(int64 now)
{
	dlist_iter	iter;

	dlist_foreach(iter, &endpoints_all)
	{
		Endpoint   *endpoint = dlist_container(Endpoint, all, iter.cur);

		if (endpoint->wants_more && endpoint->paused_until <= now &&
			endpoint_room(endpoint) >= Max(endpoint->held, 1))
			return true;
	}
	return false;
}

/*
 * Ask, if it is time.
 */
void
fetches_run(int64 now)
{
	Bytes		body;

	if (under_way || now < not_before || !deliveries_have_room())
		return;
	if (!wanted && now < Min(look_at, retry_at) && !is_short_of_work(now))
		return;
	bytes_init(&body);
	under_way = encode(&body, now) &&
		bus_jobs_ask(JOB_CALL, bytes_slice(&body), fetch_answered, NULL);
	bytes_free(&body);
	asked_at = now;
	if (now >= whole_look_at)
		whole_look_at = LOOP_NEVER; /* until it is answered */
	if (retry_at <= now)
		retry_at = LOOP_NEVER;
	if (under_way)
		wanted = false;
	else
		not_before = now + RETRY_MS;
}

/*
 * When will it be time?
 */
int64
fetches_deadline(void)
{
	if (under_way || !deliveries_have_room())
		return LOOP_NEVER;
	return Max(wanted ? not_before : Min(look_at, retry_at), not_before);
}
