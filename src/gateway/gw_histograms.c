/*-------------------------------------------------------------------------
 *
 * gw_histograms.c
 *	  What the gateway measures about itself.
 *
 * Reported to the hub together with what gw_stats.c counts.
 *
 * The clock is read once for all messages that a turn takes from the bus: they
 * came in one piece, and the time that we need for them is short.
 *
 * src/gateway/gw_histograms.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <time.h>

#include "gateway/gw_histograms.h"
#include "program/bus_link.h"

#define PG_EPOCH_SECONDS INT64CONST(946684800)	/* 2000-01-01, Unix time */

static Histogram histograms[HISTOGRAM_KINDS];
static bool changed;
static int64 piece_taken_at;	/* microseconds since 2000; 0 = not in this turn */

/*
 * Microseconds of a clock.
 */
static int64
read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * Count a value.  Clocks of two machines may differ, or one jump: no time is
 * negative.
 */
static void
measure(HistogramKind kind, int64 value)
{
	histogram_add(&histograms[kind], kind, (uint64) Max(value, 0));
	changed = true;
}

/*
 * Both clocks are those of the server.
 */
void
measure_message(const BusMessageHead *head, const WalMessage *message)
{
	if (piece_taken_at == 0)
		piece_taken_at = read_clock(CLOCK_REALTIME) - PG_EPOCH_SECONDS * 1000000;
	measure(HISTOGRAM_COMMITTED, piece_taken_at - head->committed_at);
	measure(HISTOGRAM_INSERTED, piece_taken_at - message->inserted_at);
	measure(HISTOGRAM_PAYLOAD, (int64) message->payload.len);
}

/*
 * The next one comes with another piece.
 */
void
measure_end_turn(void)
{
	piece_taken_at = 0;
}

/*
 * By WebSocket or HTTP.
 */
void
measure_payload(size_t len)
{
	measure(HISTOGRAM_PAYLOAD, (int64) len);
}

/*
 * Now.
 */
int64
measure_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/*
 * From the question to its answer.
 */
void
measure_check(bool is_write, int64 since)
{
	measure(is_write ? HISTOGRAM_WRITE_CHECK : HISTOGRAM_READ_CHECK, measure_now() - since);
}

/*
 * Since the last report?
 */
bool
gw_histograms_changed(void)
{
	return changed;
}

/*
 * Send all, as they stand.
 */
void
gw_histograms_report(void)
{
	bus_send(BUS_HISTOGRAMS, histograms, sizeof(histograms), NULL, 0);
	changed = false;
}
