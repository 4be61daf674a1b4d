/*-------------------------------------------------------------------------
 *
 * persist.h
 *	  Does a client want its broadcast to be stored, and for how long?
 *
 * src/gateway/persist.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PERSIST_H
#define REALTIME_PERSIST_H

#include "proto/http_request.h"
#include "proto/jslice.h"

typedef struct Persist
{
	uint32		wanted;			/* 0 or 1 */
	uint32		ttl;			/* seconds; STORE_TTL_NONE = as any message */
} Persist;

/*
 * Read the value of "persist" in a broadcast's metadata (supabase.md 4.8): absent,
 * null or false, true, or {"ttl": seconds}.  False if it is something else.
 */
extern bool persist_read(Slice value, Persist *persist) RT_MUSTCHECK;

/* The same of a request's query: persist=true, or persist[ttl]=seconds. */
extern bool persist_read_query(Slice query, Persist *persist) RT_MUSTCHECK;

#endif							/* REALTIME_PERSIST_H */
