/*-------------------------------------------------------------------------
 *
 * change_value.c
 *	  Values of columns as clients of followed tables get them.
 *
 * That is what to_jsonb() makes of them, but for bytea, which comes as bare
 * hexadecimal digits (supabase.md 6.6).  Integers and texts, which most columns
 * are, do without their output functions.  Beside the JSON stands the text that the
 * type's input function reads, unless it follows from the JSON; executors make
 * the row from it that policies are asked about.
 *
 * What a session has set must not show: a timestamp is in UTC whoever writes it.
 * Most types do not care; for the others the settings are changed for as long as
 * a row is encoded.
 *
 * src/api/change_value.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "api/change_value.h"
#include "api/utf8_text.h"

/* Of an integer's digits, with sign and zero byte. */
#define INTEGER_BYTES 21

#define EIGHT_TIMES(byte) (UINT64CONST(0x0101010101010101) * (byte))

/*
 * Does somebody define what values of a type are as JSON?
 */
static bool
has_cast_to_json(Oid type)
{
	Oid			function;

	return type >= FirstNormalObjectId &&
		find_coercion_pathway(JSONOID, type, COERCION_EXPLICIT, &function) == COERCION_PATH_FUNC;
}

/*
 * How a type's values become JSON.
 */
static ValueKind
kind_of(Oid type, Oid base_type)
{
	switch (base_type)
	{
		case BOOLOID:
			return VALUE_OF_BOOL;
		case INT2OID:
			return VALUE_OF_INT2;
		case INT4OID:
			return VALUE_OF_INT4;
		case INT8OID:
			return VALUE_OF_INT8;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return VALUE_OF_NUMBER;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return VALUE_OF_TEXT;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return VALUE_OF_TIME;
		case JSONOID:
		case JSONBOID:
			return VALUE_OF_JSON;
		case BYTEAOID:
			return VALUE_OF_BYTEA;
		default:
			if (type_is_array(base_type) || type_is_rowtype(base_type) ||
				has_cast_to_json(base_type))
				return VALUE_OF_STRUCTURE;
			return VALUE_OF_STRING;
	}
}

/*
 * May the output of a type be another one under other settings?
 */
static bool
follows_settings(ValueKind kind, Oid base_type)
{
	switch (base_type)
	{
		case FLOAT4OID:
		case FLOAT8OID:
			return true;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case CHAROID:
		case NAMEOID:
		case UUIDOID:
		case OIDOID:
		case TIMEOID:
			return false;
		default:
			return kind == VALUE_OF_STRUCTURE ||
				(kind == VALUE_OF_STRING && get_typtype(base_type) != TYPTYPE_ENUM);
	}
}

/*
 * Make an encoder.
 */
void
value_encoder_init(ValueEncoder *encoder, Oid type)
{
	Oid			output;
	Expr	   *argument;

	memset(encoder, 0, sizeof(*encoder));
	encoder->base_type = getBaseType(type);
	encoder->kind = kind_of(type, encoder->base_type);
	encoder->follows_settings = follows_settings(encoder->kind, encoder->base_type);
	getTypeOutputInfo(type, &output, &encoder->is_varlena);
	fmgr_info(output, &encoder->output);
	if (encoder->kind != VALUE_OF_STRUCTURE)
		return;
	/* to_json() asks for the type of its argument */
	fmgr_info(F_TO_JSON, &encoder->to_json);
	argument = (Expr *) makeNullConst(type, -1, InvalidOid);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSON, JSONOID, list_make1(argument),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &encoder->to_json);
}

/*
 * A value of some form, whose JSON is in the server's encoding.
 */
static ChangeValue
value_of(ValueForm form, const char *json, size_t len)
{
	ChangeValue value = {(uint8) form};

	value.json = utf8_string(json, len);
	return value;
}

/*
 * Not 0 if one of eight bytes is below a limit, which is at most 128.
 */
static inline uint64
any_below(uint64 bytes, uint8 limit)
{
	return (bytes - EIGHT_TIMES(limit)) & ~bytes & EIGHT_TIMES(0x80);
}

/*
 * Is a string its own JSON, but for the quotes?  Most are, and are looked at by
 * eight bytes at a time.
 */
static bool
is_plain(const char *string, size_t len)
{
	const char *end = string + len;
	uint64		special = 0;
	uint64		bytes;

	for (; end - string >= sizeof(bytes); string += sizeof(bytes))
	{
		memcpy(&bytes, string, sizeof(bytes));
		special |= any_below(bytes, ' ') | any_below(bytes ^ EIGHT_TIMES('"'), 1) |
			any_below(bytes ^ EIGHT_TIMES('\\'), 1);
	}
	for (; string < end; string++)
		special |= (unsigned char) *string < ' ' || *string == '"' || *string == '\\';
	return special == 0;
}

/*
 * A string as JSON.
 */
static ChangeValue
string_value(const char *string, size_t len)
{
	StringInfoData json;

	if (is_plain(string, len))
	{
		char	   *quoted = palloc(len + 2);

		quoted[0] = '"';
		memcpy(quoted + 1, string, len);
		quoted[len + 1] = '"';
		return value_of(VALUE_STRING, quoted, len + 2);
	}
	initStringInfo(&json);
	escape_json(&json, pnstrdup(string, len));
	return value_of(VALUE_STRING, json.data, json.len);
}

/*
 * A text, which is what its type's output function says.
 */
static ChangeValue
text_value(const text *value)
{
	return string_value(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/*
 * What a type's output function says, as a string.
 */
static ChangeValue
output_value(ValueEncoder *encoder, Datum value)
{
	char	   *string = OutputFunctionCall(&encoder->output, value);

	return string_value(string, strlen(string));
}

/*
 * An integer.
 */
static ChangeValue
integer_value(int64 value)
{
	char	   *json = palloc(INTEGER_BYTES);

	return value_of(VALUE_VERBATIM, json, pg_lltoa(value, json));
}

/*
 * A number: as it is, unless JSON knows no such number, as NaN.
 */
static ChangeValue
number_value(const char *string)
{
	if (IsValidJsonNumber(string, (int) strlen(string)))
		return value_of(VALUE_VERBATIM, string, strlen(string));
	return string_value(string, strlen(string));
}

/*
 * A date or time.
 */
static ChangeValue
time_value(Datum value, Oid type)
{
	static const int utc = 0;
	char		buffer[MAXDATELEN + 1];

	(void) JsonEncodeDateTime(buffer, value, type, type == TIMESTAMPTZOID ? &utc : NULL);
	return string_value(buffer, strlen(buffer));
}

/*
 * Bytes.
 */
static ChangeValue
bytea_value(bytea *bytes)
{
	size_t		len = VARSIZE_ANY_EXHDR(bytes);
	char	   *json = palloc(2 * len + 2);

	json[0] = '"';
	(void) hex_encode(VARDATA_ANY(bytes), len, json + 1);
	json[2 * len + 1] = '"';
	return value_of(VALUE_HEX, json, 2 * len + 2);
}

/*
 * What to_json() makes of it, and what its type says itself.
 */
static ChangeValue
structure_value(ValueEncoder *encoder, Datum value)
{
	text	   *json = DatumGetTextPP(FunctionCall1(&encoder->to_json, value));
	char	   *string = OutputFunctionCall(&encoder->output, value);
	ChangeValue result = value_of(VALUE_WITH_TEXT, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));

	result.text = utf8_string(string, strlen(string));
	return result;
}

/*
 * Encode a value.
 */
ChangeValue
value_encode(ValueEncoder *encoder, Datum value, size_t max)
{
	char	   *string;

	if (encoder->is_varlena && toast_raw_datum_size(value) - VARHDRSZ > max)
		return (ChangeValue) {VALUE_LEFT_OUT};
	switch (encoder->kind)
	{
		case VALUE_OF_BOOL:
			return DatumGetBool(value) ? value_of(VALUE_VERBATIM, "true", 4) :
				value_of(VALUE_VERBATIM, "false", 5);
		case VALUE_OF_INT2:
			return integer_value(DatumGetInt16(value));
		case VALUE_OF_INT4:
			return integer_value(DatumGetInt32(value));
		case VALUE_OF_INT8:
			return integer_value(DatumGetInt64(value));
		case VALUE_OF_NUMBER:
			return number_value(OutputFunctionCall(&encoder->output, value));
		case VALUE_OF_TIME:
			return time_value(value, encoder->base_type);
		case VALUE_OF_JSON:
			string = OutputFunctionCall(&encoder->output, value);
			return value_of(VALUE_VERBATIM, string, strlen(string));
		case VALUE_OF_BYTEA:
			return bytea_value(DatumGetByteaPP(value));
		case VALUE_OF_STRUCTURE:
			return structure_value(encoder, value);
		case VALUE_OF_TEXT:
			return text_value(DatumGetTextPP(value));
		case VALUE_OF_STRING:
			break;
	}
	return output_value(encoder, value);
}

/*
 * SET LOCAL, for a while.
 */
static void
set_for_now(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Are the settings that matter as they are to be?
 */
static bool
settings_are_good(void)
{
	return DateStyle == USE_ISO_DATES && IntervalStyle == INTSTYLE_POSTGRES &&
		extra_float_digits >= 1 && bytea_output == BYTEA_OUTPUT_HEX &&
		strcmp(pg_get_timezone_name(session_timezone), "UTC") == 0;
}

/*
 * Change the settings; 0 if that is not necessary.
 */
int
value_settings_enter(void)
{
	int			level;

	if (settings_are_good())
		return 0;
	level = NewGUCNestLevel();
	set_for_now("datestyle", "ISO");
	set_for_now("intervalstyle", "postgres");
	set_for_now("extra_float_digits", "1");
	set_for_now("bytea_output", "hex");
	set_for_now("timezone", "UTC");
	return level;
}

/*
 * And back.
 */
void
value_settings_leave(int level)
{
	if (level != 0)
		AtEOXact_GUC(true, level);
}
