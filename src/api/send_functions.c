/*-------------------------------------------------------------------------
 *
 * send_functions.c
 *	  The SQL functions realtime.send() and realtime.send_binary().
 *
 * send() exists in upstream's order of arguments (payload, event, topic) and
 * in the one that is more natural to write (topic, event, payload).  A call
 * with untyped literals resolves to neither but to the third one, which takes
 * three texts and looks for the JSON among them.
 *
 * src/api/send_functions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "api/send.h"
#include "api/sql_function.h"
#include "api/utf8_text.h"
#include "api/uuid_v7.h"
#include "proto/jslice.h"

SQL_SENDING_FUNCTION(send_payload_first);
SQL_SENDING_FUNCTION(send_topic_first);
SQL_SENDING_FUNCTION(send_texts);
SQL_SENDING_FUNCTION(send_binary);

#define TEXT_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n))
#define JSONB_OR_NULL(n) (PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n))

/*
 * Fill what all spellings have in common: a new id, and the fourth argument.
 */
static void
start_row(MessageRow *row, FunctionCallInfo fcinfo)
{
	memset(row, 0, sizeof(*row));
	uuid_v7_generate(&row->id);
	row->private_is_null = PG_ARGISNULL(3);
	row->is_private = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
}

/*
 * realtime.send(payload jsonb, event text, topic text, private boolean)
 */
static Datum
send_payload_first_body(PG_FUNCTION_ARGS)
{
	MessageRow	row;

	start_row(&row, fcinfo);
	row.payload = JSONB_OR_NULL(0);
	row.event = TEXT_OR_NULL(1);
	row.topic = TEXT_OR_NULL(2);
	send_message(&row);
	PG_RETURN_VOID();
}

/*
 * realtime.send(topic_name text, event_name text, payload jsonb, private boolean)
 */
static Datum
send_topic_first_body(PG_FUNCTION_ARGS)
{
	MessageRow	row;

	start_row(&row, fcinfo);
	row.topic = TEXT_OR_NULL(0);
	row.event = TEXT_OR_NULL(1);
	row.payload = JSONB_OR_NULL(2);
	send_message(&row);
	PG_RETURN_VOID();
}

/*
 * Does a text start like a JSON object or array?
 */
static bool
looks_like_json(const text *t)
{
	const char *s;
	const char *end;

	if (t == NULL)
		return false;
	s = VARDATA_ANY(t);
	end = s + VARSIZE_ANY_EXHDR(t);
	while (s < end && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r'))
		s++;
	return s < end && (*s == '{' || *s == '[');
}

/*
 * Is a text a JSON object or array, without a doubt?
 */
static bool
is_json(const text *t)
{
	Slice		s = utf8_text(t);

	return jslice_validate(s.data, s.len, NULL);
}

/*
 * Which of two texts is the payload?  A topic never is a JSON object or array,
 * but it may well start with a bracket.
 */
static bool
first_is_payload(const text *first, const text *third)
{
	bool		first_may_be = looks_like_json(first);
	bool		third_may_be = looks_like_json(third);

	if (first_may_be && third_may_be)
	{
		first_may_be = is_json(first);
		third_may_be = is_json(third);
	}
	if (first_may_be && third_may_be)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_FUNCTION),
				 errmsg("cannot tell payload and topic apart"),
				 errdetail("Both the first and the third argument are JSON objects or arrays."),
				 errhint("Cast the payload to jsonb.")));
	if (!first_may_be && !third_may_be && first != NULL && third != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payload must be a JSON object or array"),
				 errdetail("Neither the first nor the third argument is one."),
				 errhint("Call realtime.send(topic, event, payload) or realtime.send(payload, event, topic).")));
	if (!first_may_be && !third_may_be)
		return first == NULL;
	return first_may_be;
}

/*
 * The jsonb of a text; NULL for NULL.
 */
static Jsonb *
text_to_jsonb(const text *t)
{
	if (t == NULL)
		return NULL;
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(text_to_cstring(t))));
}

/*
 * realtime.send(text, text, text, private boolean)
 */
static Datum
send_texts_body(PG_FUNCTION_ARGS)
{
	text	   *first = TEXT_OR_NULL(0);
	text	   *third = TEXT_OR_NULL(2);
	bool		payload_first = first_is_payload(first, third);
	MessageRow	row;

	start_row(&row, fcinfo);
	row.event = TEXT_OR_NULL(1);
	row.topic = payload_first ? third : first;
	row.payload = text_to_jsonb(payload_first ? first : third);
	send_message(&row);
	PG_RETURN_VOID();
}

/*
 * realtime.send_binary(payload bytea, event text, topic text, private boolean)
 */
static Datum
send_binary_body(PG_FUNCTION_ARGS)
{
	MessageRow	row;

	start_row(&row, fcinfo);
	row.binary_payload = PG_ARGISNULL(0) ? NULL : PG_GETARG_BYTEA_PP(0);
	row.event = TEXT_OR_NULL(1);
	row.topic = TEXT_OR_NULL(2);
	send_message(&row);
	PG_RETURN_VOID();
}
