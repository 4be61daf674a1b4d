/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory of the module, and the secret that seals WAL records.
 *
 * The secret lives in DataDir/realtime/secret (secret_file.c).  It is read by
 * the postmaster while shared memory is set up, hence before any backend can
 * send; that of tokens is made at the same time (jwt_config.c).
 *
 * src/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "jwt_config.h"
#include "secret_file.h"
#include "shmem.h"

#define SECRET_FILE SECRET_DIR "/secret"
#define TRANCHE_NAME "realtime"

RealtimeShared *realtime_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/*
 * Read the secret, making it at the first start of this cluster.
 */
static void
load_secret(uint8 *secret)
{
	int			fd = secret_file_open(SECRET_FILE);

	if (fd < 0)
	{
		if (!pg_strong_random(secret, SECRET_BYTES))
			ereport(FATAL,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate the secret of realtime")));
		secret_file_create(SECRET_FILE, secret, SECRET_BYTES,
						   "It will take the primary's messages for forged ones.");
		return;
	}
	if (read(fd, secret, SECRET_BYTES) != SECRET_BYTES)
		ereport(FATAL,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" does not hold %d bytes", SECRET_FILE, SECRET_BYTES),
				 errhint("Remove it to have a new secret made; messages not delivered yet are then ignored.")));
	close(fd);
}

/*
 * Ask for shared memory and the lock.
 */
static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(RealtimeShared)));
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

/*
 * Set up the shared memory: at server start, and again after a crash of any
 * server process, when all that was known about the hub is gone as well.
 */
static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	realtime_shared = ShmemInitStruct("realtime", sizeof(RealtimeShared), &found);
	if (!found)
	{
		memset(realtime_shared, 0, sizeof(RealtimeShared));
		load_secret(realtime_shared->secret);
		jwt_config_start();
		pg_atomic_init_u64(&realtime_shared->flush_wanted, 0);
		pg_atomic_init_u32(&realtime_shared->flush_timed, 0);
		pg_atomic_init_u32(&realtime_shared->make_way, 0);
		pg_atomic_init_u32(&realtime_shared->sql_unfit, 0);
		pg_atomic_init_u64(&realtime_shared->emit_begun, 0);
		/* anything before this start may be unread */
		pg_atomic_init_u64(&realtime_shared->first_unread, 1);
		for (int i = 0; i < (int) lengthof(realtime_shared->follow_marks); i++)
			pg_atomic_init_u32(&realtime_shared->follow_marks[i], 0);
		for (int i = 0; i < SHARED_COUNTER_COUNT; i++)
			pg_atomic_init_u64(&realtime_shared->counters[i], 0);
		realtime_shared->lock = &(GetNamedLWLockTranche(TRANCHE_NAME))->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Put the hooks in place.
 */
void
shmem_install(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

/*
 * Add to a counter.
 */
void
shmem_count(SharedCounter counter, uint64 n)
{
	pg_atomic_fetch_add_u64(&realtime_shared->counters[counter], (int64) n);
}

/*
 * Name of a counter.
 */
const char *
shared_counter_name(SharedCounter counter)
{
	static const char *const names[SHARED_COUNTER_COUNT] = {
		[SHARED_EMITTED] = "emitted",
		[SHARED_RELEASED] = "released",
		[SHARED_TRANSACTIONS] = "transactions",
		[SHARED_ROLLED_BACK] = "rolled_back",
		[SHARED_FORGED] = "forged",
		[SHARED_MALFORMED] = "malformed_records",
		[SHARED_SPILLED] = "spilled",
		[SHARED_HELD] = "held",
		[SHARED_HOLD_USEC] = "hold_usec",
		[SHARED_FLUSHES] = "flushes",
		[SHARED_GAPS] = "gaps",
		[SHARED_HUB_STARTS] = "hub_starts",
		[SHARED_RELAYS_DROPPED] = "relays_dropped",
		[SHARED_PRESENCE_JOINS] = "presence_joins",
		[SHARED_PRESENCE_LEAVES] = "presence_leaves",
		[SHARED_PRESENCE_REFUSED] = "presence_refused",
		[SHARED_CHANGES] = "changes",
		[SHARED_AUDIENCES_RECORDED] = "audiences_recorded",
		[SHARED_AUDIENCES_LOST] = "audiences_lost",
		[SHARED_FOLLOWS_BUSY] = "follows_busy",
		[SHARED_HANDOVERS_DROPPED] = "handovers_dropped",
		[SHARED_COURIER_FAILURES] = "courier_failures",
		[SHARED_WEBHOOKS_SENT] = "webhooks_sent",
		[SHARED_WEBHOOKS_DELIVERED] = "webhooks_delivered",
		[SHARED_WEBHOOKS_RETRIED] = "webhooks_retried",
		[SHARED_WEBHOOKS_DEAD] = "webhooks_dead",
		[SHARED_GATEWAY_FAILURES] = "gateway_failures",
		[SHARED_EXECUTOR_STARTS] = "executor_starts",
		[SHARED_EXECUTOR_FAILURES] = "executor_failures",
		[SHARED_RECORDED] = "recorded",
		[SHARED_JOBS_DONE] = "jobs_done",
		[SHARED_JOBS_BUSY] = "jobs_busy",
		[SHARED_JOBS_UNAVAILABLE] = "jobs_unavailable",
		[SHARED_JOBS_TIMED_OUT] = "jobs_timed_out",
		[SHARED_JOBS_REFUSED] = "jobs_refused",
		[SHARED_JOBS_FAILED] = "jobs_failed",
	};

	return names[counter];
}
