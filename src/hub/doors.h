/*-------------------------------------------------------------------------
 *
 * doors.h
 *	  Connections that gateways hand to each other.
 *
 * src/hub/doors.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_DOORS_H
#define REALTIME_DOORS_H

/* A gateway has sent what it should not. */
typedef void (*DoorLost) (int slot, const char *why);

extern void doors_init(DoorLost lost);

/*
 * A gateway has got a certificate: from now on it may hand over ends of socket
 * pairs, which it relays clients by.
 */
extern void doors_expect_relays(void);

/* Take over the hub's end of a gateway's door. */
extern void doors_add(int slot, int fd);

/* Close it; clients that were on their way through it are closed. */
extern void doors_remove(int slot);

#endif							/* REALTIME_DOORS_H */
