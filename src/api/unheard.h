/*-------------------------------------------------------------------------
 *
 * unheard.h
 *	  Statements that write to followed tables that nobody listens to.
 *
 * src/api/unheard.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_UNHEARD_H
#define REALTIME_UNHEARD_H

/* Called once, from _PG_init. */
extern void unheard_install_hook(void);

#endif							/* REALTIME_UNHEARD_H */
