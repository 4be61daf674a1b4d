/*-------------------------------------------------------------------------
 *
 * events.c
 *	  The hub's descriptors: one epoll set beside the latch.
 *
 * A WaitEventSet cannot lose members on PostgreSQL 15, but the hub's programs
 * come and go.  So they live in an epoll set of our own, whose descriptor is
 * one member of a WaitEventSet that never changes.
 *
 * A handler may remove any source, also one whose event was already fetched:
 * removed sources are skipped for the rest of the batch.
 *
 * src/hub/events.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "hub/events.h"
#include "pg_compat.h"

#define EVENTS_PER_TURN 64

static int	epoll_fd = -1;
static WaitEventSet *wait_set = NULL;
static struct epoll_event batch[EVENTS_PER_TURN];
static int	batch_len = 0;
static bool maybe_ready = false;

/*
 * Make the sets; once per process.
 */
void
events_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not create an epoll set: %m")));
	wait_set = CreateProcessWaitEventSet(3);
	AddWaitEventToSet(wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(wait_set, WL_SOCKET_READABLE, epoll_fd, NULL, NULL);
}

/*
 * One epoll_ctl; failing means a bug or an exhausted kernel: an error.
 */
static void
control(int op, EventSource *source, uint32 bits)
{
	struct epoll_event event = {0};

	event.events = bits;
	event.data.ptr = source;
	if (epoll_ctl(epoll_fd, op, source->fd, &event) < 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not watch a descriptor: %m")));
}

/*
 * Watch a descriptor.
 */
void
events_add(EventSource *source, uint32 bits)
{
	control(EPOLL_CTL_ADD, source, bits);
}

/*
 * Watch it for something else.
 */
void
events_modify(EventSource *source, uint32 bits)
{
	control(EPOLL_CTL_MOD, source, bits);
}

/*
 * Watch it no longer; its descriptor must still be open.
 */
void
events_remove(EventSource *source)
{
	(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	for (int i = 0; i < batch_len; i++)
	{
		if (batch[i].data.ptr == source)
			batch[i].data.ptr = NULL;
	}
}

/*
 * Handle what is ready.
 */
void
events_dispatch(void)
{
	if (!maybe_ready)
		return;
	maybe_ready = false;

	batch_len = epoll_wait(epoll_fd, batch, EVENTS_PER_TURN, 0);
	if (batch_len == EVENTS_PER_TURN)
		maybe_ready = true;
	for (int i = 0; i < batch_len; i++)
	{
		EventSource *source = batch[i].data.ptr;

		if (source != NULL)
			source->handler(source, batch[i].events);
	}
	batch_len = 0;
}

/*
 * Sleep; see the header.
 */
void
events_wait(long timeout_ms)
{
	WaitEvent	occurred[3];
	int			n;

	n = WaitEventSetWait(wait_set, timeout_ms, occurred, lengthof(occurred),
						 PG_WAIT_EXTENSION);
	for (int i = 0; i < n; i++)
	{
		/* up to PostgreSQL 15 a set latch keeps sockets from being looked at */
		if (occurred[i].events & (WL_SOCKET_READABLE | WL_LATCH_SET))
			maybe_ready = true;
	}
}
