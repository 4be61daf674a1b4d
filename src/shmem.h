/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  What the backends, the hub and the executors share.
 *
 * src/shmem.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SHMEM_H
#define REALTIME_SHMEM_H

#include "access/xlogdefs.h"
#include "common/hashfn.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "instant.h"
#include "proto/bus_frame.h"

#define MAX_GATEWAYS 64
#define SECRET_BYTES 32

/* Why the hub is not delivering, for realtime.status(). */
typedef enum HubState
{
	HUB_DOWN,					/* no process */
	HUB_CATCHING_UP,			/* reading what was written while it was down */
	HUB_RUNNING,
	HUB_HOLDING					/* a commit is not visible yet */
} HubState;

/*
 * One gateway.  Written by the hub only, under RealtimeShared.lock; pid is 0
 * while the slot has no process.
 */
typedef struct GatewaySlot
{
	int			pid;
	bool		ready;			/* it listens */
	Instant		started_at;
	uint64		starts;			/* processes started in this slot */
	uint64		stats[BUS_STAT_COUNT];	/* last BUS_STATS of this process */
} GatewaySlot;

/*
 * Counters that only ever grow, since server start.  The hub writes all but
 * SHARED_EMITTED, which backends add to.
 */
typedef enum SharedCounter
{
	SHARED_EMITTED,				/* messages written by backends */
	SHARED_RELEASED,			/* messages handed on after commit */
	SHARED_TRANSACTIONS,		/* transactions that had any */
	SHARED_ROLLED_BACK,			/* messages dropped with their transaction */
	SHARED_FORGED,				/* records whose seal is wrong */
	SHARED_MALFORMED,			/* records that do not decode */
	SHARED_SPILLED,				/* transactions that were read twice */
	SHARED_HELD,				/* commits waited for to become visible */
	SHARED_HOLD_USEC,			/* time spent on that */
	SHARED_FLUSHES,				/* WAL flushes made by the hub */
	SHARED_GAPS,				/* times continuity was lost */
	SHARED_HUB_STARTS,
	SHARED_GATEWAY_FAILURES,	/* gateways that ended without being asked */
	SHARED_EXECUTOR_STARTS,
	SHARED_EXECUTOR_FAILURES,	/* executors likewise */
	SHARED_RECORDED,			/* rows written to realtime.commits */
	SHARED_JOBS_DONE,			/* jobs by outcome, in the order of JobOutcome */
	SHARED_JOBS_BUSY,
	SHARED_JOBS_UNAVAILABLE,
	SHARED_JOBS_TIMED_OUT,
	SHARED_JOBS_REFUSED,
	SHARED_JOBS_FAILED,
	SHARED_RELAYS_DROPPED,		/* broadcasts of clients that a gateway missed */
	SHARED_PRESENCE_JOINS,		/* members that came */
	SHARED_PRESENCE_LEAVES,		/* that went */
	SHARED_PRESENCE_REFUSED,	/* tracks that there was no room for */
	SHARED_CHANGES,				/* changes of rows handed on after commit */
	SHARED_FOLLOWS_BUSY,		/* tables not followed, because writers went on */
	SHARED_AUDIENCES_RECORDED,	/* rows written to realtime.message_audience */
	SHARED_AUDIENCES_LOST,		/* counts that could not be kept or written */
	SHARED_HANDOVERS_DROPPED,	/* connections closed on their way to another
								 * gateway */
	SHARED_COURIER_FAILURES,	/* couriers that ended without being asked */
	SHARED_WEBHOOKS_SENT,		/* these: proto/courier_report.h */
	SHARED_WEBHOOKS_DELIVERED,
	SHARED_WEBHOOKS_RETRIED,
	SHARED_WEBHOOKS_DEAD,
	SHARED_COUNTER_COUNT
} SharedCounter;

/*
 * Which tables have listeners: a bit by the hash of a table's OID, so that there
 * may be any number of them.  One that shares its bit with another is taken for
 * one that is listened to, which costs the writer something and nothing else.
 */
#define FOLLOW_MARKS 65536

typedef struct RealtimeShared
{
	/*
	 * Set before any other process runs and never changed: seals WAL records.
	 */
	uint8		secret[SECRET_BYTES];

	/*
	 * The hub's latch, for backends to set after commit.  Written by the hub
	 * at its start and exit under `lock`; read by backends without it, because
	 * a stale value points to the latch of a PGPROC that still exists: at worst
	 * another process is woken for nothing.
	 */
	Latch	   *hub_latch;

	/*
	 * End of the latest asynchronous commit that sent something: the hub
	 * flushes up to here.  Raised by backends.
	 */
	pg_atomic_uint64 flush_wanted;

	/*
	 * The hub sleeps until its next flush is due, and will then look at
	 * flush_wanted: who raised that before need not wake it.  Set by the hub.
	 */
	pg_atomic_uint32 flush_timed;

	/*
	 * Counts commands that need the served database for themselves: the hub
	 * sends its executors away then (api/make_way.c).  Raised by backends.
	 */
	pg_atomic_uint32 make_way;

	/*
	 * The log has been told that the extension's SQL does not fit the library
	 * (sql_version.c).  Written by executors and the maintenance worker.
	 */
	pg_atomic_uint32 sql_unfit;

	/*
	 * Messages that backends have begun to write: raised before the record,
	 * where SHARED_EMITTED is raised after it.  And where, or before, the first
	 * message stands that the hub may not have read: 0 if there is none.  Both
	 * as hub/quiet.c says.
	 */
	pg_atomic_uint64 emit_begun;
	pg_atomic_uint64 first_unread;

	/* FOLLOW_MARKS bits.  Written by the hub, read by whoever writes tables. */
	pg_atomic_uint32 follow_marks[FOLLOW_MARKS / 32];

	pg_atomic_uint64 counters[SHARED_COUNTER_COUNT];

	LWLock	   *lock;			/* protects all below */

	int			hub_pid;		/* 0 = none; written by the hub */
	HubState	hub_state;
	uint64		generation;		/* counts hub starts since server start */
	Instant		hub_started_at;
	int			hub_failures;	/* hubs in a row that ended soon after */
	uint64		epoch;			/* 0 = not known yet */

	/*
	 * Where a new hub goes on: reads from restart_lsn and leaves out what
	 * committed at or before released_lsn.  Invalid = a fresh server.
	 */
	XLogRecPtr	restart_lsn;
	XLogRecPtr	released_lsn;
	XLogRecPtr	read_lsn;		/* how far the WAL was read */
	TimestampTz released_at;	/* commit time of the last release */
	Instant		caught_up_at;	/* when all there was had been read; 0 = never */

	/*
	 * All that committed at or before recorded_lsn is in realtime.commits as
	 * far as it had messages; reading from recorded_restart_lsn finds every
	 * message of what committed later.  Invalid = not known.
	 */
	XLogRecPtr	recorded_lsn;
	XLogRecPtr	recorded_restart_lsn;

	/* gauges of the hub */
	int			record_backlog; /* transactions to be recorded */
	int			executors;		/* that are ready for jobs or busy */
	int			queued_jobs;	/* waiting for one */
	uint64		presence_members;	/* of all topics */
	uint64		presence_bytes; /* memory of members and topics */
	int			followed_tables;	/* that somebody listens to */
	int			courier_pid;	/* 0 = none runs */
	uint64		webhooks_held;	/* deliveries that the courier has in hand */

	GatewaySlot gateways[MAX_GATEWAYS];
	uint64		ended_stats[BUS_STAT_COUNT];	/* counters of gateways that have
												 * ended; 0 for gauges */
} RealtimeShared;

/* NULL while the library was not preloaded. */
extern RealtimeShared *realtime_shared;

/* Number of a table's mark. */
static inline uint32
follow_mark_of(Oid relid)
{
	return murmurhash32(relid) % FOLLOW_MARKS;
}

/* Is anybody listening to a table, or to one that shares its mark? */
static inline bool
follow_mark_is_set(Oid relid)
{
	uint32		mark = follow_mark_of(relid);

	return (pg_atomic_read_u32(&realtime_shared->follow_marks[mark / 32]) &
			((uint32) 1 << (mark % 32))) != 0;
}

/* Ask for the memory; called once, from _PG_init while preloading. */
extern void shmem_install(void);

/* Add to a counter; any process. */
extern void shmem_count(SharedCounter counter, uint64 n);

/* Name of a counter as realtime.status() shows it. */
extern const char *shared_counter_name(SharedCounter counter);

#endif							/* REALTIME_SHMEM_H */
