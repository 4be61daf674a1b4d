/*-------------------------------------------------------------------------
 *
 * cursor.h
 *	  A place in the order of stored messages, as clients keep it.
 *
 * The order is that of commits, and within a commit that of the messages'
 * numbers.  A place is between two messages: behind the one it names.  To a
 * client a cursor is a text without meaning.
 *
 * src/proto/cursor.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CURSOR_H
#define REALTIME_CURSOR_H

#include "proto/proto.h"

#define CURSOR_TEXT_BYTES 32

#define PLACE_WHOLE PG_UINT32_MAX	/* behind all messages of the commit */

typedef struct Place
{
	uint64		lsn;			/* end of the commit record; 0 = not known */
	uint32		timeline;		/* that it was written on */
	uint32		number;			/* of the message, from 1; or PLACE_WHOLE */
} Place;

typedef struct Cursor
{
	uint64		epoch;			/* changes where the hub could not go on without
								 * a gap */
	Place		place;
} Cursor;

/* Write the text form to dst[0..CURSOR_TEXT_BYTES), without a NUL. */
extern void cursor_write(const Cursor *cursor, char *dst);

/* Read the text form.  False if it is none. */
extern bool cursor_parse(Slice text, Cursor *cursor) RT_MUSTCHECK;

#endif							/* REALTIME_CURSOR_H */
