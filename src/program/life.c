/*-------------------------------------------------------------------------
 *
 * life.c
 *	  How a program of the hub begins, and what tells it to end.
 *
 * SIGTERM asks for an orderly end.  It is let through only while the loop sleeps
 * (loop.c), so that a look at its flag after every sleep misses none.  The death
 * of the hub ends the program at once; what comes first, the signal or the end
 * of the bus, is up to the kernel.
 *
 * src/program/life.c
 *
 *-------------------------------------------------------------------------
 */
#include "program/life.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/bus_frame.h"

static volatile sig_atomic_t got_sigterm;
static int	null_fd = -1;		/* kept, because it may not be opened later */

/*
 * Only note it.
 */
static void
handle_sigterm(int signo)
{
	got_sigterm = 1;
}

/*
 * The hub has died: see BUS_DEATH_SIGNAL.
 */
static void
handle_hub_death(int signo)
{
	_exit(1);
}

/*
 * One descriptor per client or request: take all we may have.
 */
static void
raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * Set up the signals and limits.
 */
void
life_begin(void)
{
	struct sigaction action = {0};
	sigset_t	blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	action.sa_handler = handle_sigterm;
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	action.sa_handler = handle_hub_death;
	sigaction(BUS_DEATH_SIGNAL, &action, NULL);
	prctl(PR_SET_PDEATHSIG, BUS_DEATH_SIGNAL);
	raise_fd_limit();
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
}

/*
 * Has SIGTERM come?
 */
bool
life_is_over(void)
{
	return got_sigterm != 0;
}

/*
 * Nothing goes to stderr any more, but what a sanitizer has to say.
 */
void
life_silence_stderr(void)
{
#ifndef __SANITIZE_ADDRESS__
	if (null_fd >= 0)
		dup2(null_fd, STDERR_FILENO);
#endif
}

/*
 * One more that is of no use.
 */
int
life_spare_descriptor(void)
{
	return null_fd >= 0 ? fcntl(null_fd, F_DUPFD_CLOEXEC, 0) : -1;
}
