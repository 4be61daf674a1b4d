/*-------------------------------------------------------------------------
 *
 * sio_frame.c
 *	  A message as the Socket.IO event that clients get.
 *
 * insforge-oaura.md 1.4.  The event is the message's own, so what anybody sends
 * under the name of an event of the connection, the channel or the presence is
 * not told: some of these names make clients give up the connection, and others
 * would be forgeries.
 *
 * src/gateway/sio_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_stats.h"
#include "gateway/replies.h"
#include "gateway/sio_frame.h"
#include "program/loop.h"
#include "proto/iso_time.h"
#include "proto/socket_io.h"
#include "proto/uuid.h"

static Bytes meta_json;			/* being put together */
static Bytes event_name;		/* of a message that came as a whole */

/*
 * May a client publish it?
 */
bool
sio_event_is_free(Slice name)
{
	return !socket_io_is_reserved(name) &&
		!slice_has_prefix(name, SLICE_LIT("realtime:")) &&
		!slice_has_prefix(name, SLICE_LIT("presence:")) &&
		!slice_has_prefix(name, SLICE_LIT("phx_"));
}

/*
 * Append a UUID as a string.
 */
static void
append_uuid(Bytes *out, const uint8 *uuid)
{
	char		text[UUID_TEXT_LENGTH];

	uuid_write(uuid, text);
	bytes_append_byte(out, '"');
	bytes_append(out, text, sizeof(text));
	bytes_append_byte(out, '"');
}

/*
 * The time of this turn, which is that of delivery.
 */
static Slice
time_of_turn(void)
{
	static char text[ISO_TIME_BYTES];
	static int64 written = -1;

	if (written != loop_wall)
		iso_time_write(loop_wall, text);
	written = loop_wall;
	return slice_make(text, sizeof(text));
}

/*
 * Begin with the channel, and end with the time.
 */
static void
meta_begin(Bytes *out, Slice channel)
{
	bytes_append_cstr(out, "{\"channel\":");
	jslice_append_string(out, channel);
	bytes_append_cstr(out, ",\"messageId\":");
}

static void
append_time(Bytes *out)
{
	bytes_append_cstr(out, ",\"timestamp\":\"");
	bytes_append_slice(out, time_of_turn());
	bytes_append_byte(out, '"');
}

/*
 * Append an id for what is stored nowhere.
 */
static void
append_new_id(Bytes *out)
{
	uint8		id[UUID_BYTES];

	if (uuid_make_v7(id, loop_wall))
		append_uuid(out, id);
	else
		out->failed = true;
}

/*
 * What the server says about itself.
 */
void
sio_meta_of_server(Bytes *out, Slice channel)
{
	meta_begin(out, channel);
	append_new_id(out);
	bytes_append_cstr(out, ",\"senderType\":\"system\"");
	append_time(out);
	bytes_append_byte(out, '}');
}

/*
 * What a message says about itself.  What a client broadcasts is a user's, and
 * nobody knows whose.
 */
static void
build_meta(const Topic *topic, const WalMessage *message, const MessageMeta *meta)
{
	bool		is_cast = message->kind == WAL_MESSAGE_CAST;
	bool		by_user = is_cast || (message->flags & WAL_MESSAGE_USER) != 0;

	scratch_reset(&meta_json);
	meta_begin(&meta_json, topic_name(topic));
	if (is_cast)
		append_new_id(&meta_json);
	else
		append_uuid(&meta_json, message->id);
	bytes_append_cstr(&meta_json, by_user ? ",\"senderType\":\"user\"" :
					  ",\"senderType\":\"system\"");
	if (!is_cast && (message->flags & WAL_MESSAGE_SENDER) != 0)
	{
		bytes_append_cstr(&meta_json, ",\"senderId\":");
		append_uuid(&meta_json, message->sender);
	}
	append_time(&meta_json);
	if (meta->cursor_at > 0)
	{
		bytes_append_cstr(&meta_json, ",\"cursor\":\"");
		bytes_append(&meta_json, meta->text + meta->cursor_at, CURSOR_TEXT_BYTES);
		bytes_append_byte(&meta_json, '"');
	}
	if (meta->from_history)
		bytes_append_cstr(&meta_json, ",\"replayed\":true");
	if (!is_cast && (message->flags & WAL_MESSAGE_TYPE_BROADCAST) != 0)
		bytes_append_cstr(&meta_json, ",\"type\":\"broadcast\"");
	bytes_append_byte(&meta_json, '}');
}

/*
 * Take a broadcast apart that came as the whole payload of a Phoenix message.
 * False if it is no event.
 */
static bool
take_whole(Slice whole, SocketIoMessage *event)
{
	scratch_reset(&event_name);
	if (!jslice_unescape(jslice_get(whole, "event"), &event_name))
		return false;
	event->event = bytes_slice(&event_name);
	event->payload = jslice_get(whole, "payload");
	if (event->payload.len == 0)
		event->payload = SLICE_LIT("{}");
	return true;
}

/*
 * Append a message.
 */
bool
sio_frame_append(Bytes *out, Dialect dialect, const Topic *topic, const WalMessage *message,
				 const MessageMeta *meta)
{
	SocketIoMessage event = {
		.event = message->event,
		.payload = message->payload,
		.is_binary = (message->flags & WAL_MESSAGE_BINARY) != 0
	};

	if ((message->flags & WAL_MESSAGE_WHOLE) != 0 && message->kind == WAL_MESSAGE_CAST &&
		!take_whole(message->payload, &event))
		return !event_name.failed;
	if (!sio_event_is_free(event.event))
	{
		STAT_INC(BUS_STAT_RESERVED_EVENTS);
		return true;
	}
	build_meta(topic, message, meta);
	event.meta = bytes_slice(&meta_json);
	return !meta_json.failed && socket_io_encode_message(out, &event);
}
