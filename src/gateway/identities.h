/*-------------------------------------------------------------------------
 *
 * identities.h
 *	  Verified tokens, one object for all who use the same one.
 *
 * src/gateway/identities.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_IDENTITIES_H
#define REALTIME_IDENTITIES_H

#include "gateway/deadlines.h"
#include "gateway/tokens.h"
#include "lib/ilist.h"
#include "proto/chain_table.h"

typedef struct Identity
{
	ChainNode	node;			/* in the index, if it is */
	uint32		refs;
	bool		indexed;
	bool		revoked;		/* the present keys and rules refuse it */
	Deadline	expiry;			/* set while a channel uses it */
	dlist_head	channels;		/* Channel.of_identity: who uses it */
	JwtClaims	claims;			/* point into text */
	Bytes		text;
	size_t		token_len;
	char		token[FLEXIBLE_ARRAY_MEMBER];
} Identity;

static inline Slice
identity_token(const Identity *identity)
{
	return slice_make(identity->token, identity->token_len);
}

/* Choose a secret for the hash; false without randomness. */
extern bool identities_init(void) RT_MUSTCHECK;

/*
 * The identity of a token, with a reference for the caller, verified unless
 * somebody uses the same token already; NULL and *refusal if it is not
 * accepted.
 */
extern Identity *identity_get(Slice token, TokenRefusal *refusal) RT_MUSTCHECK;

/*
 * The same for the token that a client sends in JSON: a string, while null,
 * nothing and an opaque key (sb_...) stand for the identity that it has.
 */
extern Identity *identity_from_json(Slice value, Identity *present,
									TokenRefusal *refusal) RT_MUSTCHECK;

/* Another reference to one that has not expired; else NULL and *refusal. */
extern Identity *identity_renew(Identity *identity, TokenRefusal *refusal) RT_MUSTCHECK;

/*
 * A new identity for an API key that the database knows, with a reference for
 * the caller; it says nothing but its role.  NULL without memory.
 */
extern Identity *identity_of_key(Slice key, Slice role, int64 exp) RT_MUSTCHECK;

/* Another reference to one that may have expired. */
static inline Identity *
identity_ref(Identity *identity)
{
	identity->refs++;
	return identity;
}

/* Give a reference back; NULL is allowed. */
extern void identity_unref(Identity *identity);

/*
 * A channel, by its node, is to be told when the identity expires; false
 * without memory.  The caller keeps a reference until it detaches.
 */
extern bool identity_attach(Identity *identity, dlist_node *channel) RT_MUSTCHECK;
extern void identity_detach(Identity *identity, dlist_node *channel);

/*
 * An identity with channels that has expired, with a reference for the caller,
 * who detaches all of them; NULL when there is none.
 */
extern Identity *identities_take_expired(void);

/* When identities_take_expired() may have something; LOOP_NEVER if nothing. */
extern int64 identities_deadline(void);

/* Verify all again; those that fail are `revoked`.  True if there are any. */
extern bool identities_verify_again(void) RT_MUSTCHECK;

#endif							/* REALTIME_IDENTITIES_H */
