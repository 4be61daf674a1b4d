/*-------------------------------------------------------------------------
 *
 * spawn.c
 *	  Fork and exec a program that holds one end of a bus.
 *
 * What stands between fork and exec is learnt from a prototype's accidents:
 *
 * - Signals are blocked before the fork and every disposition is put back to
 *	 its default: an inherited handler would touch shared memory.
 * - PR_SET_PDEATHSIG, for a program must never outlive its hub: an orphan keeps
 *	 its share of new connections.  Not with SIGKILL: where the postmaster is
 *	 process 1 (containers) it inherits the orphan, and one that was killed by a
 *	 signal while it was recovering from the hub's own crash cost it 5 s and a
 *	 second recovery, one time in eight (test/t/022_orphans.pl).  The signal is
 *	 set for the parent of that moment, hence the second look at getppid().
 * - setsid(): signals to a background worker go to its process group.
 * - close_range(): PostgreSQL opens files without O_CLOEXEC.
 *
 * src/hub/spawn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "hub/spawn.h"
#include "proto/bus_frame.h"

#define EXIT_CANNOT_EXECUTE 127

/*
 * Path of a program: beside the postgres that runs.
 */
static void
program_path(const char *name, char *path, size_t size)
{
	strlcpy(path, my_exec_path, size);
	get_parent_directory(path);
	strlcat(path, "/", size);
	strlcat(path, name, size);
}

/*
 * The child, up to exec.  Only async-signal-safe calls.
 */
static void
become_program(const char *path, char **argv, int bus_fd, pid_t hub)
{
	char	   *environment[] = {"LC_ALL=C", NULL};
	sigset_t	none;
	int			null_fd;

	for (int signo = 1; signo < NSIG; signo++)
		(void) signal(signo, SIG_DFL);
	(void) prctl(PR_SET_PDEATHSIG, BUS_DEATH_SIGNAL);
	if (getppid() != hub)
		_exit(EXIT_CANNOT_EXECUTE);
	(void) setsid();

	null_fd = open("/dev/null", O_RDWR);
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 ||
		dup2(bus_fd, BUS_FD) < 0)
		_exit(EXIT_CANNOT_EXECUTE);
	/* dup2() onto itself would have left close-on-exec set */
	(void) fcntl(BUS_FD, F_SETFD, 0);
	(void) syscall(SYS_close_range, BUS_FD + 1, ~0U, 0);

	sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	(void) execve(path, argv, environment);
	_exit(EXIT_CANNOT_EXECUTE);
}

/*
 * Start a program.
 */
pid_t
spawn_program(const char *name, int *bus_fd, int *pid_fd)
{
	char		path[MAXPGPATH];
	char	   *argv[] = {unconstify(char *, name), NULL};
	pid_t		hub = getpid();
	sigset_t	all;
	sigset_t	before;
	int			ends[2];
	pid_t		pid;
	int			save_errno;

	program_path(name, path, sizeof(path));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;

	sigfillset(&all);
	(void) sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_program(path, argv, ends[1], hub);
	save_errno = errno;
	(void) sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);

	if (pid > 0)
	{
		/* pidfds are close-on-exec by themselves */
		*pid_fd = (int) syscall(SYS_pidfd_open, pid, 0);
		*bus_fd = ends[0];
		if (*pid_fd >= 0)
			return pid;
		save_errno = errno;
		(void) kill(pid, SIGKILL);
		(void) waitpid(pid, NULL, 0);
	}
	close(ends[0]);
	errno = save_errno;
	return -1;
}

/*
 * Reap a child that has ended or will at once.
 */
static int
reap(pid_t pid)
{
	int			status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/*
 * End a program.
 */
int
spawn_end(pid_t pid, int pid_fd, int grace_ms)
{
	TimestampTz deadline = GetCurrentTimestamp() + grace_ms * INT64CONST(1000);
	struct pollfd ended = {.fd = pid_fd, .events = POLLIN};
	long		left = grace_ms;
	int			n = 0;

	(void) kill(pid, SIGTERM);
	/* a server that shuts down sends signals, which cut a wait short */
	while (left > 0 && (n = poll(&ended, 1, (int) left)) < 0 && errno == EINTR)
		left = (long) ((deadline - GetCurrentTimestamp()) / 1000);
	if (n <= 0)
		(void) kill(pid, SIGKILL);
	return reap(pid);
}
