/*-------------------------------------------------------------------------
 *
 * write_queue.h
 *	  What a channel says before it is decided whether it may.
 *
 * src/gateway/write_queue.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WRITE_QUEUE_H
#define REALTIME_WRITE_QUEUE_H

#include "gateway/channels.h"
#include "proto/job.h"

/*
 * Act on what has waited, or refuse it: `ref` and `body` are what was kept.  May
 * close the connection, but not end the channel.
 */
typedef void (*WriteHandler) (Channel *channel, Slice ref, Slice body, JobOutcome outcome);

/*
 * Keep `len` bytes for a handler; returns where they go, NULL if there is no
 * room.
 */
extern char *write_queue_keep(Channel *channel, WriteHandler handler, Slice ref, size_t len);

/* Does anything wait? */
extern bool write_queue_waits(const Channel *channel);

/*
 * It is decided, by this outcome and the rights that the channel has now: hand
 * out what waited, in order, until the channel has something being stored.
 */
extern void write_queue_decided(Channel *channel, JobOutcome outcome);

/*
 * Why a channel without a right may not write; NULL if it has that right
 * (supabase.md 4.3).
 */
extern const char *write_refusal(const Channel *channel, uint8 right, JobOutcome outcome);

/* The channel ends: forget what waits. */
extern void write_queue_forget(Channel *channel);

#endif							/* REALTIME_WRITE_QUEUE_H */
