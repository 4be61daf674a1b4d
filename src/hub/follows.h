/*-------------------------------------------------------------------------
 *
 * follows.h
 *	  Which gateways follow which table.
 *
 * src/hub/follows.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_FOLLOWS_H
#define REALTIME_FOLLOWS_H

#include "access/xlogdefs.h"

#include "instant.h"
#include "proto/bus_frame.h"

/* Set up; once per process.  Lowers all marks. */
extern void follows_init(void);

/* A BUS_FOLLOW came from a slot (0..63); false if it should not have. */
extern bool follows_take(int slot, uint64 last_seq, Slice body, uint64 *seq) RT_MUSTCHECK;

/* Forget all of a slot's. */
extern void follows_forget(int slot);

/* The slots that follow a table, as a bit mask. */
extern uint64 follows_lookup(uint32 relid);

/* Tables that somebody follows. */
extern int	follows_count(void);

/*
 * Acknowledge what can be, as far as the WAL is told of.  Returns the
 * milliseconds until it should be asked again, -1 if nothing waits.
 */
extern long follows_tick(Instant now, XLogRecPtr told);

#endif							/* REALTIME_FOLLOWS_H */
