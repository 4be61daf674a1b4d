/*-------------------------------------------------------------------------
 *
 * executor_door.c
 *	  The socket at which executors come to the hub.
 *
 * It lies in the data directory, which is the working directory of all
 * processes of a server.  Who connects must be of the server's own user, and a
 * process that the hub had launched: SO_PEERCRED tells both.
 *
 * The postmaster tells the hub the process id of a worker after it has forked
 * it, so a worker may be here before.  Then it waits as a guest for a moment.
 *
 * A hub whose door cannot be opened serves public channels all the same.
 *
 * src/hub/executor_door.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guc.h"
#include "hub/events.h"
#include "hub/executor_door.h"
#include "instant.h"
#include "proto/bus_frame.h"

/* Connections of which we do not know yet whose they are, and for how long. */
#define MAX_GUESTS 8
#define GUEST_MS 1000

/* A door that could not be opened, or used, is tried again after this. */
#define CLOSED_MS 1000

/* Somebody at the door. */
typedef struct Guest
{
	int			fd;				/* -1 = nobody */
	pid_t		pid;
	Instant since;
} Guest;

static DoorLetIn let_in;
static DoorExpectsOthers expects_others;
static EventSource door;		/* fd -1 = closed */
static Instant closed_until = 0;
static bool told_of_failure = false;
static Guest guests[MAX_GUESTS];
static int	nguests = 0;

/*
 * Let in those who are known by now, and turn away the others: at once, unless
 * somebody is expected.
 */
static void
admit_guests(Instant now)
{
	bool		expected = expects_others(now);

	for (int i = 0; i < MAX_GUESTS; i++)
	{
		Guest	   *guest = &guests[i];

		if (guest->fd < 0)
			continue;
		if (!let_in(guest->fd, guest->pid))
		{
			if (expected && now - guest->since < GUEST_MS * INT64CONST(1000))
				continue;
			ereport(LOG,
					(errmsg("realtime has refused process %d on the bus of its executors",
							(int) guest->pid)));
			close(guest->fd);
		}
		guest->fd = -1;
		nguests--;
	}
}

/*
 * Receive a guest.  False if there is no room, or the user is not ours.
 */
static bool
receive_guest(int fd, Instant now)
{
	struct ucred peer;
	socklen_t	len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
		len != sizeof(peer) || peer.uid != geteuid())
		return false;
	for (int i = 0; i < MAX_GUESTS; i++)
	{
		if (guests[i].fd >= 0)
			continue;
		guests[i].fd = fd;
		guests[i].pid = peer.pid;
		guests[i].since = now;
		nguests++;
		return true;
	}
	return false;
}

/*
 * Close the door for a while.
 */
static void
close_door(Instant now)
{
	events_remove(&door);
	close(door.fd);
	door.fd = -1;
	closed_until = now + CLOSED_MS * INT64CONST(1000);
}

/*
 * Somebody knocks.
 */
static void
door_event(EventSource *source, uint32 bits)
{
	Instant now = instant_now();
	int			fd = accept4(door.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
	{
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		ereport(LOG,
				(errcode_for_socket_access(),
				 errmsg("could not accept a connection of a realtime executor: %m")));
		/* who knocks would keep the hub from ever sleeping */
		close_door(now);
		return;
	}
	if (receive_guest(fd, now))
		admit_guests(now);
	else
		close(fd);
}

/*
 * Make the socket; -1 if that fails.
 */
static int
make_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t		mask;
	bool		done;
	int			save_errno;

	if (fd < 0)
		return -1;
	strlcpy(address.sun_path, BUS_SOCKET, sizeof(address.sun_path));
	(void) unlink(BUS_SOCKET);	/* of a hub that could not do so */
	mask = umask(S_IXUSR | S_IRWXG | S_IRWXO);
	done = bind(fd, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		listen(fd, MAX_EXECUTORS) == 0;
	save_errno = errno;
	(void) umask(mask);
	if (done)
		return fd;
	close(fd);
	errno = save_errno;
	return -1;
}

/*
 * Open the door.  A failure is told once, until there is none.
 */
static void
open_door(Instant now)
{
	door.fd = make_socket();
	if (door.fd >= 0)
	{
		events_add(&door, EPOLLIN);
		told_of_failure = false;
		return;
	}
	closed_until = now + CLOSED_MS * INT64CONST(1000);
	if (!told_of_failure)
		ereport(WARNING,
				(errcode_for_socket_access(),
				 errmsg("could not create socket \"%s\" for realtime executors: %m", BUS_SOCKET)));
	told_of_failure = true;
}

/*
 * Set up.
 */
void
executor_door_init(DoorLetIn given_let_in, DoorExpectsOthers given_expects_others)
{
	let_in = given_let_in;
	expects_others = given_expects_others;
	door.fd = -1;
	door.handler = door_event;
	for (int i = 0; i < MAX_GUESTS; i++)
		guests[i].fd = -1;
}

/*
 * What is to be done now and then.
 */
void
executor_door_tick(Instant now)
{
	if (door.fd < 0 && now >= closed_until)
		open_door(now);
	if (nguests > 0)
		admit_guests(now);
}

/*
 * Is it open?
 */
bool
executor_door_is_open(void)
{
	return door.fd >= 0;
}

/*
 * Remove it.
 */
void
executor_door_remove(void)
{
	if (door.fd >= 0)
		(void) unlink(BUS_SOCKET);
}
