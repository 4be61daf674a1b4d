/*-------------------------------------------------------------------------
 *
 * clock_shift.c
 *	  Preloaded into a server: a wall clock that a test can set.
 *
 * The microseconds that stand in a file are added to what the clock says.  The
 * other clocks are left alone, as the kernel does when somebody sets the time.
 *
 * test/preload/clock_shift.c
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *shift = NULL;
static int	(*next_clock_gettime) (clockid_t, struct timespec *);

__attribute__((constructor)) static void
set_up(void)
{
	const char *path = getenv("CLOCK_SHIFT");
	int			fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void	   *page;

	next_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		shift = page;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result;
	int64_t		us;

	if (next_clock_gettime == NULL)
		next_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	result = next_clock_gettime(clock, now);
	if (result != 0 || shift == NULL ||
		(clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return result;
	us = now->tv_sec * INT64_C(1000000) + now->tv_nsec / 1000 + *shift;
	now->tv_sec = us / 1000000;
	now->tv_nsec = us % 1000000 * 1000;
	return 0;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;

	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *result)
{
	struct timespec precise;

	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	if (result != NULL)
		*result = precise.tv_sec;
	return precise.tv_sec;
}
