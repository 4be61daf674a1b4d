/*-------------------------------------------------------------------------
 *
 * message_frame.c
 *	  A message as the frame that a client gets.
 *
 * supabase.md 2.3 and 4.7.  Next to the id that upstream gives stands our cursor:
 * who joins with it (config.broadcast.resume) gets what comes behind it.
 *
 * src/gateway/message_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/message_frame.h"
#include "gateway/place.h"
#include "gateway/sio_frame.h"
#include "proto/sse.h"
#include "proto/uuid.h"

/*
 * Append a text.
 */
static void
append(MessageMeta *meta, const char *text, size_t len)
{
	Assert(meta->len + len <= sizeof(meta->text));
	memcpy(meta->text + meta->len, text, len);
	meta->len += len;
}

#define APPEND_LITERAL(meta, literal) append(meta, literal, sizeof(literal) - 1)

/*
 * What a stored message says about itself.
 */
void
message_meta_stored(MessageMeta *meta, const WalMessage *message, const Place *place,
					bool replayed)
{
	char		id[UUID_TEXT_LENGTH];
	char		cursor[CURSOR_TEXT_BYTES];

	meta->len = 0;
	meta->cursor_at = 0;
	meta->from_history = false;
	if (replayed)
		APPEND_LITERAL(meta, "{\"replayed\":true,\"id\":\"");
	else
		APPEND_LITERAL(meta, "{\"id\":\"");
	uuid_write(message->id, id);
	append(meta, id, sizeof(id));
	/* nobody can come back to where there is no row */
	if ((message->flags & WAL_MESSAGE_UNSTORED) != 0)
	{
		APPEND_LITERAL(meta, "\"}");
		return;
	}
	APPEND_LITERAL(meta, "\",\"cursor\":\"");
	place_write_cursor(place, cursor);
	meta->cursor_at = meta->len;
	append(meta, cursor, sizeof(cursor));
	APPEND_LITERAL(meta, "\"}");
}

/*
 * Append a server-sent event.
 */
static bool
append_sse(Bytes *out, Dialect dialect, const Topic *topic, const WalMessage *message,
		   const MessageMeta *meta)
{
	Slice		text = slice_make(meta->text, meta->len);
	Slice		id = slice_make(NULL, 0);

	if (dialect == DIALECT_EVENTS && meta->cursor_at > 0)
		id = slice_make(meta->text + meta->cursor_at, CURSOR_TEXT_BYTES);
	if ((message->flags & WAL_MESSAGE_WHOLE) != 0)
		return sse_encode_whole(out, id, topic_name(topic), message->payload, text);
	return sse_encode_broadcast(out, id, topic_name(topic), message->event,
								(message->flags & WAL_MESSAGE_BINARY) != 0,
								message->payload, text);
}

/*
 * Append a Phoenix message.
 */
static bool
append_phoenix(Bytes *out, Dialect dialect, const Topic *topic, const WalMessage *message,
			   const MessageMeta *meta)
{
	Slice		none = slice_make(NULL, 0);
	PhxVersion	version = (PhxVersion) dialect;

	if ((message->flags & WAL_MESSAGE_WHOLE) != 0)
		return phx_encode_text(out, version, none, none, topic_full_name(topic),
							   "broadcast", message->payload);
	return phx_encode_broadcast(out, version, topic_full_name(topic), message->event,
								(message->flags & WAL_MESSAGE_BINARY) != 0,
								message->payload, slice_make(meta->text, meta->len));
}

/*
 * Append a frame.
 */
bool
message_frame_append(Bytes *out, Dialect dialect, const Topic *topic,
					 const WalMessage *message, const MessageMeta *meta)
{
	static bool (*const append_as[DIALECTS]) (Bytes *, Dialect, const Topic *,
											  const WalMessage *, const MessageMeta *) = {
		[DIALECT_V1] = append_phoenix,
		[DIALECT_V2] = append_phoenix,
		[DIALECT_EVENTS] = append_sse,
		[DIALECT_EVENTS_BARE] = append_sse,
		[DIALECT_SOCKET_IO] = sio_frame_append
	};

	return append_as[dialect] (out, dialect, topic, message, meta);
}
