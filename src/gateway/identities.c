/*-------------------------------------------------------------------------
 *
 * identities.c
 *	  Verified tokens, one object for all who use the same one.
 *
 * 10,000 clients with one public key verify it once, and what expires together
 * is one deadline.  The text of the token is kept as long as somebody uses it:
 * it says whether another one is the same, and it has to be verified again
 * when keys change.
 *
 * The hash of the index is seeded: one token can be written in many ways, with
 * white space in it.  All tokens together are bounded, or a client that may
 * sign in could make us keep any number of them.
 *
 * src/gateway/identities.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/gw_stats.h"
#include "gateway/identities.h"
#include "program/loop.h"
#include "proto/jslice.h"

#define OPAQUE_PREFIX "sb_"		/* of keys that are no tokens */
#define TOTAL_MAX (256 * 1024 * 1024)	/* bytes of all identities */

static ChainTable table;
static uint64 hash_seed;
static size_t total;			/* bytes of all, in the table or not */
static Deadlines expiries;

/*
 * Set up.
 */
bool
identities_init(void)
{
	return pg_strong_random(&hash_seed, sizeof(hash_seed));
}

/*
 * What an identity takes of the bound on all.
 */
static size_t
weight(const Identity *identity)
{
	return sizeof(Identity) + identity->token_len + identity->text.cap;
}

/*
 * Look an identity up.
 */
static Identity *
find(Slice token, uint32 hash)
{
	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		Identity   *identity = chain_container(Identity, node, node);

		if (slice_equals(identity_token(identity), token))
			return identity;
	}
	return NULL;
}

/*
 * Make an identity, which takes over *text; NULL without memory or when all of
 * them together are too large.
 */
static Identity *
make_identity(Slice token, const JwtClaims *claims, Bytes *text)
{
	Identity   *identity;

	if (total + sizeof(Identity) + token.len + text->cap > TOTAL_MAX)
		return NULL;
	identity = calloc(1, offsetof(Identity, token) + token.len);
	if (identity == NULL)
		return NULL;
	identity->refs = 1;
	dlist_init(&identity->channels);
	identity->claims = *claims;
	identity->text = *text;
	bytes_init(text);
	identity->token_len = token.len;
	memcpy(identity->token, token.data, token.len);
	total += weight(identity);
	STAT_INC(BUS_STAT_IDENTITIES);
	return identity;
}

/*
 * Verify a token that nobody uses.
 */
static Identity *
verify_new(Slice token, uint32 hash, TokenRefusal *refusal)
{
	Identity   *identity = NULL;
	JwtClaims	claims;
	Bytes		text;

	bytes_init(&text);
	if (token_verify(token, &text, &claims, refusal))
	{
		identity = make_identity(token, &claims, &text);
		if (identity == NULL)
			refusal->verdict = JWT_NO_MEMORY;
	}
	bytes_free(&text);
	if (identity == NULL)
		return NULL;
	identity->indexed = true;
	chain_insert(&table, &identity->node, hash);
	return identity;
}

/*
 * It is not in the index: who looks for a token there does not look for a key,
 * and what is said of keys that sign tokens does not concern it.
 */
Identity *
identity_of_key(Slice key, Slice role, int64 exp)
{
	Identity   *identity = NULL;
	JwtClaims	claims = {.exp = exp};
	Bytes		text;

	bytes_init(&text);
	bytes_append_cstr(&text, "{\"role\":");
	jslice_append_string(&text, role);
	if (bytes_append_byte(&text, '}') && bytes_append_slice(&text, role))
	{
		claims.json = slice_make(text.data, text.len - role.len);
		claims.role = slice_make(slice_end(claims.json), role.len);
		identity = make_identity(key, &claims, &text);
	}
	bytes_free(&text);
	return identity;
}

/*
 * Has it expired by now?
 */
static bool
has_expired(const Identity *identity)
{
	return identity->claims.exp <= loop_wall / 1000;
}

/*
 * One more reference, unless it has expired.
 */
Identity *
identity_renew(Identity *identity, TokenRefusal *refusal)
{
	if (has_expired(identity))
	{
		refusal->verdict = JWT_EXPIRED;
		refusal->exp = identity->claims.exp;
		return NULL;
	}
	identity->refs++;
	return identity;
}

/*
 * Find or make the identity of a token.
 */
Identity *
identity_get(Slice token, TokenRefusal *refusal)
{
	Identity   *identity = NULL;
	uint32		hash = 0;

	if (token.len > 0 && token.len <= JWT_MAX_BYTES)
	{
		hash = (uint32) hash_bytes_extended((const unsigned char *) token.data,
											(int) token.len, hash_seed);
		identity = find(token, hash);
	}
	identity = identity != NULL ? identity_renew(identity, refusal) :
		verify_new(token, hash, refusal);
	if (identity == NULL)
		STAT_INC(BUS_STAT_BAD_TOKENS);
	return identity;
}

/*
 * Is this a string that a token may be in?
 */
static bool
may_be_token(Slice value)
{
	/* of each byte, an escape makes six at most */
	return jslice_type(value) == JSLICE_STRING && value.len <= 6 * JWT_MAX_BYTES + 2;
}

/*
 * Find or make the identity of a token in JSON.
 */
Identity *
identity_from_json(Slice value, Identity *present, TokenRefusal *refusal)
{
	JsliceType	type = jslice_type(value);
	Identity   *identity = NULL;
	Bytes		token;

	if (type == JSLICE_NONE || type == JSLICE_NULL)
		return identity_renew(present, refusal);
	refusal->verdict = JWT_MALFORMED;
	if (!may_be_token(value))
	{
		STAT_INC(BUS_STAT_BAD_TOKENS);
		return NULL;
	}
	bytes_init(&token);
	if (!jslice_unescape(value, &token))
		refusal->verdict = JWT_NO_MEMORY;
	else if (slice_has_prefix(bytes_slice(&token), SLICE_LIT(OPAQUE_PREFIX)))
		identity = identity_renew(present, refusal);
	else
		identity = identity_get(bytes_slice(&token), refusal);
	bytes_free(&token);
	return identity;
}

/*
 * One reference less.
 */
void
identity_unref(Identity *identity)
{
	if (identity == NULL || --identity->refs > 0)
		return;
	Assert(dlist_is_empty(&identity->channels));
	if (identity->indexed)
		chain_remove(&table, &identity->node);
	total -= weight(identity);
	bytes_free(&identity->text);
	free(identity);
	STAT_DEC(BUS_STAT_IDENTITIES);
}

/*
 * A channel begins to use it.  The deadline is there for the first of them: a
 * clock that was set back may have let one expire before its time.
 */
bool
identity_attach(Identity *identity, dlist_node *channel)
{
	if (identity->expiry.place == 0 &&
		!deadline_set(&expiries, &identity->expiry, identity->claims.exp))
		return false;
	dlist_push_tail(&identity->channels, channel);
	return true;
}

/*
 * A channel ends, or uses another one.
 */
void
identity_detach(Identity *identity, dlist_node *channel)
{
	dlist_delete(channel);
	if (dlist_is_empty(&identity->channels))
		deadline_clear(&expiries, &identity->expiry);
}

/*
 * The next one that has expired.
 */
Identity *
identities_take_expired(void)
{
	Deadline   *due = deadlines_take_due(&expiries, loop_wall / 1000);
	Identity   *identity;

	if (due == NULL)
		return NULL;
	identity = (Identity *) ((char *) due - offsetof(Identity, expiry));
	identity->refs++;
	return identity;
}

/*
 * When that may be.
 */
int64
identities_deadline(void)
{
	return deadlines_earliest(&expiries);
}

/*
 * Would it be accepted now?  That it has expired is another matter: its
 * channels have been told, and its connections may stay.
 */
static bool
still_good(const Identity *identity)
{
	TokenRefusal refusal;
	JwtClaims	claims;
	Bytes		text;
	bool		good;

	bytes_init(&text);
	good = token_verify(identity_token(identity), &text, &claims, &refusal) ||
		refusal.verdict == JWT_EXPIRED;
	bytes_free(&text);
	return good;
}

/*
 * Look at one of them.  Who fails leaves the index at once, so that the same
 * token that comes again is refused.
 */
static void
verify_again(ChainNode *node, void *arg)
{
	Identity   *identity = chain_container(Identity, node, node);
	bool	   *any = arg;

	if (still_good(identity))
		return;
	chain_remove(&table, &identity->node);
	identity->indexed = false;
	identity->revoked = true;
	*any = true;
}

/*
 * Keys or rules have changed.
 */
bool
identities_verify_again(void)
{
	bool		any = false;

	chain_visit(&table, verify_again, &any);
	return any;
}
