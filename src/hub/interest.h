/*-------------------------------------------------------------------------
 *
 * interest.h
 *	  Which gateways have members of which topic.
 *
 * src/hub/interest.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_INTEREST_H
#define REALTIME_INTEREST_H

#include "proto/slice.h"

extern void interest_init(void);

/* Note that a slot (0..63) wants a topic, or no longer does. */
extern void interest_add(int slot, bool is_private, Slice topic);
extern void interest_remove(int slot, bool is_private, Slice topic);

/* Forget all of a slot's interest. */
extern void interest_forget(int slot);

/* The slots that want a topic, as a bit mask. */
extern uint64 interest_lookup(bool is_private, Slice topic);

#endif							/* REALTIME_INTEREST_H */
