/*-------------------------------------------------------------------------
 *
 * phoenix.c
 *	  Phoenix channel messages, serializers 1.0.0 and 2.0.0: what clients say.
 *
 * The encoders, for what the server says, are in phoenix_encode.c.
 *
 * src/proto/phoenix.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/phoenix.h"

#include "proto/utf8.h"

#define PUSH_HEADER_BYTES 7		/* kind, five lengths, encoding */
#define V2_MESSAGE_FIELDS 5
#define VERSION_DIGITS_MAX 9	/* of the third number of a version */

/* The verdict "malformed", with its reason. */
static bool
malformed(const char **error, const char *why)
{
	if (error)
		*error = why;
	return false;
}

/*
 * "1.0.x" or "2.0.x": what satisfies "~> 1.0.0" or "~> 2.0.0".  As in Elixir, a
 * number has no leading zeros.
 */
bool
phx_version_parse(const char *vsn, PhxVersion *version)
{
	size_t		digits;

	if (vsn == NULL)
	{
		*version = PHX_V1;
		return true;
	}
	if (strncmp(vsn, "1.0.", 4) == 0)
		*version = PHX_V1;
	else if (strncmp(vsn, "2.0.", 4) == 0)
		*version = PHX_V2;
	else
		return false;

	vsn += 4;
	digits = strspn(vsn, "0123456789");
	return digits >= 1 && digits <= VERSION_DIGITS_MAX && vsn[digits] == '\0' &&
		(digits == 1 || vsn[0] != '0');
}

/* A ref as it came, or an empty slice for null. */
static Slice
ref_or_empty(Slice value)
{
	return jslice_type(value) == JSLICE_NULL ? slice_make(NULL, 0) : value;
}

/* Take apart [join_ref, ref, topic, event, payload]. */
static bool
decode_array(Slice text, PhxMessage *msg, const char **error)
{
	Slice		field[V2_MESSAGE_FIELDS];
	int			nfields;

	if (!jslice_validate_array(text.data, text.len, field, V2_MESSAGE_FIELDS, &nfields, error))
		return false;
	if (nfields < V2_MESSAGE_FIELDS)
		return malformed(error, jslice_type(text) == JSLICE_ARRAY ?
						 "fewer than five elements" : "not an array");
	msg->join_ref = ref_or_empty(field[0]);
	msg->ref = ref_or_empty(field[1]);
	msg->topic = field[2];
	msg->event = field[3];
	msg->payload = field[4];
	return true;
}

/* Take apart {"topic", "event", "payload", "ref", "join_ref"}. */
static bool
decode_object(Slice text, PhxMessage *msg, const char **error)
{
	Slice		ref = {NULL, 0};
	Slice		key;
	Slice		item;
	JsliceIter	it;

	if (!jslice_validate(text.data, text.len, error))
		return false;
	if (jslice_type(text) != JSLICE_OBJECT)
		return malformed(error, "not an object");
	jslice_iter_init(&it, text);
	while (jslice_iter_next(&it, &key, &item))
	{
		/* The last of equal names counts, as in jsonb. */
		if (jslice_string_equals(key, SLICE_LIT("topic")))
			msg->topic = item;
		else if (jslice_string_equals(key, SLICE_LIT("event")))
			msg->event = item;
		else if (jslice_string_equals(key, SLICE_LIT("payload")))
			msg->payload = item;
		else if (jslice_string_equals(key, SLICE_LIT("ref")))
			ref = item;
		else if (jslice_string_equals(key, SLICE_LIT("join_ref")))
			msg->join_ref = ref_or_empty(item);
	}
	if (ref.len == 0)
		return malformed(error, "no ref");
	if (msg->payload.len == 0)
		return malformed(error, "no payload");
	msg->ref = ref_or_empty(ref);
	return true;
}

/* Decode a text message; see phoenix.h. */
bool
phx_decode_text(PhxVersion version, Slice text, PhxMessage *msg, const char **error)
{
	memset(msg, 0, sizeof(*msg));
	if (!(version == PHX_V2 ? decode_array(text, msg, error) :
		  decode_object(text, msg, error)))
		return false;
	if (jslice_type(msg->topic) != JSLICE_STRING)
		return malformed(error, "topic is not a string");
	if (jslice_type(msg->event) != JSLICE_STRING)
		return malformed(error, "event is not a string");
	return true;
}

/*
 * Take len bytes of a kind-3 header off *rest into *field.  False if they are
 * no text: each field is to be valid on its own.  NUL is refused because no
 * text in PostgreSQL holds it.
 */
static bool
take_field(Slice *rest, size_t len, Slice *field)
{
	*field = slice_make(rest->data, len);
	*rest = slice_make(rest->data + len, rest->len - len);
	return utf8_valid(field->data, len) &&
		(len == 0 || memchr(field->data, '\0', len) == NULL);
}

/* Decode a binary message; see phoenix.h. */
bool
phx_decode_binary(Slice data, PhxMessage *msg, const char **error)
{
	const uint8 *head = (const uint8 *) data.data;
	Slice		rest;
	const char *ignored;

	memset(msg, 0, sizeof(*msg));
	if (data.len < 1 || head[0] != PHX_KIND_USER_PUSH)
		return malformed(error, "unknown kind of binary message");
	if (data.len < PUSH_HEADER_BYTES)
		return malformed(error, "short header");
	rest = slice_make(data.data + PUSH_HEADER_BYTES, data.len - PUSH_HEADER_BYTES);
	if (rest.len < (size_t) head[1] + head[2] + head[3] + head[4] + head[5])
		return malformed(error, "lengths past the end");

	if (!take_field(&rest, head[1], &msg->join_ref) ||
		!take_field(&rest, head[2], &msg->ref) ||
		!take_field(&rest, head[3], &msg->topic) ||
		!take_field(&rest, head[4], &msg->event) ||
		!take_field(&rest, head[5], &msg->metadata))
		return malformed(error, "header field is not text");
	msg->is_push = true;
	msg->encoding = head[6];
	msg->payload = rest;

	if (msg->metadata.len > 0 &&
		(!jslice_validate(msg->metadata.data, msg->metadata.len, &ignored) ||
		 jslice_type(msg->metadata) != JSLICE_OBJECT))
		return malformed(error, "metadata is not a JSON object");
	if (msg->encoding == PHX_ENCODING_BINARY)
		return true;
	if (msg->encoding != PHX_ENCODING_JSON)
		return malformed(error, "unknown encoding");
	return jslice_validate(rest.data, rest.len, error);
}

/*
 * Member `key` of an object if it has the type; empty if it is absent or
 * null.  Any other type clears *valid and counts as absent.
 */
static Slice
get_typed(Slice object, const char *key, JsliceType type, bool *valid)
{
	Slice		value = jslice_get(object, key);
	JsliceType	found = jslice_type(value);

	if (found == type)
		return value;
	if (found != JSLICE_NONE && found != JSLICE_NULL)
		*valid = false;
	return slice_make(NULL, 0);
}

/* A flexible boolean, false if it is absent; clears *valid if it is none. */
static bool
get_bool(Slice object, const char *key, bool *valid)
{
	Slice		value = jslice_get(object, key);
	JsliceType	type = jslice_type(value);

	if (type == JSLICE_NONE || type == JSLICE_NULL)
		return false;
	/* What both defaults agree on is a boolean. */
	if (jslice_bool(value, false) != jslice_bool(value, true))
		*valid = false;
	return jslice_bool(value, false);
}

/* The presence key: a string that is not empty, or a number. */
static Slice
get_presence_key(Slice presence, bool *valid)
{
	Slice		value = jslice_get(presence, "key");

	if (jslice_type(value) == JSLICE_NUMBER)
		return value;
	value = get_typed(presence, "key", JSLICE_STRING, valid);
	return jslice_string_equals(value, SLICE_LIT("")) ? slice_make(NULL, 0) : value;
}

/*
 * Read a join payload, validated JSON of any shape; see phoenix.h.
 */
bool
phx_join_parse(Slice payload, PhxJoin *join)
{
	bool		valid = true;
	Slice		config;
	Slice		presence;

	memset(join, 0, sizeof(*join));
	if (jslice_type(payload) != JSLICE_OBJECT)
		return false;
	join->access_token = get_typed(payload, "access_token", JSLICE_STRING, &valid);

	config = get_typed(payload, "config", JSLICE_OBJECT, &valid);
	join->is_private = get_bool(config, "private", &valid);
	join->broadcast = get_typed(config, "broadcast", JSLICE_OBJECT, &valid);
	join->broadcast_ack = get_bool(join->broadcast, "ack", &valid);
	join->broadcast_self = get_bool(join->broadcast, "self", &valid);
	join->replication_ready = get_bool(join->broadcast, "replication_ready", &valid);
	join->replay = get_typed(join->broadcast, "replay", JSLICE_OBJECT, &valid);
	join->resume = get_typed(join->broadcast, "resume", JSLICE_STRING, &valid);
	presence = get_typed(config, "presence", JSLICE_OBJECT, &valid);
	join->presence_enabled = get_bool(presence, "enabled", &valid);
	join->presence_key = get_presence_key(presence, &valid);
	join->postgres_changes = get_typed(config, "postgres_changes", JSLICE_ARRAY, &valid);
	return valid;
}
