/*-------------------------------------------------------------------------
 *
 * port_lock.h
 *	  One server on this machine listens on an address and port of clients.
 *
 * src/hub/port_lock.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PORT_LOCK_H
#define REALTIME_PORT_LOCK_H

/*
 * Hold what realtime.listen_addresses and realtime.port name, and nothing else
 * any more.  False if another server holds one of them; that is logged when it
 * is news.
 */
extern bool port_lock_hold(void);

#endif							/* REALTIME_PORT_LOCK_H */
