/*-------------------------------------------------------------------------
 *
 * slow_bus.c
 *	  Preloaded into a gateway: some of what it tells the hub takes a while.
 *
 * SLOW_BUS has a text.  To send what has it in it on the bus takes SLOW_MS, as if
 * the gateway had to wait for a processor just then.
 *
 * test/preload/slow_bus.c
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BUS_FD 3				/* as proto/bus_frame.h has it */
#define SLOW_MS 500

static const char *slow = NULL;
static ssize_t (*next_send) (int, const void *, size_t, int);

__attribute__((constructor)) static void
set_up(void)
{
	slow = getenv("SLOW_BUS");
	next_send = dlsym(RTLD_NEXT, "send");
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* To sleep is no system call that a gateway may make. */
static void
wait_awake(void)
{
	int64_t		end = now_ms() + SLOW_MS;

	while (now_ms() < end)
		;
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	if (fd == BUS_FD && slow != NULL && memmem(data, len, slow, strlen(slow)) != NULL)
		wait_awake();
	return next_send(fd, data, len, flags);
}
