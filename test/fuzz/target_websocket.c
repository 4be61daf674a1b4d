/*-------------------------------------------------------------------------
 *
 * target_websocket.c
 *	  What clients send on a WebSocket: frames, and the messages made of them.
 *
 *	  input   kind | limit | cuts | bytes of the stream
 *
 * The same bytes, whole, cut at the places that the input says and cut
 * everywhere, are the same events; and these are the ones that a reader which
 * knows nothing of pieces sees.
 *
 * test/fuzz/target_websocket.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "proto/ws_message.h"
#include "reference.h"

/* Most events of a stream: the shortest frame, and a last failure. */
#define MAX_EVENTS(bytes) ((bytes) / 6 + 1)

typedef struct Event
{
	WsEvent		kind;
	int			close_code;
	Slice		payload;		/* a copy */
} Event;

/* What became of a stream. */
typedef struct Events
{
	size_t		n;
	size_t		max;
	Event		event[FLEXIBLE_ARRAY_MEMBER];
} Events;

/* A stream that nobody cuts, as RFC 6455 section 5 reads. */
typedef struct Naive
{
	Slice		rest;
	uint64		max_message;
	int			opcode;			/* of the message in progress, 0 = none */
	Bytes	   *message;
	Events	   *events;
} Naive;

/* None yet, and room for those of a stream. */
static Events *
no_events(Slice stream)
{
	size_t		max = MAX_EVENTS(stream.len);
	Events	   *events = fuzz_alloc(offsetof(Events, event) + max * sizeof(Event));

	events->max = max;
	return events;
}

static void
add_event(Events *events, WsEvent kind, int close_code, Slice payload)
{
	Event	   *event = &events->event[events->n];

	must(events->n < events->max);
	event->kind = kind;
	event->close_code = close_code;
	event->payload = fuzz_exact(payload);
	events->n++;
}

static bool
naive_fail(Naive *naive, int code)
{
	add_event(naive->events, WS_FAIL, code, slice_make(NULL, 0));
	return false;
}

/* A close frame ends it. */
static bool
naive_close(Naive *naive, Slice payload)
{
	int			code = WS_CLOSE_NORMAL;

	if (payload.len == 1)
		return naive_fail(naive, 1002);
	if (payload.len >= 2)
	{
		code = (uint8) payload.data[0] * 256 + (uint8) payload.data[1];
		if (code < 1000 || code >= 5000 || (code > 1003 && code < 1007) ||
			(code > 1014 && code < 3000))
			return naive_fail(naive, 1002);
		payload = slice_make(payload.data + 2, payload.len - 2);
		if (ref_utf8(payload) != REF_UTF8_WHOLE)
			return naive_fail(naive, 1007);
	}
	add_event(naive->events, WS_CLOSE, code, payload);
	return false;
}

/*
 * The payload of a data frame, of which `len` bytes are there.  False if that is
 * the end of it all.
 */
static bool
naive_data(Naive *naive, bool fin, uint64 payload_len, Slice there)
{
	bool		chars = naive->opcode == WS_OP_TEXT;

	bytes_append_slice(naive->message, there);
	if (chars && ref_utf8(bytes_slice(naive->message)) == REF_UTF8_BAD)
		return naive_fail(naive, 1007);
	if (there.len < payload_len)
		return false;
	if (!fin)
		return true;
	if (chars && ref_utf8(bytes_slice(naive->message)) != REF_UTF8_WHOLE)
		return naive_fail(naive, 1007);
	add_event(naive->events, chars ? WS_TEXT : WS_BINARY, 0, bytes_slice(naive->message));
	naive->opcode = 0;
	naive->message->len = 0;
	return true;
}

/*
 * One frame; false if that was the last thing that can be said of the stream.
 */
static bool
naive_frame(Naive *naive)
{
	const uint8 *p = (const uint8 *) naive->rest.data;
	size_t		have = naive->rest.len;
	size_t		head = 2;
	uint64		len;
	int			opcode;
	char	   *payload;
	Slice		there;

	if (have == 0)
		return false;
	opcode = p[0] & 15;
	if ((p[0] & 0x70) != 0 || (opcode > 2 && opcode < 8) || opcode > 10 ||
		(opcode >= 8 && p[0] < 0x80))
		return naive_fail(naive, 1002);
	if (have < 2)
		return false;
	if (p[1] < 0x80 || (opcode >= 8 && p[1] > 0x80 + 125))
		return naive_fail(naive, 1002);
	len = p[1] & 0x7F;
	if (len >= 126)
	{
		head += len == 126 ? 2 : 8;
		if (have < head)
			return false;
		len = 0;
		for (size_t i = 2; i < head; i++)
			len = len * 256 + p[i];
		if (len < 126 || (head == 10 && len < 65536) || len >> 63 != 0)
			return naive_fail(naive, 1002);
	}
	if (opcode < 8 && len > naive->max_message - naive->message->len)
		return naive_fail(naive, 1009);
	if (have < head + 4)
		return false;

	there = slice_make(naive->rest.data + head + 4, Min(len, have - head - 4));
	payload = fuzz_alloc(there.len + 1);
	for (size_t i = 0; i < there.len; i++)
		payload[i] = (char) (there.data[i] ^ p[head + i % 4]);
	there.data = payload;
	if (opcode >= 8 && there.len < len)
		return false;
	naive->rest = slice_make(naive->rest.data + head + 4 + there.len, have - head - 4 - there.len);

	if (opcode == WS_OP_CLOSE)
		return naive_close(naive, there);
	if (opcode >= 8)
	{
		add_event(naive->events, opcode == WS_OP_PING ? WS_PING : WS_PONG, 0, there);
		return true;
	}
	if ((opcode == 0) != (naive->opcode != 0))
		return naive_fail(naive, 1002);
	if (opcode != 0)
		naive->opcode = opcode;
	return naive_data(naive, p[0] >= 0x80, len, there);
}

/* Take what is in the buffer; false at the end of the connection. */
static bool
drain(WsMessageState *state, char *buf, size_t *len, Events *events)
{
	for (;;)
	{
		size_t		before = *len;
		Slice		payload;
		int			close_code = 0;
		size_t		want;
		WsEvent		event = ws_message_next(state, buf, len, &payload, &close_code, &want);

		must(*len <= before && lies_in(payload, slice_make(buf, before)));
		if (event == WS_NEED_MORE)
		{
			must(state->taken == state->message_len && state->message_len <= *len);
			must(state->message_len <= state->max_message);
			must(want <= state->max_message + WS_MAX_HEADER + WS_MAX_CONTROL);
			/* the gathered, and less than a control frame */
			must(*len - state->message_len < WS_MAX_HEADER + WS_MAX_CONTROL);
			return true;
		}
		must(*len == before);
		add_event(events, event, close_code, payload);
		if (event == WS_CLOSE || event == WS_FAIL)
			return false;
	}
}

/*
 * Read a stream in pieces.  The buffer is never longer than its contents.
 */
static Events *
read_stream(Slice stream, Cuts cuts, uint64 max_message)
{
	Events	   *events = no_events(stream);
	WsMessageState state;
	Slice		held = slice_make(NULL, 0);

	ws_message_init(&state, max_message);
	while (stream.len > 0)
	{
		size_t		n = cuts_next(&cuts, stream.len);
		size_t		len = held.len + n;
		char	   *buf = fuzz_alloc(len);

		if (held.len > 0)
			memcpy(buf, held.data, held.len);
		memcpy(buf + held.len, stream.data, n);
		stream = slice_make(stream.data + n, stream.len - n);
		if (!drain(&state, buf, &len, events))
			break;
		held = slice_make(buf, len);
	}
	return events;
}

static void
same_events(const Events *a, const Events *b)
{
	must(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
	{
		must(a->event[i].kind == b->event[i].kind);
		must(a->event[i].close_code == b->event[i].close_code);
		must(slice_equals(a->event[i].payload, b->event[i].payload));
	}
}

/* Streams of clients. */
static void
check_stream(Slice input)
{
	uint64		max_message = (uint64) input_byte(&input) * 16;
	Cuts		cuts = input_cuts(&input);
	Naive		naive = {input, max_message};
	Events	   *events;

	naive.message = fuzz_bytes();
	naive.events = no_events(input);
	while (naive_frame(&naive))
		;
	events = read_stream(input, cuts, max_message);
	same_events(naive.events, events);
	same_events(events, read_stream(input, CUTS_BYTEWISE, max_message));
}

/* Frames of ours, and masks. */
static void
check_frames(Slice input)
{
	uint64		len = input_number(&input, 8) >> (input_byte(&input) % 64);
	uint8		opcode = input_byte(&input) & 15;
	size_t		cut = input_byte(&input);
	uint8		mask[4];
	int			size = ws_frame_header_size(len);
	char	   *head = fuzz_alloc(size);
	char	   *data;
	Slice		payload;
	Slice		frame;

	must(size <= WS_MAX_SERVER_HEADER && ws_frame_header(head, opcode, len) == size);
	if (len <= input.len)
	{
		Bytes	   *whole = fuzz_bytes();

		must(bytes_append(whole, head, size) && bytes_append(whole, input.data, len));
		frame = exact_bytes(whole);
		must(ref_only_frame(frame, opcode, &payload) && payload.len == len);
	}

	for (int i = 0; i < 4; i++)
		mask[i] = input_byte(&input);
	data = unconstify(char *, fuzz_exact(input).data);
	cut = Min(cut, input.len);
	ws_frame_unmask(data, cut, mask, 0);
	if (input.len > cut)
		ws_frame_unmask(data + cut, input.len - cut, mask, cut);
	for (size_t i = 0; i < input.len; i++)
		must(data[i] == (char) (input.data[i] ^ mask[i % 4]));
}

void
fuzz_websocket(Slice input)
{
	if (input_byte(&input) % 4 == 3)
		check_frames(input);
	else
		check_stream(input);
}
