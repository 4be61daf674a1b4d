/*-------------------------------------------------------------------------
 *
 * webhooks.h
 *	  Have a published message delivered to the webhooks of its channel.
 *
 * src/api/webhooks.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WEBHOOKS_H
#define REALTIME_WEBHOOKS_H

#include "api/message_row.h"

/*
 * Add to realtime.webhook_deliveries what is to be delivered when the current
 * transaction commits: the message of `row`, which was published on a channel, to
 * each URL of that.  Nobody's rights are asked for.  Does nothing unless
 * row->has_webhooks, or where there is no such URL.
 */
extern void webhooks_enqueue(const MessageRow *row);

#endif							/* REALTIME_WEBHOOKS_H */
