/*-------------------------------------------------------------------------
 *
 * wal_reader.h
 *	  The WAL as a stream of what the hub cares for.
 *
 * src/hub/wal_reader.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WAL_READER_H
#define REALTIME_WAL_READER_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"

#include "proto/slice.h"

typedef struct WalReader WalReader;

typedef enum WalVerdict
{
	WAL_MESSAGE,				/* a transactional message with our prefix */
	WAL_COMMIT,					/* of a top-level or prepared transaction */
	WAL_ABORT,					/* likewise; or of a subtransaction */
	WAL_BUSY,					/* nothing yet, but the quota is used up */
	WAL_END,					/* nothing more is flushed (or replayed) */
	WAL_GAP						/* the WAL to read next is gone */
} WalVerdict;

/*
 * What was found; pointers are good until the next call with this reader.
 */
typedef struct WalEvent
{
	XLogRecPtr	lsn;			/* start of the record */
	XLogRecPtr	end;			/* its end + 1 */
	TransactionId xid;			/* message: of the (sub)transaction that wrote
								 * it; else the transaction that ended */
	/* messages */
	Oid			database;
	Slice		content;		/* body and seal */
	/* commits */
	TimestampTz committed_at;
	int			nsubxacts;
	const TransactionId *subxacts;
} WalEvent;

/*
 * Which transaction ends are worth telling; asked before a record is taken
 * apart, so that foreign WAL costs nothing but its skip.
 */
typedef bool (*WalInterest) (TransactionId xid, void *arg);

extern WalReader *wal_reader_create(WalInterest interest, void *arg);
extern void wal_reader_free(WalReader *reader);

/* Go on reading at lsn, which must be a record's start or end. */
extern void wal_reader_seek(WalReader *reader, XLogRecPtr lsn);

/*
 * Take the next thing of interest.  Skips at most `quota` bytes of WAL before
 * it says WAL_BUSY.  After WAL_GAP the reader must be told where to go on; the
 * reason is in wal_reader_error().
 */
extern WalVerdict wal_reader_next(WalReader *reader, uint64 quota, WalEvent *event);

/* End of the last record read: where the next one starts. */
extern XLogRecPtr wal_reader_position(const WalReader *reader);

/* Why WAL_GAP was said. */
extern const char *wal_reader_error(const WalReader *reader);

/* How far WAL may be read now: flushed on a primary, replayed on a standby. */
extern XLogRecPtr wal_reader_limit(TimeLineID *timeline);

/* Where a record will start that nobody has written yet. */
extern XLogRecPtr wal_reader_tail(void);

/* The timeline on which the record was written that ends at lsn; it was read. */
extern TimeLineID wal_reader_timeline(const WalReader *reader, XLogRecPtr lsn);

/* Is the segment that holds lsn still there? */
extern bool wal_reader_available(XLogRecPtr lsn);

#endif							/* REALTIME_WAL_READER_H */
