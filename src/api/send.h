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
 * Send a message as the current user: set realtime.topic, store the row,
 * publish it.  inserted_at and the payload's "id" are filled in here.  What
 * goes wrong is an error, or with realtime.on_error = 'warning' a warning, and
 * nothing is sent.
 */
extern void send_message(MessageRow *row);

#endif							/* REALTIME_SEND_H */
