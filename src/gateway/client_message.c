/*-------------------------------------------------------------------------
 *
 * client_message.c
 *	  A Phoenix message of a client, whichever encoding it came in.
 *
 * Refs are opaque JSON values that go back as they came; those of a binary
 * push, which are plain bytes, become the JSON strings that replies want.
 *
 * src/gateway/client_message.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/channels.h"
#include "gateway/client_message.h"
#include "gateway/replies.h"

static Bytes names;				/* decoded strings of the message at hand */

/*
 * Make *ref, plain bytes of a binary push, the JSON string that replies want.
 */
static bool
quote_ref(Slice *ref)
{
	size_t		start = names.len;

	if (ref->len == 0)
		return true;
	if (!jslice_append_string(&names, *ref))
		return false;
	*ref = slice_make(names.data + start, names.len - start);
	return true;
}

/*
 * Fill in the fields of a binary push.
 */
static bool
prepare_push(const PhxMessage *phx, ClientMessage *msg)
{
	/* slices into `names` must not move: a byte becomes six at most */
	if (!bytes_reserve(&names, (phx->join_ref.len + phx->ref.len) * 6 + 4))
		return false;
	msg->topic = phx->topic;
	msg->event = phx->event;
	return quote_ref(&msg->join_ref) && quote_ref(&msg->ref);
}

/*
 * Fill in the fields of a text message.
 */
static bool
prepare_text(const PhxMessage *phx, ClientMessage *msg)
{
	size_t		topic_len;

	/* unescaping never makes a string longer */
	if (!bytes_reserve(&names, phx->topic.len + phx->event.len) ||
		!jslice_unescape(phx->topic, &names))
		return false;
	topic_len = names.len;
	if (!jslice_unescape(phx->event, &names))
		return false;
	msg->topic = slice_make(names.data, topic_len);
	msg->event = slice_make(names.data + topic_len, names.len - topic_len);
	return true;
}

/*
 * Decode the encoding; the rest is the same for all of them.
 */
static bool
decode(PhxVersion version, Slice data, bool binary, ClientMessage *msg)
{
	PhxMessage	phx;
	const char *error;

	if (binary ?
		version == PHX_V1 || !phx_decode_binary(data, &phx, &error) :
		!phx_decode_text(version, data, &phx, &error))
		return false;
	msg->is_push = phx.is_push;
	msg->join_ref = phx.join_ref;
	msg->ref = phx.ref;
	msg->payload = phx.payload;
	msg->metadata = phx.is_push ? phx.metadata : slice_make(NULL, 0);
	msg->is_binary = phx.is_push && phx.encoding == PHX_ENCODING_BINARY;
	return binary ? prepare_push(&phx, msg) : prepare_text(&phx, msg);
}

/*
 * Decode a message.
 */
bool
client_message_decode(PhxVersion version, Slice data, bool binary, ClientMessage *msg)
{
	scratch_reset(&names);
	if (!decode(version, data, binary, msg))
		return false;
	/* a ref is kept with its channel and comes back in every reply */
	if (msg->join_ref.len > JOIN_REF_MAX || msg->ref.len > JOIN_REF_MAX)
		return false;
	msg->name = NO_REF;
	msg->hash = 0;
	if (slice_has_prefix(msg->topic, SLICE_LIT(TOPIC_PREFIX)))
	{
		msg->name = slice_make(msg->topic.data + TOPIC_PREFIX_LEN,
							   msg->topic.len - TOPIC_PREFIX_LEN);
		if (msg->name.len <= TOPIC_MAX_BYTES)
			msg->hash = topics_hash(msg->name);
	}
	return true;
}
