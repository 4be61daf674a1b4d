/*-------------------------------------------------------------------------
 *
 * place.c
 *	  Where this gateway is in the order of stored messages.
 *
 * Messages come in that order, and an acknowledgement of interest says what the
 * hub has published before it.  So a channel that begins to hear a topic hears
 * everything behind the place of that moment: a client that joins and has not
 * been sent anything yet can come back with it.
 *
 * src/gateway/place.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/place.h"

static uint64 epoch;
static Place now;

/*
 * A new epoch, or the first one.
 */
void
place_set_epoch(uint64 new_epoch)
{
	epoch = new_epoch;
}

/*
 * Go on.
 */
void
place_pass(const Place *place)
{
	now = *place;
}

/*
 * Where are we?
 */
const Place *
place_now(void)
{
	return &now;
}

/*
 * Make a cursor.
 */
Cursor
place_cursor(const Place *place)
{
	return (Cursor) {epoch, *place};
}

/*
 * Write a cursor.
 */
void
place_write_cursor(const Place *place, char *dst)
{
	Cursor		cursor = place_cursor(place);

	cursor_write(&cursor, dst);
}
