/*-------------------------------------------------------------------------
 *
 * pg_compat.h
 *	  What differs between PostgreSQL 15 and 18, and nowhere else.
 *
 * src/pg_compat.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PG_COMPAT_H
#define REALTIME_PG_COMPAT_H

#include "replication/message.h"

/* PG 17 lets the caller flush at once; a message of a transaction never does. */
#if PG_VERSION_NUM >= 170000
#define LogTransactionalMessage(prefix, message, size) \
	LogLogicalMessage((prefix), (message), (size), true, false)
#else
#define LogTransactionalMessage(prefix, message, size) \
	LogLogicalMessage((prefix), (message), (size), true)
#endif

/* PG 17 ties wait event sets to a resource owner; NULL keeps it for good. */
#if PG_VERSION_NUM >= 170000
#define CreateProcessWaitEventSet(n) CreateWaitEventSet(NULL, (n))
#else
#define CreateProcessWaitEventSet(n) CreateWaitEventSet(TopMemoryContext, (n))
#endif

/* PG 16 can leave out indexes that only summarize; an INSERT never does. */
#if PG_VERSION_NUM >= 160000
#define InsertIndexTuples(result_rel, slot, estate) \
	ExecInsertIndexTuples((result_rel), (slot), (estate), false, false, NULL, NIL, false)
#else
#define InsertIndexTuples(result_rel, slot, estate) \
	ExecInsertIndexTuples((result_rel), (slot), (estate), false, false, NULL, NIL)
#endif

#endif							/* REALTIME_PG_COMPAT_H */
