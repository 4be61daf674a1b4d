/*-------------------------------------------------------------------------
 *
 * message_number.c
 *	  The place of a message within its transaction.
 *
 * Commits have an order (realtime.commits), and so must the messages of one
 * commit, for those who read them later as for those who hear them at once.
 * Neither id nor inserted_at gives it: both may be set by whoever inserts the
 * row.  The number is drawn where the row is made, stands in the row and in its
 * WAL record, and a cursor names a message by its commit and its number.
 *
 * src/api/message_number.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"

#include "api/message_number.h"
#include "api/sql_function.h"

SQL_FUNCTION(message_number);

static FullTransactionId drawn_by = {0};	/* transaction of `last` */
static int32 last = 0;

/*
 * Draw a number.
 */
int32
message_number_next(void)
{
	FullTransactionId xid = GetTopFullTransactionId();

	if (!FullTransactionIdEquals(drawn_by, xid))
	{
		drawn_by = xid;
		last = 0;
	}
	if (last == PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a transaction cannot send more than %d messages", PG_INT32_MAX)));
	return ++last;
}

/*
 * Was it drawn?
 */
bool
message_number_is_drawn(int32 number)
{
	return number >= 1 && number <= last &&
		FullTransactionIdEquals(drawn_by, GetTopFullTransactionIdIfAny());
}

/*
 * realtime.message_number() returns integer
 */
static Datum
message_number_body(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(message_number_next());
}
