/*-------------------------------------------------------------------------
 *
 * send.h
 *	  Store and publish one message in the current transaction.
 *
 * src/api/send.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SEND_H
#define REALTIME_SEND_H

#include "api/message_row.h"

/*
 * The statement that inserts what is published on a channel where a real INSERT
 * has to, and the types of its parameters: topic, event, payload, id, channel_id,
 * sender_type, sender_id, type.
 */
#define SEND_PUBLISH_COLUMNS 8

extern const char send_publish_command[];
extern const Oid send_publish_types[SEND_PUBLISH_COLUMNS];

/*
 * Send a message as the current user: set realtime.topic, store the row unless
 * it is to be unstored, publish it.  inserted_at, number and, unless it is of a
 * channel, the payload's "id" are filled in here.  What goes wrong is an error,
 * or with realtime.on_error = 'warning' a warning, and nothing is sent; false
 * then.
 */
extern bool send_message(MessageRow *row);

/*
 * Store a row by a real INSERT as the current user; the table's trigger publishes
 * it.
 */
extern void send_by_insert(const MessageRow *row);

#endif							/* REALTIME_SEND_H */
