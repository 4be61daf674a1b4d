/*-------------------------------------------------------------------------
 *
 * xact_buffer.c
 *	  Messages of transactions that have not ended yet, by top-level xid.
 *
 * A record names its top-level transaction, under seal, so messages of
 * savepoints are put in their place at once and in WAL order; which of them
 * survived is known from the commit record (hub/release.c).  Nothing here waits
 * or sends.
 *
 * A transaction past its share of memory keeps ranges of WAL instead of
 * messages, because the WAL still holds the bodies.  There are MAX_RANGES of
 * them at most: when they are used up neighbours are joined, so that memory
 * is bounded whatever the transaction does, at the price of reading foreign
 * WAL between its messages a second time.
 *
 * src/hub/xact_buffer.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "common/hashfn.h"
#include "storage/procarray.h"
#include "utils/memutils.h"

#include "hub/wal_reader.h"
#include "hub/xact_buffer.h"

#define INITIAL_BYTES 512
#define MAX_RANGES 1024

/* Messages this close to a range become part of it. */
#define RANGE_GAP_BYTES (64 * 1024)

/* Bytes over all open transactions; beyond it the largest one is spilled. */
#define TOTAL_BYTES (64 * 1024 * 1024)

/* How a message stands in BufferedXact.data; MAXALIGN'd, the body follows. */
typedef struct StoredMessage
{
	XLogRecPtr	lsn;
	TransactionId xid;
	uint32		number;			/* what has none stays behind what it follows */
	uint32		len;
} StoredMessage;

/* Open transactions by xid; the entries themselves never move. */
typedef struct XactSlot
{
	TransactionId top_xid;
	char		status;
	BufferedXact *xact;
} XactSlot;

#define SH_PREFIX xactmap
#define SH_ELEMENT_TYPE XactSlot
#define SH_KEY_TYPE TransactionId
#define SH_KEY top_xid
#define SH_HASH_KEY(tb, key) murmurhash32(key)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static MemoryContext buffer_context = NULL;
static xactmap_hash *open_xacts = NULL;
static dlist_head by_age = DLIST_STATIC_INIT(by_age);
static size_t total_bytes = 0;

/*
 * Set up; once per process.
 */
void
xact_buffer_init(void)
{
	buffer_context = AllocSetContextCreate(TopMemoryContext, "realtime open transactions",
										   ALLOCSET_DEFAULT_SIZES);
	open_xacts = xactmap_create(buffer_context, 64, NULL);
}

/*
 * The transaction's entry, made if need be.
 */
static BufferedXact *
get_xact(TransactionId top_xid, XLogRecPtr lsn)
{
	bool		found;
	XactSlot   *slot = xactmap_insert(open_xacts, top_xid, &found);

	if (!found)
	{
		slot->xact = MemoryContextAllocZero(buffer_context, sizeof(BufferedXact));
		slot->xact->top_xid = top_xid;
		slot->xact->first_lsn = lsn;
		dlist_push_tail(&by_age, &slot->xact->node);
	}
	return slot->xact;
}

/*
 * Join neighbouring ranges two by two.
 */
static void
halve_ranges(BufferedXact *xact)
{
	int			to = 0;

	for (int from = 0; from < xact->nranges; from += 2)
	{
		int			last = Min(from + 1, xact->nranges - 1);

		xact->ranges[to].first = xact->ranges[from].first;
		xact->ranges[to].last = xact->ranges[last].last;
		to++;
	}
	xact->nranges = to;
}

/*
 * Note that a spilled transaction has a message at lsn, the highest so far.
 */
static void
add_to_ranges(BufferedXact *xact, XLogRecPtr lsn)
{
	if (xact->nranges > 0 &&
		lsn - xact->ranges[xact->nranges - 1].last <= RANGE_GAP_BYTES)
	{
		xact->ranges[xact->nranges - 1].last = lsn;
		return;
	}
	if (xact->nranges == MAX_RANGES)
		halve_ranges(xact);
	xact->ranges[xact->nranges].first = lsn;
	xact->ranges[xact->nranges].last = lsn;
	xact->nranges++;
}

/*
 * Give up the bodies of a transaction and keep where they are.
 */
static void
spill(BufferedXact *xact)
{
	size_t		offset = 0;
	BufferedMessage message;

	xact->ranges = MemoryContextAlloc(buffer_context, MAX_RANGES * sizeof(WalRange));
	while (xact_buffer_next(xact, &offset, &message))
		add_to_ranges(xact, message.lsn);
	if (xact->data)
		pfree(xact->data);
	total_bytes -= xact->size;
	xact->data = NULL;
	xact->used = xact->size = 0;
	xact->spilled = true;
}

/*
 * Spill the transaction that holds the most.
 */
static void
spill_largest(void)
{
	BufferedXact *largest = NULL;
	dlist_iter	iter;

	dlist_foreach(iter, &by_age)
	{
		BufferedXact *xact = dlist_container(BufferedXact, node, iter.cur);

		if (!xact->spilled && (largest == NULL || xact->size > largest->size))
			largest = xact;
	}
	if (largest != NULL)
		spill(largest);
}

/*
 * Have room for `extra` more bytes in xact->data.
 */
static void
reserve(BufferedXact *xact, size_t extra)
{
	size_t		size = xact->size ? xact->size : INITIAL_BYTES;

	if (xact->size - xact->used >= extra)
		return;
	while (size - xact->used < extra)
		size *= 2;
	if (xact->data == NULL)
		xact->data = MemoryContextAllocHuge(buffer_context, size);
	else
		xact->data = repalloc_huge(xact->data, size);
	total_bytes += size - xact->size;
	xact->size = size;
}

/*
 * Keep a message.
 */
void
xact_buffer_add(TransactionId top_xid, XLogRecPtr lsn, TransactionId xid,
				uint32 number, Slice body, size_t spill_bytes)
{
	BufferedXact *xact = get_xact(top_xid, lsn);
	size_t		need = MAXALIGN(sizeof(StoredMessage) + body.len);
	StoredMessage *stored;

	xact->count++;
	if (number == 0)
		number = xact->last_number;
	else if (number < xact->last_number)
		xact->disordered = true;
	xact->last_number = Max(xact->last_number, number);
	if (!xact->spilled && xact->used + need > spill_bytes)
		spill(xact);
	if (xact->spilled)
	{
		add_to_ranges(xact, lsn);
		return;
	}

	reserve(xact, need);
	stored = (StoredMessage *) (xact->data + xact->used);
	stored->lsn = lsn;
	stored->xid = xid;
	stored->number = number;
	stored->len = (uint32) body.len;
	memcpy(stored + 1, body.data, body.len);
	xact->used += need;
	if (total_bytes > TOTAL_BYTES)
		spill_largest();
}

/*
 * Look a transaction up.
 */
BufferedXact *
xact_buffer_find(TransactionId top_xid)
{
	XactSlot   *slot = xactmap_lookup(open_xacts, top_xid);

	return slot ? slot->xact : NULL;
}

/*
 * Forget a transaction.
 */
void
xact_buffer_drop(BufferedXact *xact)
{
	xactmap_delete(open_xacts, xact->top_xid);
	dlist_delete(&xact->node);
	total_bytes -= xact->size;
	if (xact->data)
		pfree(xact->data);
	if (xact->ranges)
		pfree(xact->ranges);
	pfree(xact);
}

/*
 * Forget all.
 */
void
xact_buffer_clear(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &by_age)
		xact_buffer_drop(dlist_container(BufferedXact, node, iter.cur));
}

/*
 * Step through the messages in memory.
 */
bool
xact_buffer_next(const BufferedXact *xact, size_t *offset, BufferedMessage *message)
{
	const StoredMessage *stored;

	if (*offset >= xact->used)
		return false;
	stored = (const StoredMessage *) (xact->data + *offset);
	message->lsn = stored->lsn;
	message->xid = stored->xid;
	message->body = slice_make((const char *) (stored + 1), stored->len);
	*offset += MAXALIGN(sizeof(StoredMessage) + stored->len);
	return true;
}

/*
 * Order of stored messages for qsort: by number, then as they were written.
 */
static int
compare_stored(const void *a, const void *b)
{
	const StoredMessage *x = *(const StoredMessage *const *) a;
	const StoredMessage *y = *(const StoredMessage *const *) b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->lsn < y->lsn ? -1 : x->lsn > y->lsn ? 1 : 0;
}

/*
 * Sort the messages.  They are out of order where a trigger on
 * realtime.messages sends messages itself: those are written before the rows
 * that its statement had numbered already.
 */
void
xact_buffer_sort(BufferedXact *xact)
{
	const StoredMessage **order;
	char	   *sorted;
	size_t		offset = 0;
	size_t		used = 0;
	uint64		n = 0;

	Assert(!xact->spilled);
	order = MemoryContextAllocHuge(buffer_context, xact->count * sizeof(*order));
	sorted = MemoryContextAllocHuge(buffer_context, xact->size);
	while (offset < xact->used)
	{
		order[n] = (const StoredMessage *) (xact->data + offset);
		offset += MAXALIGN(sizeof(StoredMessage) + order[n++]->len);
	}
	qsort(order, n, sizeof(*order), compare_stored);
	for (uint64 i = 0; i < n; i++)
	{
		memcpy(sorted + used, order[i], sizeof(StoredMessage) + order[i]->len);
		used += MAXALIGN(sizeof(StoredMessage) + order[i]->len);
	}
	pfree(order);
	pfree(xact->data);
	xact->data = sorted;
	xact->disordered = false;
}

/*
 * First message of the oldest open transaction.
 */
XLogRecPtr
xact_buffer_oldest(void)
{
	if (dlist_is_empty(&by_age))
		return InvalidXLogRecPtr;
	return dlist_head_element(BufferedXact, node, &by_age)->first_lsn;
}

/*
 * Drop what a crash cut off.
 *
 * A transaction leaves the proc array after its commit or abort record was
 * written.  So one that is not in progress has its record before the tail that
 * the WAL has after that look, if it has one; once we have read up to there and
 * still know it, there was none.
 */
uint64
xact_buffer_expire(XLogRecPtr position)
{
	dlist_mutable_iter iter;
	uint64		dropped = 0;

	dlist_foreach_modify(iter, &by_age)
	{
		BufferedXact *xact = dlist_container(BufferedXact, node, iter.cur);

		if (!XLogRecPtrIsInvalid(xact->doomed_at))
		{
			if (position < xact->doomed_at)
				continue;
			dropped += xact->count;
			xact_buffer_drop(xact);
		}
		else if (!TransactionIdIsInProgress(xact->top_xid))
			xact->doomed_at = wal_reader_tail();
	}
	return dropped;
}
