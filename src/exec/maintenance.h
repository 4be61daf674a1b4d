/*-------------------------------------------------------------------------
 *
 * maintenance.h
 *	  The worker that keeps the partitions of realtime.messages.
 *
 * src/exec/maintenance.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_MAINTENANCE_H
#define REALTIME_MAINTENANCE_H

/*
 * Start the worker, if the served database exists; called from the hub, does
 * not wait.
 */
extern void maintenance_launch(void);

/* Its main function, which the postmaster looks up by name. */
extern PGDLLEXPORT void realtime_maintenance_main(Datum arg);

#endif							/* REALTIME_MAINTENANCE_H */
