/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Stored messages of a topic, for those who come back or ask for the past.
 *
 * What a client may hear is decided per topic, when it joins (authorise.c), so
 * what it has missed is read without row-level security, as the table's owner:
 * a row that was heard by all who were there is not kept from one who was away.
 * The statements are ours, no client has a say in them, and nothing of a client's
 * is called.
 *
 * Order is that of realtime.commits, which the hub has made sure to be complete
 * up to where is read (hub/seam.c).  The index on messages is by time, so the
 * time has to be found from which on all messages were inserted that committed
 * behind the cursor: a little before its commit, or where some of these commits
 * are early (hub/recorder.c), before the earliest of them.
 *
 * If messages from that time on have been dropped (realtime.horizon), not all
 * can be told, and none are.  That is looked at last, with a snapshot of its own:
 * by then the partitions are locked.
 *
 * A page ends with PAGE_MESSAGES or a part of what a client's queue may hold, but
 * has one message at least.  A replay that is more than a page goes on as a resume.
 *
 * src/exec/history.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "api/message_row.h"
#include "api/utf8_text.h"
#include "exec/extension_object.h"
#include "exec/history.h"
#include "exec/kept_plan.h"
#include "exec/local_setting.h"
#include "exec/owner.h"
#include "guc.h"

#define PAGE_MESSAGES 1000
#define PAGE_PART 4				/* of max_send_queue: bytes of a page */
#define FETCH_ROWS 50

/* Clocks of commits and of messages may differ by that much, see recorder.c. */
#define EARLY_INTERVAL "interval '10 s'"

/*
 * Rows of messages that are heard, and the commit that each came with.  Written
 * so that there is one way to carry it out: along the index of messages, from a
 * time on, and for each by the index of commits.  Left to choose, the planner
 * would, where statistics are missing or old, hold every message against every
 * commit.
 */
#define HEARD \
	" m.topic = $1 AND m.private = $2 AND m.extension = '" EXTENSION_BROADCAST "'" \
	" AND NOT m.skip_broadcast AND (m.expires_at IS NULL OR m.expires_at > pg_catalog.now())" \
	" AND m.inserted_at >= $4"

#define ITS_COMMIT(condition) \
	" CROSS JOIN LATERAL (SELECT r.* FROM realtime.commits r" \
	" WHERE r.xid = m.xid" condition " LIMIT 1) c"

#define COLUMNS \
	"SELECT c.lsn, m.number, c.timeline, c.committed_at, m.id, m.inserted_at," \
	" m.event, m.payload, m.binary_payload, m.xid, m.channel_id IS NOT NULL," \
	" m.sender_type = '" SENDER_USER "', m.sender_id," \
	" coalesce(m.type = '" TYPE_BROADCAST "', false)"

#define BEHIND_CURSOR \
	" FROM (SELECT m.* FROM realtime.messages m WHERE" HEARD " OFFSET 0) m" \
	ITS_COMMIT(" AND r.committed_at >= $4") \
	" WHERE c.lsn <= $3 AND (c.lsn > $5 OR (c.lsn = $5 AND m.number > $6))"

typedef enum Command
{
	COMMAND_EPOCH,				/* of the newest commit */
	COMMAND_NEWEST,				/* is this commit recorded? */
	COMMAND_BEGIN,				/* since when was what we look for inserted? */
	COMMAND_AT_MOST,			/* how many can it be? */
	COMMAND_COUNT,				/* how many are there? */
	COMMAND_PAGE,
	COMMAND_REPLAY,
	COMMAND_WHOLE				/* is history whole since then? */
} Command;

#define MAX_PARAMETERS 7

static const struct
{
	const char *text;
	int			nargs;
	Oid			types[MAX_PARAMETERS];
}			commands[] = {
	[COMMAND_EPOCH] = {
		"SELECT c.epoch FROM realtime.commits c ORDER BY c.lsn DESC LIMIT 1",
		0, {InvalidOid}
	},
	[COMMAND_NEWEST] = {
		"SELECT true FROM realtime.commits c WHERE c.lsn >= $1 LIMIT 1",
		1, {PG_LSNOID}
	},
	/* least() leaves out nulls; no commit before the cursor: from the beginning */
	[COMMAND_BEGIN] = {
		"SELECT least((SELECT min(e.early_at) FROM realtime.commits e"
		" WHERE e.early_at IS NOT NULL AND e.lsn >= $1 AND e.lsn <= $2),"
		" coalesce((SELECT c.committed_at - " EARLY_INTERVAL " FROM realtime.commits c"
		" WHERE c.lsn <= $1 ORDER BY c.lsn DESC LIMIT 1), '-infinity'))",
		2, {PG_LSNOID, PG_LSNOID}
	},
	[COMMAND_AT_MOST] = {
		"SELECT count(*) FROM (SELECT FROM realtime.messages m WHERE" HEARD " LIMIT $3) heard",
		4, {TEXTOID, BOOLOID, INT8OID, TIMESTAMPTZOID}
	},
	[COMMAND_PAGE] = {
		COLUMNS BEHIND_CURSOR " ORDER BY c.lsn, m.number LIMIT $7",
		7, {TEXTOID, BOOLOID, PG_LSNOID, TIMESTAMPTZOID, PG_LSNOID, INT8OID, INT8OID}
	},
	[COMMAND_COUNT] = {
		"SELECT count(*) FROM (SELECT" BEHIND_CURSOR " LIMIT $7) heard",
		7, {TEXTOID, BOOLOID, PG_LSNOID, TIMESTAMPTZOID, PG_LSNOID, INT8OID, INT8OID}
	},
	[COMMAND_REPLAY] = {
		"SELECT * FROM (" COLUMNS " FROM realtime.messages m" ITS_COMMIT("")
		" WHERE c.lsn <= $3 AND" HEARD
		" ORDER BY m.inserted_at DESC, m.id DESC LIMIT $5) newest ORDER BY lsn, number",
		5, {TEXTOID, BOOLOID, PG_LSNOID, TIMESTAMPTZOID, INT8OID}
	},
	[COMMAND_WHOLE] = {
		"SELECT true FROM realtime.horizon h WHERE h.dropped_before <= $1",
		1, {TIMESTAMPTZOID}
	},
};

/* A question being answered. */
typedef struct Reading
{
	HistoryJob	job;
	text	   *topic;
	TimestampTz begin;			/* nothing to be told was inserted before */
	HistoryReply reply;
	Bytes	   *answer;
} Reading;

/*
 * The plan of a statement; SPI is connected.
 */
static SPIPlanPtr
plan_of(Command command)
{
	static SPIPlanPtr plans[lengthof(commands)];

	if (plans[command] == NULL)
	{
		Oid			types[MAX_PARAMETERS];

		memcpy(types, commands[command].types, sizeof(types));
		plans[command] = kept_plan(commands[command].text, commands[command].nargs, types);
	}
	return plans[command];
}

/*
 * The first column of the one row that a statement gives; false if it gives
 * none, or null.
 */
static bool
ask(Command command, Datum *values, Datum *result)
{
	bool		isnull;
	int			rc = SPI_execute_plan(plan_of(command), values, NULL, true, 1);

	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	if (SPI_processed == 0)
		return false;
	*result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return !isnull;
}

/*
 * Out of memory that is not the server's.
 */
static void
check_appended(bool appended)
{
	if (!appended)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * A column of a row; errors out on a null that cannot be.
 */
static Datum
column(HeapTuple tuple, TupleDesc desc, int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, number, &isnull);

	if (isnull)
		elog(ERROR, "column %d of a stored message is null", number);
	return value;
}

/*
 * A column that is null or may be toasted.
 */
static struct varlena *
varlena_column(HeapTuple tuple, TupleDesc desc, int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, number, &isnull);

	return isnull ? NULL : PG_DETOAST_DATUM(value);
}

/*
 * Append a row to the answer, unless it was not published for being no message.
 */
static void
append_row(Reading *reading, HeapTuple tuple, TupleDesc desc)
{
	BusMessageHead head = {0};
	MessageRow	row = {0};
	WalMessage	message;
	MessageFault fault;
	Datum		sender;
	bool		no_sender;

	head.place.lsn = DatumGetLSN(column(tuple, desc, 1));
	head.place.number = (uint32) DatumGetInt32(column(tuple, desc, 2));
	head.place.timeline = (uint32) DatumGetInt32(column(tuple, desc, 3));
	head.committed_at = DatumGetTimestampTz(column(tuple, desc, 4));

	reading->reply.last = head.place;

	row.topic = reading->topic;
	row.is_private = reading->job.head.is_private != 0;
	row.number = (int32) head.place.number;
	row.id = *DatumGetUUIDP(column(tuple, desc, 5));
	row.inserted_at = DatumGetTimestampTz(column(tuple, desc, 6));
	row.event = (text *) varlena_column(tuple, desc, 7);
	row.payload = (Jsonb *) varlena_column(tuple, desc, 8);
	row.binary_payload = (bytea *) varlena_column(tuple, desc, 9);
	row.has_channel = DatumGetBool(column(tuple, desc, 11));
	row.by_user = DatumGetBool(column(tuple, desc, 12));
	sender = SPI_getbinval(tuple, desc, 13, &no_sender);
	row.has_sender = !no_sender;
	if (row.has_sender)
		row.sender_id = *DatumGetUUIDP(sender);
	row.is_broadcast = DatumGetBool(column(tuple, desc, 14));
	if (!message_from_stored_row(&row, &message, &fault))
		return;
	message.top_xid = U64FromFullTransactionId(DatumGetFullTransactionId(column(tuple, desc, 10)));
	check_appended(job_encode_history_entry(reading->answer, &head, &message));
	reading->reply.count++;
}

/*
 * Is the page full?
 */
static bool
is_full(const Reading *reading, uint64 rows)
{
	return rows == PAGE_MESSAGES ||
		(rows > 0 &&
		 reading->answer->len >= realtime_max_send_queue * (size_t) 1024 / PAGE_PART);
}

/*
 * Append what a statement gives, until the page is full; returns whether that
 * was all.
 */
static bool
append_rows(Reading *reading, Command command, Datum *values)
{
	Portal		portal = SPI_cursor_open(NULL, plan_of(command), values, NULL, true);
	uint64		rows = 0;
	bool		all = false;
	bool		full = false;

	while (!all && !full)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		all = SPI_processed < FETCH_ROWS;
		for (uint64 i = 0; i < SPI_processed && !full; i++)
		{
			full = is_full(reading, rows);
			if (full)
				break;
			append_row(reading, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
			rows++;
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	return all && !full;
}

/*
 * Since when can what we look for have been inserted?
 */
static TimestampTz
find_begin(const HistoryHead *head)
{
	Datum		values[] = {LSNGetDatum(head->after.place.lsn), LSNGetDatum(head->until.lsn)};
	Datum		begin;

	return ask(COMMAND_BEGIN, values, &begin) ? DatumGetTimestampTz(begin) : DT_NOBEGIN;
}

/*
 * Is everything kept that was inserted since then?
 */
static bool
is_whole(TimestampTz begin)
{
	Datum		value = TimestampTzGetDatum(begin);
	Datum		result;
	bool		whole;

	PushActiveSnapshot(GetLatestSnapshot());
	whole = ask(COMMAND_WHOLE, &value, &result);
	PopActiveSnapshot();
	return whole;
}

/*
 * Does a count give more than realtime.max_resume_messages?
 */
static bool
exceeds_limit(Command command, Datum *values)
{
	Datum		count;

	return ask(command, values, &count) &&
		DatumGetInt64(count) > realtime_max_resume_messages;
}

/*
 * Is more behind the cursor than may be told?  The first count, which costs
 * little, takes all for it that was inserted since `begin`.
 */
static bool
is_too_much(const Datum *page_values)
{
	Datum		limit = Int64GetDatum((int64) realtime_max_resume_messages + 1);
	Datum		values[MAX_PARAMETERS];

	memcpy(values, page_values, sizeof(values));
	values[2] = limit;
	if (!exceeds_limit(COMMAND_AT_MOST, values))
		return false;
	memcpy(values, page_values, sizeof(values));
	values[6] = limit;
	return exceeds_limit(COMMAND_COUNT, values);
}

/*
 * A page of what is behind the cursor.
 */
static HistoryVerdict
read_page(Reading *reading)
{
	const HistoryHead *head = &reading->job.head;
	Datum		values[MAX_PARAMETERS];

	reading->begin = find_begin(head);
	values[0] = PointerGetDatum(reading->topic);
	values[1] = BoolGetDatum(head->is_private != 0);
	values[2] = LSNGetDatum(head->until.lsn);
	values[3] = TimestampTzGetDatum(reading->begin);
	values[4] = LSNGetDatum(head->after.place.lsn);
	values[5] = Int64GetDatum(head->after.place.number);
	/* one more than a page, to know whether there is one */
	values[6] = Int64GetDatum(PAGE_MESSAGES + 1);
	/* before anything is sorted */
	if (head->is_first != 0 && is_too_much(values))
		return HISTORY_LIMIT;
	reading->reply.complete = append_rows(reading, COMMAND_PAGE, values);
	return is_whole(reading->begin) ? HISTORY_FOUND : HISTORY_EXPIRED;
}

/*
 * The newest messages.
 */
static HistoryVerdict
read_newest(Reading *reading)
{
	const HistoryHead *head = &reading->job.head;
	Datum		values[MAX_PARAMETERS];

	values[0] = PointerGetDatum(reading->topic);
	values[1] = BoolGetDatum(head->is_private != 0);
	values[2] = LSNGetDatum(head->until.lsn);
	values[3] = TimestampTzGetDatum((TimestampTz) head->since);
	values[4] = Int64GetDatum(Min((int64) head->limit, (int64) realtime_max_replay_messages));
	/* or a topic of which nothing is known would be read whole and sorted */
	set_local("enable_sort", "off");
	reading->reply.complete = append_rows(reading, COMMAND_REPLAY, values);
	return HISTORY_FOUND;
}

/*
 * Does realtime.commits have what the hub has noted?  Only a standby cannot know.
 */
static bool
is_recorded(const HistoryHead *head)
{
	Datum		value = LSNGetDatum(head->newest_lsn);
	Datum		result;

	return head->newest_lsn == 0 || ask(COMMAND_NEWEST, &value, &result);
}

/*
 * Has the primary begun another epoch, of which a standby's hub knows nothing?
 */
static bool
is_of_this_epoch(const HistoryHead *head)
{
	Datum		epoch;

	return !RecoveryInProgress() || !ask(COMMAND_EPOCH, NULL, &epoch) ||
		DatumGetInt64(epoch) == (int64) head->after.epoch;
}

/*
 * Answer.
 */
static HistoryVerdict
read_history(Reading *reading)
{
	if (!is_recorded(&reading->job.head))
		return HISTORY_NOT_YET;
	if (reading->job.head.kind == HISTORY_REPLAY)
		return read_newest(reading);
	if (!is_of_this_epoch(&reading->job.head))
		return HISTORY_EPOCH;
	return read_page(reading);
}

/*
 * JOB_HISTORY.
 */
JobOutcome
history_read(Slice body, Bytes *answer)
{
	Reading		reading = {.answer = answer};
	Oid			messages = extension_table("messages");
	SavedUser	saved;

	if (!job_decode_history(body, &reading.job))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the question is malformed")));
	if (!OidIsValid(messages))
		return JOB_UNAVAILABLE;
	reading.topic = cstring_to_text(utf8_to_server(reading.job.topic));
	check_appended(bytes_append(answer, &reading.reply, sizeof(reading.reply)));

	owner_become(messages, &saved);
	/* nobody but the catalog says what our operators are */
	set_local("search_path", "pg_catalog, pg_temp");
	/* each commit is looked up by itself, for which a bitmap is much ado */
	set_local("enable_bitmapscan", "off");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	reading.reply.verdict = (uint8) read_history(&reading);
	SPI_finish();
	owner_end(&saved);

	if (reading.reply.verdict != HISTORY_FOUND)
	{
		reading.reply.count = 0;
		reading.reply.complete = 1;
		answer->len = sizeof(reading.reply);
	}
	reading.reply.until = reading.job.head.until;
	memcpy(answer->data, &reading.reply, sizeof(reading.reply));
	return JOB_DONE;
}
