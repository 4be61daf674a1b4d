/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory of the module, and the secret that seals WAL records.
 *
 * The secret lives in DataDir/realtime/secret (mode 0600, directory 0700) and
 * is made at the first start.  Base backups carry it along, so a standby and a
 * promoted server verify what the primary sealed.  It is read by the
 * postmaster while shared memory is set up, hence before any backend can send.
 *
 * src/shmem.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "shmem.h"

/* Relative to the data directory, which is every server process's own. */
#define REALTIME_DIR "realtime"
#define SECRET_FILE REALTIME_DIR "/secret"
#define TRANCHE_NAME "realtime"

RealtimeShared *realtime_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/*
 * Write a new random secret; the file appears whole or not at all.
 */
static void
create_secret(uint8 *secret)
{
	const char *temp = SECRET_FILE ".new";
	int			fd;

	if (!pg_strong_random(secret, SECRET_BYTES))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate the secret of realtime")));
	if (mkdir(REALTIME_DIR, 0700) < 0 && errno != EEXIST)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", REALTIME_DIR)));

	(void) unlink(temp);
	fd = BasicOpenFilePerm(temp, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, 0600);
	if (fd < 0 || write(fd, secret, SECRET_BYTES) != SECRET_BYTES || pg_fsync(fd) < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temp)));
	close(fd);
	if (durable_rename(temp, SECRET_FILE, LOG) < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\"", SECRET_FILE)));
}

/*
 * A standby whose base backup is older than its realtime has no secret to
 * verify the primary's messages with; a new one does not help it.
 */
static void
warn_standby(void)
{
	struct stat st;

	if (stat("standby.signal", &st) == 0)
		ereport(WARNING,
				(errmsg("this standby has made a realtime secret of its own"),
				 errdetail("It will take the primary's messages for forged ones."),
				 errhint("Copy the primary's file \"%s\" into this data directory and restart.", SECRET_FILE)));
}

/*
 * Read the secret, making it at the first start of this cluster.
 */
static void
load_secret(uint8 *secret)
{
	struct stat st;
	int			fd = BasicOpenFile(SECRET_FILE, O_RDONLY | PG_BINARY);

	if (fd < 0 && errno == ENOENT)
	{
		create_secret(secret);
		warn_standby();
		return;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", SECRET_FILE)));
	/* pg_rewind, for one, gives files the mode that others of the cluster have */
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("file \"%s\" could be read by others than its owner", SECRET_FILE),
				 fchmod(fd, 0600) == 0 ?
				 errdetail("Its mode is 0600 again.") : errdetail("Its mode could not be changed: %m")));
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
		pg_atomic_init_u64(&realtime_shared->flush_wanted, 0);
		pg_atomic_init_u32(&realtime_shared->flush_timed, 0);
		pg_atomic_init_u64(&realtime_shared->emit_begun, 0);
		/* anything before this start may be unread */
		pg_atomic_init_u64(&realtime_shared->first_unread, 1);
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
		[SHARED_GATEWAY_FAILURES] = "gateway_failures",
	};

	return names[counter];
}
