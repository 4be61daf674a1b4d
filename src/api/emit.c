/*-------------------------------------------------------------------------
 *
 * emit.c
 *	  From a backend into the WAL: seal a message and write its record.
 *
 * The record is part of the sender's transaction, so commit, rollback and
 * savepoints need no code here.  What does is the wake-up: the hub is told
 * after a commit, and only of transactions that sent something.  The callback
 * runs after the transaction left the proc array, so the hub finds it visible.
 *
 * COMMIT PREPARED ends a transaction whose messages another session wrote; its
 * backend cannot know whether there were any and wakes the hub in any case.
 *
 * src/api/emit.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "api/emit.h"
#include "pg_compat.h"
#include "seal.h"
#include "shmem.h"

/* Most bytes of one record that are built on the stack. */
#define STACK_RECORD_BYTES 1024

static bool wake_at_commit = false;
static bool callback_registered = false;
static ProcessUtility_hook_type prev_process_utility = NULL;

/*
 * Raise flush_wanted to lsn.  A full barrier, whether it had to be raised or
 * not.
 */
static void
want_flush(XLogRecPtr lsn)
{
	uint64		seen = pg_atomic_read_u64(&realtime_shared->flush_wanted);

	while (seen < lsn &&
		   !pg_atomic_compare_exchange_u64(&realtime_shared->flush_wanted, &seen, lsn))
		;
	pg_memory_barrier();
}

/*
 * Tell the hub that a commit record stands in the WAL.
 *
 * XactLastCommitEnd is ours: it ends the commit record just written, by this
 * backend's COMMIT or COMMIT PREPARED.
 *
 * An asynchronous commit is of no use to the hub before it is flushed.  While
 * the hub sleeps until it may flush again, waking it for each of them would
 * cost both sides a signal per transaction.  want_flush() is a full barrier, so
 * a hub that we see sleeping will see what we want.
 */
static void
wake_hub(void)
{
	Latch	   *latch;

	want_flush(XactLastCommitEnd);
	if (pg_atomic_read_u32(&realtime_shared->flush_timed) != 0 &&
		XactLastCommitEnd > GetFlushRecPtr(NULL))
		return;
	latch = realtime_shared->hub_latch;
	if (latch != NULL)
		SetLatch(latch);
}

/*
 * Transaction callback: wake the hub after a commit that sent something.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (wake_at_commit)
				wake_hub();
			wake_at_commit = false;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			wake_at_commit = false;
			break;
		default:
			break;
	}
}

/*
 * Have the hub woken when the current transaction commits.
 */
static void
request_wake_up(void)
{
	if (!callback_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		callback_registered = true;
	}
	wake_at_commit = true;
}

/*
 * Say that a record is about to be written, and where at the earliest if none
 * was since the hub had read all; hub/quiet.c tells what for.  The addition is
 * a full barrier.
 */
static void
announce_record(void)
{
	uint64		none = 0;

	pg_atomic_fetch_add_u64(&realtime_shared->emit_begun, 1);
	if (pg_atomic_read_u64(&realtime_shared->first_unread) == 0)
		(void) pg_atomic_compare_exchange_u64(&realtime_shared->first_unread, &none,
											  GetXLogInsertRecPtr());
}

/*
 * Write one message as part of the current transaction.
 */
void
emit_message(WalMessage *msg)
{
	char		on_stack[STACK_RECORD_BYTES];
	size_t		body_size;
	char	   *record;

	Assert(msg->kind != WAL_MESSAGE_BROADCAST ||
		   (msg->topic.len >= 1 && msg->topic.len <= TOPIC_MAX_BYTES &&
			msg->event.len >= 1 && msg->event.len <= EVENT_MAX_BYTES));

	msg->origin = 0;
	msg->top_xid = U64FromFullTransactionId(GetTopFullTransactionId());

	body_size = wal_record_size(msg);
	record = on_stack;
	if (body_size + WAL_RECORD_SEAL_BYTES > sizeof(on_stack))
		record = palloc(body_size + WAL_RECORD_SEAL_BYTES);

	wal_record_encode(msg, record);
	seal_compute(MyDatabaseId, slice_make(record, body_size), (uint8 *) record + body_size);
	announce_record();
	(void) LogTransactionalMessage(WAL_RECORD_PREFIX, record,
								   body_size + WAL_RECORD_SEAL_BYTES);
	shmem_count(SHARED_EMITTED, 1);
	if (record != on_stack)
		pfree(record);

	request_wake_up();
}

/*
 * ProcessUtility hook: look out for COMMIT PREPARED.
 */
static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;

	if (IsA(statement, TransactionStmt) &&
		((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED)
		request_wake_up();

	if (prev_process_utility)
		prev_process_utility(pstmt, queryString, readOnlyTree, context, params,
							 queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
								queryEnv, dest, qc);
}

/*
 * Put the hook in place.
 */
void
emit_install_hooks(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
