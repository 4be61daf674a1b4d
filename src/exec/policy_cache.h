/*-------------------------------------------------------------------------
 *
 * policy_cache.h
 *	  Queries and plans of policy_query.c, kept from job to job.
 *
 * src/exec/policy_cache.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_POLICY_CACHE_H
#define REALTIME_POLICY_CACHE_H

#include "exec/policy_query.h"

/*
 * policy_open_messages(), which is asked again only when something changed.
 */
extern Relation policy_cache_open_messages(void);

/* The same of realtime.channels. */
extern Relation policy_cache_open_channels(void);

/*
 * policy_query_make() for the current user, likewise, with a plan.  What it
 * returns is good until the next call, and its relations are locked.
 */
extern const PolicyQuery *policy_cache_get(Relation table, PolicyCommand command);

#endif							/* REALTIME_POLICY_CACHE_H */
