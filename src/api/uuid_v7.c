/*-------------------------------------------------------------------------
 *
 * uuid_v7.c
 *	  Time-ordered identifiers of messages: UUID version 7, RFC 9562.
 *
 *	  unix_ts_ms 48 | ver 4 | fraction of the millisecond 12 | var 2 | random 62
 *
 * The 12 bits after the version are the fraction of the millisecond (RFC 9562
 * section 6.2, method 3), so identifiers made by one backend only ever grow:
 * a clock that stands still or goes back is overruled by one step.  Neighbours
 * in time are neighbours in the primary key, which keeps its inserts cheap.
 * The order between backends is that of their clocks and says nothing about
 * commit order.
 *
 * src/api/uuid_v7.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "api/sql_function.h"
#include "api/uuid_v7.h"
#include "proto/uuid.h"

#define NS_PER_MS INT64CONST(1000000)
#define NS_PER_S INT64CONST(1000000000)
#define FRACTION_BITS 12

/* Least distance that shows in the fraction: 1 ms / 2^12, rounded up. */
#define STEP_NS (NS_PER_MS / (1 << FRACTION_BITS) + 1)

#define RANDOM_BYTES 8
#define POOL_BYTES (64 * RANDOM_BYTES)

SQL_FUNCTION(uuid_v7);

/*
 * Take RANDOM_BYTES out of a pool that is filled now and then: one call of
 * the random generator for 64 identifiers.
 */
static void
take_random(unsigned char *dst)
{
	static unsigned char pool[POOL_BYTES];
	static int	left = 0;

	if (left == 0)
	{
		if (!pg_strong_random(pool, POOL_BYTES))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		left = POOL_BYTES;
	}
	left -= RANDOM_BYTES;
	memcpy(dst, pool + left, RANDOM_BYTES);
}

/*
 * Nanoseconds since 1970, greater by a step at least than the last time.
 */
static int64
next_time_ns(void)
{
	static int64 last = 0;
	struct timespec now;
	int64		ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = (int64) now.tv_sec * NS_PER_S + now.tv_nsec;
	if (ns < last + STEP_NS)
		ns = last + STEP_NS;
	last = ns;
	return ns;
}

/*
 * Make a new identifier.
 */
void
uuid_v7_generate(pg_uuid_t *uuid)
{
	int64		ns = next_time_ns();
	uint64		ms = (uint64) (ns / NS_PER_MS);
	uint32		fraction = (uint32) (((ns % NS_PER_MS) << FRACTION_BITS) / NS_PER_MS);
	unsigned char *d = uuid->data;

	for (int i = 0; i < 6; i++)
		d[i] = (unsigned char) (ms >> (40 - 8 * i));
	d[6] = (unsigned char) (0x70 | (fraction >> 8));
	d[7] = (unsigned char) fraction;
	take_random(d + 8);
	d[8] = (unsigned char) (0x80 | (d[8] & 0x3F));
}

/*
 * Write the text form: 8-4-4-4-12 lower-case digits.
 */
void
uuid_v7_text(const pg_uuid_t *uuid, char *text)
{
	uuid_write(uuid->data, text);
	text[UUID_TEXT_BYTES] = '\0';
}

/*
 * realtime.uuid_v7() returns uuid
 */
static Datum
uuid_v7_body(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	uuid_v7_generate(uuid);
	PG_RETURN_UUID_P(uuid);
}
