/*-------------------------------------------------------------------------
 *
 * marker.h
 *	  The payload of a measured message: who sent it, when, and which one.
 *
 * The payload is {"a":"<kind><time><sender><seq><padding>"}.  A key of one
 * letter sorts before every other in jsonb, "id" included, so that the marker
 * stands at the start of the payload whatever the server adds, and a receiver
 * finds it without searching.  All fields are digits of fixed width:
 *
 *		kind	1	MARKER_WARMUP, MARKER_MESSAGE or MARKER_END
 *		time	16	microseconds since 1970, before the statement was sent
 *		sender	4	number of the sending connection
 *		seq		12	counts up from 0 per sender and topic
 *
 * bench/marker.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_MARKER_H
#define BENCH_MARKER_H

#include "postgres_fe.h"

#define MARKER_WARMUP 'W'		/* checked for order, not timed */
#define MARKER_MESSAGE 'M'
#define MARKER_END 'E'			/* the sender's last one on this topic */

#define MARKER_BYTES 33			/* the fixed fields together */
#define MARKER_MAX_PAYLOAD 65536

/* What realtime.send() adds to a payload: , "id": "<uuid>" */
#define MARKER_ID_BYTES 46

typedef struct Marker
{
	char		kind;
	int64		time_us;
	uint32		sender;
	uint64		seq;
} Marker;

/* Value of `digits` decimal digits; the caller knows that they are digits. */
static inline uint64
marker_number(const char *text, int digits)
{
	uint64		value = 0;

	for (int i = 0; i < digits; i++)
		value = value * 10 + (uint64) (text[i] - '0');
	return value;
}

/*
 * Find the marker in a payload.  False if there is none at its start, as in
 * messages of other tools; those are only counted.
 */
static inline bool
marker_read(const char *payload, size_t len, Marker *marker)
{
	const char *pos = payload + 5;

	if (len < MARKER_BYTES + 9 || memcmp(payload, "{\"a\":", 5) != 0)
		return false;
	if (*pos == ' ')
		pos++;					/* jsonb's output has a space, ours has none */
	if (*pos != '"')
		return false;
	pos++;
	if (*pos != MARKER_WARMUP && *pos != MARKER_MESSAGE && *pos != MARKER_END)
		return false;
	marker->kind = *pos;
	marker->time_us = (int64) marker_number(pos + 1, 16);
	marker->sender = (uint32) marker_number(pos + 17, 4);
	marker->seq = marker_number(pos + 21, 12);
	return true;
}

/*
 * Write a payload of exactly `size` bytes and a NUL to dst, `spaced` as jsonb
 * prints it or without the space.  size is at least MARKER_BYTES + 10.
 */
extern void marker_write(char *dst, size_t size, bool spaced, const Marker *marker);

#endif							/* BENCH_MARKER_H */
