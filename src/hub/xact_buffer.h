/*-------------------------------------------------------------------------
 *
 * xact_buffer.h
 *	  Messages of transactions that have not ended yet.
 *
 * src/hub/xact_buffer.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_XACT_BUFFER_H
#define REALTIME_XACT_BUFFER_H

#include "access/xlogdefs.h"
#include "lib/ilist.h"

#include "proto/slice.h"

/*
 * A stretch of WAL that holds messages of a spilled transaction, among
 * whatever else.
 */
typedef struct WalRange
{
	XLogRecPtr	first;			/* start of the first record */
	XLogRecPtr	last;			/* start of the last one */
} WalRange;

/*
 * The messages of one open top-level transaction.  Before spilling they stand
 * one after the other in `data`; after it only `ranges` tell where they are.
 */
typedef struct BufferedXact
{
	TransactionId top_xid;
	dlist_node	node;			/* in order of first_lsn */
	XLogRecPtr	first_lsn;		/* of its first message */
	XLogRecPtr	doomed_at;		/* see xact_buffer_expire() */
	uint64		count;			/* messages, surviving or not */
	uint32		last_number;	/* highest of its messages so far */
	bool		disordered;		/* they do not stand in the order of their
								 * numbers */
	char	   *data;
	size_t		used;
	size_t		size;
	bool		spilled;
	WalRange   *ranges;
	int			nranges;
} BufferedXact;

/* One message out of BufferedXact.data. */
typedef struct BufferedMessage
{
	XLogRecPtr	lsn;
	TransactionId xid;			/* of the (sub)transaction that wrote it */
	Slice		body;			/* WAL record body without seal */
} BufferedMessage;

extern void xact_buffer_init(void);

/*
 * Keep a message, number as in WalMessage; spills the transaction past
 * spill_bytes.
 */
extern void xact_buffer_add(TransactionId top_xid, XLogRecPtr lsn, TransactionId xid,
							uint32 number, Slice body, size_t spill_bytes);

/* Put the messages of one that is not spilled into the order of their numbers. */
extern void xact_buffer_sort(BufferedXact *xact);

/* The transaction's messages, or NULL if it has none. */
extern BufferedXact *xact_buffer_find(TransactionId top_xid);

/* Forget a transaction. */
extern void xact_buffer_drop(BufferedXact *xact);

/* Forget all of them. */
extern void xact_buffer_clear(void);

/*
 * Step through the messages of a transaction that is not spilled: *offset is 0
 * at first.  False at the end.
 */
extern bool xact_buffer_next(const BufferedXact *xact, size_t *offset,
							 BufferedMessage *message);

/* Where the oldest open transaction's first message is; invalid if none. */
extern XLogRecPtr xact_buffer_oldest(void);

/*
 * Drop transactions that ended without a record, as those do that a crash cut
 * off.  position is how far the WAL was read.  Returns the number of messages
 * dropped.
 */
extern uint64 xact_buffer_expire(XLogRecPtr position);

#endif							/* REALTIME_XACT_BUFFER_H */
