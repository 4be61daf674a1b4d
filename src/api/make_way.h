/*-------------------------------------------------------------------------
 *
 * make_way.h
 *	  Let commands have the served database for themselves.
 *
 * src/api/make_way.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_MAKE_WAY_H
#define REALTIME_MAKE_WAY_H

/* Put the utility hook in place; called once, from _PG_init. */
extern void make_way_install_hook(void);

#endif							/* REALTIME_MAKE_WAY_H */
