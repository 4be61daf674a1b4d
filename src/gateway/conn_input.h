/*-------------------------------------------------------------------------
 *
 * conn_input.h
 *	  What clients send: from the socket to requests and messages.
 *
 * src/gateway/conn_input.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CONN_INPUT_H
#define REALTIME_CONN_INPUT_H

#include "gateway/conn.h"

/* Events of a Conn's watch. */
extern void conn_input_ready(Watch *watch, uint32 events);

/* These bytes have come before anything that is still in the socket. */
extern void conn_input_begin(Conn *conn, Slice bytes);

/*
 * From a message's handler: what its connection has sent behind the message is
 * for this one.
 */
extern void conn_input_pass(Conn *heir);

/*
 * Has it said so much that it has to wait?  Then conn_input_resume() is called
 * when it need not any more.
 */
extern bool conn_input_held_back(Conn *conn);

/*
 * A request has been answered for which input was paused, or the connection
 * need not be held back any more: go on with what was sent.
 */
extern void conn_input_resume(Conn *conn);

/* It broadcasts: from now on it is held back where others cannot follow. */
extern void conn_input_publishes(Conn *conn);

#endif							/* REALTIME_CONN_INPUT_H */
