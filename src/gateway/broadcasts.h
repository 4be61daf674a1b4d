/*-------------------------------------------------------------------------
 *
 * broadcasts.h
 *	  What clients say to each other.
 *
 * src/gateway/broadcasts.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BROADCASTS_H
#define REALTIME_BROADCASTS_H

#include "gateway/channels.h"
#include "gateway/client_message.h"
#include "proto/job.h"
#include "proto/wal_record.h"

typedef struct Storing Storing;

/* A channel ends while a broadcast of it is being stored. */
extern void broadcast_forget(Storing *storing);

/* A client broadcasts on a channel that it has JOINED. */
extern void broadcast_request(Channel *channel, const ClientMessage *msg);

/*
 * Hand a cast to the members of its topic, here and at other gateways, but for
 * one who shall not hear it (NULL for nobody).  Whoever sends more than one
 * asks publishers_may_go() before.
 */
extern void broadcast_send(Topic *topic, const Channel *sender, const WalMessage *message);

#endif							/* REALTIME_BROADCASTS_H */
