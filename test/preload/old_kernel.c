/*-------------------------------------------------------------------------
 *
 * old_kernel.c
 *	  Preloaded into a server: a kernel that does not know some system calls.
 *
 * OLD_KERNEL has their names, with a space between them.  Only what goes through
 * syscall() is looked at.
 *
 * test/preload/old_kernel.c
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long (*next_syscall) (long, ...);

__attribute__((constructor)) static void
set_up(void)
{
	next_syscall = dlsym(RTLD_NEXT, "syscall");
}

static int
is_unknown(const char *name)
{
	const char *unknown = getenv("OLD_KERNEL");

	return unknown != NULL && strstr(unknown, name) != NULL;
}

long
syscall(long number, ...)
{
	long		arguments[6];
	va_list		list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if ((number == SYS_close_range && is_unknown("close_range")) ||
		(number == SYS_pidfd_open && is_unknown("pidfd_open")))
	{
		errno = ENOSYS;
		return -1;
	}
	return next_syscall(number, arguments[0], arguments[1], arguments[2],
						arguments[3], arguments[4], arguments[5]);
}
