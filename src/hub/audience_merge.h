/*-------------------------------------------------------------------------
 *
 * audience_merge.h
 *	  Counts of several gateways for the same messages, added up.
 *
 * src/hub/audience_merge.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_AUDIENCE_MERGE_H
#define REALTIME_AUDIENCE_MERGE_H

#include "proto/job.h"

typedef struct AudienceMerge AudienceMerge;

/*
 * For so many entries at most; the seed is a secret, because whoever chooses ids
 * of messages must not choose what is slow.  NULL without memory.
 */
extern AudienceMerge *audience_merge_new(uint32 capacity, uint64 seed);

extern void audience_merge_free(AudienceMerge *merge);

/*
 * Add a count to that of the same message, or as a new entry.  Where there is no
 * room for it the oldest are dropped that are not taken; returns how many.
 */
extern uint32 audience_merge_add(AudienceMerge *merge, const AudienceEntry *entry);

/*
 * Take the n oldest entries, or all if they are fewer: they stay where they are,
 * and nothing is added to them.  The slice is good until the next call.  One at
 * a time; ended by one of the next two.
 */
extern Slice audience_merge_take(AudienceMerge *merge, uint32 n);

/* What was taken is done with.  Returns how many entries that were. */
extern uint32 audience_merge_done(AudienceMerge *merge);

/* What was taken is to be taken again. */
extern void audience_merge_put_back(AudienceMerge *merge);

/* Entries that are not taken. */
extern uint32 audience_merge_waiting(const AudienceMerge *merge);

#endif							/* REALTIME_AUDIENCE_MERGE_H */
