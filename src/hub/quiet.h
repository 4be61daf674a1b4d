/*-------------------------------------------------------------------------
 *
 * quiet.h
 *	  Was anything written that the hub has not read?
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
 * Has nobody begun to send since the last note?  Then all WAL before the tail
 * taken before this call is foreign, whether it can be read or not.
 */
extern bool quiet_still(void);

#endif							/* REALTIME_QUIET_H */
