/*-------------------------------------------------------------------------
 *
 * judge.c
 *	  PostgreSQL's own verdicts on JSON and UTF-8, from libpgcommon.
 *
 * json_in() and jsonb_in() run this parser; jsonb_in() has its strings
 * unescaped, which refuses \u0000 and halves of surrogate pairs, and then
 * makes a numeric of each number, which refuses those out of its range.  That
 * is in the server only (test/t/151_json_verdicts.pl).
 *
 * test/fuzz/judge.c
 *
 *-------------------------------------------------------------------------
 */
#include "judge.h"

#include <malloc.h>

#include "common/jsonapi.h"
#include "fuzz.h"
#include "mb/pg_wchar.h"

/*
 * What the parser allocates: ld's --wrap leads it here, because a verdict of
 * "no" leaves things behind, and what it has no memory for ends the program.
 */
extern void *__wrap_palloc(size_t size);
extern void *__wrap_palloc0(size_t size);
extern void *__wrap_repalloc(void *memory, size_t size);
extern char *__wrap_pstrdup(const char *chars);
extern void __wrap_pfree(void *memory);

void	   *
__wrap_palloc(size_t size)
{
	return fuzz_alloc(size);
}

void	   *
__wrap_palloc0(size_t size)
{
	return fuzz_alloc(size);
}

void	   *
__wrap_repalloc(void *memory, size_t size)
{
	void	   *moved = fuzz_alloc(size);

	memcpy(moved, memory, Min(size, malloc_usable_size(memory)));
	return moved;
}

char	   *
__wrap_pstrdup(const char *chars)
{
	return unconstify(char *, fuzz_cstr(slice_make(chars, strlen(chars))));
}

void
__wrap_pfree(void *memory)
{
}

bool
judge_utf8(Slice chars)
{
	return chars.len == 0 ||
		pg_encoding_verifymbstr(PG_UTF8, chars.data, (int) chars.len) == (int) chars.len;
}

void
judge_log_text(Bytes *log, char kind, Slice chars)
{
	bytes_append_byte(log, (uint8) kind);
	bytes_append_slice(log, chars);
	bytes_append_byte(log, '\0');
}

/* What the parser calls returns its verdict since PostgreSQL 16. */
#if PG_VERSION_NUM >= 160000
#define ACTION static JsonParseErrorType
#define ACTION_END return JSON_SUCCESS
#else
#define ACTION static void
#define ACTION_END return
#endif

ACTION
object_start(void *state)
{
	bytes_append_byte(state, '{');
	ACTION_END;
}

ACTION
object_end(void *state)
{
	bytes_append_byte(state, '}');
	ACTION_END;
}

ACTION
array_start(void *state)
{
	bytes_append_byte(state, '[');
	ACTION_END;
}

ACTION
array_end(void *state)
{
	bytes_append_byte(state, ']');
	ACTION_END;
}

ACTION
object_field_start(void *state, char *name, bool isnull)
{
	judge_log_text(state, 'k', slice_make(name, strlen(name)));
	ACTION_END;
}

ACTION
scalar(void *state, char *token, JsonTokenType type)
{
	judge_log_text(state, type == JSON_TOKEN_STRING ? 's' : 'v', slice_make(token, strlen(token)));
	ACTION_END;
}

bool
judge_json(Slice chars, Bytes *log)
{
	JsonSemAction actions = {0};
	JsonLexContext *lex;
	JsonParseErrorType verdict;
	char	   *copy = unconstify(char *, fuzz_cstr(chars));

	actions.semstate = log;
	actions.object_start = object_start;
	actions.object_end = object_end;
	actions.array_start = array_start;
	actions.array_end = array_end;
	actions.object_field_start = object_field_start;
	actions.scalar = scalar;
#if PG_VERSION_NUM >= 170000
	lex = makeJsonLexContextCstringLen(NULL, copy, chars.len, PG_UTF8, true);
#else
	lex = makeJsonLexContextCstringLen(copy, (int) chars.len, PG_UTF8, true);
#endif
	verdict = pg_parse_json(lex, &actions);
	return verdict == JSON_SUCCESS;
}
