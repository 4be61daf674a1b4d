/*-------------------------------------------------------------------------
 *
 * apart.h
 *	  Do something that leaves nothing behind but what it finds out.
 *
 * src/exec/apart.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_APART_H
#define REALTIME_APART_H

/*
 * Call function(arg) in a subtransaction and roll that back, and with it the
 * user, the settings and everything else the function has changed.  It runs in
 * the current memory context, where what it finds out can stay.
 *
 * Returns NULL, or the error that it raised, in that context, too.  A cancelled
 * query stays one.
 */
extern ErrorData *run_apart(void (*function) (void *arg), void *arg);

#endif							/* REALTIME_APART_H */
