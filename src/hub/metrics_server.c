/*-------------------------------------------------------------------------
 *
 * metrics_server.c
 *	  Figures of the whole server, for the gateway that is asked for them.
 *
 * A scrape reaches one of several gateways, and only the hub knows of all.  It
 * sends numbers; what they are called outside is the gateway's affair.
 *
 * The lag that is told is one that somebody should do something about: while a
 * commit is held until it is visible, the hub does what it is there for.
 *
 * src/hub/metrics_server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "lib/stringinfo.h"

#include "hub/bus_server.h"
#include "hub/metrics_server.h"
#include "instant.h"
#include "proto/metrics_frame.h"
#include "shmem.h"

/* What is copied out of shared memory, and does not go as it is. */
typedef struct HubGauges
{
	HubState	state;
	XLogRecPtr	end;			/* of the WAL that may be read */
	XLogRecPtr	read_lsn;
	XLogRecPtr	needed_lsn;		/* from here on, WAL is still of use */
	Instant caught_up_at;
	int			record_backlog;
	int			executors;
	int			queued_jobs;
	uint64		presence_members;
	uint64		presence_bytes;
	uint64		webhooks_held;
} HubGauges;

static Histogram present[MAX_GATEWAYS][HISTOGRAM_KINDS];
static Histogram ended[HISTOGRAM_KINDS];	/* of gateways that have */

/*
 * Copy what stands in shared memory; the gateways go behind the head.
 */
static void
take_figures(HubGauges *gauges, BusMetricsHead *head, StringInfo gateways)
{
	memset(gauges, 0, sizeof(*gauges));
	/* nothing is allocated under the lock */
	enlargeStringInfo(gateways, MAX_GATEWAYS * (int) sizeof(BusGatewayMetrics));
	gauges->end = RecoveryInProgress() ? GetXLogReplayRecPtr(NULL) : GetFlushRecPtr(NULL);
	LWLockAcquire(realtime_shared->lock, LW_SHARED);
	gauges->state = realtime_shared->hub_state;
	gauges->read_lsn = realtime_shared->read_lsn;
	gauges->needed_lsn = realtime_shared->restart_lsn;
	if (!XLogRecPtrIsInvalid(realtime_shared->recorded_restart_lsn))
		gauges->needed_lsn = Min(gauges->needed_lsn, realtime_shared->recorded_restart_lsn);
	gauges->caught_up_at = realtime_shared->caught_up_at;
	gauges->record_backlog = realtime_shared->record_backlog;
	gauges->executors = realtime_shared->executors;
	gauges->queued_jobs = realtime_shared->queued_jobs;
	gauges->presence_members = realtime_shared->presence_members;
	gauges->presence_bytes = realtime_shared->presence_bytes;
	gauges->webhooks_held = realtime_shared->webhooks_held;
	memcpy(head->totals, realtime_shared->ended_stats, sizeof(head->totals));
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		const GatewaySlot *slot = &realtime_shared->gateways[i];
		BusGatewayMetrics gateway = {0};

		if (slot->pid == 0)
			continue;
		gateway.slot = (uint64) i;
		gateway.starts = slot->starts;
		memcpy(gateway.stats, slot->stats, sizeof(gateway.stats));
		appendBinaryStringInfo(gateways, (const char *) &gateway, sizeof(gateway));
		head->ngateways++;
		for (int stat = 0; stat < BUS_STAT_COUNT; stat++)
			head->totals[stat] += slot->stats[stat];
	}
	LWLockRelease(realtime_shared->lock);
}

/*
 * How far the hub is behind, in milliseconds.
 */
static uint64
lag_ms(const HubGauges *gauges)
{
	if (gauges->read_lsn >= gauges->end || gauges->state == HUB_HOLDING ||
		gauges->caught_up_at == 0)
		return 0;
	return (uint64) Max((instant_now() - gauges->caught_up_at) / 1000, 0);
}

/*
 * Append a figure.
 */
static void
add_figure(StringInfo body, char type, const char *name, uint64 value)
{
	appendStringInfo(body, "%c%s", type, name);
	appendStringInfoChar(body, '\0');
	appendStringInfo(body, UINT64_FORMAT, value);
	appendStringInfoChar(body, '\0');
}

/*
 * Append all figures of the hub.
 */
static void
add_figures(StringInfo body, const HubGauges *gauges, uint64 lag)
{
	uint64		unread = gauges->end > gauges->read_lsn ? gauges->end - gauges->read_lsn : 0;
	uint64		needed = gauges->end > gauges->needed_lsn ? gauges->end - gauges->needed_lsn : 0;

	for (int i = 0; i < SHARED_COUNTER_COUNT; i++)
		add_figure(body, 'c', shared_counter_name(i),
				   pg_atomic_read_u64(&realtime_shared->counters[i]));
	add_figure(body, 'g', "wal_lag_bytes", unread);
	add_figure(body, 'g', "wal_needed_bytes", needed);
	add_figure(body, 'g', "lag_milliseconds", lag);
	add_figure(body, 'g', "holding", gauges->state == HUB_HOLDING);
	add_figure(body, 'g', "record_backlog", (uint64) gauges->record_backlog);
	add_figure(body, 'g', "executors", (uint64) gauges->executors);
	add_figure(body, 'g', "queued_jobs", (uint64) gauges->queued_jobs);
	add_figure(body, 'g', "presence_members", gauges->presence_members);
	add_figure(body, 'g', "presence_bytes", gauges->presence_bytes);
	add_figure(body, 'g', "webhooks_held", gauges->webhooks_held);
}

/*
 * Add up the histograms of all gateways.
 */
static void
sum_histograms(Histogram *sums)
{
	memcpy(sums, ended, sizeof(ended));
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		for (int kind = 0; kind < HISTOGRAM_KINDS; kind++)
			histogram_merge(&sums[kind], &present[i][kind]);
	}
}

/*
 * Answer a gateway.
 */
static void
answer(int slot)
{
	BusMetricsHead head = {0};
	HubGauges	gauges;
	StringInfoData rest;

	initStringInfo(&rest);
	take_figures(&gauges, &head, &rest);
	sum_histograms(head.histograms);
	head.lag_ms = lag_ms(&gauges);
	add_figures(&rest, &gauges, head.lag_ms);
	bus_server_send(slot, BUS_METRICS, slice_make((const char *) &head, sizeof(head)),
					slice_make(rest.data, rest.len));
	pfree(rest.data);
}

/*
 * Take a frame.
 */
bool
metrics_server_take(int slot, BusFrameType type, Slice body)
{
	if (type == BUS_ASK_METRICS)
	{
		if (body.len != 0)
			return false;
		answer(slot);
		return true;
	}
	if (body.len != sizeof(present[slot]))
		return false;
	memcpy(present[slot], body.data, sizeof(present[slot]));
	return true;
}

/*
 * What only grows must not shrink when a gateway ends.
 */
void
metrics_server_remove(int slot)
{
	for (int kind = 0; kind < HISTOGRAM_KINDS; kind++)
		histogram_merge(&ended[kind], &present[slot][kind]);
	memset(present[slot], 0, sizeof(present[slot]));
}
