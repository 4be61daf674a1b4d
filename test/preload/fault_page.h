/*-------------------------------------------------------------------------
 *
 * fault_page.h
 *	  Which allocation fails: a file that a test writes and processes map.
 *
 * The test names a process or a type of worker and a number n; the n-th
 * allocation of that process fails, and as many behind it as wanted.  Mapped
 * when the process starts, so that one which may open no files any more obeys.
 * Written by test/perl/Faults.pm.
 *
 * test/preload/fault_page.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAULT_PAGE_H
#define FAULT_PAGE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct FaultPage
{
	int32_t		armed;			/* by the test; the rest holds while it is set */
	int32_t		pid;			/* of whom, or ... */
	char		worker[64];		/* ... their bgw_type */
	int32_t		left;			/* allocations that are still granted */
	int32_t		times;			/* and that fail after these */
	int32_t		failed;			/* for the test: have failed */
} FaultPage;

/*
 * The page in this file, NULL if it is not there.
 */
static inline volatile FaultPage *
fault_page_map(const char *path)
{
	int			fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void	   *page;

	if (fd < 0)
		return NULL;
	page = mmap(NULL, sizeof(FaultPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

/*
 * Does this allocation, of the process that is meant, fail?
 */
static inline bool
fault_due(volatile FaultPage *page)
{
	if (page->left > 0)
	{
		page->left--;
		return false;
	}
	if (page->times <= 0)
		return false;
	page->times--;
	page->failed++;
	return true;
}

#endif							/* FAULT_PAGE_H */
