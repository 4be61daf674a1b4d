/*-------------------------------------------------------------------------
 *
 * place.h
 *	  Where this gateway is in the order of stored messages.
 *
 * src/gateway/place.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PLACE_H
#define REALTIME_PLACE_H

#include "proto/cursor.h"

/* The epoch that the hub has told. */
extern void place_set_epoch(uint64 epoch);

/* All that was published up to here has come, as far as we wanted it. */
extern void place_pass(const Place *place);

/* That place; its lsn is 0 as long as none is known. */
extern const Place *place_now(void);

/* A place of this epoch as a cursor. */
extern Cursor place_cursor(const Place *place);

/* The same as text: dst[0..CURSOR_TEXT_BYTES). */
extern void place_write_cursor(const Place *place, char *dst);

#endif							/* REALTIME_PLACE_H */
