/*-------------------------------------------------------------------------
 *
 * condition_query.c
 *	  Conditions of filters, as PostgreSQL understands them.
 *
 * A condition is parsed as what somebody would write who knows the table:
 *
 *		SELECT r."column" = $2 FROM unnest($1) AS r
 *
 * The types of $2 and so on are found by the parser, as for a statement that a
 * client prepares, and their values are read by these types' input functions.
 * Of what a client has sent only the name of a column gets into the text, quoted,
 * and only after it was found to be one.
 *
 * src/exec/condition_query.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "parser/analyze.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "api/change_value.h"
#include "api/utf8_text.h"
#include "exec/condition_query.h"
#include "exec/virtual_row.h"

/* What stands between the column and the value. */
static const char *const operators[FILTER_OPS] = {
	[FILTER_EQ] = "=",
	[FILTER_NEQ] = "<>",
	[FILTER_LT] = "<",
	[FILTER_LTE] = "<=",
	[FILTER_GT] = ">",
	[FILTER_GTE] = ">=",
	[FILTER_LIKE] = "~~",
	[FILTER_ILIKE] = "~~*",
	[FILTER_MATCH] = "~",
	[FILTER_IMATCH] = "~*",
	[FILTER_ISDISTINCT] = "IS DISTINCT FROM",
};

/*
 * The words of `is`; NULL for any other value.
 */
static const char *
is_words(Slice value)
{
	static const char *const words[] = {"null", "true", "false", "unknown"};

	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (value.len == strlen(words[i]) &&
			pg_strncasecmp(value.data, words[i], value.len) == 0)
			return words[i];
	}
	return NULL;
}

/*
 * Append the list of `in`, with a parameter for each value.
 */
static void
append_list(StringInfo text, const FilterCondition *condition)
{
	int			number = 2;

	if (condition->noperands == 0)
		appendStringInfoString(text, " IS NULL AND false)");
	for (uint32 i = 0; i < condition->noperands; i++)
	{
		appendStringInfoString(text, i == 0 ? " IN (" : ", ");
		if (condition->operands[i].is_null)
			appendStringInfoString(text, "NULL");
		else
			appendStringInfo(text, "$%d", number++);
	}
	appendStringInfoString(text, condition->noperands > 0 ? "))" : "");
}

/*
 * The text of a query.
 */
static char *
condition_text(const FilterCondition *condition)
{
	StringInfoData text;
	const char *words;

	initStringInfo(&text);
	appendStringInfo(&text, "SELECT %s(r.%s", condition->negated ? "NOT " : "",
					 quote_identifier(utf8_to_server(condition->column)));
	switch ((FilterOp) condition->op)
	{
		case FILTER_IS:
			words = is_words(condition->operands[0].text);
			if (words == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_RAISE_EXCEPTION),
						 errmsg("invalid value for is filter: must be null, true, false, or unknown")));
			appendStringInfo(&text, " IS %s)", words);
			break;
		case FILTER_IN:
			append_list(&text, condition);
			break;
		default:
			appendStringInfo(&text, " %s $2)", operators[condition->op]);
			break;
	}
	appendStringInfoString(&text, " FROM pg_catalog.unnest($1) AS r");
	return text.data;
}

/*
 * Parse and rewrite it; the types of the parameters come to *types.
 */
static Query *
parse(const char *text, Oid rows_type, Oid **types, int *ntypes)
{
	List	   *statements = pg_parse_query(text);
	Query	   *query;

	*types = palloc_object(Oid);
	(*types)[0] = rows_type;
	*ntypes = 1;
	query = parse_analyze_varparams(linitial_node(RawStmt, statements), text, types, ntypes, NULL);
	query->queryId = 0;
	return linitial_node(Query, QueryRewrite(query));
}

/*
 * A value by its type's input function.
 */
static Datum
read_value(Oid type, Slice text)
{
	Oid			input;
	Oid			parameter;

	getTypeInputInfo(type, &input, &parameter);
	return OidInputFunctionCall(input, utf8_to_server(text), parameter, -1);
}

/*
 * Make the query of a condition.
 */
ConditionQuery *
condition_query_make(Relation table, const FilterCondition *condition)
{
	ConditionQuery *result = palloc0_object(ConditionQuery);
	Oid		   *types;
	int			ntypes;
	int			level;

	result->query = parse(condition_text(condition), get_array_type(table->rd_rel->reltype),
						  &types, &ntypes);
	if (condition->op == FILTER_IS)
		return result;
	result->types = types + 1;
	result->values = palloc(Max(condition->noperands, 1) * sizeof(Datum));
	level = value_settings_enter();
	for (uint32 i = 0; i < condition->noperands; i++)
	{
		if (condition->operands[i].is_null)
			continue;
		result->values[result->nvalues] = read_value(result->types[result->nvalues],
													 condition->operands[i].text);
		result->nvalues++;
	}
	value_settings_leave(level);
	Assert(result->nvalues == ntypes - 1);
	return result;
}

/*
 * Run the query.
 */
void
condition_query_run(const ConditionQuery *query, Relation table, Datum *rows, int n,
					bool *holds)
{
	ParamListInfo params = virtual_row_params(table, rows, n, query->nvalues);
	Verdict    *verdicts = palloc_array(Verdict, n);
	PlannedStmt *plan;

	for (int i = 0; i < query->nvalues; i++)
	{
		ParamExternData *param = &params->params[1 + i];

		param->value = query->values[i];
		param->isnull = false;
		param->pflags = PARAM_FLAG_CONST;
		param->ptype = query->types[i];
	}
	plan = pg_plan_query(copyObject(query->query), "", 0, NULL);
	virtual_row_run(plan, params, n, verdicts);
	for (int i = 0; i < n; i++)
		holds[i] = verdicts[i] == VERDICT_TRUE;
	pfree(verdicts);
}
