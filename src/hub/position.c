/*-------------------------------------------------------------------------
 *
 * position.c
 *	  Where the hub goes on after it, or the server, was restarted.
 *
 * Inside a living server the position is in shared memory.  Over a restart it
 * is in DataDir/realtime/position, so that a transaction prepared before and
 * committed after it is delivered.  The file is written without fsync: if a
 * crash of the machine loses it, or it is older than the last release, the hub
 * reads a little more WAL before it opens its gateways, and nobody is told
 * anything twice on one connection.
 *
 * The epoch is a random number.  A client's cursor of another epoch cannot be
 * resumed from (DESIGN: continuity lost).
 *
 * src/hub/position.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/timeline.h"
#include "access/xlog.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "hub/position.h"
#include "hub/quiet.h"
#include "hub/wal_reader.h"
#include "shmem.h"

#define POSITION_FILE "realtime/position"
#define POSITION_TEMP "realtime/position.new"
#define POSITION_MAGIC 0x52544c32	/* "RTL2" */

typedef struct PositionFile
{
	uint32		magic;
	TimeLineID	timeline;		/* of released_lsn */
	uint64		system_identifier;
	HubPosition position;
	pg_crc32c	crc;			/* of all before it */
} PositionFile;

/*
 * Checksum of a file's content.
 */
static pg_crc32c
file_crc(const PositionFile *file)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, file, offsetof(PositionFile, crc));
	FIN_CRC32C(crc);
	return crc;
}

/*
 * The position in shared memory.
 */
void
position_shared(HubPosition *position)
{
	LWLockAcquire(realtime_shared->lock, LW_SHARED);
	position->epoch = realtime_shared->epoch;
	position->restart_lsn = realtime_shared->restart_lsn;
	position->released_lsn = realtime_shared->released_lsn;
	position->recorded_lsn = realtime_shared->recorded_lsn;
	position->recorded_restart_lsn = realtime_shared->recorded_restart_lsn;
	LWLockRelease(realtime_shared->lock);
}

/*
 * Begin anew at the end of the WAL.
 */
void
position_begin_epoch(HubPosition *position)
{
	if (!pg_strong_random(&position->epoch, sizeof(position->epoch)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a realtime epoch")));
	/* SQL has no unsigned numbers, and 0 means unknown */
	position->epoch = (position->epoch & PG_INT64_MAX) | 1;
	position->restart_lsn = wal_reader_tail();
	position->released_lsn = position->restart_lsn;
	position->recorded_lsn = position->restart_lsn;
	position->recorded_restart_lsn = position->restart_lsn;
}

/*
 * Was everything up to lsn of that timeline part of this server's history?
 */
bool
position_in_history(TimeLineID timeline, XLogRecPtr lsn)
{
	TimeLineID	now;
	TimeLineID	next;
	List	   *history;
	bool		result;

	(void) wal_reader_limit(&now);
	if (timeline == now)
		return true;
	history = readTimeLineHistory(now);
	result = tliInHistory(timeline, history) &&
		lsn <= tliSwitchPoint(timeline, history, &next);
	list_free_deep(history);
	return result;
}

/*
 * Read the file.  False if there is none or it is not whole.
 */
static bool
read_file(PositionFile *file)
{
	int			fd = BasicOpenFile(POSITION_FILE, O_RDONLY | PG_BINARY);
	ssize_t		n;

	if (fd < 0)
		return false;
	n = read(fd, file, sizeof(*file));
	close(fd);
	return n == sizeof(*file) && file->magic == POSITION_MAGIC &&
		file->crc == file_crc(file);
}

/*
 * Can the WAL be read from there on?
 */
bool
position_readable(XLogRecPtr restart_lsn)
{
	return !XLogRecPtrIsInvalid(restart_lsn) && restart_lsn <= wal_reader_tail() &&
		wal_reader_available(restart_lsn);
}

/*
 * The WAL from there on is gone, but may have been foreign: then go on behind
 * it.
 */
static bool
skip_foreign(HubPosition *position)
{
	XLogRecPtr	resume;

	if (!quiet_skip(position->restart_lsn, &resume))
		return false;
	if (position->recorded_lsn >= position->released_lsn)
	{
		position->recorded_lsn = resume;
		position->recorded_restart_lsn = resume;
	}
	position->restart_lsn = resume;
	position->released_lsn = resume;
	return true;
}

/*
 * Find out where to go on.
 */
bool
position_load(HubPosition *position)
{
	PositionFile file;

	position_shared(position);
	if (position->epoch != 0 &&
		(position_readable(position->restart_lsn) || skip_foreign(position)))
		return true;

	if (position->epoch == 0 && read_file(&file) &&
		file.system_identifier == GetSystemIdentifier() &&
		position_in_history(file.timeline, Max(file.position.restart_lsn, file.position.released_lsn)) &&
		position_readable(file.position.restart_lsn))
	{
		*position = file.position;
		return true;
	}
	position_begin_epoch(position);
	return false;
}

/*
 * Write the file.
 */
void
position_save(const HubPosition *position)
{
	PositionFile file;
	int			fd;
	bool		written;

	memset(&file, 0, sizeof(file));
	file.magic = POSITION_MAGIC;
	(void) wal_reader_limit(&file.timeline);
	file.system_identifier = GetSystemIdentifier();
	file.position = *position;
	file.crc = file_crc(&file);

	fd = BasicOpenFile(POSITION_TEMP, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	written = fd >= 0 && write(fd, &file, sizeof(file)) == sizeof(file);
	if (fd >= 0)
		close(fd);
	if (!written || rename(POSITION_TEMP, POSITION_FILE) < 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", POSITION_FILE)));
}
