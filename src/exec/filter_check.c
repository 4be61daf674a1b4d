/*-------------------------------------------------------------------------
 *
 * filter_check.c
 *	  Are the filter and the columns that a client asks for good for a table?
 *
 * The texts of errors are upstream's (supabase.md 6.5), and they come in its
 * order, so that who looks for one finds it.
 *
 * What has been found good here is compared in gateways where the texts of two
 * values tell whether they are equal, or which one is less; how much they tell
 * for a type is its class.  Where they tell nothing the executors are asked
 * again, for each change.
 *
 * src/exec/filter_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "regex/regex.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "api/change_value.h"
#include "api/utf8_text.h"
#include "exec/apart.h"
#include "exec/condition_query.h"
#include "exec/filter_check.h"
#include "pg_compat.h"

/* Bytes that the text of a value may be longer than twice what was sent. */
#define VALUE_GROWTH_MAX 1024

/*
 * Find a column that a role may read.
 */
AttrNumber
filter_check_column(Relation table, Oid role, Slice name)
{
	TupleDesc	desc = RelationGetDescr(table);
	const char *text = utf8_to_server(name);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), text) != 0)
			continue;
		if (pg_class_aclcheck(RelationGetRelid(table), role, ACL_SELECT) == ACLCHECK_OK ||
			pg_attribute_aclcheck(RelationGetRelid(table), attribute->attnum, role,
								  ACL_SELECT) == ACLCHECK_OK)
			return attribute->attnum;
	}
	return 0;
}

/*
 * The class of text under a collation.
 */
static FilterClass
class_of_text(Oid collation)
{
	if (!OidIsValid(collation) || !get_collation_isdeterministic(collation))
		return FILTER_AS_SQL;
	return CollationIsC(collation) ? FILTER_AS_ORDERED_TEXT : FILTER_AS_TEXT;
}

/*
 * What the texts of a column's values tell.
 */
static FilterClass
class_of(Form_pg_attribute attribute)
{
	Oid			type = getBaseType(attribute->atttypid);

	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case OIDOID:
			return FILTER_AS_NUMBER;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return FILTER_AS_TIME;
		case BOOLOID:
		case UUIDOID:
		case TIMEOID:
			return FILTER_AS_ORDERED_TEXT;
		case TEXTOID:
		case VARCHAROID:
		case NAMEOID:
			return class_of_text(attribute->attcollation);
		default:
			return get_typtype(type) == TYPTYPE_ENUM ? FILTER_AS_TEXT : FILTER_AS_SQL;
	}
}

/*
 * Does a collation fold letters in ways of its own?
 */
static bool
folds_specially(Oid collation)
{
	static const char *const languages[] = {"tr", "az", "lt"};
	char	   *name = OidIsValid(collation) ? get_collation_name(collation) : NULL;
	const char *locale = collation == DEFAULT_COLLATION_OID || name == NULL ?
		GetConfigOption("lc_ctype", true, false) : name;

	for (int i = 0; i < (int) lengthof(languages) && locale != NULL; i++)
	{
		if (pg_strncasecmp(locale, languages[i], 2) == 0)
			return true;
	}
	return false;
}

/*
 * The class of a column as far as it serves an operator.
 */
static FilterClass
class_for(Form_pg_attribute attribute, FilterOp op)
{
	FilterClass class = class_of(attribute);

	if (!filter_class_serves(class, op) ||
		(op == FILTER_ILIKE && folds_specially(attribute->attcollation)))
		return FILTER_AS_SQL;
	return class;
}

/*
 * Is it a type of text?
 */
static bool
is_text_type(Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(getBaseType(type), &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

/* A regular expression that is tried. */
typedef struct Pattern
{
	const char *text;
	bool		ignores_case;
} Pattern;

/*
 * Hold a regular expression against the empty text.
 */
static void
try_pattern(void *arg)
{
	const Pattern *pattern = arg;

	(void) DirectFunctionCall2Coll(pattern->ignores_case ? texticregexeq : textregexeq,
								   DEFAULT_COLLATION_OID, CStringGetTextDatum(""),
								   CStringGetTextDatum(pattern->text));
}

/*
 * Raise an error unless a regular expression is one.
 */
static void
check_pattern(const FilterCondition *condition)
{
	Pattern		pattern = {utf8_to_server(condition->operands[0].text), condition->op == FILTER_IMATCH};
	ErrorData  *error = run_apart(try_pattern, &pattern);

	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("invalid regular expression for %s filter: %s",
						filter_op_name((FilterOp) condition->op), error->message)));
}

/*
 * Raise an error for what `is` does not take; that is no value of the type.
 */
static void
check_is(Form_pg_attribute attribute, Slice value)
{
	const char *text = utf8_to_server(value);

	if (pg_strcasecmp(text, "null") == 0)
		return;
	if (pg_strcasecmp(text, "true") != 0 && pg_strcasecmp(text, "false") != 0 &&
		pg_strcasecmp(text, "unknown") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("invalid value for is filter: must be null, true, false, or unknown")));
	if (getBaseType(attribute->atttypid) != BOOLOID)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("is %s filter requires a boolean column, got %s",
						pg_strcasecmp(text, "true") == 0 ? "true" :
						pg_strcasecmp(text, "false") == 0 ? "false" : "unknown",
						format_type_be(attribute->atttypid))));
}

/*
 * Raise an error for what an operator does not take.
 */
static void
check_operator(Form_pg_attribute attribute, const FilterCondition *condition)
{
	switch ((FilterOp) condition->op)
	{
		case FILTER_IN:
			if (condition->noperands > FILTER_MAX_IN_VALUES)
				ereport(ERROR,
						(errcode(ERRCODE_RAISE_EXCEPTION),
						 errmsg("too many values for `in` filter. Maximum %d", FILTER_MAX_IN_VALUES)));
			break;
		case FILTER_IS:
			check_is(attribute, condition->operands[0].text);
			break;
		case FILTER_LIKE:
		case FILTER_ILIKE:
		case FILTER_MATCH:
		case FILTER_IMATCH:
			if (!is_text_type(attribute->atttypid))
				ereport(ERROR,
						(errcode(ERRCODE_RAISE_EXCEPTION),
						 errmsg("operator %s requires a text-compatible column type, got %s",
								filter_op_name((FilterOp) condition->op),
								format_type_be(attribute->atttypid))));
			if (condition->op == FILTER_MATCH || condition->op == FILTER_IMATCH)
				check_pattern(condition);
			break;
		default:
			break;
	}
}

/*
 * A value as it stands in a change; in the current memory context.  `sent` is what
 * the client has written: 1e131071 would be 131,072 digits.
 */
static Slice
canonical_text(Oid type, Datum datum, Slice sent)
{
	ValueEncoder encoder;
	ChangeValue value;
	Bytes		text = {0};
	Slice		result;

	value_encoder_init(&encoder, type);
	value = value_encode(&encoder, datum, MaxAllocSize);
	if (!change_value_text(&value, &text))
	{
		bytes_free(&text);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("a value of a filter has no text")));
	}
	if (text.len > 2 * sent.len + VALUE_GROWTH_MAX)
	{
		bytes_free(&text);
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a value of a filter is too long")));
	}
	result = slice_make(palloc(Max(text.len, 1)), text.len);
	if (text.len > 0)
		memcpy(unconstify(char *, result.data), text.data, text.len);
	bytes_free(&text);
	return result;
}

/*
 * Put the values of a condition into the form of the column's type.
 */
static void
make_canonical(FilterCondition *condition, const ConditionQuery *query)
{
	FilterOperand *operands = palloc_array(FilterOperand, Max(condition->noperands, 1));
	int			level = value_settings_enter();
	int			n = 0;

	for (uint32 i = 0; i < condition->noperands; i++)
	{
		operands[i] = condition->operands[i];
		if (operands[i].is_null)
			continue;
		operands[i].text = canonical_text(query->types[n], query->values[n],
										  condition->operands[i].text);
		n++;
	}
	value_settings_leave(level);
	condition->operands = operands;
}

/*
 * Check a condition.
 */
void
filter_check_condition(Relation table, Oid role, const FilterCondition *condition,
					   Bytes *conditions)
{
	AttrNumber	attnum = filter_check_column(table, role, condition->column);
	Form_pg_attribute attribute;
	SubscribeCondition checked = {0};
	ConditionQuery *query;

	if (attnum == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("invalid column for filter %s", utf8_to_server(condition->column))));
	attribute = TupleDescAttr(RelationGetDescr(table), attnum - 1);
	check_operator(attribute, condition);

	query = condition_query_make(table, condition);
	checked.attnum = (uint16) attnum;
	checked.class = (uint8) class_for(attribute, (FilterOp) condition->op);
	checked.condition = *condition;
	if (condition->op != FILTER_IS)
		make_canonical(&checked.condition, query);
	if (!subscribe_append_condition(conditions, &checked))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}
