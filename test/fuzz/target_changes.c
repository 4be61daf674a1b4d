/*-------------------------------------------------------------------------
 *
 * target_changes.c
 *	  Who wants to hear of what: entries and filters of postgres_changes, what
 *	  filters mean to values, patterns of channels.
 *
 *	  input   kind | what that takes; texts end with a line feed
 *
 * test/fuzz/target_changes.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <time.h>

#include "proto/change_compare.h"
#include "proto/change_entry.h"
#include "proto/channel_pattern.h"
#include "reference.h"

#define MAX_LIKE 256			/* bytes of a text and of a pattern */

static void
free_filter(void *filter)
{
	filter_free(filter);
}

static void
free_entries(void *entries)
{
	change_entries_free(entries);
}

/* Parse a filter; NULL if it is none. */
static ChangeFilter *
parse(Slice chars)
{
	ChangeFilter *filter = fuzz_alloc(sizeof(ChangeFilter));
	Bytes	   *error = fuzz_bytes();

	switch (filter_parse(chars, filter, error))
	{
		case FILTER_PARSED:
			fuzz_at_end(free_filter, filter);
			must(error->len == 0);
			return filter;
		case FILTER_BAD:
			must(error->len > 0);
			return NULL;
		default:
			must(false);
			return NULL;
	}
}

/* Are these the same conditions? */
static void
same_conditions(const ChangeFilter *a, const ChangeFilter *b)
{
	must(a->nconditions == b->nconditions);
	for (uint32 i = 0; i < a->nconditions; i++)
	{
		const FilterCondition *x = &a->conditions[i];
		const FilterCondition *y = &b->conditions[i];

		must(x->op == y->op && x->negated == y->negated && x->noperands == y->noperands);
		must(slice_equals(x->column, y->column) && slice_equals(x->raw, y->raw));
		for (uint32 n = 0; n < x->noperands; n++)
			must(slice_equals(x->operands[n].text, y->operands[n].text) &&
				 x->operands[n].is_null == y->operands[n].is_null);
	}
}

/* A filter is what it was written as; written down again, it is the same. */
static void
check_filter(Slice chars)
{
	ChangeFilter *filter;
	ChangeFilter *again;
	Bytes	   *written = fuzz_bytes();
	Bytes	   *shown = fuzz_bytes();
	uint32		noperands = 0;

	if (ref_utf8(chars) != REF_UTF8_WHOLE)
		return;
	filter = parse(chars);
	if (filter == NULL)
		return;
	must(filter->nconditions <= FILTER_MAX_CONDITIONS);
	must(filter_inspect(shown, filter) && shown->data[0] == '[' && shown->data[shown->len - 1] == ']');
	for (uint32 i = 0; i < filter->nconditions; i++)
	{
		const FilterCondition *condition = &filter->conditions[i];

		must(FILTER_OP_VALID(condition->op) && lies_in(condition->column, chars));
		must(lies_in(condition->raw, chars) && (condition->op == FILTER_IN || condition->noperands == 1));
		must(condition->operands == filter->operands + noperands || condition->noperands == 0);
		noperands += condition->noperands;
		for (uint32 n = 0; n < condition->noperands; n++)
			must(lies_in(condition->operands[n].text, chars) ||
				 lies_in(condition->operands[n].text, bytes_slice(&filter->plain)));

		if (i > 0)
			bytes_append_byte(written, ',');
		bytes_append_slice(written, condition->column);
		bytes_append_cstr(written, condition->negated ? "=not." : "=");
		bytes_append_cstr(written, filter_op_name(condition->op));
		bytes_append_byte(written, '.');
		must(bytes_append_slice(written, condition->raw));
	}
	must(noperands == filter->noperands);
	again = parse(exact_bytes(written));
	must(again != NULL);
	same_conditions(filter, again);
}

/* A value in quotes, with any operator and negation, is that value. */
static void
check_quoted(Slice input)
{
	FilterOp	op = input_byte(&input) % FILTER_OPS;
	bool		negated = input_byte(&input) & 1;
	Bytes	   *written = fuzz_bytes();
	ChangeFilter *filter;

	if (ref_utf8(input) != REF_UTF8_WHOLE)
		return;
	bytes_append_cstr(written, negated ? "b=eq.1,a=not." : "b=eq.1,a=");
	bytes_append_cstr(written, filter_op_name(op));
	bytes_append_cstr(written, op == FILTER_IN ? ".(\"" : ".\"");
	for (size_t i = 0; i < input.len; i++)
	{
		if (input.data[i] == '"' || input.data[i] == '\\')
			bytes_append_byte(written, '\\');
		bytes_append_byte(written, (uint8) input.data[i]);
	}
	must(bytes_append_cstr(written, op == FILTER_IN ? "\",null)" : "\""));
	filter = parse(exact_bytes(written));
	must(filter != NULL && filter->nconditions == 2);
	must(filter->conditions[1].op == op && filter->conditions[1].negated == negated);
	must(slice_equals(filter->conditions[1].operands[0].text, input));
	must(!filter->conditions[1].operands[0].is_null);
	must(filter->conditions[1].noperands == (op == FILTER_IN ? 2 : 1));
	must(op != FILTER_IN || filter->conditions[1].operands[1].is_null);
}

/* Entries, whichever way they come. */
static void
check_entries(Slice input)
{
	bool		by_name = input_byte(&input) & 1;
	Slice		chars = fuzz_exact(input);
	ChangeEntries *entries = fuzz_alloc(sizeof(ChangeEntries));
	Bytes	   *error = fuzz_bytes();
	EntryParse	verdict;

	if (by_name ? ref_utf8(chars) != REF_UTF8_WHOLE : !ref_json(chars))
		return;
	verdict = by_name ? change_entries_of_name(chars, entries, error) :
		change_entries_parse(chars, entries, error);
	if (verdict != ENTRIES_PARSED)
	{
		must(verdict == ENTRIES_BAD && error->len > 0 && ref_utf8(exact_bytes(error)) == REF_UTF8_WHOLE);
		return;
	}
	fuzz_at_end(free_entries, entries);
	must(entries->count <= CHANGE_MAX_ENTRIES && error->len == 0);
	for (uint32 i = 0; i < entries->count; i++)
	{
		const ChangeEntry *entry = &entries->entries[i];

		must(entry->events != 0 && (entry->events & ~CHANGE_ON_ALL) == 0);
		must(change_event_name(entry->events) != NULL);
		must(ref_utf8(entry->schema) == REF_UTF8_WHOLE && ref_utf8(entry->table) == REF_UTF8_WHOLE);
		must(parse(entry->filter) != NULL);
		must(entry->nnames <= entries->nnames);
		for (uint32 n = 0; n < entry->nnames; n++)
			must(ref_utf8(entry->names[n]) == REF_UTF8_WHOLE);
	}
}

/* One operator, one operand, one value. */
static FilterVerdict
test(FilterClass class, FilterOp op, bool negated, Slice value, Slice operand)
{
	FilterOperand operands[1] = {{operand, false}};
	FilterOperand of_row = {value, false};
	FilterCondition condition = {op, negated};

	condition.operands = operands;
	condition.noperands = 1;
	return filter_test(class, &condition, &of_row);
}

static bool
yes(FilterVerdict verdict)
{
	return verdict == FILTER_YES;
}

/* What holds of any two values that can be compared. */
static void
check_order(FilterClass class, Slice a, Slice b)
{
	bool		equal = yes(test(class, FILTER_EQ, false, a, b));
	bool		less = yes(test(class, FILTER_LT, false, a, b));
	bool		more = yes(test(class, FILTER_GT, false, a, b));
	Bytes	   *key_a = fuzz_bytes();
	Bytes	   *key_b = fuzz_bytes();

	must(yes(test(class, FILTER_NEQ, false, a, b)) == !equal);
	must(yes(test(class, FILTER_ISDISTINCT, false, a, b)) == !equal);
	must(yes(test(class, FILTER_EQ, true, a, b)) == !equal);
	must(yes(test(class, FILTER_EQ, false, b, a)) == equal);
	must(yes(test(class, FILTER_EQ, false, a, a)) && yes(test(class, FILTER_EQ, false, b, b)));
	must(filter_key(class, a, key_a) && filter_key(class, b, key_b));
	must(slice_equals(bytes_slice(key_a), bytes_slice(key_b)) == equal);
	if (!filter_class_serves(class, FILTER_LT))
		return;
	must(equal + less + more == 1);
	must(yes(test(class, FILTER_LTE, false, a, b)) == !more);
	must(yes(test(class, FILTER_GTE, false, a, b)) == !less);
	must(yes(test(class, FILTER_LT, true, a, b)) == !less);
	must(yes(test(class, FILTER_LT, false, b, a)) == more);
}

/* Is it a number short enough for a long double? */
static bool
is_short(Slice number)
{
	const char *chars = fuzz_cstr(number);
	size_t		digits = 0;

	for (size_t i = 0; i < number.len; i++)
		digits += isdigit((unsigned char) chars[i]) != 0;
	return digits <= 15 && strcspn(chars, "eE") == number.len;
}

/* Seconds of a time that timegm() can be asked about; false for others. */
static bool
simple_time(Slice spelled, time_t *seconds)
{
	const char *chars = fuzz_cstr(spelled);
	struct tm	tm = {0};
	int			hours = 0;
	int			minutes = 0;
	int			end = 0;

	if (sscanf(chars, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 6 || end != 19)
		return false;
	if (spelled.len == 25 && (chars[19] == '+' || chars[19] == '-'))
	{
		if (sscanf(chars + 20, "%2d:%2d", &hours, &minutes) != 2)
			return false;
	}
	else if (spelled.len != 19)
		return false;
	if (strspn(chars, "0123456789-:T+") != spelled.len)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*seconds = timegm(&tm) - (hours * 3600 + minutes * 60) * (chars[19] == '-' ? -1 : 1);
	return true;
}

/* Two values, and a third one for the order. */
static void
check_compare(Slice input)
{
	FilterClass class = input_byte(&input) % (FILTER_AS_TIME + 1);
	Slice		a = input_line(&input);
	Slice		b = input_line(&input);
	Slice		c = input_line(&input);

	if (test(class, FILTER_EQ, false, a, b) == FILTER_UNSURE ||
		test(class, FILTER_EQ, false, c, c) == FILTER_UNSURE)
		return;
	check_order(class, a, b);
	if (class < FILTER_AS_ORDERED_TEXT)
		return;
	if (yes(test(class, FILTER_LTE, false, a, b)) && yes(test(class, FILTER_LTE, false, b, c)))
		must(yes(test(class, FILTER_LTE, false, a, c)));
	if (class == FILTER_AS_NUMBER && is_short(a) && is_short(b))
	{
		/* decimals of 15 digits and their doubles have one order */
		double		x = strtod(fuzz_cstr(a), NULL);
		double		y = strtod(fuzz_cstr(b), NULL);

		if (!isnan(x) && !isnan(y))
			must(yes(test(class, FILTER_LT, false, a, b)) == (x < y));
	}
	else if (class == FILTER_AS_TIME)
	{
		time_t		x;
		time_t		y;

		if (simple_time(a, &x) && simple_time(b, &y))
			must(yes(test(class, FILTER_LT, false, a, b)) == (x < y) &&
				 yes(test(class, FILTER_EQ, false, a, b)) == (x == y));
	}
	else if (class == FILTER_AS_ORDERED_TEXT)
		must(yes(test(class, FILTER_EQ, false, a, b)) == slice_equals(a, b));
}

/* Every operator, with a value that may be null and a list. */
static void
check_condition(Slice input)
{
	FilterClass class = input_byte(&input) % (FILTER_AS_TIME + 1);
	FilterOperand operands[4];
	FilterOperand value = {{NULL, 0}};
	FilterCondition condition = {input_byte(&input) % FILTER_OPS};
	FilterVerdict verdict;
	FilterVerdict negated;
	bool		found = false;
	bool		has_null = false;
	bool		unsure = false;

	value.is_null = input_byte(&input) % 4 == 3;
	value.text = input_line(&input);
	condition.operands = operands;
	condition.noperands = condition.op == FILTER_IN ? input_byte(&input) % lengthof(operands) : 1;
	for (uint32 i = 0; i < condition.noperands; i++)
	{
		operands[i].is_null = condition.op == FILTER_IN && input_byte(&input) % 4 == 3;
		operands[i].text = input_line(&input);
	}
	verdict = filter_test(class, &condition, &value);
	condition.negated = true;
	negated = filter_test(class, &condition, &value);
	must((verdict == FILTER_UNSURE) == (negated == FILTER_UNSURE));
	must(verdict != FILTER_YES || negated == FILTER_NO);
	if (value.is_null && condition.op != FILTER_IS && condition.op != FILTER_ISDISTINCT)
		must(verdict == FILTER_NO);
	if (condition.op == FILTER_IS)
		must(verdict != FILTER_UNSURE && negated != verdict);
	if (condition.op != FILTER_IN || value.is_null)
		return;
	for (uint32 i = 0; i < condition.noperands && !found; i++)
	{
		FilterVerdict one = FILTER_NO;

		if (operands[i].is_null)
			has_null = true;
		else
			one = test(class, FILTER_EQ, false, value.text, operands[i].text);
		found = one == FILTER_YES;
		unsure = unsure || one == FILTER_UNSURE;
	}
	if (!unsure && filter_class_serves(class, FILTER_IN))
	{
		must(yes(verdict) == found);
		must(yes(negated) == (!found && !has_null));
	}
}

/* LIKE and ILIKE say what trying everything says. */
static void
check_like(Slice input)
{
	Slice		chars = input_line(&input);
	Slice		pattern = fuzz_exact(input);

	if (ref_utf8(chars) != REF_UTF8_WHOLE || ref_utf8(pattern) != REF_UTF8_WHOLE ||
		chars.len > MAX_LIKE || pattern.len > MAX_LIKE)
		return;
	for (int folds = 0; folds < 2; folds++)
	{
		FilterVerdict verdict = test(FILTER_AS_TEXT, folds ? FILTER_ILIKE : FILTER_LIKE, false, chars, pattern);

		if (verdict != FILTER_UNSURE)
			must(yes(verdict) == ref_like(chars, pattern, folds));
		else
			must(folds || pattern.data[pattern.len - 1] == '\\');
	}
}

/* A pattern stands for the names that trying everything finds. */
static void
check_pattern(Slice input)
{
	Slice		pattern = input_line(&input);
	Slice		name = fuzz_exact(input);
	ChannelSpecificity specificity = channel_pattern_specificity(pattern);
	ChannelSpecificity other = channel_pattern_specificity(name);
	int			order = channel_pattern_compare(&specificity, &other);

	must(channel_pattern_matches(pattern, name) == ref_pattern(pattern, name));
	must(specificity.wildcards + specificity.literals == pattern.len);
	must(channel_pattern_is_wild(pattern) == (specificity.wildcards > 0));
	must(specificity.prefix <= specificity.literals);
	must((channel_pattern_compare(&other, &specificity) > 0) == (order < 0));
	must((channel_pattern_compare(&other, &specificity) == 0) == (order == 0));
	if (channel_name_valid(name))
		must(channel_pattern_matches(name, name));
}

void
fuzz_changes(Slice input)
{
	switch (input_byte(&input) % 8)
	{
		case 0:
			check_filter(fuzz_exact(input));
			break;
		case 1:
			check_quoted(fuzz_exact(input));
			break;
		case 2:
			check_entries(input);
			break;
		case 3:
			check_compare(input);
			break;
		case 4:
			check_condition(input);
			break;
		case 5:
			check_like(input);
			break;
		default:
			check_pattern(input);
			break;
	}
}
