/*-------------------------------------------------------------------------
 *
 * fanout.h
 *	  From a committed message to the queues of those who hear its topic.
 *
 * src/gateway/fanout.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_FANOUT_H
#define REALTIME_FANOUT_H

#include "gateway/channels.h"
#include "proto/cursor.h"
#include "proto/wal_record.h"

/*
 * Encode a stored message for the members of its topic; they may get it a little
 * later.
 */
extern void fanout_stored(const WalMessage *message, const Place *place);

/* The same with what a client of another gateway says. */
extern void fanout_relayed(const WalMessage *message);

/*
 * The same with what a client of this gateway says, for all members but
 * `sender` (NULL for nobody).  Before the sender ends, it must be settled.
 */
extern void fanout_cast(Topic *topic, const Channel *sender, const WalMessage *message);

/* Queue what was held back, before anything else is queued. */
extern void fanout_settle(void);

/* A piece of the bus is handed out: settle, and let go of the buffers. */
extern void fanout_end(void);

#endif							/* REALTIME_FANOUT_H */
