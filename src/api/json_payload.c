/*-------------------------------------------------------------------------
 *
 * json_payload.c
 *	  JSON payloads of messages: what they must be, and their "id".
 *
 * The "id" of the row stands in the payload too, where clients that know only
 * the payload find it.  It is put in while the object is rebuilt once, and
 * nested values are taken over as they are.
 *
 * src/api/json_payload.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/json_payload.h"
#include "api/uuid_v7.h"

#define ID_KEY "id"

/*
 * A string value that points to somebody else's bytes.
 */
static JsonbValue
string_value(const char *s, int len)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, s);
	value.val.string.len = len;
	return value;
}

/*
 * Begin a member of an object.
 */
static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value = string_value(key, (int) strlen(key));

	(void) pushJsonbValue(state, WJB_KEY, &value);
}

/*
 * Add a member whose value is a container, or null.
 */
void
json_push_jsonb(JsonbParseState **state, const char *key, Jsonb *value)
{
	JsonbValue	member;

	push_key(state, key);
	if (value == NULL)
		member.type = jbvNull;
	else
	{
		member.type = jbvBinary;
		member.val.binary.data = &value->root;
		member.val.binary.len = VARSIZE(value) - VARHDRSZ;
	}
	(void) pushJsonbValue(state, WJB_VALUE, &member);
}

/*
 * Add a member whose value is a string, or null.
 */
void
json_push_text(JsonbParseState **state, const char *key, const text *value)
{
	JsonbValue	member;

	push_key(state, key);
	if (value == NULL)
		member.type = jbvNull;
	else
		member = string_value(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	(void) pushJsonbValue(state, WJB_VALUE, &member);
}

/*
 * Add a member whose value is a UUID.
 */
void
json_push_uuid(JsonbParseState **state, const char *key, const pg_uuid_t *value)
{
	char	   *text = palloc(UUID_TEXT_BYTES + 1);
	JsonbValue	member;

	uuid_v7_text(value, text);
	push_key(state, key);
	member = string_value(text, UUID_TEXT_BYTES);
	(void) pushJsonbValue(state, WJB_VALUE, &member);
}

/*
 * Rebuild an object with one member more.
 */
static Jsonb *
add_id(Jsonb *payload, const pg_uuid_t *id)
{
	JsonbIterator *it = JsonbIteratorInit(&payload->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_END_OBJECT)
			json_push_uuid(&state, ID_KEY, id);
		result = pushJsonbValue(&state, token,
								token == WJB_KEY || token == WJB_VALUE ? &value : NULL);
	}
	return JsonbValueToJsonb(result);
}

/*
 * The payload with its "id".
 */
Jsonb *
json_payload_with_id(Jsonb *payload, const pg_uuid_t *id)
{
	JsonbValue	key = string_value(ID_KEY, (int) strlen(ID_KEY));

	if (JB_ROOT_IS_SCALAR(payload))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payload must be a JSON object or array"),
				 errhint("Wrap a single value, for example with jsonb_build_object('value', ...).")));
	if (!JB_ROOT_IS_OBJECT(payload) ||
		findJsonbValueFromContainer(&payload->root, JB_FOBJECT, &key) != NULL)
		return payload;
	return add_id(payload, id);
}
