/*-------------------------------------------------------------------------
 *
 * iso_time.h
 *	  Times as JavaScript spells them: 2026-04-25T17:00:00.000Z.
 *
 * src/proto/iso_time.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ISO_TIME_H
#define REALTIME_ISO_TIME_H

#include "proto/proto.h"

#define ISO_TIME_BYTES 24

/*
 * Spell a time, in milliseconds since 1970, without a NUL.  Years below 0 and
 * above 9999 become these.
 */
extern void iso_time_write(int64 unix_ms, char *dst);

#endif							/* REALTIME_ISO_TIME_H */
