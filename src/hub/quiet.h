/*-------------------------------------------------------------------------
 *
 * quiet.h
 *	  Which WAL can hold no message that the hub has not read?
 *
 * src/hub/quiet.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_QUIET_H
#define REALTIME_QUIET_H

#include "access/xlogdefs.h"

/* Look at the senders before a turn of reading. */
extern void quiet_look(void);

/*
 * All WAL up to `position` is read and no transaction with messages is open:
 * note it if that covers all that was sent when quiet_look() looked.
 */
extern void quiet_note(XLogRecPtr position);

/*
 * The WAL at `position` is gone.  True if nobody has sent anything into what is
 * gone; then *resume is where to go on.
 */
extern bool quiet_skip(XLogRecPtr position, XLogRecPtr *resume);

#endif							/* REALTIME_QUIET_H */
