/*-------------------------------------------------------------------------
 *
 * change_filter.c
 *	  Filters of those who follow a table: what clients write.
 *
 * The errors are upstream's, word by word, because people look for them; the
 * lists in them are what Elixir's inspect() shows of the pieces that did not
 * match (supabase.md 6.4).
 *
 * Memory is bounded by the text: an operand has at least a byte and a comma.
 *
 * src/proto/change_filter.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/change_filter.h"

#define PARSE_ERROR "Error parsing `filter` params: "

static const char *const op_names[FILTER_OPS] = {
	[FILTER_EQ] = "eq",
	[FILTER_NEQ] = "neq",
	[FILTER_LT] = "lt",
	[FILTER_LTE] = "lte",
	[FILTER_GT] = "gt",
	[FILTER_GTE] = "gte",
	[FILTER_IN] = "in",
	[FILTER_LIKE] = "like",
	[FILTER_ILIKE] = "ilike",
	[FILTER_IS] = "is",
	[FILTER_MATCH] = "match",
	[FILTER_IMATCH] = "imatch",
	[FILTER_ISDISTINCT] = "isdistinct",
};

/*
 * Name of an operator.
 */
const char *
filter_op_name(FilterOp op)
{
	return op_names[op];
}

/*
 * A blank as String.trim() takes it, of those that are ASCII.
 */
static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Cut blanks off both ends.
 */
Slice
filter_trim(Slice text)
{
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	while (text.len > 0 && is_blank(text.data[0]))
		text = slice_make(text.data + 1, text.len - 1);
	return text;
}

/*
 * Append a byte that inspect() shows as an escape; false if it does not.
 */
static bool
inspect_escape(Bytes *out, char c)
{
	static const char named[] = "\a\b\t\n\v\f\r\033\"\\";
	static const char shown[] = "abtnvfre\"\\";
	const char *at = c != '\0' ? strchr(named, c) : NULL;

	if (at != NULL)
		bytes_printf(out, "\\%c", shown[at - named]);
	else if (c == 0x7F)
		bytes_append_cstr(out, "\\d");
	else if ((uint8) c < 0x20)
		bytes_printf(out, "\\x%02X", (uint8) c);
	else
		return false;
	return true;
}

/*
 * Append a text in quotes.
 */
bool
filter_inspect_text(Bytes *out, Slice text)
{
	bytes_append_byte(out, '"');
	for (size_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];

		/* this would begin an interpolation */
		if (c == '#' && i + 1 < text.len && text.data[i + 1] == '{')
			bytes_append_cstr(out, "\\#");
		else if (!inspect_escape(out, c))
			bytes_append_byte(out, c);
	}
	return bytes_append_byte(out, '"');
}

/*
 * Append the value of a condition; the list of `in` is an array by then.
 */
static void
inspect_value(Bytes *out, const FilterCondition *condition)
{
	Bytes		array = {0};

	if (condition->op != FILTER_IN)
	{
		filter_inspect_text(out, condition->operands[0].text);
		return;
	}
	bytes_append_byte(&array, '{');
	bytes_append(&array, condition->raw.data + 1, condition->raw.len - 2);
	bytes_append_byte(&array, '}');
	if (array.failed)
		out->failed = true;
	filter_inspect_text(out, bytes_slice(&array));
	bytes_free(&array);
}

/*
 * Append all conditions.
 */
bool
filter_inspect(Bytes *out, const ChangeFilter *filter)
{
	bytes_append_byte(out, '[');
	for (uint32 i = 0; i < filter->nconditions; i++)
	{
		const FilterCondition *condition = &filter->conditions[i];

		bytes_append_cstr(out, i > 0 ? ", {" : "{");
		filter_inspect_text(out, condition->column);
		bytes_printf(out, ", \"%s\", ", op_names[condition->op]);
		inspect_value(out, condition);
		bytes_append_cstr(out, condition->negated ? ", true}" : ", false}");
	}
	return bytes_append_byte(out, ']');
}

/*
 * Where the first comma outside of parentheses and quotes is, or the end.  A
 * quote opens only behind one of . ( , or, in a list, at its beginning.
 */
static size_t
find_comma(Slice text, char before)
{
	int			depth = 0;
	bool		quoted = false;

	for (size_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];

		if (quoted)
		{
			if (c == '\\')
			{
				i++;
				c = 'x';
			}
			else if (c == '"')
				quoted = false;
		}
		else if (c == '"' && (before == '.' || before == '(' || before == ','))
			quoted = true;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == ',' && depth == 0)
			return i;
		/* in a list, blanks before a quote do not count */
		if (!is_blank(c) || before == '.')
			before = c;
	}
	return text.len;
}

/*
 * Take the piece up to the next comma off *rest; false if that was the last.
 */
static bool
next_piece(Slice *rest, char before, Slice *piece)
{
	size_t		comma = find_comma(*rest, before);
	bool		more = comma < rest->len;

	*piece = filter_trim(slice_make(rest->data, comma));
	if (more)
		*rest = slice_make(rest->data + comma + 1, rest->len - comma - 1);
	return more;
}

/*
 * Is all of it in one pair of quotes?
 */
static bool
is_quoted(Slice text)
{
	if (text.len < 2 || text.data[0] != '"' || text.data[text.len - 1] != '"')
		return false;
	for (size_t i = 1; i < text.len; i++)
	{
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '"')
			return i == text.len - 1;
	}
	return false;
}

/*
 * What a value means.  There is room for all values of the filter in `plain`.
 */
static Slice
unquote(ChangeFilter *filter, Slice text)
{
	size_t		start = filter->plain.len;

	if (!is_quoted(text))
		return text;
	text = slice_make(text.data + 1, text.len - 2);
	if (text.len == 0 || memchr(text.data, '\\', text.len) == NULL)
		return text;
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] == '\\')
			i++;
		bytes_append_byte(&filter->plain, text.data[i]);
	}
	return slice_make(filter->plain.data + start, filter->plain.len - start);
}

/*
 * An operand of the condition at hand; false without memory.  Conditions find
 * theirs by place until all are there, because the array moves.
 */
static bool
add_operand(ChangeFilter *filter, Slice text, bool is_null)
{
	FilterOperand *operand;

	if (filter->noperands == filter->max_operands)
	{
		uint32		max = Max(filter->max_operands * 2, 4);
		FilterOperand *moved = realloc(filter->operands, max * sizeof(FilterOperand));

		if (moved == NULL)
			return false;
		filter->operands = moved;
		filter->max_operands = max;
	}
	operand = &filter->operands[filter->noperands++];
	operand->text = unquote(filter, text);
	operand->is_null = is_null;
	return true;
}

/*
 * The list of `in`, which becomes an array: there an unquoted null is none.
 */
static bool
parse_list(ChangeFilter *filter, FilterCondition *condition)
{
	Slice		rest = slice_make(condition->raw.data + 1, condition->raw.len - 2);
	Slice		piece;
	bool		more = filter_trim(rest).len > 0;

	while (more)
	{
		more = next_piece(&rest, ',', &piece);
		if (!add_operand(filter, piece,
						 piece.len == 4 && pg_strncasecmp(piece.data, "null", 4) == 0))
			return false;
		condition->noperands++;
	}
	return true;
}

/*
 * Begin an error message.
 */
static FilterParse
bad(Bytes *error, const char *message)
{
	bytes_append_cstr(error, PARSE_ERROR);
	return bytes_append_cstr(error, message) ? FILTER_BAD : FILTER_NO_MEMORY;
}

/*
 * The error that shows a list of one or two texts.
 */
static FilterParse
bad_pieces(Bytes *error, Slice first, const Slice *second)
{
	(void) bad(error, "[");
	filter_inspect_text(error, first);
	if (second != NULL)
	{
		bytes_append_cstr(error, ", ");
		filter_inspect_text(error, *second);
	}
	return bytes_append_byte(error, ']') ? FILTER_BAD : FILTER_NO_MEMORY;
}

/*
 * The operator of this name; FILTER_OPS if there is none.
 */
static int
find_op(Slice name)
{
	int			op = 0;

	while (op < FILTER_OPS && !slice_equals_cstr(name, op_names[op]))
		op++;
	return op;
}

/*
 * Split at the first `c`; false if there is none.
 */
static bool
split(Slice text, char c, Slice *left, Slice *right)
{
	const char *at = text.len > 0 ? memchr(text.data, c, text.len) : NULL;

	if (at == NULL)
		return false;
	*left = slice_make(text.data, at - text.data);
	*right = slice_make(at + 1, text.len - left->len - 1);
	return true;
}

/*
 * One condition.
 */
static FilterParse
parse_segment(Slice segment, ChangeFilter *filter, Bytes *error)
{
	FilterCondition *condition = &filter->conditions[filter->nconditions];
	Slice		rest;
	Slice		name;
	int			op;

	memset(condition, 0, sizeof(*condition));
	if (!split(segment, '=', &condition->column, &rest))
		return bad_pieces(error, segment, NULL);
	condition->negated = slice_has_prefix(rest, SLICE_LIT("not."));
	if (condition->negated)
		rest = slice_make(rest.data + 4, rest.len - 4);
	if (!split(rest, '.', &name, &condition->raw))
		return bad_pieces(error, rest, NULL);
	op = find_op(name);
	if (op == FILTER_OPS)
		return bad_pieces(error, name, &condition->raw);
	condition->op = (uint8) op;
	filter->nconditions++;
	if (op != FILTER_IN)
	{
		condition->noperands = 1;
		return add_operand(filter, condition->raw, false) ? FILTER_PARSED : FILTER_NO_MEMORY;
	}
	if (condition->raw.len < 2 || condition->raw.data[0] != '(' ||
		condition->raw.data[condition->raw.len - 1] != ')')
		return bad(error, "`in` filter value must be wrapped by parentheses");
	return parse_list(filter, condition) ? FILTER_PARSED : FILTER_NO_MEMORY;
}

/*
 * All conditions.
 */
static FilterParse
parse_segments(Slice text, ChangeFilter *filter, Bytes *error)
{
	FilterParse verdict = FILTER_PARSED;
	bool		more = true;

	while (more && verdict == FILTER_PARSED)
	{
		Slice		segment;

		more = next_piece(&text, '\0', &segment);
		if (segment.len == 0)
			return bad(error, "filter must not contain empty segments (check for extra commas)");
		if (filter->nconditions == FILTER_MAX_CONDITIONS)
			return bad(error, "filter must not contain more than 32 segments");
		verdict = parse_segment(segment, filter, error);
	}
	return verdict;
}

StaticAssertDecl(FILTER_MAX_CONDITIONS == 32, "the error above names the limit");

/*
 * Take a filter apart.
 */
FilterParse
filter_parse(Slice text, ChangeFilter *filter, Bytes *error)
{
	FilterParse verdict;
	FilterOperand *next;

	memset(filter, 0, offsetof(ChangeFilter, conditions));
	filter->operands = NULL;
	filter->noperands = 0;
	filter->max_operands = 0;
	bytes_init(&filter->plain);
	text = filter_trim(text);
	if (text.len == 0)
		return FILTER_PARSED;
	/* slices of it are handed out, so it must not move */
	if (!bytes_reserve(&filter->plain, text.len))
		return FILTER_NO_MEMORY;
	verdict = parse_segments(text, filter, error);
	if (verdict != FILTER_PARSED)
	{
		filter_free(filter);
		return verdict;
	}
	next = filter->operands;
	for (uint32 i = 0; i < filter->nconditions; i++)
	{
		filter->conditions[i].operands = next;
		next += filter->conditions[i].noperands;
	}
	return FILTER_PARSED;
}

/*
 * Give the memory back.
 */
void
filter_free(ChangeFilter *filter)
{
	free(filter->operands);
	filter->operands = NULL;
	bytes_free(&filter->plain);
}
