/*-------------------------------------------------------------------------
 *
 * hub.h
 *	  The background worker that tails the WAL.
 *
 * src/hub/hub.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HUB_H
#define REALTIME_HUB_H

/* Have the postmaster start the hub; called once, from _PG_init. */
extern void hub_register(void);

/* Its main function, which the postmaster looks up by name. */
extern PGDLLEXPORT void realtime_hub_main(Datum arg);

#endif							/* REALTIME_HUB_H */
