/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  The one place where a program sleeps.
 *
 * A thin layer over epoll, level-triggered: who leaves input behind is called
 * again in the next turn, so every reader may cap its work per turn.  Nothing
 * here knows what the descriptors are.
 *
 * SIGTERM is blocked except during the sleep (life.c), so there is no
 * moment between looking at its flag and sleeping in which it could get lost.
 *
 * src/program/loop.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <limits.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "program/loop.h"

#define EVENTS_PER_TURN 1024

int64		loop_now;
int64		loop_wall;

static int	epoll_fd = -1;

/*
 * Read the clocks.
 */
static void
take_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	loop_now = (int64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	clock_gettime(CLOCK_REALTIME, &ts);
	loop_wall = (int64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * Make the epoll descriptor; false with errno set if there is none to have.
 */
bool
loop_init(void)
{
	take_time();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd >= 0;
}

/*
 * Begin to watch watch->fd for `events`; false with errno set on failure.
 */
bool
loop_add(Watch *watch, uint32 events)
{
	struct epoll_event ev;

	ev.events = events;
	ev.data.ptr = watch;
	watch->events = events;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watch->fd, &ev) == 0;
}

/*
 * Watch for other events; costs a system call only if they are others.
 */
void
loop_change(Watch *watch, uint32 events)
{
	struct epoll_event ev;

	if (watch->events == events)
		return;
	ev.events = events;
	ev.data.ptr = watch;
	watch->events = events;
	/* EPOLL_CTL_MOD of a watched descriptor allocates nothing */
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, watch->fd, &ev) != 0)
		Assert(false);
}

/*
 * Stop watching.  Closing the descriptor does as well, unless it stays open in
 * another process.
 */
void
loop_remove(Watch *watch)
{
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->events = 0;
}

/*
 * Sleep until something is ready, a signal comes or loop_now reaches
 * `deadline`, then call ready() of everything that is.
 */
void
loop_wait(int64 deadline)
{
	static struct epoll_event events[EVENTS_PER_TURN];
	sigset_t	nothing_blocked;
	int			timeout = -1;
	int			n;

	if (deadline != LOOP_NEVER)
	{
		take_time();
		timeout = (int) Min(Max(deadline - loop_now, 0), INT_MAX);
	}
	sigemptyset(&nothing_blocked);
	n = epoll_pwait(epoll_fd, events, EVENTS_PER_TURN, timeout, &nothing_blocked);
	take_time();
	for (int i = 0; i < n; i++)
	{
		Watch	   *watch = events[i].data.ptr;

		watch->ready(watch, events[i].events);
	}
}
