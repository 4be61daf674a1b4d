/*-------------------------------------------------------------------------
 *
 * presence_frame.c
 *	  Frames of the bus that carry presence: encode and decode.
 *
 * src/proto/presence_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/presence_frame.h"

#include "proto/jslice.h"
#include "proto/utf8.h"

StaticAssertDecl(sizeof(BusTrack) == 24, "BusTrack is padded");
StaticAssertDecl(sizeof(BusWatch) == 16, "BusWatch is padded");
StaticAssertDecl(sizeof(BusPresent) == 32, "BusPresent is padded");

/*
 * The fixed part of BUS_TRACK.
 */
BusTrack
presence_track_head(uint64 member, TrackOp op, bool is_private, const PresenceParts *parts)
{
	BusTrack	head = {0};

	head.member = member;
	head.op = (uint8) op;
	head.is_private = is_private;
	head.topic_len = (uint16) parts->topic.len;
	head.key_len = (uint16) parts->key.len;
	head.meta_len = (uint32) parts->meta.len;
	return head;
}

/*
 * The fixed part of BUS_PRESENT, without refs.
 */
BusPresent
presence_head(PresenceOp op, bool is_private, const PresenceParts *parts)
{
	BusPresent	head = {0};

	head.op = (uint8) op;
	head.is_private = is_private;
	head.topic_len = (uint16) parts->topic.len;
	head.key_len = (uint16) parts->key.len;
	head.meta_len = (uint32) parts->meta.len;
	return head;
}

/*
 * Copy the fixed part of a body to dst and leave the rest in *rest.
 */
static bool
take_fixed(Slice body, void *dst, size_t size, Slice *rest)
{
	if (body.len < size)
		return false;
	memcpy(dst, body.data, size);
	*rest = slice_make(body.data + size, body.len - size);
	return true;
}

/*
 * Cut the rest of a body into its parts; false unless the lengths fit exactly.
 */
static bool
cut_parts(Slice rest, size_t topic_len, size_t key_len, size_t meta_len, PresenceParts *parts)
{
	if (rest.len != topic_len + key_len + meta_len)
		return false;
	parts->topic = slice_make(rest.data, topic_len);
	parts->key = slice_make(rest.data + topic_len, key_len);
	parts->meta = slice_make(rest.data + topic_len + key_len, meta_len);
	return true;
}

/*
 * Is this the name of a topic?
 */
static bool
topic_valid(Slice topic)
{
	return topic.len >= 1 && topic.len <= TOPIC_MAX_BYTES;
}

/*
 * Are these the parts of a meta that is tracked?
 */
static bool
meta_valid(const PresenceParts *parts)
{
	Slice		key = parts->key;
	Slice		meta = parts->meta;

	return topic_valid(parts->topic) &&
		key.len >= 1 && key.len <= PRESENCE_KEY_MAX_BYTES &&
		utf8_valid(key.data, key.len) && memchr(key.data, '\0', key.len) == NULL &&
		meta.len <= PRESENCE_META_MAX_BYTES &&
		jslice_validate(meta.data, meta.len, NULL) && jslice_type(meta) == JSLICE_OBJECT;
}

/*
 * BUS_TRACK.
 */
bool
presence_decode_track(Slice body, BusTrack *head, PresenceParts *parts)
{
	Slice		rest;

	if (!take_fixed(body, head, sizeof(*head), &rest) ||
		head->reserved != 0 || head->reserved2 != 0 || head->is_private > 1 ||
		!cut_parts(rest, head->topic_len, head->key_len, head->meta_len, parts))
		return false;
	switch (head->op)
	{
		case TRACK_NO_MORE:
			return rest.len == 0;
		case TRACK_META:
			return meta_valid(parts);
		default:
			return false;
	}
}

/*
 * BUS_PRESENT.
 */
bool
presence_decode_present(Slice body, BusPresent *head, PresenceParts *parts)
{
	Slice		rest;
	bool		bare;

	if (!take_fixed(body, head, sizeof(*head), &rest) ||
		head->reserved != 0 || head->reserved2 != 0 || head->is_private > 1 ||
		!cut_parts(rest, head->topic_len, head->key_len, head->meta_len, parts))
		return false;
	bare = topic_valid(parts->topic) && head->key_len == 0 && head->meta_len == 0;
	switch (head->op)
	{
		case PRESENCE_LEAVE:
			return head->ref != 0 && head->prev_ref == 0 && bare;
		case PRESENCE_JOIN:
			return head->ref != 0 && head->prev_ref == 0 && meta_valid(parts);
		case PRESENCE_UPDATE:
			return head->ref != 0 && head->prev_ref != 0 &&
				head->ref != head->prev_ref && meta_valid(parts);
		case PRESENCE_BEGIN:
			return head->ref == 0 && head->prev_ref == 0 && bare;
		default:
			return false;
	}
}

/*
 * BUS_WATCH.
 */
bool
presence_decode_watch(Slice body, BusWatch *head, Slice *topic)
{
	static const uint8 zeros[sizeof(head->reserved)] = {0};

	return take_fixed(body, head, sizeof(*head), topic) &&
		memcmp(head->reserved, zeros, sizeof(zeros)) == 0 &&
		head->add <= 1 && head->is_private <= 1 && topic_valid(*topic);
}

/*
 * BUS_WATCHED and BUS_TRACK_REFUSED.
 */
bool
presence_decode_number(Slice body, uint64 *number)
{
	if (body.len != sizeof(*number))
		return false;
	memcpy(number, body.data, sizeof(*number));
	return true;
}
