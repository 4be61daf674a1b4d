/*-------------------------------------------------------------------------
 *
 * change_delivery.h
 *	  From a change of a row to the queues of those who are to be told.
 *
 * src/gateway/change_delivery.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_DELIVERY_H
#define REALTIME_CHANGE_DELIVERY_H

#include "gateway/changes.h"
#include "proto/bus_frame.h"
#include "proto/wal_record.h"

/* Be told of verdicts. */
extern void change_delivery_init(void);

/*
 * A change has come over the bus; false if it is none.
 */
extern bool change_delivery_take(const BusMessageHead *head, const WalMessage *message) RT_MUSTCHECK;

/* Number of the change that came last, 0 before the first one. */
extern uint64 change_delivery_serial(void);

/*
 * The end of a turn: go on with what was held back, ask what has to be asked,
 * and let go of the frames.
 */
extern void change_delivery_flush(void);

/* When it wants to be called again; LOOP_NEVER if that depends on others. */
extern int64 change_delivery_deadline(void);

/* Forget what a channel that ends would have been told. */
extern void change_delivery_forget(Changes *changes);

#endif							/* REALTIME_CHANGE_DELIVERY_H */
