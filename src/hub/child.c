/*-------------------------------------------------------------------------
 *
 * child.c
 *	  A child program of the hub: start, watch, end.
 *
 * A program that ends without being asked is started again by its owner: at once
 * if it had lived for a while, else with a delay that doubles.  Whatever way the
 * hub itself ends, its programs are ended and reaped first (spawn.c tells why).
 *
 * src/hub/child.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/ipc.h"

#include "hub/child.h"
#include "hub/spawn.h"
#include "instant.h"

/* Time that ending programs get to say good-bye to their clients. */
#define END_GRACE_MS 500

/* A program that lived this long is started again without delay. */
#define HEALTHY_MS 1000
#define FIRST_DELAY_MS 100
#define MAX_DELAY_MS 10000

static dlist_head children = DLIST_STATIC_INIT(children);

/*
 * Set when a program that has ended may be started again.
 */
static void
set_delay(Child *child, Instant now)
{
	if (now - child->started_at >= HEALTHY_MS * INT64CONST(1000))
		child->delay_ms = 0;
	else
		child->delay_ms = Min(Max(child->delay_ms * 2, FIRST_DELAY_MS), MAX_DELAY_MS);
	child->start_after = now + child->delay_ms * INT64CONST(1000);
}

/*
 * Say how a program ended that was not asked to.
 */
static void
log_end(const Child *child, int status)
{
	bool		refused = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		ereport(WARNING,
				(errmsg("could not execute program \"%s\"", child->program),
				 errhint("It belongs beside the server's own programs: run \"make install\" again.")));
	else
		ereport(LOG,
				(errmsg("realtime %s has ended with %s %d, starting it again",
						child->name, WIFSIGNALED(status) ? "signal" : "exit code",
						WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
				 child->delay_ms > 0 ? errdetail("Waiting %d ms first.", child->delay_ms) : 0,
				 refused ? errhint("It asked the kernel for what its sandbox refuses; see realtime.sandbox.") : 0));
}

/*
 * A program has ended and is reaped.
 */
static void
child_ended(Child *child, int status)
{
	bool		asked = child->end_by != 0;

	events_remove(&child->source);
	close(child->source.fd);
	child->pid = 0;
	child->end_by = 0;
	child->forget(child);
	if (asked)
		return;
	set_delay(child, instant_now());
	shmem_count(child->failures, 1);
	log_end(child, status);
}

/*
 * A pidfd is readable: the program has ended.
 */
static void
pidfd_event(EventSource *source, uint32 bits)
{
	Child	   *child = source->owner;
	int			status = 0;

	if (waitpid(child->pid, &status, WNOHANG) == child->pid)
		child_ended(child, status);
}

/*
 * The hub is ending, in whatever way: take the programs along.
 */
static void
end_all(int code, Datum arg)
{
	Instant deadline = instant_now() + END_GRACE_MS * INT64CONST(1000);
	dlist_iter	iter;

	dlist_foreach(iter, &children)
	{
		Child	   *child = dlist_container(Child, node, iter.cur);

		if (child->pid != 0)
			(void) kill(child->pid, SIGTERM);
	}
	dlist_foreach(iter, &children)
	{
		Child	   *child = dlist_container(Child, node, iter.cur);
		long		left = (long) ((deadline - instant_now()) / 1000);

		if (child->pid == 0)
			continue;
		(void) spawn_end(child->pid, child->source.fd, (int) Max(left, 0));
		child->pid = 0;
	}
}

/*
 * Set up.
 */
void
child_init(void)
{
	on_proc_exit(end_all, (Datum) 0);
}

/*
 * Make a child known.
 */
void
child_add(Child *child)
{
	child->source.handler = pidfd_event;
	child->source.owner = child;
	dlist_push_tail(&children, &child->node);
}

/*
 * Start the program.
 */
bool
child_start(Child *child, Instant now, int *bus_fd, int *door_fd)
{
	int			pid_fd;
	pid_t		pid = spawn_program(child->program, bus_fd, door_fd, &pid_fd);

	child->started_at = now;
	if (pid < 0)
	{
		bool		unknown = errno == ENOSYS || errno == EPERM;

		set_delay(child, now);
		ereport(WARNING,
				(errmsg("could not start realtime %s: %m", child->name),
				 unknown ? errhint("Linux 5.3 or later is needed, and a container that lets a server call pidfd_open().") : 0));
		return false;
	}
	child->pid = pid;
	child->source.fd = pid_fd;
	events_add(&child->source, EPOLLIN);
	return true;
}

/*
 * End a program; its pidfd tells when it is gone.
 */
long
child_end(Child *child, Instant now)
{
	if (child->end_by == 0)
	{
		child->end_by = now + END_GRACE_MS * INT64CONST(1000);
		(void) kill(child->pid, SIGTERM);
	}
	else if (child->end_by <= now)
		(void) kill(child->pid, SIGKILL);
	return END_GRACE_MS;
}

/*
 * End a program whose pidfd tells the rest.
 */
void
child_kill(Child *child, const char *why)
{
	if (child->end_by == 0)
		ereport(LOG, (errmsg("realtime %s %s", child->name, why)));
	(void) kill(child->pid, SIGKILL);
}

/*
 * Nothing else is shown as it is.
 */
Slice
child_printable(Slice text)
{
	char	   *s = unconstify(char *, text.data);

	for (size_t i = 0; i < text.len; i++)
	{
		if ((unsigned char) s[i] < ' ' || (unsigned char) s[i] > '~')
			s[i] = '?';
	}
	return text;
}

/*
 * A line for the server's log.
 */
bool
child_log(const char *name, Slice body)
{
	int			level;

	if (body.len < 1 || (uint8) body.data[0] > BUS_LOG_FATAL)
		return false;
	level = body.data[0] == BUS_LOG_DEBUG ? DEBUG1 :
		body.data[0] == BUS_LOG_INFO ? LOG : WARNING;

	body = child_printable(slice_make(body.data + 1, body.len - 1));
	ereport(level, (errmsg("realtime %s: " SLICE_FMT, name, SLICE_ARG(body))));
	return true;
}
