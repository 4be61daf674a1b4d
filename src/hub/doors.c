/*-------------------------------------------------------------------------
 *
 * doors.c
 *	  Connections that gateways hand to each other.
 *
 * A request for a session that lives in another gateway goes there together
 * with its socket (proto/handover_message.h).  The hub only passes messages on: it keeps
 * no descriptor longer than the other gateway takes to read, reads nothing from
 * any and waits for nobody.
 *
 * What a gateway sends is treated as hostile.  A message must bring exactly one
 * TCP socket: any other descriptor could be one of the server's own, or make a
 * circle of sockets within sockets.  Where clients speak TLS it may be one end of a
 * pair that a gateway has made (gateway/relay.c); nobody reads messages with
 * descriptors from those.  PER_TURN messages of a gateway are taken at
 * a time, and what the other gateway does not read at once waits within bounds;
 * past them the client is closed, and connects again.
 *
 * src/hub/doors.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miscadmin.h"

#include "hub/doors.h"
#include "hub/events.h"
#include "proto/handover_queue.h"
#include "shmem.h"

#define PER_TURN 64

/* Of all that waits; a descriptor costs the hub one of its own. */
#define MAX_WAITING 256
#define MAX_WAITING_BYTES (8 * 1024 * 1024)

/* Asked of the kernel for each end; it gives what it allows. */
#define SEND_BUFFER_BYTES (1024 * 1024)

typedef struct Door
{
	EventSource source;
	bool		is_open;
	HandoverQueue waiting;		/* to this gateway, which has not read yet */
} Door;

static DoorLost door_lost;
static bool relays_expected;	/* some gateway has had a certificate */
static Door doors[MAX_GATEWAYS];
static int	nwaiting = 0;
static size_t waiting_bytes = 0;
static char message[HANDOVER_MAX_MESSAGE];

/*
 * Set up; once per process.
 */
void
doors_init(DoorLost lost)
{
	door_lost = lost;
}

/*
 * Watch a door for what is wanted of it.
 */
static void
watch(Door *door)
{
	events_modify(&door->source,
				  EPOLLIN | (door->waiting.first == NULL ? 0 : EPOLLOUT));
}

/*
 * Slot of a door's gateway.
 */
static int
slot_of(const Door *door)
{
	return (int) (door - doors);
}

/*
 * Can what has just failed be tried again when there is room?
 */
static bool
is_full(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

/*
 * Pass a connection on.  False if its gateway does not take it now; errno tells
 * whether it may later.
 */
static bool
pass(Door *door, const HandoverHead *head, Slice bytes, int fd)
{
	HandoverEnvelope envelope;
	ssize_t		n;

	handover_to_send(&envelope, head, bytes, fd);
	while ((n = sendmsg(door->source.fd, &envelope.msg, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 &&
		   errno == EINTR)
		;
	return n >= 0;
}

/*
 * Have a connection wait; false if there is no room for it.
 */
static bool
wait_for_room(Door *door, const HandoverHead *head, Slice bytes, int fd)
{
	if (nwaiting >= MAX_WAITING || waiting_bytes + bytes.len > MAX_WAITING_BYTES ||
		!handover_queue_push(&door->waiting, head, bytes, fd))
		return false;
	nwaiting++;
	waiting_bytes += bytes.len;
	watch(door);
	return true;
}

/*
 * The first connection that waits for a door is passed on, or given up.
 */
static void
end_waiting(Door *door)
{
	nwaiting--;
	waiting_bytes -= door->waiting.first->head.length;
	close(handover_queue_pop(&door->waiting));
}

/*
 * Relays may come from now on.
 */
void
doors_expect_relays(void)
{
	relays_expected = true;
}

/*
 * Is this Unix-domain socket of a gateway's own making?  Those that it has from us
 * say that we have made them.
 */
static bool
is_relay(int fd)
{
	struct ucred maker;
	socklen_t	len = sizeof(maker);

	return relays_expected &&
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &len) == 0 &&
		maker.pid > 0 && maker.pid != MyProcPid;
}

/*
 * Is it the socket of a client, or one that a gateway relays a client by?
 */
static bool
is_client(int fd)
{
	int			domain;
	int			type;
	socklen_t	domain_len = sizeof(domain);
	socklen_t	type_len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
		type == SOCK_STREAM &&
		(domain == AF_INET || domain == AF_INET6 || (domain == AF_UNIX && is_relay(fd)));
}

/*
 * Take over a connection for another gateway.
 */
static void
forward(const HandoverHead *head, Slice bytes, int fd)
{
	Door	   *door = &doors[head->slot];
	bool		later = false;

	if (door->is_open)
	{
		if (door->waiting.first != NULL)
			later = true;
		else if (pass(door, head, bytes, fd))
		{
			close(fd);
			return;
		}
		else
			later = is_full();
	}
	if (later && wait_for_room(door, head, bytes, fd))
		return;
	shmem_count(SHARED_HANDOVERS_DROPPED, 1);
	close(fd);
}

/*
 * Close those descriptors of a message that are not passed on.
 */
static void
close_descriptors(const int *fds, int nfds)
{
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
}

/*
 * Receive one message; false if there is none, or the door is closed now.
 */
static bool
receive(Door *door)
{
	HandoverEnvelope envelope;
	HandoverVerdict verdict;
	HandoverHead head;
	Slice		bytes;
	int			fds[HANDOVER_FDS];
	int			nfds;
	ssize_t		n;

	handover_to_receive(&envelope, message);
	n = recvmsg(door->source.fd, &envelope.msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (is_full() || errno == EINTR))
		return false;
	nfds = n >= 0 ? handover_descriptors(&envelope, fds) : 0;
	if (n < 0 || (n == 0 && nfds == 0))
	{
		/* the program has closed it, or ended: its bus tells the rest */
		doors_remove(slot_of(door));
		return false;
	}
	verdict = handover_judge(&envelope, n, nfds, MAX_GATEWAYS, &head, &bytes);
	if (verdict == HANDOVER_GOOD && is_client(fds[0]))
	{
		forward(&head, bytes, fds[0]);
		return true;
	}
	close_descriptors(fds, nfds);
	if (verdict == HANDOVER_LOST)
	{
		shmem_count(SHARED_HANDOVERS_DROPPED, 1);
		return true;
	}
	doors_remove(slot_of(door));
	door_lost(slot_of(door), "has handed over what is no client");
	return false;
}

/*
 * A gateway takes connections again.
 */
static void
pass_waiting(Door *door)
{
	HandoverItem *item;

	while ((item = door->waiting.first) != NULL)
	{
		if (!pass(door, &item->head, slice_make(item->bytes, item->head.length), item->fd))
		{
			if (is_full())
				break;
			shmem_count(SHARED_HANDOVERS_DROPPED, 1);
		}
		end_waiting(door);
	}
	watch(door);
}

/*
 * Something happened at a door.
 */
static void
door_event(EventSource *source, uint32 bits)
{
	Door	   *door = source->owner;

	if (bits & EPOLLOUT)
		pass_waiting(door);
	if (bits & ~EPOLLOUT)
	{
		for (int i = 0; i < PER_TURN && receive(door); i++)
			;
	}
}

/*
 * Take over a descriptor.
 */
void
doors_add(int slot, int fd)
{
	Door	   *door = &doors[slot];
	int			size = SEND_BUFFER_BYTES;

	Assert(!door->is_open);
	(void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	door->source.fd = fd;
	door->source.handler = door_event;
	door->source.owner = door;
	door->is_open = true;
	events_add(&door->source, EPOLLIN);
}

/*
 * Close a door, unless that is done already.
 */
void
doors_remove(int slot)
{
	Door	   *door = &doors[slot];

	if (!door->is_open)
		return;
	while (door->waiting.first != NULL)
	{
		end_waiting(door);
		shmem_count(SHARED_HANDOVERS_DROPPED, 1);
	}
	events_remove(&door->source);
	close(door->source.fd);
	door->is_open = false;
}
