/*-------------------------------------------------------------------------
 *
 * tally.h
 *	  What receivers got: order, completeness, latency, CPU of the server.
 *
 * bench/tally.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include "histogram.h"
#include "marker.h"
#include "support.h"

typedef struct Tally
{
	/* set by tally_init() */
	int			receivers;
	int			active;			/* receivers that the senders send to */
	int			senders;
	const PidList *pids;
	uint64	   *next;			/* [receiver][sender]: seq expected next */

	/* counts */
	uint64		messages;		/* of kind MARKER_MESSAGE */
	uint64		warmups;
	uint64		ends;
	uint64		unmarked;		/* payloads without a marker */
	uint64		bytes;			/* of messages, as on the wire */
	uint64		missing;		/* numbers left out */
	uint64		disorder;		/* numbers lower than one seen before */
	uint64		duplicates;		/* the same number twice in a row */
	uint64		strangers;		/* sender numbers out of range */
	Histogram	latency;		/* send call -> received */

	/* the measured stretch: first MARKER_MESSAGE .. the latest one */
	int64		first_us;
	int64		last_us;
	double		first_cpu;

	/* when receiver 0 got sender 0's message n, if asked for; 0 = not */
	bool		keep_arrivals;
	int64	   *arrivals;
	size_t		arrivals_cap;
} Tally;

/*
 * Start counting.  The first `active` receivers are sent to by `senders`
 * senders; the CPU of `pids` is charged from the first message on.
 */
extern void tally_init(Tally *t, int receivers, int active, int senders,
					   const PidList *pids, bool keep_arrivals);

/* The parts of tally_message() that are rare. */
extern void tally_begin(Tally *t, int64 now);
extern void tally_keep_arrival(Tally *t, uint64 seq, int64 now);

/*
 * Receiver got a payload at `now` (microseconds since 1970), which took `wire`
 * bytes on its connection.
 */
static inline void
tally_message(Tally *t, int receiver, const char *payload, size_t len,
			  size_t wire, int64 now)
{
	Marker		marker;
	uint64	   *next;

	if (!marker_read(payload, len, &marker))
	{
		t->unmarked++;
		return;
	}
	if (unlikely(marker.sender >= (uint32) t->senders))
	{
		t->strangers++;
		return;
	}

	next = &t->next[(size_t) receiver * t->senders + marker.sender];
	if (likely(marker.seq == *next))
		*next = marker.seq + 1;
	else if (marker.seq > *next)
	{
		t->missing += marker.seq - *next;
		*next = marker.seq + 1;
	}
	else if (marker.seq + 1 == *next)
		t->duplicates++;
	else
		t->disorder++;

	if (marker.kind == MARKER_MESSAGE)
	{
		if (unlikely(t->messages == 0))
			tally_begin(t, now);
		t->messages++;
		t->bytes += wire;
		t->last_us = now;
		histogram_add(&t->latency, now - marker.time_us, 1);
		if (unlikely(t->keep_arrivals))
			tally_keep_arrival(t, marker.seq, now);
	}
	else if (marker.kind == MARKER_END)
		t->ends++;
	else
		t->warmups++;
}

/* Has every receiver that is sent to got the end of every sender? */
static inline bool
tally_complete(const Tally *t)
{
	return t->ends >= (uint64) t->active * t->senders;
}

/*
 * Print everything as key=value lines.  commit_log names the sender's file of
 * commit times, or is NULL.
 */
extern void tally_print(const Tally *t, const char *commit_log);

#endif							/* BENCH_TALLY_H */
