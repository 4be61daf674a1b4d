/*-------------------------------------------------------------------------
 *
 * handover.h
 *	  Connections that go on in another gateway, and that come from one.
 *
 * src/gateway/handover.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HANDOVER_H
#define REALTIME_HANDOVER_H

#include "gateway/conn.h"

/* Take over DOOR_FD; false with errno set if it is no socket of a hub. */
extern bool handover_open(void) RT_MUSTCHECK;

/* From now on connections can come to this gateway. */
extern void handover_begin(void);

/*
 * Hand an HTTP connection to the gateway of a slot, with the bytes that came on
 * it and are not acted on.  It is CLOSED then in any case.
 */
extern void handover_send(Conn *conn, uint32 slot, Slice bytes);

#endif							/* REALTIME_HANDOVER_H */
