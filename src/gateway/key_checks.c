/*-------------------------------------------------------------------------
 *
 * key_checks.c
 *	  Whose is an API key?
 *
 * Keys are in the database, as hashes, so an executor is asked.  One key is
 * asked for once at a time (waiters.h), and a good answer holds for a while: an
 * anonymous key is shown by everybody who comes.  So a key that is taken back
 * opens connections for GOOD_MS longer, and those that are open stay.
 *
 * src/gateway/key_checks.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/api_key.h"
#include "gateway/key_checks.h"
#include "program/bus_jobs.h"
#include "program/loop.h"
#include "proto/jslice.h"

#define GOOD_MS 5000

/* A key that is being asked for, or was found good a while ago. */
typedef struct KeyCheck
{
	ChainNode	node;			/* in the table of all */
	Waiters		waiters;
	Identity   *identity;		/* a reference; NULL = it is not known to be good */
	int64		good_until;
	dlist_node	good_node;		/* in good, if it is */
	size_t		key_len;
	char		key[FLEXIBLE_ARRAY_MEMBER];
} KeyCheck;

static ChainTable table;
static dlist_head good = DLIST_STATIC_INIT(good);	/* by good_until */

static bool ask(KeyCheck *check);

/*
 * Text of a key.
 */
static Slice
check_key(const KeyCheck *check)
{
	return slice_make(check->key, check->key_len);
}

/*
 * A check that nobody waits for, and that is not known to be good, goes.
 */
static void
free_if_unused(KeyCheck *check)
{
	if (check->identity != NULL || check->waiters.asking ||
		waiters_waiting(&check->waiters))
		return;
	chain_remove(&table, &check->node);
	free(check);
}

/*
 * It is not known to be good any longer.
 */
static void
forget_good(KeyCheck *check)
{
	if (check->identity == NULL)
		return;
	dlist_delete(&check->good_node);
	identity_unref(check->identity);
	check->identity = NULL;
}

/*
 * Forget all whose time is over.
 */
static void
forget_old(void)
{
	while (!dlist_is_empty(&good))
	{
		KeyCheck   *check = dlist_head_element(KeyCheck, good_node, &good);

		if (check->good_until > loop_now)
			break;
		forget_good(check);
		free_if_unused(check);
	}
}

/*
 * Look a key up, or begin with it; NULL without memory.
 */
static KeyCheck *
get_check(Slice key)
{
	uint32		hash = hash_bytes((const unsigned char *) key.data, (int) key.len);
	KeyCheck   *check;

	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		check = chain_container(KeyCheck, node, node);
		if (slice_equals(check_key(check), key))
			return check;
	}
	check = calloc(1, offsetof(KeyCheck, key) + key.len);
	if (check == NULL)
		return NULL;
	waiters_init(&check->waiters);
	check->key_len = key.len;
	memcpy(check->key, key.data, key.len);
	chain_insert(&table, &check->node, hash);
	return check;
}

/*
 * Tell all who wait for this answer.
 */
static void
tell(KeyCheck *check, KeyVerdict verdict)
{
	Waiter	   *waiter;

	while ((waiter = waiters_take(&check->waiters)) != NULL)
	{
		KeyAsker   *asker = (KeyAsker *) ((char *) waiter - offsetof(KeyAsker, wait));

		asker->told(asker, verdict,
					verdict == KEY_GOOD ? identity_ref(check->identity) : NULL);
	}
	waiters_end(&check->waiters);
	if (!waiters_waiting(&check->waiters))
		free_if_unused(check);
	else if (!ask(check))
	{
		waiters_begin(&check->waiters);
		tell(check, KEY_UNDECIDED);
	}
}

/*
 * A number of seconds, or none.
 */
static int64
read_expiry(Slice value)
{
	char		text[24];

	value = jslice_trim(value);
	if (jslice_type(value) != JSLICE_NUMBER || value.len >= sizeof(text))
		return PG_INT64_MAX;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	return strtoll(text, NULL, 10);
}

/*
 * Take what is said of a key that is good.  False if that cannot be used.
 */
static bool
take_good(KeyCheck *check, Slice body)
{
	Bytes		role;

	bytes_init(&role);
	if (jslice_unescape(jslice_get(body, "role"), &role) && role.len > 0)
		check->identity = identity_of_key(check_key(check), bytes_slice(&role),
										  read_expiry(jslice_get(body, "expiresAt")));
	bytes_free(&role);
	if (check->identity == NULL)
		return false;
	check->good_until = loop_now + GOOD_MS;
	dlist_push_tail(&good, &check->good_node);
	return true;
}

/*
 * The answer to a job.
 */
static void
answered(JobOutcome outcome, Slice body, void *arg)
{
	KeyCheck   *check = arg;
	KeyVerdict	verdict = KEY_UNDECIDED;
	CallReply	reply;

	forget_good(check);
	if (outcome == JOB_DONE && job_decode_call_reply(body, &reply))
	{
		if (reply.status == 401)
			verdict = KEY_BAD;
		else if (reply.status == 200 && take_good(check, reply.body))
			verdict = KEY_GOOD;
	}
	tell(check, verdict);
}

/*
 * Ask an executor, for all who wait; false if that is not possible.
 */
static bool
ask(KeyCheck *check)
{
	CallJob		call = {.function = CALL_CHECK_API_KEY};
	Bytes		request;
	Bytes		job;
	bool		asked;

	bytes_init(&request);
	bytes_init(&job);
	bytes_append_cstr(&request, "{\"keyHash\":");
	api_key_append_hash(&request, check_key(check));
	bytes_append_byte(&request, '}');
	call.request = bytes_slice(&request);
	asked = !request.failed && job_encode_call(&job, &call) &&
		bus_jobs_ask(JOB_CALL, bytes_slice(&job), answered, check);
	if (asked)
		waiters_begin(&check->waiters);
	bytes_free(&request);
	bytes_free(&job);
	return asked;
}

/*
 * Whose is it?
 */
KeyVerdict
key_check(KeyAsker *asker, Slice key, Identity **identity)
{
	KeyCheck   *check;

	forget_old();
	check = get_check(key);
	if (check == NULL)
		return KEY_UNDECIDED;
	if (check->identity != NULL)
	{
		*identity = identity_ref(check->identity);
		return KEY_GOOD;
	}
	waiters_add(&check->waiters, &asker->wait);
	if (check->waiters.asking || ask(check))
		return KEY_ASKED;
	waiter_leave(&asker->wait);
	free_if_unused(check);
	return KEY_UNDECIDED;
}
