/*-------------------------------------------------------------------------
 *
 * palloc_fault.c
 *	  Linked into a copy of the server module: the allocation that a test names
 *	  fails, as any may when memory is short.
 *
 * The linker (--wrap, test/preload/preload.mk) sends what the module's own code
 * asks of these functions here.  What is linked are the objects of the release,
 * so it is their code that is tested.  Functions of the server that allocate
 * count like palloc() itself.
 *
 * test/preload/palloc_fault.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "fault_page.h"

static volatile FaultPage *page = NULL;

__attribute__((constructor)) static void
map_page(void)
{
	page = fault_page_map(getenv("FAULT_PAGE"));
}

/*
 * Is it our turn?
 */
static bool
fails(void)
{
	if (page == NULL || !page->armed)
		return false;
	if (page->pid != 0 ? page->pid != getpid() :
		MyBgworkerEntry == NULL ||
		strcmp(MyBgworkerEntry->bgw_type, (const char *) page->worker) != 0)
		return false;
	return fault_due(page);
}

/*
 * What palloc() does when there is no memory.
 */
static void
may_fail(void)
{
	if (fails())
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("A test wanted it so.")));
}

/* A function that throws, and its stand-in. */
#define THROWS(type, name, parameters, arguments) \
	extern type __real_##name parameters; \
	extern type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		may_fail(); \
		return __real_##name arguments; \
	}

/* One that returns NULL. */
#define IS_NULL(name, parameters, arguments) \
	extern void *__real_##name parameters; \
	extern void *__wrap_##name parameters; \
	void *__wrap_##name parameters \
	{ \
		return fails() ? NULL : __real_##name arguments; \
	}

THROWS(void *, palloc, (Size size), (size))
THROWS(void *, palloc0, (Size size), (size))
THROWS(void *, repalloc, (void *old, Size size), (old, size))
THROWS(void *, repalloc_huge, (void *old, Size size), (old, size))
THROWS(char *, pstrdup, (const char *s), (s))
THROWS(char *, pnstrdup, (const char *s, Size len), (s, len))
THROWS(void *, MemoryContextAlloc, (MemoryContext context, Size size), (context, size))
THROWS(void *, MemoryContextAllocZero, (MemoryContext context, Size size), (context, size))
THROWS(void *, MemoryContextAllocHuge, (MemoryContext context, Size size), (context, size))
THROWS(char *, MemoryContextStrdup, (MemoryContext context, const char *s), (context, s))
THROWS(MemoryContext, AllocSetContextCreateInternal,
	   (MemoryContext parent, const char *name, Size least, Size first, Size most),
	   (parent, name, least, first, most))
THROWS(text *, cstring_to_text, (const char *s), (s))
THROWS(text *, cstring_to_text_with_len, (const char *s, int len), (s, len))
THROWS(char *, text_to_cstring, (const text *t), (t))
THROWS(void, initStringInfo, (StringInfo s), (s))
THROWS(void, enlargeStringInfo, (StringInfo s, int needed), (s, needed))
THROWS(void, appendStringInfoChar, (StringInfo s, char c), (s, c))
THROWS(void, appendStringInfoString, (StringInfo s, const char *text), (s, text))
THROWS(List *, lappend, (List *list, void *item), (list, item))
THROWS(List *, lappend_oid, (List *list, Oid item), (list, item))
THROWS(HTAB *, hash_create, (const char *name, long n, const HASHCTL *info, int flags),
	   (name, n, info, flags))

#ifdef HAVE_PALLOC_MUL
THROWS(void *, palloc_mul, (Size a, Size b), (a, b))
THROWS(void *, palloc0_mul, (Size a, Size b), (a, b))
THROWS(void *, repalloc_mul, (void *old, Size a, Size b), (old, a, b))
#endif

/*
 * Looking something up takes no memory, entering it does.
 */
extern void *__real_hash_search(HTAB *table, const void *key, HASHACTION action, bool *found);
extern void *__wrap_hash_search(HTAB *table, const void *key, HASHACTION action, bool *found);

void *
__wrap_hash_search(HTAB *table, const void *key, HASHACTION action, bool *found)
{
	if (action == HASH_ENTER)
		may_fail();
	return __real_hash_search(table, key, action, found);
}

/*
 * Those whose callers are ready for NULL, unless the flags say otherwise.
 */
#define NO_OOM(name, parameters, arguments) \
	extern void *__real_##name parameters; \
	extern void *__wrap_##name parameters; \
	void *__wrap_##name parameters \
	{ \
		if ((flags & MCXT_ALLOC_NO_OOM) == 0) \
			may_fail(); \
		else if (fails()) \
			return NULL; \
		return __real_##name arguments; \
	}

NO_OOM(palloc_extended, (Size size, int flags), (size, flags))
NO_OOM(MemoryContextAllocExtended, (MemoryContext context, Size size, int flags),
	   (context, size, flags))

IS_NULL(malloc, (size_t size), (size))
IS_NULL(calloc, (size_t n, size_t size), (n, size))
IS_NULL(realloc, (void *old, size_t size), (old, size))
