/*-------------------------------------------------------------------------
 *
 * wal_reader.c
 *	  The WAL as a stream of what the hub cares for.
 *
 * PostgreSQL's own XLogReader validates and assembles records; the pages come
 * from here, because the stock callback opens the segment anew for every page
 * and is 20 times slower.  We read CHUNK_BYTES at a time from a descriptor that
 * stays open for its segment.
 *
 * Never beyond the limit: what is flushed on a primary, what is replayed on a
 * standby.  The limit may fall into the middle of a record (a page is flushed
 * when it is full, and asynchronous commits are flushed whenever); such a
 * record is begun again when the limit has moved.
 *
 * A segment can be recycled under an open descriptor and then holds later WAL
 * under an old name.  So after each read we ask whether the server has removed
 * that segment meanwhile, as a walsender does.
 *
 * src/hub/wal_reader.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/rmgr.h"
#include "access/timeline.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "replication/message.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "hub/wal_reader.h"
#include "proto/wal_record.h"

/* Bytes per read of a segment; a multiple of the page, a divisor of any segment. */
#define CHUNK_BYTES (256 * 1024)

struct WalReader
{
	XLogReaderState *xlog;
	WalInterest interest;
	void	   *interest_arg;
	XLogRecPtr	position;		/* end of the last record taken */
	XLogRecPtr	limit;			/* see wal_reader_limit() */
	bool		must_seek;		/* position and xlog have parted */
	bool		hit_limit;		/* read_page had to refuse */
	XLogRecPtr	refused_at;		/* the limit then; 0 = has moved since */
	bool		segment_gone;	/* read_page found no segment */
	char		error[256];

	/* the segment in hand */
	int			fd;
	XLogSegNo	segno;
	TimeLineID	timeline;		/* of the server, as of the last limit */
	List	   *history;		/* of that timeline; NIL for the first */

	/* the chunk in hand */
	char	   *chunk;
	XLogRecPtr	chunk_start;
	size_t		chunk_len;

	xl_xact_parsed_commit commit;	/* scratch for WalEvent.subxacts */
};

/*
 * How far WAL may be read now, and on which timeline it was written.
 */
XLogRecPtr
wal_reader_limit(TimeLineID *timeline)
{
	if (RecoveryInProgress())
		return GetXLogReplayRecPtr(timeline);
	return GetFlushRecPtr(timeline);
}

/*
 * The start of the next record to be written (on a standby: replayed).
 */
XLogRecPtr
wal_reader_tail(void)
{
	if (RecoveryInProgress())
		return GetXLogReplayRecPtr(NULL);
	return GetXLogInsertRecPtr();
}

/*
 * Forget the open segment.
 */
static void
close_segment(WalReader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = -1;
	reader->chunk_len = 0;
}

/*
 * Look again how far we may read.  A standby's timeline can change under way:
 * then the open segment may be the wrong one.
 */
static void
refresh_limit(WalReader *reader)
{
	TimeLineID	timeline;

	reader->limit = wal_reader_limit(&timeline);
	if (timeline == reader->timeline)
		return;
	reader->timeline = timeline;
	close_segment(reader);
	list_free_deep(reader->history);
	reader->history = NIL;
	if (timeline > 1)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		reader->history = readTimeLineHistory(timeline);
		MemoryContextSwitchTo(old);
	}
}

/*
 * Path of a segment.  A segment in which a timeline began exists under both
 * names; the newer one goes on, so the timeline of the segment's last byte
 * that is there already decides.
 */
static void
segment_path(WalReader *reader, XLogSegNo segno, char *path)
{
	TimeLineID	timeline = reader->timeline;
	XLogRecPtr	last;

	if (reader->history != NIL)
	{
		XLogSegNoOffsetToRecPtr(segno + 1, 0, wal_segment_size, last);
		timeline = tliOfPointInHistory(Min(last, reader->limit) - 1, reader->history);
	}
	XLogFilePath(path, timeline, segno, wal_segment_size);
}

/*
 * The timeline of a record that was read.
 */
TimeLineID
wal_reader_timeline(const WalReader *reader, XLogRecPtr lsn)
{
	return reader->history == NIL ? reader->timeline :
		tliOfPointInHistory(lsn - 1, reader->history);
}

/*
 * Is the segment that holds lsn still there?
 */
bool
wal_reader_available(XLogRecPtr lsn)
{
	WalReader  *reader = wal_reader_create(NULL, NULL);
	char		path[MAXPGPATH];
	XLogSegNo	segno;
	struct stat st;
	bool		there;

	XLByteToSeg(lsn, segno, wal_segment_size);
	refresh_limit(reader);
	segment_path(reader, segno, path);
	there = segno > XLogGetLastRemovedSegno() && stat(path, &st) == 0;
	wal_reader_free(reader);
	return there;
}

/*
 * Have the segment of a page open.  False, with reader->error, if it is gone.
 */
static bool
open_segment(WalReader *reader, XLogSegNo segno)
{
	char		path[MAXPGPATH];

	if (reader->fd >= 0 && reader->segno == segno)
		return true;
	close_segment(reader);
	segment_path(reader, segno, path);
	reader->fd = BasicOpenFile(path, O_RDONLY | PG_BINARY);
	if (reader->fd < 0)
	{
		snprintf(reader->error, sizeof(reader->error),
				 "could not open WAL segment \"%s\": %s", path, strerror(errno));
		return false;
	}
	reader->segno = segno;
	return true;
}

/*
 * Have a page, up to the limit, in the chunk.  False if its segment is gone.
 */
static bool
load_chunk(WalReader *reader, XLogRecPtr page)
{
	XLogSegNo	segno;
	uint32		offset;
	size_t		want;
	ssize_t		got;

	XLByteToSeg(page, segno, wal_segment_size);
	if (!open_segment(reader, segno))
		return false;

	offset = XLogSegmentOffset(page, wal_segment_size);
	want = Min(CHUNK_BYTES, wal_segment_size - offset);
	if (reader->limit - page < want)
		want = reader->limit - page;
	reader->chunk_len = 0;
	got = pg_pread(reader->fd, reader->chunk, want, offset);
	if (got != (ssize_t) want)
	{
		snprintf(reader->error, sizeof(reader->error),
				 "could not read %zu bytes of WAL at %X/%X: %s", want,
				 LSN_FORMAT_ARGS(page), got < 0 ? strerror(errno) : "too few bytes");
		return false;
	}
	if (segno <= XLogGetLastRemovedSegno())
	{
		snprintf(reader->error, sizeof(reader->error),
				 "WAL at %X/%X has been removed", LSN_FORMAT_ARGS(page));
		return false;
	}
	reader->chunk_start = page;
	reader->chunk_len = want;
	return true;
}

/*
 * XLogReader's callback: give it the page at `page`, at least req_len bytes.
 */
static int
read_page(XLogReaderState *xlog, XLogRecPtr page, int req_len,
		  XLogRecPtr target, char *buf)
{
	WalReader  *reader = xlog->private_data;
	size_t		len;

	if (page + req_len > reader->limit)
		refresh_limit(reader);
	if (page + req_len > reader->limit)
	{
		reader->hit_limit = true;
		return -1;
	}

	len = Min(XLOG_BLCKSZ, reader->limit - page);
	if (page < reader->chunk_start ||
		page + len > reader->chunk_start + reader->chunk_len)
	{
		if (!load_chunk(reader, page))
		{
			reader->segment_gone = true;
			return -1;
		}
	}
	memcpy(buf, reader->chunk + (page - reader->chunk_start), len);
	return (int) len;
}

/*
 * Make a reader; seek before the first read.  A NULL interest means every
 * transaction's end is of interest.
 */
WalReader *
wal_reader_create(WalInterest interest, void *arg)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	WalReader  *reader = palloc0(sizeof(WalReader));

	reader->xlog = XLogReaderAllocate(wal_segment_size, NULL,
									  XL_ROUTINE(.page_read = read_page),
									  reader);
	if (reader->xlog == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed while allocating a WAL reading processor.")));
	reader->interest = interest;
	reader->interest_arg = arg;
	reader->fd = -1;
	reader->chunk = palloc(CHUNK_BYTES);
	MemoryContextSwitchTo(old);
	return reader;
}

/*
 * Give everything back.
 */
void
wal_reader_free(WalReader *reader)
{
	close_segment(reader);
	list_free_deep(reader->history);
	XLogReaderFree(reader->xlog);
	pfree(reader->chunk);
	pfree(reader);
}

/*
 * Go on at lsn.
 */
void
wal_reader_seek(WalReader *reader, XLogRecPtr lsn)
{
	reader->position = lsn;
	reader->must_seek = true;
	reader->refused_at = 0;
}

/*
 * Where the next record starts.
 */
XLogRecPtr
wal_reader_position(const WalReader *reader)
{
	return reader->position;
}

/*
 * Why the last call said WAL_GAP.
 */
const char *
wal_reader_error(const WalReader *reader)
{
	return reader->error;
}

/*
 * Is the record in hand one of our messages?  Fills in *event if so.
 */
static bool
take_message(WalReader *reader, WalEvent *event)
{
	XLogReaderState *xlog = reader->xlog;
	xl_logical_message *message = (xl_logical_message *) XLogRecGetData(xlog);
	uint32		total = XLogRecGetDataLen(xlog);

	/*
	 * Anybody may have written this, but through PostgreSQL's own code: the
	 * sizes are right.  They are checked all the same, for they cost nothing.
	 */
	if (total < SizeOfLogicalMessage || !message->transactional ||
		message->prefix_size != sizeof(WAL_RECORD_PREFIX) ||
		message->message_size > total - SizeOfLogicalMessage - message->prefix_size ||
		memcmp(message->message, WAL_RECORD_PREFIX, sizeof(WAL_RECORD_PREFIX)) != 0)
		return false;

	event->xid = XLogRecGetXid(xlog);
	event->database = message->dbId;
	event->content = slice_make(message->message + message->prefix_size,
								message->message_size);
	return true;
}

/*
 * Is the record in hand the end of a transaction that is of interest?
 */
static bool
take_transaction_end(WalReader *reader, WalEvent *event, WalVerdict *verdict)
{
	XLogReaderState *xlog = reader->xlog;
	uint8		info = XLogRecGetInfo(xlog);
	TransactionId xid = XLogRecGetXid(xlog);

	switch (info & XLOG_XACT_OPMASK)
	{
		case XLOG_XACT_COMMIT:
		case XLOG_XACT_ABORT:
			if (reader->interest && !reader->interest(xid, reader->interest_arg))
				return false;
			break;
		case XLOG_XACT_COMMIT_PREPARED:
		case XLOG_XACT_ABORT_PREPARED:
			/* these carry the xid of their own session, or none */
			break;
		default:
			return false;
	}

	if ((info & XLOG_XACT_OPMASK) == XLOG_XACT_COMMIT ||
		(info & XLOG_XACT_OPMASK) == XLOG_XACT_COMMIT_PREPARED)
	{
		ParseCommitRecord(info, (xl_xact_commit *) XLogRecGetData(xlog), &reader->commit);
		if (TransactionIdIsValid(reader->commit.twophase_xid))
			xid = reader->commit.twophase_xid;
		event->committed_at = reader->commit.xact_time;
		event->nsubxacts = reader->commit.nsubxacts;
		event->subxacts = reader->commit.subxacts;
		*verdict = WAL_COMMIT;
	}
	else
	{
		xl_xact_parsed_abort abort_record;

		ParseAbortRecord(info, (xl_xact_abort *) XLogRecGetData(xlog), &abort_record);
		if (TransactionIdIsValid(abort_record.twophase_xid))
			xid = abort_record.twophase_xid;
		*verdict = WAL_ABORT;
	}
	event->xid = xid;
	return reader->interest == NULL || reader->interest(xid, reader->interest_arg);
}

/*
 * Read one record.  False at the limit or at a gap.
 */
static bool
read_record(WalReader *reader)
{
	XLogReaderState *xlog = reader->xlog;
	char	   *error = NULL;
	XLogRecord *record;
	MemoryContext old;

	if (reader->must_seek)
	{
		XLogBeginRead(xlog, reader->position);
		reader->must_seek = false;
	}
	reader->hit_limit = false;
	reader->segment_gone = false;

	/* it makes and enlarges its buffers on demand, in the current context */
	old = MemoryContextSwitchTo(TopMemoryContext);
	record = XLogReadRecord(xlog, &error);
	MemoryContextSwitchTo(old);
	if (record != NULL)
	{
		reader->position = xlog->EndRecPtr;
		return true;
	}

	/* The reader has lost its place, also where it only met the limit. */
	reader->must_seek = true;
	if (reader->hit_limit)
		reader->refused_at = reader->limit;
	if (!reader->hit_limit && !reader->segment_gone)
	{
		reader->segment_gone = true;
		snprintf(reader->error, sizeof(reader->error), "WAL at %X/%X is not valid: %s",
				 LSN_FORMAT_ARGS(reader->position), error ? error : "no reason given");
	}
	return false;
}

/*
 * Take the next thing of interest.
 */
WalVerdict
wal_reader_next(WalReader *reader, uint64 quota, WalEvent *event)
{
	XLogRecPtr	start = reader->position;
	WalVerdict	verdict;

	for (;;)
	{
		/* at the end, or before a record of which a part was missing */
		if (reader->position >= reader->limit || reader->refused_at != 0)
		{
			refresh_limit(reader);
			if (reader->position >= reader->limit ||
				reader->limit == reader->refused_at)
				return WAL_END;
			reader->refused_at = 0;
		}
		if (!read_record(reader))
			return reader->segment_gone ? WAL_GAP : WAL_END;

		event->lsn = reader->xlog->ReadRecPtr;
		event->end = reader->xlog->EndRecPtr;
		switch (XLogRecGetRmid(reader->xlog))
		{
			case RM_LOGICALMSG_ID:
				if (take_message(reader, event))
					return WAL_MESSAGE;
				break;
			case RM_XACT_ID:
				if (take_transaction_end(reader, event, &verdict))
					return verdict;
				break;
			default:
				break;
		}
		if (reader->position - start > quota)
			return WAL_BUSY;
	}
}
