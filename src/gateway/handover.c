/*-------------------------------------------------------------------------
 *
 * handover.c
 *	  Connections that go on in another gateway, and that come from one.
 *
 * A session of Engine.IO lives in one gateway, but each of its requests may be
 * accepted by any.  What then moves is the connection: its socket and the bytes
 * that were read of it go through the door to the hub, which passes them on, and
 * the other gateway goes on as if it had accepted the client itself.  Of a client
 * that speaks TLS it is one end of a socket pair, and relay.c has the other one.
 *
 * What the door does not take at once waits here, within bounds.  A client that
 * there is no room for is closed; it connects again.
 *
 * src/gateway/handover.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <fcntl.h>
#include <unistd.h>

#include "gateway/conn_input.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/handover.h"
#include "gateway/listener.h"
#include "program/bus_link.h"
#include "proto/handover_queue.h"

#define PER_TURN 256			/* connections received */
#define MAX_WAITING 1024
#define MAX_WAITING_BYTES (16 * 1024 * 1024)
#define SEND_BUFFER_BYTES (1024 * 1024) /* the kernel gives what it allows */

static Watch door;
static bool lost;				/* the door is closed */
static HandoverQueue waiting;	/* for room */
static int	nwaiting;
static size_t waiting_bytes;
static char message[HANDOVER_MAX_MESSAGE];

/*
 * Watch for room if somebody waits for it.
 */
static void
watch_door(void)
{
	loop_change(&door, EPOLLIN | (nwaiting > 0 ? EPOLLOUT : 0));
}

/*
 * Send one message; false with errno set if that fails.
 */
static bool
send_message(const HandoverHead *head, Slice bytes, int fd)
{
	HandoverEnvelope envelope;

	handover_to_send(&envelope, head, bytes, fd);
	return sendmsg(door.fd, &envelope.msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/*
 * Can what has just failed be tried again?
 */
static bool
try_again(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/*
 * Have a connection wait; false if there is no room for it.
 */
static bool
wait_for_room(const HandoverHead *head, Slice bytes, int fd)
{
	if (nwaiting >= MAX_WAITING || waiting_bytes + bytes.len > MAX_WAITING_BYTES ||
		!handover_queue_push(&waiting, head, bytes, fd))
		return false;
	nwaiting++;
	waiting_bytes += bytes.len;
	watch_door();
	return true;
}

/*
 * The first one that waits has gone, or is given up.
 */
static void
end_waiting(void)
{
	nwaiting--;
	waiting_bytes -= waiting.first->head.length;
	close(handover_queue_pop(&waiting));
}

/*
 * Hand a connection over.
 */
void
handover_send(Conn *conn, uint32 slot, Slice bytes)
{
	HandoverHead head = {.slot = slot,.length = (uint32) bytes.len};
	int			fd = -1;

	if (!lost && bytes.len <= HANDOVER_MAX_BYTES)
		fd = conn_release(conn);
	if (fd < 0)
	{
		conn_abort(conn);
		return;
	}
	STAT_INC(BUS_STAT_HANDOVERS);
	if ((nwaiting == 0 && send_message(&head, bytes, fd)) ||
		!(nwaiting > 0 || try_again()) || !wait_for_room(&head, bytes, fd))
		close(fd);
}

/*
 * The door has room again.
 */
static void
send_waiting(void)
{
	while (nwaiting > 0)
	{
		HandoverItem *item = waiting.first;

		if (!send_message(&item->head, slice_make(item->bytes, item->head.length), item->fd) &&
			try_again())
			break;
		end_waiting();
	}
	watch_door();
}

/*
 * Use the door no more.  The bus tells what that means.
 */
static void
lose(void)
{
	lost = true;
	while (nwaiting > 0)
		end_waiting();
	loop_remove(&door);
}

/*
 * Go on with a connection.
 */
static void
take_connection(int fd, Slice bytes)
{
	Conn	   *conn = listener_take(fd, false);

	if (conn != NULL)
		conn_input_begin(conn, bytes);
}

/*
 * Receive one message; false if there is none.
 */
static bool
receive_message(void)
{
	HandoverEnvelope envelope;
	HandoverHead head;
	Slice		bytes;
	int			fds[HANDOVER_FDS];
	int			nfds;
	ssize_t		n;

	handover_to_receive(&envelope, message);
	n = recvmsg(door.fd, &envelope.msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && try_again())
		return false;
	nfds = n >= 0 ? handover_descriptors(&envelope, fds) : 0;
	if (n < 0 || (n == 0 && nfds == 0))
	{
		lose();
		return false;
	}
	if (handover_judge(&envelope, n, nfds, PG_UINT32_MAX, &head, &bytes) == HANDOVER_GOOD &&
		head.slot == gw_settings.slot)
		take_connection(fds[0], bytes);
	else
	{
		while (nfds > 0)
			close(fds[--nfds]);
	}
	return true;
}

/*
 * Something happened at the door.
 */
static void
door_ready(Watch *watch, uint32 events)
{
	if (events & EPOLLOUT && !lost)
		send_waiting();
	if (events & ~EPOLLOUT && !lost)
	{
		for (int i = 0; i < PER_TURN && receive_message(); i++)
			;
	}
}

/*
 * Take over the inherited descriptor.  Nothing is read before the settings are
 * there.
 */
bool
handover_open(void)
{
	int			size = SEND_BUFFER_BYTES;

	if (setsockopt(DOOR_FD, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) != 0 ||
		fcntl(DOOR_FD, F_SETFD, FD_CLOEXEC) != 0)
		return false;
	door.fd = DOOR_FD;
	door.ready = door_ready;
	return loop_add(&door, 0);
}

/*
 * The settings are there.
 */
void
handover_begin(void)
{
	if (!lost)
		watch_door();
}
