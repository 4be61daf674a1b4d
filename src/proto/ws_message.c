/*-------------------------------------------------------------------------
 *
 * ws_message.c
 *	  From a client's byte stream to whole messages, in place.
 *
 * The receive buffer has three parts:
 *
 *		[0 .. message_len)		payload gathered of the message in progress
 *		[message_len .. taken)	garbage: headers, and what was handed out
 *		[taken .. *len)			bytes not looked at
 *
 * A frame that is wholly there, and a whole message, is handed out where it
 * lies.  Only a piece of a larger message moves: once, down to the gathered
 * ones.  The garbage goes when there is nothing left to hand out; at that time
 * the third part is shorter than a control frame, so a buffer full of tiny
 * frames costs time in proportion to its length.
 *
 * Control frames are taken whole or not at all, and never move: the gathered
 * payload of a message that they interleave stays as it is.
 *
 * src/proto/ws_message.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/ws_message.h"

/* Start a connection. */
void
ws_message_init(WsMessageState *state, uint64 max_message)
{
	memset(state, 0, sizeof(*state));
	state->max_message = max_message;
	utf8_init(&state->utf8);
}

/* The verdict on a broken stream. */
static WsEvent
fail(int code, int *close_code)
{
	*close_code = code;
	return WS_FAIL;
}

/*
 * Nothing to hand out: drop the garbage and say how large the buffer should
 * be for what is in progress.
 */
static WsEvent
need_more(WsMessageState *state, char *buf, size_t *len, size_t *want)
{
	size_t		rest = *len - state->taken;

	if (rest > 0 && state->taken > state->message_len)
		memmove(buf + state->message_len, buf + state->taken, rest);
	state->taken = state->message_len;
	*len = state->message_len + rest;

	if (state->in_frame)
		*want = state->message_len +
			(size_t) (state->frame.payload_len - state->frame_done);
	else if (*len > 0)
		*want = state->message_len + WS_MAX_HEADER + WS_MAX_CONTROL;
	else
		*want = 0;
	return WS_NEED_MORE;
}

/*
 * Judge a close frame, RFC 6455 5.5.1 and 7.4; data[0..len) is its payload.
 */
static WsEvent
take_close(const char *data, size_t len, Slice *payload, int *close_code)
{
	int			code;

	if (len == 0)
	{
		*close_code = WS_CLOSE_NORMAL;
		return WS_CLOSE;
	}
	if (len == 1)
		return fail(WS_CLOSE_PROTOCOL_ERROR, close_code);
	code = (uint8) data[0] << 8 | (uint8) data[1];
	if (!ws_close_code_valid(code))
		return fail(WS_CLOSE_PROTOCOL_ERROR, close_code);
	if (!utf8_valid(data + 2, len - 2))
		return fail(WS_CLOSE_INVALID_DATA, close_code);
	*payload = slice_make(data + 2, len - 2);
	*close_code = code;
	return WS_CLOSE;
}

/*
 * Take the control frame whose header of header_len bytes stands at `taken`.
 * WS_NEED_MORE, with nothing changed, if its payload is not complete.
 */
static WsEvent
take_control(WsMessageState *state, const WsFrameHeader *header, int header_len,
			 char *buf, size_t len, Slice *payload, int *close_code)
{
	char	   *data = buf + state->taken + header_len;
	size_t		data_len = (size_t) header->payload_len;

	if (len - state->taken - header_len < data_len)
		return WS_NEED_MORE;
	ws_frame_unmask(data, data_len, header->mask, 0);
	state->taken += header_len + data_len;
	if (header->opcode == WS_OP_CLOSE)
		return take_close(data, data_len, payload, close_code);
	*payload = slice_make(data, data_len);
	return header->opcode == WS_OP_PING ? WS_PING : WS_PONG;
}

/*
 * Begin a data frame.  Returns 0 or the close code it deserves: a continuation
 * of nothing, a new message inside another (RFC 6455 5.4), too many pieces.
 */
static int
begin_frame(WsMessageState *state, const WsFrameHeader *header)
{
	bool		continues = header->opcode == WS_OP_CONTINUATION;

	if (continues != (state->opcode != 0))
		return WS_CLOSE_PROTOCOL_ERROR;
	if (!continues)
	{
		state->opcode = header->opcode;
		state->fragments = 0;
		utf8_init(&state->utf8);
	}
	if (++state->fragments > WS_MAX_FRAGMENTS)
		return WS_CLOSE_POLICY;
	state->frame = *header;
	state->frame_done = 0;
	state->in_frame = true;
	return 0;
}

/*
 * The last byte of a message is there: hand it out and be ready for the next.
 */
static WsEvent
end_message(WsMessageState *state, char *data, size_t len,
			Slice *payload, int *close_code)
{
	bool		text = state->opcode == WS_OP_TEXT;

	if (text && !utf8_complete(&state->utf8))
		return fail(WS_CLOSE_INVALID_DATA, close_code);
	*payload = slice_make(data, len);
	state->opcode = 0;
	state->message_len = 0;
	return text ? WS_TEXT : WS_BINARY;
}

/*
 * Take what is there of the payload of the data frame in progress.
 * WS_NEED_MORE if that does not end a message.
 */
static WsEvent
take_payload(WsMessageState *state, char *buf, size_t len,
			 Slice *payload, int *close_code)
{
	char	   *data = buf + state->taken;
	size_t		data_len = (size_t) Min(state->frame.payload_len - state->frame_done,
										len - state->taken);

	ws_frame_unmask(data, data_len, state->frame.mask, state->frame_done);
	if (state->opcode == WS_OP_TEXT &&
		!utf8_feed(&state->utf8, data, data_len))
		return fail(WS_CLOSE_INVALID_DATA, close_code);
	state->taken += data_len;
	state->frame_done += data_len;
	state->in_frame = state->frame_done < state->frame.payload_len;

	if (state->frame.fin && !state->in_frame && state->message_len == 0)
		return end_message(state, data, data_len, payload, close_code);

	if (data_len > 0 && data != buf + state->message_len)
		memmove(buf + state->message_len, data, data_len);
	state->message_len += data_len;
	if (state->frame.fin && !state->in_frame)
		return end_message(state, buf, state->message_len, payload, close_code);
	return WS_NEED_MORE;
}

/* Take the next event out of buf[0..*len); see ws_message.h. */
WsEvent
ws_message_next(WsMessageState *state, char *buf, size_t *len,
				Slice *payload, int *close_code, size_t *want)
{
	*payload = slice_make(NULL, 0);
	*want = 0;

	for (;;)
	{
		WsFrameHeader header;
		WsEvent		event;
		int			header_len;
		int			code;

		if (!state->in_frame)
		{
			header_len = ws_frame_decode(buf + state->taken, *len - state->taken,
										 state->max_message - state->message_len,
										 &header);
			if (header_len == 0)
				return need_more(state, buf, len, want);
			if (header_len < 0)
				return fail(-header_len, close_code);
			if (header.opcode >= WS_OP_CLOSE)
			{
				event = take_control(state, &header, header_len, buf, *len,
									 payload, close_code);
				return event != WS_NEED_MORE ? event :
					need_more(state, buf, len, want);
			}
			code = begin_frame(state, &header);
			if (code != 0)
				return fail(code, close_code);
			state->taken += header_len;
		}

		event = take_payload(state, buf, *len, payload, close_code);
		if (event != WS_NEED_MORE)
			return event;
		if (state->in_frame)
			return need_more(state, buf, len, want);
	}
}
