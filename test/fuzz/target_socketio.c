/*-------------------------------------------------------------------------
 *
 * target_socketio.c
 *	  Socket.IO packets, and Engine.IO packets on a WebSocket or as bodies of
 *	  requests that poll.
 *
 *	  input   kind | what that takes
 *
 * test/fuzz/target_socketio.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "proto/engine_io.h"
#include "proto/engine_payload.h"
#include "proto/event_name.h"
#include "proto/socket_io.h"
#include "reference.h"

#define MAX_FRAMES 16

/* The Socket.IO packet in the one frame that was encoded. */
static Slice
told(Slice frame)
{
	Slice		chars;
	EngineType	type;
	Slice		data;

	must(ref_only_frame(frame, WS_OP_TEXT, &chars));
	must(engine_decode(chars, &type, &data) && type == ENGINE_MESSAGE);
	return fuzz_exact(data);
}

/* Has the data the shape of its type? */
static void
check_shape(const SocketIoPacket *packet)
{
	JsliceType	type = jslice_type(packet->data);

	must(packet->data.len == 0 || ref_json(packet->data));
	switch (packet->type)
	{
		case SOCKET_IO_EVENT:
		case SOCKET_IO_BINARY_EVENT:
			must(type == JSLICE_ARRAY);
			must(slice_equals(packet->name, jslice_at(packet->data, 0)));
			must(slice_equals(packet->argument, jslice_at(packet->data, 1)));
			must(jslice_type(packet->name) == JSLICE_NUMBER ||
				 !(jslice_string_equals(packet->name, SLICE_LIT("connect")) ||
				   jslice_string_equals(packet->name, SLICE_LIT("disconnecting"))));
			break;
		case SOCKET_IO_ACK:
		case SOCKET_IO_BINARY_ACK:
			must(type == JSLICE_ARRAY);
			break;
		case SOCKET_IO_CONNECT:
			must(type == JSLICE_NONE || type == JSLICE_OBJECT);
			break;
		case SOCKET_IO_DISCONNECT:
			must(type == JSLICE_NONE);
			break;
		case SOCKET_IO_CONNECT_ERROR:
			must(type == JSLICE_STRING || type == JSLICE_OBJECT);
			break;
	}
}

/* Written down again it is the same packet. */
static void
check_again(const SocketIoPacket *packet)
{
	Bytes	   *chars = fuzz_bytes();
	SocketIoPacket again;
	const char *error = NULL;

	bytes_append_byte(chars, (uint8) packet->type);
	if (packet->type == SOCKET_IO_BINARY_EVENT || packet->type == SOCKET_IO_BINARY_ACK)
		bytes_printf(chars, "%u-", packet->attachments);
	bytes_append_slice(chars, packet->space);
	bytes_append_byte(chars, ',');
	bytes_append_slice(chars, packet->ack);
	must(bytes_append_slice(chars, packet->data));
	must(socket_io_decode(exact_bytes(chars), &again, &error));
	must(again.type == packet->type && again.attachments == packet->attachments);
	must(slice_equals(again.space, packet->space) && slice_equals(again.ack, packet->ack));
	must(slice_equals(again.data, packet->data) && slice_equals(again.name, packet->name));
}

/* Attachments in the place of placeholders leave JSON JSON. */
static void
check_fill(const SocketIoPacket *packet)
{
	static const Slice some[] = {{"\0\x7f\xff", 3}, {NULL, 0}, {"a", 1}};
	Slice	   *attachments = fuzz_alloc(packet->attachments * sizeof(Slice));
	Bytes	   *out = fuzz_bytes();

	for (uint32 i = 0; i < packet->attachments; i++)
		attachments[i] = some[i % lengthof(some)];
	if (!socket_io_fill(packet->data, attachments, packet->attachments, out))
		return;
	must(packet->data.len == 0 || ref_json(exact_bytes(out)));
	if (memmem(packet->data.data, packet->data.len, "_placeholder", 12) == NULL)
		must(slice_equals(bytes_slice(out), packet->data));
}

/* The answers that a packet may get. */
static void
check_answers(const SocketIoPacket *packet)
{
	Bytes	   *out = fuzz_bytes();
	SocketIoPacket answer;
	const char *error = NULL;
	Slice		argument = packet->argument.len > 0 ? packet->argument : SLICE_LIT("null");
	Slice		frame;

	must(socket_io_encode_ack(out, packet->ack, argument));
	frame = exact_bytes(out);
	must(socket_io_decode(told(frame), &answer, &error) && answer.type == SOCKET_IO_ACK);
	must(slice_equals(answer.ack, packet->ack));
	must(slice_equals(jslice_at(answer.data, 0), jslice_trim(argument)));

	/* in two pieces it is the same bytes */
	out->len = 0;
	must(socket_io_encode_ack_head(out, packet->ack, SLICE_LIT("{\"a\":"), argument.len + 2));
	must(bytes_append_slice(out, argument) && bytes_append_cstr(out, "}]"));
	must(socket_io_decode(told(bytes_slice(out)), &answer, &error));
	must(slice_equals(jslice_get(jslice_at(answer.data, 0), "a"), jslice_trim(argument)));

	out->len = 0;
	must(socket_io_encode_connect_error(out, packet->space, "no \"way\"", argument));
	must(socket_io_decode(told(bytes_slice(out)), &answer, &error));
	must(answer.type == SOCKET_IO_CONNECT_ERROR && slice_equals(answer.space, packet->space));

	out->len = 0;
	must(socket_io_encode_event(out, "an event", argument));
	must(socket_io_decode(told(bytes_slice(out)), &answer, &error));
	must(slice_equals(answer.argument, jslice_trim(argument)));
}

static void
check_packet(Slice chars)
{
	SocketIoPacket packet;
	const char *error = NULL;

	if (!socket_io_decode(chars, &packet, &error))
	{
		must(error != NULL);
		return;
	}
	must(lies_in(packet.ack, chars) && lies_in(packet.data, chars));
	must(packet.space.len >= 1 && packet.space.data[0] == '/' && !has_byte(packet.space, ','));
	must(packet.attachments <= SOCKET_IO_MAX_ATTACHMENTS && packet.ack.len <= SOCKET_IO_MAX_ACK);
	check_shape(&packet);
	check_again(&packet);
	check_fill(&packet);
	check_answers(&packet);
}

/*
 * A message of a channel: the argument has what was published, and meta.
 */
static void
check_message(Slice input)
{
	SocketIoMessage message;
	SocketIoPacket packet;
	const char *error = NULL;
	Bytes	   *out = fuzz_bytes();
	Slice		rest;
	Slice		frame;
	uint8		opcode;

	message.is_binary = input_byte(&input) & 1;
	message.event = input_line(&input);
	message.meta = input_line(&input);
	message.payload = fuzz_exact(input);
	if (ref_utf8(message.event) != REF_UTF8_WHOLE || has_byte(message.event, '\0') ||
		event_name_is_reserved(message.event) || !ref_json_object(message.meta) ||
		(!message.is_binary && !ref_json(message.payload)))
		return;
	must(!socket_io_is_reserved(message.event));
	must(socket_io_encode_message(out, &message));
	rest = exact_bytes(out);
	must(ref_server_frame(&rest, &opcode, &frame) && opcode == WS_OP_TEXT);
	must((rest.len > 0) == message.is_binary);
	must(socket_io_decode(told(slice_make(bytes_slice(out).data, out->len - rest.len)), &packet, &error));
	must(jslice_string_equals(packet.name, message.event) && jslice_type(packet.argument) == JSLICE_OBJECT);
	if (message.is_binary)
	{
		must(packet.type == SOCKET_IO_BINARY_EVENT && packet.attachments == 1);
		must(ref_only_frame(rest, WS_OP_BINARY, &frame) && slice_equals(frame, message.payload));
	}
	else if (jslice_type(message.payload) == JSLICE_OBJECT)
	{
		JsliceIter	it;
		Slice		key;
		Slice		value;
		Slice		meta;

		meta = jslice_get(packet.argument, "meta");
		must(slice_equals(meta, jslice_trim(message.meta)));
		jslice_iter_init(&it, message.payload);
		while (jslice_iter_next(&it, &key, &value))
		{
			Bytes	   *name = fuzz_bytes();

			must(jslice_unescape(key, name));
			if (!slice_equals(bytes_slice(name), SLICE_LIT("meta")))
				must(slice_equals(jslice_get(packet.argument, fuzz_cstr(bytes_slice(name))),
								  jslice_get(message.payload, fuzz_cstr(bytes_slice(name)))));
		}
	}
	else
		must(slice_equals(jslice_get(packet.argument, "payload"), jslice_trim(message.payload)) &&
			 jslice_bool(jslice_get(jslice_get(packet.argument, "meta"), "wrapped"), false));
}

/* What a session writes: frames, where each begins, and the packets of them. */
typedef struct Script
{
	Bytes	   *frames;
	size_t		nframes;
	size_t		start[MAX_FRAMES + 1];
	Slice		packet[MAX_FRAMES]; /* as it is polled */
	bool		closes;
} Script;

/* Base64, by the book (RFC 4648 4). */
static void
naive_base64(Bytes *out, Slice bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t bit = 0; bit < bytes.len * 8; bit += 6)
	{
		int			digit = 0;

		for (size_t b = bit; b < bit + 6; b++)
			digit = digit << 1 | (b / 8 < bytes.len ? (uint8) bytes.data[b / 8] >> (7 - b % 8) & 1 : 0);
		bytes_append_byte(out, digits[digit]);
	}
	while (!out->failed && out->len % 4 != 1)	/* the "b" in front */
		bytes_append_byte(out, '=');
}

/* Make one of the input. */
static void
write_script(Slice *input, Script *script)
{
	script->frames = fuzz_bytes();
	while (script->nframes < MAX_FRAMES && input->len > 0 && !script->closes)
	{
		uint8		kind = input_byte(input) % 8;
		uint8		opcode = kind == 7 ? WS_OP_CLOSE : kind >= 4 ? WS_OP_BINARY : WS_OP_TEXT;
		Slice		data = input_bytes(input, kind == 3 ? input_number(input, 2) : input_byte(input) % 16);
		Bytes	   *packet = fuzz_bytes();
		char		head[WS_MAX_SERVER_HEADER];

		bytes_append(script->frames, head, ws_frame_header(head, opcode, data.len));
		must(bytes_append_slice(script->frames, data));
		if (opcode == WS_OP_CLOSE)
		{
			bytes_append_byte(packet, ENGINE_CLOSE);
			script->closes = true;
		}
		else if (opcode == WS_OP_BINARY)
		{
			bytes_append_byte(packet, 'b');
			naive_base64(packet, data);
		}
		else
			bytes_append_slice(packet, data);
		must(!packet->failed);
		script->packet[script->nframes++] = bytes_slice(packet);
		script->start[script->nframes] = script->frames->len;
	}
}

/* The packets of the frames from .. to - 1 as one body. */
static Slice
naive_body(const Script *script, size_t from, size_t to)
{
	Bytes	   *body = fuzz_bytes();

	for (size_t i = from; i < to; i++)
	{
		/*
		 * nothing stands before a packet that is the first, or follows empty
		 * ones
		 */
		if (body->len > 0)
			bytes_append_byte(body, '\x1e');
		bytes_append_slice(body, script->packet[i]);
	}
	must(!body->failed);
	return bytes_slice(body);
}

/* Have a session's frames polled, with the pieces and limits of the input. */
static void
check_polling(Slice input)
{
	size_t		max = (size_t) input_byte(&input) + 1;
	Cuts		cuts = input_cuts(&input);
	bool		cuts_short = input_byte(&input) & 1;
	Script	   *script = fuzz_alloc(sizeof(Script));
	EnginePayload *payload = fuzz_alloc(sizeof(EnginePayload));
	Bytes	   *packets = fuzz_bytes();
	size_t		at = 0;
	size_t		first = 0;

	write_script(&input, script);
	while (at < script->frames->len)
	{
		size_t		n = cuts_next(&cuts, script->frames->len - at);
		Slice		piece = fuzz_exact(slice_make(script->frames->data + at, n));
		size_t		taken;
		size_t		last;

		payload->packets = *packets;
		taken = engine_payload_add(payload, piece.data, piece.len, max);
		*packets = payload->packets;
		must(!packets->failed && taken <= n);
		at += taken;
		if (taken == n && !(cuts_short && (cuts.next & 3) == 0))
			continue;

		/* the response goes out: what is not whole comes with the next one */
		taken = engine_payload_cut(payload);
		*packets = payload->packets;
		must(taken <= at);
		at -= taken;
		for (last = first; script->start[last] < at; last++)
			;
		must(script->start[last] == at);
		must(slice_equals(bytes_slice(packets), naive_body(script, first, last)));
		if (payload->closed)
		{
			must(script->closes && at == script->frames->len);
			return;
		}
		if (last == first)
		{
			/* no frame fits between two cuts: enough of that */
			return;
		}
		first = last;
		packets->len = 0;
		memset(payload, 0, sizeof(*payload));
	}
	must(slice_equals(bytes_slice(packets), naive_body(script, first, script->nframes)));
	must(payload->closed == script->closes);
}

/* What clients send when they poll. */
static void
check_body(Slice body)
{
	Slice		rest = body;
	size_t		packets = 1;
	size_t		n = 0;

	for (size_t i = 0; i < body.len; i++)
		packets += body.data[i] == '\x1e';
	do
	{
		Slice		packet = engine_payload_next(&rest);
		Bytes	   *out = fuzz_bytes();
		Bytes	   *again = fuzz_bytes();
		EngineType	type;
		Slice		data;

		n++;
		must(lies_in(packet, body) && lies_in(rest, body) && !has_byte(packet, '\x1e'));
		if (engine_payload_is_binary(packet))
		{
			if (engine_payload_decode(fuzz_exact(packet), out))
			{
				/* but for the spare bits of the last digit it is that text */
				bytes_append_byte(again, 'b');
				naive_base64(again, bytes_slice(out));
				must(!again->failed && again->len == packet.len);
				for (size_t i = 0; i < packet.len; i++)
					must(again->data[i] == packet.data[i] ||
						 (again->data[i] != '=' && packet.data[i] != '=' &&
						  (i + 1 == packet.len || again->data[i + 1] == '=')));
			}
		}
		else if (engine_decode(packet, &type, &data))
			must(packet.data[0] == (char) type && data.len == packet.len - 1);
		if (packet.len + rest.len == 0)
			break;
	} while (rest.len > 0);
	must(n == packets || (body.len > 0 && body.data[body.len - 1] == '\x1e' && n == packets - 1));
}

/* Ids, handshakes, and packets that are nothing but a type. */
static void
check_session(Slice input)
{
	EngineHandshake handshake = {0};
	Bytes	   *out = fuzz_bytes();
	uint32		slot = input_byte(&input);
	char		sid[ENGINE_SID_LENGTH];
	Slice		chars;
	EngineType	type;
	Slice		data;

	must(engine_sid_make(sid, slot) && engine_sid_slot(slice_make(sid, sizeof(sid))) == (int) slot);
	handshake.sid = sid;
	handshake.can_upgrade = input_byte(&input) & 1;
	handshake.ping_interval = (int64) input_number(&input, 8);
	handshake.ping_timeout = (int64) input_number(&input, 8);
	handshake.max_payload = (int64) input_number(&input, 8);
	must(engine_encode_open(out, &handshake));
	must(ref_only_frame(bytes_slice(out), WS_OP_TEXT, &chars));
	must(engine_decode(chars, &type, &data) && type == ENGINE_OPEN && ref_json_object(data));

	out->len = 0;
	must(engine_encode(out, ENGINE_NOOP) && ref_only_frame(bytes_slice(out), WS_OP_TEXT, &chars));
	must(slice_equals_cstr(chars, "6"));
	out->len = 0;
	must(socket_io_encode_connect(out, slice_make(sid, sizeof(sid))));
	must(jslice_get(slice_make(told(bytes_slice(out)).data + 1, told(bytes_slice(out)).len - 1), "sid").len > 0);
	must(engine_sid_slot(fuzz_exact(input)) <= 255);
}

void
fuzz_socketio(Slice input)
{
	switch (input_byte(&input) % 8)
	{
		default:
			check_packet(fuzz_exact(input));
			break;
		case 4:
			check_message(input);
			break;
		case 5:
			check_polling(input);
			break;
		case 6:
			check_body(fuzz_exact(input));
			break;
		case 7:
			check_session(input);
			break;
	}
}
