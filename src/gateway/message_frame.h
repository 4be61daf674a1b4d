/*-------------------------------------------------------------------------
 *
 * message_frame.h
 *	  A message as the frame that a client gets.
 *
 * src/gateway/message_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_MESSAGE_FRAME_H
#define REALTIME_MESSAGE_FRAME_H

#include "gateway/topics.h"
#include "proto/cursor.h"
#include "proto/wal_record.h"

/* What a message says about itself: a JSON object, of less than 255 bytes. */
typedef struct MessageMeta
{
	size_t		len;			/* 0 = there is none */
	size_t		cursor_at;		/* where the cursor stands in it; 0 = nowhere */
	bool		from_history;	/* it was missed, and is told now */
	char		text[160];
} MessageMeta;

/*
 * Of a message of the database's: its id, its place if it is stored, and whether
 * it is replayed.  Of any other there is nothing to say.
 */
extern void message_meta_stored(MessageMeta *meta, const WalMessage *message,
								const Place *place, bool replayed);

/*
 * Append a frame.  Nothing is appended where the message cannot be told in
 * that dialect.  False without memory.
 */
extern bool message_frame_append(Bytes *out, Dialect dialect, const Topic *topic,
								 const WalMessage *message, const MessageMeta *meta) RT_MUSTCHECK;

#endif							/* REALTIME_MESSAGE_FRAME_H */
