/*-------------------------------------------------------------------------
 *
 * wal_record.c
 *	  One realtime message as bytes: written by backends, read by the hub and,
 *	  unchanged, by the gateways.
 *
 * Nothing here knows about the seal that follows a body in the WAL: whoever
 * holds the key checks it (seal.c) before decoding.
 *
 * src/proto/wal_record.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/wal_record.h"

/* Offsets of the fixed part; see the drawing in wal_record.h. */
#define OFF_VERSION 0
#define OFF_KIND 1
#define OFF_FLAGS 2
#define OFF_EVENT_LEN 3
#define OFF_TOPIC_LEN 4
#define OFF_ORIGIN 6
#define OFF_PAYLOAD_LEN 8
#define OFF_INSERTED_AT 12
#define OFF_ID 20
#define OFF_TOP_XID 36
#define OFF_NUMBER 44

StaticAssertDecl(OFF_NUMBER + sizeof(uint32) == WAL_RECORD_HEAD_BYTES,
				 "head of a WAL record has another size");

/*
 * Bytes that the sender takes.
 */
static size_t
sender_bytes(uint8 flags)
{
	return (flags & WAL_MESSAGE_SENDER) != 0 ? MESSAGE_SENDER_BYTES : 0;
}

/*
 * Bytes of the encoded body.
 */
size_t
wal_record_size(const WalMessage *msg)
{
	return WAL_RECORD_HEAD_BYTES + sender_bytes(msg->flags) + msg->topic.len + msg->event.len + msg->payload.len;
}

/*
 * Write the body.  The lengths must be in range already.
 */
void
wal_record_encode(const WalMessage *msg, char *dst)
{
	uint16		topic_len = (uint16) msg->topic.len;
	uint32		payload_len = (uint32) msg->payload.len;
	char	   *p = dst + WAL_RECORD_HEAD_BYTES;

	dst[OFF_VERSION] = WAL_RECORD_VERSION;
	dst[OFF_KIND] = (char) msg->kind;
	dst[OFF_FLAGS] = (char) msg->flags;
	dst[OFF_EVENT_LEN] = (char) (uint8) msg->event.len;
	memcpy(dst + OFF_TOPIC_LEN, &topic_len, sizeof(topic_len));
	memcpy(dst + OFF_ORIGIN, &msg->origin, sizeof(msg->origin));
	memcpy(dst + OFF_PAYLOAD_LEN, &payload_len, sizeof(payload_len));
	memcpy(dst + OFF_INSERTED_AT, &msg->inserted_at, sizeof(msg->inserted_at));
	memcpy(dst + OFF_ID, msg->id, MESSAGE_ID_BYTES);
	memcpy(dst + OFF_TOP_XID, &msg->top_xid, sizeof(msg->top_xid));
	memcpy(dst + OFF_NUMBER, &msg->number, sizeof(msg->number));

	memcpy(p, msg->sender, sender_bytes(msg->flags));
	p += sender_bytes(msg->flags);
	if (msg->topic.len > 0)
		memcpy(p, msg->topic.data, msg->topic.len);
	p += msg->topic.len;
	if (msg->event.len > 0)
		memcpy(p, msg->event.data, msg->event.len);
	p += msg->event.len;
	if (msg->payload.len > 0)
		memcpy(p, msg->payload.data, msg->payload.len);
}

/*
 * Are these the lengths that a message of that kind has?
 */
static bool
lengths_fit(uint8 kind, size_t topic_len, size_t event_len, size_t payload_len)
{
	switch (kind)
	{
		case WAL_MESSAGE_BROADCAST:
			return topic_len > 0 && topic_len <= TOPIC_MAX_BYTES && event_len > 0;
		case WAL_MESSAGE_CAST:
			return topic_len > 0 && topic_len <= TOPIC_MAX_BYTES;
		case WAL_MESSAGE_CHANGE:
			return topic_len + event_len == 0 && payload_len > 0;
		case WAL_MESSAGE_AGENTS_CHANGED:
		case WAL_MESSAGE_TABLES_CHANGED:
		case WAL_MESSAGE_WEBHOOKS:
			return topic_len + event_len + payload_len == 0;
		default:
			return false;
	}
}

/*
 * Are these flags that a message of that kind may have?
 */
static bool
flags_fit(uint8 kind, uint8 flags)
{
	uint8		allowed = WAL_MESSAGE_PRIVATE | WAL_MESSAGE_BINARY;

	if (kind == WAL_MESSAGE_CAST)
		allowed |= WAL_MESSAGE_WHOLE;
	if (kind == WAL_MESSAGE_BROADCAST)
		allowed |= WAL_MESSAGE_CHANNEL | WAL_MESSAGE_USER | WAL_MESSAGE_SENDER |
			WAL_MESSAGE_UNSTORED | WAL_MESSAGE_TYPE_BROADCAST;
	return (flags & ~allowed) == 0;
}

/*
 * Take a body apart; false if it is not one.
 */
bool
wal_record_decode(const char *data, size_t len, WalMessage *msg)
{
	uint16		topic_len;
	uint32		payload_len;
	size_t		event_len;
	size_t		sender_len;

	if (len < WAL_RECORD_HEAD_BYTES ||
		(uint8) data[OFF_VERSION] != WAL_RECORD_VERSION ||
		!flags_fit((uint8) data[OFF_KIND], (uint8) data[OFF_FLAGS]))
		return false;

	event_len = (uint8) data[OFF_EVENT_LEN];
	sender_len = sender_bytes((uint8) data[OFF_FLAGS]);
	memcpy(&topic_len, data + OFF_TOPIC_LEN, sizeof(topic_len));
	memcpy(&payload_len, data + OFF_PAYLOAD_LEN, sizeof(payload_len));
	if (!lengths_fit((uint8) data[OFF_KIND], topic_len, event_len, payload_len) ||
		len - WAL_RECORD_HEAD_BYTES != sender_len + topic_len + event_len + payload_len)
		return false;

	msg->kind = (WalMessageKind) data[OFF_KIND];
	msg->flags = (uint8) data[OFF_FLAGS];
	memcpy(&msg->origin, data + OFF_ORIGIN, sizeof(msg->origin));
	memcpy(&msg->inserted_at, data + OFF_INSERTED_AT, sizeof(msg->inserted_at));
	memcpy(msg->id, data + OFF_ID, MESSAGE_ID_BYTES);
	memcpy(&msg->top_xid, data + OFF_TOP_XID, sizeof(msg->top_xid));
	memcpy(&msg->number, data + OFF_NUMBER, sizeof(msg->number));
	if ((msg->kind == WAL_MESSAGE_BROADCAST) != (msg->number > 0))
		return false;

	data += WAL_RECORD_HEAD_BYTES;
	memset(msg->sender, 0, MESSAGE_SENDER_BYTES);
	memcpy(msg->sender, data, sender_len);
	data += sender_len;
	msg->topic = slice_make(data, topic_len);
	msg->event = slice_make(data + topic_len, event_len);
	msg->payload = slice_make(data + topic_len + event_len, payload_len);
	return true;
}
