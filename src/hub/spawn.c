/*-------------------------------------------------------------------------
 *
 * spawn.c
 *	  Fork and exec a program that holds one end of a bus, and of a door.
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
 * - Descriptors are closed: PostgreSQL opens files without O_CLOEXEC, that of all
 *	 passwords among them.
 *
 * src/hub/spawn.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"

#include "hub/spawn.h"
#include "instant.h"
#include "proto/bus_frame.h"
#include "proto/handover_message.h"

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
 * Have a descriptor at a number that the program knows.  It is never there yet:
 * see become_program().
 */
static void
place_descriptor(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) < 0)
		_exit(EXIT_CANNOT_EXECUTE);
}

/*
 * Close all descriptors from one on, or end: those of the server are nothing for a
 * program that meets the network.
 *
 * Linux before 5.9, or a container that refuses what it does not know, has no
 * close_range().  Then the open ones are looked up.
 */
static void
close_from(int first)
{
	struct dirent *entry;
	DIR		   *dir;

	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		_exit(EXIT_CANNOT_EXECUTE);
	while ((entry = readdir(dir)) != NULL)
	{
		/* 0 for what is no number */
		long		fd = strtol(entry->d_name, NULL, 10);

		if (fd >= first && fd != dirfd(dir))
			close((int) fd);
	}
	closedir(dir);
}

/*
 * The child, up to exec.  The hub has no threads, so it may do what it likes, but
 * nothing of the server's is called.  A door_fd of -1 is none.
 */
static void
become_program(const char *path, char **argv, int bus_fd, int door_fd, pid_t hub)
{
	char	   *environment[] = {"LC_ALL=C", NULL};
	sigset_t	none;
	int			last = door_fd < 0 ? BUS_FD : DOOR_FD;
	int			null_fd;

	for (int signo = 1; signo < NSIG; signo++)
		(void) signal(signo, SIG_DFL);
	(void) prctl(PR_SET_PDEATHSIG, BUS_DEATH_SIGNAL);
	if (getppid() != hub)
		_exit(EXIT_CANNOT_EXECUTE);
	(void) setsid();

	null_fd = open("/dev/null", O_RDWR);
	place_descriptor(null_fd, 0);
	place_descriptor(null_fd, 1);

	/*
	 * Out of the way first: one may be where the other is to go, and dup2()
	 * onto itself would leave close-on-exec set.
	 */
	bus_fd = fcntl(bus_fd, F_DUPFD, DOOR_FD + 1);
	if (door_fd >= 0)
	{
		door_fd = fcntl(door_fd, F_DUPFD, DOOR_FD + 1);
		place_descriptor(door_fd, DOOR_FD);
	}
	place_descriptor(bus_fd, BUS_FD);
	close_from(last + 1);

	sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	(void) execve(path, argv, environment);
	_exit(EXIT_CANNOT_EXECUTE);
}

/*
 * Fork; the parent gets the child's pid and its pidfd, or -1 with errno set.
 */
static pid_t
fork_program(const char *name, int bus_fd, int door_fd, int *pid_fd)
{
	char		path[MAXPGPATH];
	char	   *argv[] = {unconstify(char *, name), NULL};
	pid_t		hub = getpid();
	sigset_t	all;
	sigset_t	before;
	pid_t		pid;
	int			save_errno;

	program_path(name, path, sizeof(path));
	sigfillset(&all);
	(void) sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become_program(path, argv, bus_fd, door_fd, hub);
	save_errno = errno;
	(void) sigprocmask(SIG_SETMASK, &before, NULL);

	if (pid > 0)
	{
		/* pidfds are close-on-exec by themselves */
		*pid_fd = (int) syscall(SYS_pidfd_open, pid, 0);
		if (*pid_fd >= 0)
			return pid;
		save_errno = errno;
		(void) kill(pid, SIGKILL);
		(void) waitpid(pid, NULL, 0);
	}
	errno = save_errno;
	return -1;
}

/*
 * Start a program.
 */
pid_t
spawn_program(const char *name, int *bus_fd, int *door_fd, int *pid_fd)
{
	int			bus[2];
	int			door[2] = {-1, -1};
	pid_t		pid = -1;
	int			save_errno;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bus) < 0)
		return -1;
	if (door_fd == NULL ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, door) == 0)
		pid = fork_program(name, bus[1], door[1], pid_fd);
	save_errno = errno;
	close(bus[1]);
	if (door[1] >= 0)
		close(door[1]);
	if (pid > 0)
	{
		*bus_fd = bus[0];
		if (door_fd != NULL)
			*door_fd = door[0];
		return pid;
	}
	close(bus[0]);
	if (door[0] >= 0)
		close(door[0]);
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
	Instant deadline = instant_now() + grace_ms * INT64CONST(1000);
	struct pollfd ended = {.fd = pid_fd, .events = POLLIN};
	long		left = grace_ms;
	int			n = 0;

	(void) kill(pid, SIGTERM);
	/* a server that shuts down sends signals, which cut a wait short */
	while (left > 0 && (n = poll(&ended, 1, (int) left)) < 0 && errno == EINTR)
		left = (long) ((deadline - instant_now()) / 1000);
	if (n <= 0)
		(void) kill(pid, SIGKILL);
	return reap(pid);
}
