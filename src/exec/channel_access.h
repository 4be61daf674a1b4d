/*-------------------------------------------------------------------------
 *
 * channel_access.h
 *	  May a client subscribe to a channel?
 *
 * src/exec/channel_access.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANNEL_ACCESS_H
#define REALTIME_CHANNEL_ACCESS_H

#include "exec/client.h"

/*
 * May the client that we have become subscribe to the channel that is its topic?
 * Whatever goes wrong is logged and means no; only a cancelled query is raised.
 * Nothing that this changes is left.
 */
extern bool channel_access(const Client *client);

#endif							/* REALTIME_CHANNEL_ACCESS_H */
