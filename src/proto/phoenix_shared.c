/*-------------------------------------------------------------------------
 *
 * phoenix_shared.c
 *	  Text messages to many clients whose payload is one and the same.
 *
 * The head is what phx_encode_text() makes of a message without payload, with
 * the tail cut off and a length in the WebSocket header that counts both.
 *
 * src/proto/phoenix_shared.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/phoenix_shared.h"

#include "proto/ws_frame.h"

/*
 * What follows the payload.
 */
Slice
phx_shared_tail(PhxVersion version)
{
	return version == PHX_V2 ? SLICE_LIT("]") : SLICE_LIT(",\"ref\":null}");
}

/*
 * Encode a message without payload, then give it the header of the whole one.
 */
bool
phx_encode_shared_head(Bytes *out, PhxVersion version, Slice join_ref,
					   Slice topic, const char *event, size_t payload_len)
{
	Slice		none = {NULL, 0};
	size_t		start = out->len;
	size_t		tail = phx_shared_tail(version).len;
	size_t		len;
	size_t		envelope;
	int			old;			/* bytes of the header, before */
	int			new;			/* and after */

	if (!phx_encode_text(out, version, join_ref, none, topic, event, none))
		return false;
	len = out->len - start;
	old = ws_frame_header_size(len - 2);
	if (old != 2)
		old = ws_frame_header_size(len - old);
	envelope = len - old;
	new = ws_frame_header_size(envelope + payload_len);
	if (!bytes_reserve(out, WS_MAX_SERVER_HEADER))
	{
		out->len = start;
		return false;
	}
	memmove(out->data + start + new, out->data + start + old, envelope - tail);
	ws_frame_header(out->data + start, WS_OP_TEXT, envelope + payload_len);
	out->len = start + new + envelope - tail;
	return true;
}
