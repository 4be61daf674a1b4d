/*-------------------------------------------------------------------------
 *
 * target_phoenix.c
 *	  What Phoenix clients say in all three forms, and what they and readers of
 *	  event streams are told.
 *
 *	  input   kind | message
 *
 * A message that is understood, told to a client and understood again has the
 * same parts.
 *
 * test/fuzz/target_phoenix.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "proto/phoenix_shared.h"
#include "proto/sse.h"
#include "proto/ws_frame.h"
#include "reference.h"

/* The payload of the one frame that was encoded. */
static Slice
told(const Bytes *out, uint8 opcode)
{
	Slice		payload;

	must(!out->failed && ref_only_frame(bytes_slice(out), opcode, &payload));
	return fuzz_exact(payload);
}

/* What a JSON string says. */
static Slice
plain(Slice string)
{
	Bytes	   *out = fuzz_bytes();

	must(jslice_unescape(string, out));
	return exact_bytes(out);
}

/* Is it a value of JSON, of that type? */
static bool
is_json(Slice value, JsliceType type)
{
	return ref_json(value) && jslice_type(value) == type;
}

/* A part of a join is of its type, or not there. */
static void
check_part(Slice part, Slice payload, JsliceType type)
{
	must(part.len == 0 || (lies_in(part, payload) && is_json(part, type)));
}

/* What a join asks for. */
static void
check_join(Slice payload)
{
	PhxJoin		join;
	bool		clean = phx_join_parse(payload, &join);

	must(!clean || jslice_type(payload) == JSLICE_OBJECT);
	check_part(join.postgres_changes, payload, JSLICE_ARRAY);
	check_part(join.access_token, payload, JSLICE_STRING);
	check_part(join.broadcast, payload, JSLICE_OBJECT);
	check_part(join.replay, payload, JSLICE_OBJECT);
	check_part(join.resume, payload, JSLICE_STRING);
	must(join.presence_key.len == 0 || is_json(join.presence_key, JSLICE_STRING) ||
		 is_json(join.presence_key, JSLICE_NUMBER));
	must(join.broadcast.len > 0 || !(join.broadcast_ack || join.broadcast_self));
}

/* The same message, told. */
static void
check_echo(PhxVersion version, const PhxMessage *msg)
{
	Slice		topic = plain(msg->topic);
	const char *event = fuzz_cstr(plain(msg->event));
	Bytes	   *out = fuzz_bytes();
	Bytes	   *shared = fuzz_bytes();
	Slice		chars;
	PhxMessage	again;
	const char *error = NULL;

	must(phx_encode_text(out, version, msg->join_ref, msg->ref, topic, event, msg->payload));
	chars = told(out, WS_OP_TEXT);
	must(ref_json(chars) && phx_decode_text(version, chars, &again, &error));
	must(slice_equals(again.ref, msg->ref) && slice_equals(again.payload, jslice_trim(msg->payload)));
	must(slice_equals(again.join_ref, version == PHX_V2 ? msg->join_ref : slice_make(NULL, 0)));
	must(slice_equals(plain(again.topic), topic));
	must(slice_equals_cstr(plain(again.event), event));

	/* in two pieces it is the same bytes */
	out->len = 0;
	must(phx_encode_text(out, version, msg->join_ref, slice_make(NULL, 0), topic, event, msg->payload));
	must(phx_encode_shared_head(shared, version, msg->join_ref, topic, event, msg->payload.len));
	must(bytes_append_slice(shared, msg->payload) &&
		 bytes_append_slice(shared, phx_shared_tail(version)));
	must(slice_equals(bytes_slice(out), bytes_slice(shared)));
}

/* The answer to it. */
static void
check_reply(PhxVersion version, const PhxMessage *msg)
{
	Slice		topic = plain(msg->topic);
	const char *reason = fuzz_cstr(plain(msg->event));
	Bytes	   *out = fuzz_bytes();
	PhxMessage	reply;
	const char *error = NULL;

	must(phx_encode_reply(out, version, msg->join_ref, msg->ref, topic, "ok", msg->payload));
	must(phx_decode_text(version, told(out, WS_OP_TEXT), &reply, &error));
	must(slice_equals_cstr(plain(reply.event), "phx_reply") && slice_equals(reply.ref, msg->ref));
	must(slice_equals(jslice_get(reply.payload, "response"), jslice_trim(msg->payload)));

	out->len = 0;
	must(phx_encode_error(out, version, msg->join_ref, msg->ref, topic, reason));
	must(phx_decode_text(version, told(out, WS_OP_TEXT), &reply, &error));
	must(slice_equals_cstr(plain(jslice_get(jslice_get(reply.payload, "response"), "reason")), reason));
}

/* A broadcast as text: the parts are members of its payload. */
static void
check_text_broadcast(PhxVersion version, Slice chars, Slice topic, Slice event, Slice payload, Slice meta)
{
	PhxMessage	msg;
	const char *error = NULL;

	must(ref_json(chars) && phx_decode_text(version, chars, &msg, &error));
	must(slice_equals(plain(msg.topic), topic));
	must(slice_equals_cstr(plain(msg.event), "broadcast"));
	must(slice_equals(plain(jslice_get(msg.payload, "event")), event));
	must(slice_equals(jslice_get(msg.payload, "payload"), jslice_trim(payload)));
	must(slice_equals(jslice_get(msg.payload, "meta"), jslice_trim(meta)));
}

/* A broadcast to clients of both versions. */
static void
check_broadcast(Slice topic, Slice event, bool binary, Slice payload, Slice meta)
{
	Bytes	   *v1 = fuzz_bytes();
	Bytes	   *v2 = fuzz_bytes();
	Slice		frame;

	must(phx_encode_broadcast(v1, PHX_V1, topic, event, binary, payload, meta));
	must(phx_encode_broadcast(v2, PHX_V2, topic, event, binary, payload, meta));
	if (!binary)
		check_text_broadcast(PHX_V1, told(v1, WS_OP_TEXT), topic, event, payload, meta);
	else
		must(v1->len == 0);
	if (topic.len > 255 || event.len > 255 || meta.len > 255)
	{
		if (!binary)
			check_text_broadcast(PHX_V2, told(v2, WS_OP_TEXT), topic, event, payload, meta);
		return;
	}
	frame = told(v2, WS_OP_BINARY);
	must(frame.len == 5 + topic.len + event.len + meta.len + payload.len);
	must(frame.data[0] == PHX_KIND_USER_BROADCAST && (uint8) frame.data[1] == topic.len &&
		 (uint8) frame.data[2] == event.len && (uint8) frame.data[3] == meta.len);
	must(frame.data[4] == (binary ? PHX_ENCODING_BINARY : PHX_ENCODING_JSON));
	must(slice_equals(slice_make(frame.data + 5, topic.len), topic));
	must(slice_equals(slice_make(frame.data + frame.len - payload.len, payload.len), payload));
}

/*
 * An event stream's block: lines with a field each, and an empty one at its
 * end.  Returns what stands behind "data: ".
 */
static Slice
block_data(const Bytes *out)
{
	Slice		rest = exact_bytes(out);
	Slice		data = slice_make(NULL, 0);

	must(!out->failed && rest.len >= 2 && !has_byte(rest, '\r'));
	must(memcmp(rest.data + rest.len - 2, "\n\n", 2) == 0);
	rest.len--;
	while (rest.len > 0)
	{
		Slice		line = input_line(&rest);

		/* an empty line ends the block, and must not come before */
		must(line.len > 0);
		if (slice_has_prefix(line, SLICE_LIT("data: ")))
		{
			must(data.len == 0);
			data = slice_make(line.data + 6, line.len - 6);
		}
	}
	return data;
}

/* The same for readers of event streams. */
static void
check_sse(Slice topic, Slice event, bool binary, Slice payload, Slice meta)
{
	Bytes	   *out = fuzz_bytes();
	Slice		data;

	must(sse_encode_broadcast(out, SLICE_LIT("id1"), topic, event, binary, payload, meta));
	data = block_data(out);
	must(ref_json_object(data));
	must(slice_equals(plain(jslice_get(data, "topic")), topic));
	must(slice_equals(plain(jslice_get(data, "event")), event));
	must((jslice_get(data, binary ? "payload_base64" : "payload")).len > 0);
	if (binary)
	{
		must(plain(jslice_get(data, "payload_base64")).len == (payload.len + 2) / 3 * 4);
		return;
	}

	out->len = 0;
	must(sse_encode_whole(out, slice_make(NULL, 0), topic, payload, meta));
	must(ref_json_object(block_data(out)));
	out->len = 0;
	must(sse_encode_event(out, "x", SLICE_LIT("1"), payload));
	must(ref_json(block_data(out)));
	out->len = 0;
	must(sse_encode_start(out, 1000, payload));
	(void) block_data(out);
}

/* Messages as text. */
static void
check_text(PhxVersion version, Slice chars)
{
	PhxMessage	msg;
	const char *error = NULL;

	if (!phx_decode_text(version, chars, &msg, &error))
	{
		must(error != NULL);
		return;
	}
	must(ref_json(chars) && is_json(msg.topic, JSLICE_STRING) && is_json(msg.event, JSLICE_STRING));
	must(ref_json(msg.payload) && lies_in(msg.payload, chars));
	must(msg.ref.len == 0 || ref_json(msg.ref));
	must(msg.join_ref.len == 0 || ref_json(msg.join_ref));
	check_join(msg.payload);
	check_echo(version, &msg);
	check_reply(version, &msg);
	check_broadcast(plain(msg.topic), plain(msg.event), false, msg.payload,
					jslice_type(msg.payload) == JSLICE_OBJECT ? msg.payload : slice_make(NULL, 0));
	check_sse(plain(msg.topic), plain(msg.event), false, msg.payload, slice_make(NULL, 0));
}

/* Text that a database can hold. */
static bool
is_text(Slice s)
{
	return ref_utf8(s) == REF_UTF8_WHOLE && !has_byte(s, '\0');
}

/* Binary messages. */
static void
check_binary(Slice data)
{
	PhxMessage	msg;
	const char *error = NULL;
	Bytes	   *again = fuzz_bytes();

	if (!phx_decode_binary(data, &msg, &error))
	{
		must(error != NULL);
		return;
	}
	must(msg.is_push && is_text(msg.topic) && is_text(msg.event) && is_text(msg.ref) &&
		 is_text(msg.join_ref));
	must(msg.metadata.len == 0 || ref_json_object(msg.metadata));
	must(msg.encoding == PHX_ENCODING_BINARY ||
		 (msg.encoding == PHX_ENCODING_JSON && ref_json(msg.payload)));

	bytes_append_byte(again, PHX_KIND_USER_PUSH);
	bytes_append_byte(again, (uint8) msg.join_ref.len);
	bytes_append_byte(again, (uint8) msg.ref.len);
	bytes_append_byte(again, (uint8) msg.topic.len);
	bytes_append_byte(again, (uint8) msg.event.len);
	bytes_append_byte(again, (uint8) msg.metadata.len);
	bytes_append_byte(again, msg.encoding);
	bytes_append_slice(again, msg.join_ref);
	bytes_append_slice(again, msg.ref);
	bytes_append_slice(again, msg.topic);
	bytes_append_slice(again, msg.event);
	bytes_append_slice(again, msg.metadata);
	must(bytes_append_slice(again, msg.payload));
	must(slice_equals(bytes_slice(again), data));

	check_broadcast(msg.topic, msg.event, msg.encoding == PHX_ENCODING_BINARY, msg.payload, msg.metadata);
	check_sse(msg.topic, msg.event, msg.encoding == PHX_ENCODING_BINARY, msg.payload, msg.metadata);
}

/* Versions: d.0.n, in which n has no leading zeros. */
static void
check_version(Slice input)
{
	const char *chars = fuzz_cstr(input);
	unsigned	number;
	PhxVersion	version;
	char		spelled[32];

	if (!phx_version_parse(chars, &version))
		return;
	must(sscanf(chars + 4, "%u", &number) == 1);
	snprintf(spelled, sizeof(spelled), "%d.0.%u", version == PHX_V2 ? 2 : 1, number);
	must(strcmp(spelled, chars) == 0);
}

void
fuzz_phoenix(Slice input)
{
	switch (input_byte(&input) % 8)
	{
		case 0:
		case 1:
		case 2:
			check_text(PHX_V1, fuzz_exact(input));
			break;
		case 3:
			check_version(input);
			break;
		case 4:
		case 5:
			check_binary(fuzz_exact(input));
			break;
		default:
			check_text(PHX_V2, fuzz_exact(input));
			break;
	}
}
