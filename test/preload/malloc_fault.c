/*-------------------------------------------------------------------------
 *
 * malloc_fault.c
 *	  Preloaded into a program: the allocation that a test names fails.
 *
 * test/preload/malloc_fault.c
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stddef.h>

#include "fault_page.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

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
	if (page == NULL || !page->armed || page->pid != getpid() || !fault_due(page))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}
