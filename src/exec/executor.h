/*-------------------------------------------------------------------------
 *
 * executor.h
 *	  A worker that runs SQL for clients, one job after the other.
 *
 * src/exec/executor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EXECUTOR_H
#define REALTIME_EXECUTOR_H

#include "postmaster/bgworker.h"

/*
 * Ask the postmaster for executor `slot` (from 0); called by the hub, whose
 * latch is set when it starts or ends, and which has to know that it can connect
 * (served_database_ready()).  False if no slot for a worker is free; logs
 * nothing.  *handle is allocated in the current memory context.
 *
 * Once connected to the database it connects to BUS_SOCKET and sends BUS_HELLO.
 * It ends when the hub closes the bus, at SIGTERM and when its own state is in
 * doubt; the postmaster never restarts it.
 */
extern bool executor_launch(int slot, BackgroundWorkerHandle **handle);

/* Its main function, which the postmaster looks up by name. */
extern PGDLLEXPORT void realtime_executor_main(Datum slot);

#endif							/* REALTIME_EXECUTOR_H */
