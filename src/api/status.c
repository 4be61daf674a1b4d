/*-------------------------------------------------------------------------
 *
 * status.c
 *	  The SQL function realtime.status(): how things stand, in one row.
 *
 * All is read from shared memory in one go, so the figures fit together.
 *
 * What committed up to `recorded` is in realtime.commits; null means that the
 * hub has not found out yet, or that this is a standby.
 *
 * lag_bytes is the WAL that is flushed (on a standby: replayed) and not yet
 * read by the hub, whoever wrote it.  lag_ms is 0 when there is none, else the
 * time since the hub last had read all: how old the oldest unread record can
 * be at most.  A hub that has nothing to send sleeps while others write, so
 * both may be small numbers on a healthy server.
 *
 * src/api/status.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/pg_lsn.h"

#include "api/sql_function.h"
#include "instant.h"
#include "shmem.h"

SQL_FUNCTION(realtime_status);

/* Columns of the result. */
enum
{
	STATUS_STATE,
	STATUS_HUB_PID,
	STATUS_POSITION,
	STATUS_RELEASED,
	STATUS_RECORDED,
	STATUS_LAG_BYTES,
	STATUS_LAG_MS,
	STATUS_GATEWAYS,
	STATUS_EXECUTORS,
	STATUS_COURIER_PID,
	STATUS_CONNECTIONS,
	STATUS_CHANNELS,
	STATUS_TOPICS,
	STATUS_EPOCH,
	STATUS_COUNTERS,
	STATUS_COLUMNS
};

/* What is copied out of shared memory. */
typedef struct StatusSnapshot
{
	int			hub_pid;
	HubState	hub_state;
	uint64		epoch;
	XLogRecPtr	released_lsn;
	XLogRecPtr	read_lsn;
	XLogRecPtr	recorded_lsn;
	Instant		caught_up_at;
	int			gateways;		/* that listen */
	int			executors;
	int			record_backlog;
	int			queued_jobs;
	uint64		presence_members;
	uint64		presence_bytes;
	int			followed_tables;
	int			courier_pid;
	uint64		webhooks_held;
	uint64		stats[BUS_STAT_COUNT];	/* summed over the gateways, counters
										 * over those that have ended, too */
	uint64		counters[SHARED_COUNTER_COUNT];
} StatusSnapshot;

/*
 * Copy what is shown.
 */
static void
take_snapshot(StatusSnapshot *snap)
{
	memset(snap, 0, sizeof(*snap));
	LWLockAcquire(realtime_shared->lock, LW_SHARED);
	snap->hub_pid = realtime_shared->hub_pid;
	snap->hub_state = realtime_shared->hub_state;
	snap->epoch = realtime_shared->epoch;
	snap->released_lsn = realtime_shared->released_lsn;
	snap->read_lsn = realtime_shared->read_lsn;
	snap->recorded_lsn = realtime_shared->recorded_lsn;
	snap->executors = realtime_shared->executors;
	snap->record_backlog = realtime_shared->record_backlog;
	snap->queued_jobs = realtime_shared->queued_jobs;
	snap->presence_members = realtime_shared->presence_members;
	snap->presence_bytes = realtime_shared->presence_bytes;
	snap->followed_tables = realtime_shared->followed_tables;
	snap->courier_pid = realtime_shared->courier_pid;
	snap->webhooks_held = realtime_shared->webhooks_held;
	snap->caught_up_at = realtime_shared->caught_up_at;
	memcpy(snap->stats, realtime_shared->ended_stats, sizeof(snap->stats));
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		GatewaySlot *slot = &realtime_shared->gateways[i];

		if (slot->pid == 0)
			continue;
		snap->gateways += slot->ready ? 1 : 0;
		for (int stat = 0; stat < BUS_STAT_COUNT; stat++)
			snap->stats[stat] += slot->stats[stat];
	}
	LWLockRelease(realtime_shared->lock);

	for (int i = 0; i < SHARED_COUNTER_COUNT; i++)
		snap->counters[i] = pg_atomic_read_u64(&realtime_shared->counters[i]);
}

/*
 * The state in words.
 */
static const char *
state_name(const StatusSnapshot *snap)
{
	if (snap->hub_pid == 0)
		return "down";
	switch (snap->hub_state)
	{
		case HUB_DOWN:
			return "down";
		case HUB_CATCHING_UP:
			return "catching up";
		case HUB_RUNNING:
			return "running";
		case HUB_HOLDING:
			return "holding";
	}
	return "unknown";
}

/*
 * Add a number to an object under construction.
 */
static void
push_count(JsonbParseState **state, const char *name, uint64 count)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, name);
	value.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &value);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric((int64) count);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/*
 * All counters as a JSON object: the server's, and the sum of the gateways'.
 */
static Jsonb *
counters_to_jsonb(const StatusSnapshot *snap)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < SHARED_COUNTER_COUNT; i++)
		push_count(&state, shared_counter_name(i), snap->counters[i]);
	push_count(&state, "record_backlog", snap->record_backlog);
	push_count(&state, "queued_jobs", snap->queued_jobs);
	push_count(&state, "presence_members", snap->presence_members);
	push_count(&state, "presence_bytes", snap->presence_bytes);
	push_count(&state, "followed_tables", (uint64) snap->followed_tables);
	push_count(&state, "webhooks_held", snap->webhooks_held);
	for (int i = 0; i < BUS_STAT_COUNT; i++)
		push_count(&state, bus_stat_name(i), snap->stats[i]);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * Fill the columns about the place in the WAL; null where there is none yet.
 */
static void
fill_position(const StatusSnapshot *snap, Datum *values, bool *nulls)
{
	XLogRecPtr	end = RecoveryInProgress() ? GetXLogReplayRecPtr(NULL) : GetFlushRecPtr(NULL);

	values[STATUS_POSITION] = LSNGetDatum(snap->read_lsn);
	nulls[STATUS_POSITION] = XLogRecPtrIsInvalid(snap->read_lsn);
	values[STATUS_RELEASED] = LSNGetDatum(snap->released_lsn);
	nulls[STATUS_RELEASED] = XLogRecPtrIsInvalid(snap->released_lsn);
	values[STATUS_RECORDED] = LSNGetDatum(snap->recorded_lsn);
	nulls[STATUS_RECORDED] = XLogRecPtrIsInvalid(snap->recorded_lsn);

	if (XLogRecPtrIsInvalid(snap->read_lsn))
		nulls[STATUS_LAG_BYTES] = nulls[STATUS_LAG_MS] = true;
	else if (snap->read_lsn >= end)
	{
		values[STATUS_LAG_BYTES] = Int64GetDatum(0);
		values[STATUS_LAG_MS] = Float8GetDatum(0.0);
	}
	else
	{
		values[STATUS_LAG_BYTES] = Int64GetDatum((int64) (end - snap->read_lsn));
		values[STATUS_LAG_MS] = Float8GetDatum(Max(instant_now() - snap->caught_up_at, 0) / 1000.0);
		nulls[STATUS_LAG_MS] = snap->caught_up_at == 0;
	}
}

/*
 * realtime.status(OUT ...)
 */
static Datum
realtime_status_body(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	StatusSnapshot snap;
	Datum		values[STATUS_COLUMNS];
	bool		nulls[STATUS_COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != STATUS_COLUMNS)
		elog(ERROR, "realtime.status() does not return the columns expected");

	take_snapshot(&snap);
	memset(nulls, 0, sizeof(nulls));
	values[STATUS_STATE] = CStringGetTextDatum(state_name(&snap));
	values[STATUS_HUB_PID] = Int32GetDatum(snap.hub_pid);
	nulls[STATUS_HUB_PID] = snap.hub_pid == 0;
	fill_position(&snap, values, nulls);
	values[STATUS_GATEWAYS] = Int32GetDatum(snap.gateways);
	values[STATUS_EXECUTORS] = Int32GetDatum(snap.executors);
	values[STATUS_COURIER_PID] = Int32GetDatum(snap.courier_pid);
	nulls[STATUS_COURIER_PID] = snap.courier_pid == 0;
	values[STATUS_CONNECTIONS] = Int64GetDatum((int64) snap.stats[BUS_STAT_CONNECTIONS]);
	values[STATUS_CHANNELS] = Int64GetDatum((int64) snap.stats[BUS_STAT_CHANNELS]);
	values[STATUS_TOPICS] = Int64GetDatum((int64) snap.stats[BUS_STAT_TOPICS]);
	values[STATUS_EPOCH] = Int64GetDatum((int64) snap.epoch);
	nulls[STATUS_EPOCH] = snap.epoch == 0;
	values[STATUS_COUNTERS] = JsonbPGetDatum(counters_to_jsonb(&snap));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
