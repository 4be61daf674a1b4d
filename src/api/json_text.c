/*-------------------------------------------------------------------------
 *
 * json_text.c
 *	  JSON as text, unless that is too long.
 *
 * How long the text of a jsonb is cannot be told from its size: 1e131071, which
 * takes a dozen bytes, has 131,072 digits.  A cast to text of a few of those that
 * a client has sent would take a gigabyte before it fails, so the text is made
 * here, piece by piece, and given up as soon as it is too long.
 *
 * src/api/json_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "api/json_text.h"

/*
 * Append a value that has no others in it.
 */
static void
append_scalar(StringInfo out, const JsonbValue *value)
{
	char	   *text;

	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(out, "null");
			break;
		case jbvBool:
			appendStringInfoString(out, value->val.boolean ? "true" : "false");
			break;
		case jbvString:
			text = pnstrdup(value->val.string.val, value->val.string.len);
			escape_json(out, text);
			pfree(text);
			break;
		case jbvNumeric:
			text = DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
			appendStringInfoString(out, text);
			pfree(text);
			break;
		default:
			elog(ERROR, "unexpected type %d of a jsonb scalar", (int) value->type);
	}
}

/*
 * Append what a step of an iterator stands for.  *first tells whether nothing has
 * come yet of the container at hand.
 */
static void
append_token(StringInfo out, JsonbIteratorToken token, const JsonbValue *value, bool *first)
{
	bool		opens = token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT;

	/* a value stands behind its key, and what ends a container is no element */
	if ((opens || token == WJB_KEY || token == WJB_ELEM) && !*first)
		appendStringInfoString(out, ", ");
	*first = opens || token == WJB_KEY;

	switch (token)
	{
		case WJB_BEGIN_OBJECT:
			appendStringInfoChar(out, '{');
			break;
		case WJB_END_OBJECT:
			appendStringInfoChar(out, '}');
			break;
		case WJB_BEGIN_ARRAY:
			/* a scalar alone is stored in an array that is none */
			if (!value->val.array.rawScalar)
				appendStringInfoChar(out, '[');
			break;
		case WJB_END_ARRAY:
			appendStringInfoChar(out, ']');
			break;
		case WJB_KEY:
			append_scalar(out, value);
			appendStringInfoString(out, ": ");
			break;
		default:
			append_scalar(out, value);
			break;
	}
}

/*
 * Append the text; see json_text.h.
 */
bool
json_text_append(StringInfo out, Jsonb *json, size_t max)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	size_t		start = out->len;
	bool		first = true;
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token == WJB_END_ARRAY && JB_ROOT_IS_SCALAR(json))
			break;
		append_token(out, token, &value, &first);
		if (out->len - start > max)
			return false;
	}
	return true;
}
