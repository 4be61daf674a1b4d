/*-------------------------------------------------------------------------
 *
 * stores.h
 *	  Broadcasts of clients that are stored on their way (persist).
 *
 * src/gateway/stores.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_STORES_H
#define REALTIME_STORES_H

#include "gateway/channels.h"
#include "proto/job.h"

typedef struct Store Store;

/*
 * What comes of it, in this order or the other one: `answered` once an executor
 * has stored the message under `id`, a text of 36 characters, or has not;
 * `published` when it was given to those who listen here, or never will be.
 * Either may be called first, each once, and neither after store_forget().
 */
typedef struct StoreHandlers
{
	void		(*answered) (void *owner, JobOutcome outcome, const char *id);
	void		(*published) (void *owner);
} StoreHandlers;

/* How long a message is kept, in seconds; or as long as any other. */
#define STORE_TTL_MAX 259200
#define STORE_TTL_NONE 0

/*
 * Have a message stored and, when that is committed, published; `sender` (NULL
 * for nobody) does not hear it.  NULL without memory or room.
 */
extern Store *store_begin(const WalMessage *message, uint32 ttl, const Channel *sender,
						  const StoreHandlers *handlers, void *owner);

/* The owner ends; what was begun goes on. */
extern void store_forget(Store *store);

/*
 * A stored message has come over the bus: who does not hear it?  NULL for most.
 */
extern const Channel *stores_sender(const WalMessage *message);

/* Call the handlers of what has come. */
extern void stores_flush(void);

#endif							/* REALTIME_STORES_H */
