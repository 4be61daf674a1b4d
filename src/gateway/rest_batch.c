/*-------------------------------------------------------------------------
 *
 * rest_batch.c
 *	  The messages of a broadcast by HTTP, and what is wrong with them.
 *
 * supabase.md 1.6.  One bad message fails the whole batch.  Errors have the
 * shape of an Ecto changeset's, because that is what clients know: a list for
 * each field, and for the list of messages a list of such objects, empty ones
 * for messages that are right.
 *
 * Payloads are validated with the body and handed on as the bytes that came.
 *
 * src/gateway/rest_batch.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_settings.h"
#include "gateway/rest_batch.h"
#include "proto/jslice.h"

#define ID_MAX_BYTES 255		/* of raw JSON */
#define BLANK "can't be blank"
#define INVALID "is invalid"
#define TOO_LARGE "Payload size exceeds tenant limit"

StaticAssertDecl(TOPIC_MAX_BYTES == 246, "an error below names the limit");
#define TOPIC_TOO_LONG "should be at most 246 byte(s)"

/*
 * A batch being read.
 */
typedef struct Reader
{
	RestBatch  *batch;
	Bytes	   *errors;
	Bytes		name;			/* of the topic at hand */
	uint32		nbad;			/* messages with an error */
	bool		no_memory;
} Reader;

/*
 * Append an error of a field to the object of a message.
 */
static void
add_error(Bytes *errors, bool *any, const char *field, const char *text)
{
	bytes_printf(errors, "%s\"%s\":[\"%s\"]", *any ? "," : "", field, text);
	*any = true;
}

/*
 * What is wrong with a value that must be a string with something in it?
 */
static const char *
string_error(Slice value)
{
	JsliceType	type = jslice_type(value);

	if (type == JSLICE_NONE || type == JSLICE_NULL || slice_equals_cstr(value, "\"\""))
		return BLANK;
	return type == JSLICE_STRING ? NULL : INVALID;
}

/*
 * The same with a payload.
 */
static const char *
payload_error(Slice value)
{
	JsliceType	type = jslice_type(value);

	if (type == JSLICE_NONE || type == JSLICE_NULL)
		return BLANK;
	if (type != JSLICE_OBJECT)
		return INVALID;
	return value.len > (size_t) gw_settings.max_message_size ? TOO_LARGE : NULL;
}

/*
 * The same with an id, which need not be there.
 */
static const char *
id_error(Slice value)
{
	JsliceType	type = jslice_type(value);

	if (type == JSLICE_NONE || type == JSLICE_NULL)
		return NULL;
	return type == JSLICE_STRING && value.len <= ID_MAX_BYTES ? NULL : INVALID;
}

/*
 * The same with "private", which need not be there either.
 */
static const char *
private_error(Slice value)
{
	JsliceType	type = jslice_type(value);

	/* what both defaults agree on is a boolean */
	return type == JSLICE_NONE || type == JSLICE_NULL ||
		jslice_bool(value, false) == jslice_bool(value, true) ? NULL : INVALID;
}

/*
 * Decode the name of a topic; NULL or what is wrong with it.
 */
static const char *
read_topic(Reader *reader, Slice value)
{
	const char *error = string_error(value);

	reader->name.len = 0;
	if (error != NULL)
		return error;
	if (!jslice_unescape(value, &reader->name))
		reader->no_memory = true;
	return reader->name.len > TOPIC_MAX_BYTES ? TOPIC_TOO_LONG : NULL;
}

/*
 * Read one message, and append its errors.
 */
static void
read_message(Reader *reader, Slice item)
{
	Slice		topic = jslice_get(item, "topic");
	Slice		is_private = jslice_get(item, "private");
	RestMessage *message = &reader->batch->messages[reader->batch->count];
	const struct
	{
		const char *field;
		const char *error;
	}			checks[] = {
		{"event", string_error(message->event = jslice_get(item, "event"))},
		{"id", id_error(message->id = jslice_get(item, "id"))},
		{"payload", payload_error(message->payload = jslice_get(item, "payload"))},
		{"private", private_error(is_private)},
		{"topic", read_topic(reader, topic)}
	};
	bool		bad = false;

	bytes_append_cstr(reader->errors, reader->batch->count > 0 ? ",{" : "{");
	for (int i = 0; i < (int) lengthof(checks); i++)
	{
		if (checks[i].error != NULL)
			add_error(reader->errors, &bad, checks[i].field, checks[i].error);
	}
	bytes_append_byte(reader->errors, '}');
	message->topic = NULL;
	if (jslice_type(message->id) != JSLICE_STRING)
		message->id.len = 0;
	reader->batch->count++;
	if (bad)
		reader->nbad++;
	else
	{
		bool		flag = jslice_bool(is_private, false);

		message->topic = topics_get(flag, bytes_slice(&reader->name),
									topics_hash(bytes_slice(&reader->name)));
		reader->no_memory |= message->topic == NULL;
		reader->batch->nprivate += flag;
	}
}

/*
 * How many messages are there?  -1 if they are no list of objects.
 */
static int
count_messages(Slice messages)
{
	int			count = 0;
	JsliceIter	it;
	Slice		key;
	Slice		item;

	if (jslice_type(messages) != JSLICE_ARRAY)
		return -1;
	jslice_iter_init(&it, messages);
	while (jslice_iter_next(&it, &key, &item))
	{
		if (jslice_type(item) != JSLICE_OBJECT)
			return -1;
		count++;
	}
	return count;
}

/*
 * Refuse the list as a whole.
 */
static int
refuse_list(Bytes *errors, const char *text)
{
	bytes_printf(errors, "{\"errors\":{\"messages\":[\"%s\"]}}", text);
	return errors->failed ? 503 : 422;
}

/*
 * Read a list of so many messages.
 */
static int
read_list(Slice messages, int count, RestBatch *batch, Bytes *errors)
{
	Reader		reader = {batch, errors};
	JsliceIter	it;
	Slice		key;
	Slice		item;

	batch->messages = calloc(count, sizeof(RestMessage));
	if (batch->messages == NULL)
		return 503;
	bytes_init(&reader.name);
	bytes_append_cstr(errors, "{\"errors\":{\"messages\":[");
	jslice_iter_init(&it, messages);
	while (jslice_iter_next(&it, &key, &item))
		read_message(&reader, item);
	bytes_append_cstr(errors, "]}}");
	bytes_free(&reader.name);
	if (reader.no_memory || errors->failed)
		return 503;
	return reader.nbad > 0 ? 422 : 0;
}

/*
 * Read a body.
 */
int
rest_batch_read(Slice body, RestBatch *batch, Bytes *errors)
{
	Slice		messages;
	JsliceType	type;
	int			count;

	memset(batch, 0, sizeof(*batch));
	if (!jslice_validate(body.data, body.len, NULL))
		return 400;
	messages = jslice_get(body, "messages");
	type = jslice_type(messages);
	count = count_messages(messages);
	if (type == JSLICE_NONE || type == JSLICE_NULL || count == 0)
		return refuse_list(errors, BLANK);
	if (count < 0)
		return refuse_list(errors, INVALID);
	if (count > REST_BATCH_MAX)
		return 429;
	return read_list(messages, count, batch, errors);
}

/*
 * Give back what a batch holds.
 */
void
rest_batch_free(RestBatch *batch)
{
	for (uint32 i = 0; i < batch->count; i++)
	{
		if (batch->messages[i].topic != NULL)
			topics_release(batch->messages[i].topic);
	}
	free(batch->messages);
	memset(batch, 0, sizeof(*batch));
}

/*
 * Make a cast of a message.
 */
bool
rest_message_cast(const RestMessage *message, Bytes *payload, WalMessage *cast)
{
	payload->len = 0;
	bytes_append_cstr(payload, "{\"payload\":");
	bytes_append_slice(payload, message->payload);
	bytes_append_cstr(payload, ",\"event\":");
	bytes_append_slice(payload, message->event);
	bytes_append_cstr(payload, ",\"type\":\"broadcast\"");
	if (message->id.len > 0)
	{
		bytes_append_cstr(payload, ",\"meta\":{\"id\":");
		bytes_append_slice(payload, message->id);
		bytes_append_byte(payload, '}');
	}
	bytes_append_byte(payload, '}');

	memset(cast, 0, sizeof(*cast));
	cast->kind = WAL_MESSAGE_CAST;
	cast->flags = WAL_MESSAGE_WHOLE | (message->topic->is_private ? WAL_MESSAGE_PRIVATE : 0);
	cast->topic = topic_name(message->topic);
	cast->payload = bytes_slice(payload);
	return !payload->failed;
}
