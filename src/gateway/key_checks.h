/*-------------------------------------------------------------------------
 *
 * key_checks.h
 *	  Whose is an API key?
 *
 * src/gateway/key_checks.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_KEY_CHECKS_H
#define REALTIME_KEY_CHECKS_H

#include "gateway/identities.h"
#include "gateway/waiters.h"

typedef struct KeyAsker KeyAsker;

typedef enum KeyVerdict
{
	KEY_GOOD,
	KEY_BAD,
	KEY_UNDECIDED,				/* nobody could say */
	KEY_ASKED					/* the asker will be told one of the others */
} KeyVerdict;

/* The asker is told; a KEY_GOOD comes with a reference to the identity. */
typedef void (*KeyHandler) (KeyAsker *asker, KeyVerdict verdict, Identity *identity);

/* Embedded in whoever asks, who sets `told` before. */
struct KeyAsker
{
	Waiter		wait;
	KeyHandler	told;
};

/*
 * Find out whose a key is that is well formed (api_key.h).  The asker, who waits
 * for nothing, leaves with waiter_leave() if it ends before it is told.
 */
extern KeyVerdict key_check(KeyAsker *asker, Slice key, Identity **identity) RT_MUSTCHECK;

#endif							/* REALTIME_KEY_CHECKS_H */
