/*-------------------------------------------------------------------------
 *
 * port_lock.c
 *	  One server on this machine listens on an address and port of clients.
 *
 * Gateways share their port by SO_REUSEPORT, which lets any other program of
 * the same user share it as well: two clusters with the same settings would
 * each get half of the clients, and refuse the other's tokens.  So a hub holds
 * a name for each address that it listens on before it starts its gateways: an
 * abstract socket, which the kernel gives back however the hub ends, and which
 * like the ports themselves belongs to a network namespace.
 *
 * The name is that of the setting.  Servers that name one address in two ways
 * are not kept apart.
 *
 * src/hub/port_lock.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "utils/builtins.h"
#include "utils/varlena.h"

#include "guc.h"
#include "hub/port_lock.h"

#define ADDRESSES_MAX 32
#define NAME_BYTES 96

typedef struct PortLock
{
	int			fd;
	bool		wanted;
	char		name[NAME_BYTES];
} PortLock;

static PortLock locks[ADDRESSES_MAX];
static int	nlocks = 0;
static bool warned = false;

/*
 * Bind the abstract socket of a name; -1 with errno set if that fails.
 */
static int
bind_name(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t	len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	int			fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	StaticAssertStmt(NAME_BYTES < sizeof(address.sun_path), "names fit");
	if (fd < 0)
		return -1;
	strlcpy(address.sun_path + 1, name, sizeof(address.sun_path) - 1);
	if (bind(fd, (struct sockaddr *) &address, len) < 0)
	{
		int			save_errno = errno;

		close(fd);
		errno = save_errno;
		return -1;
	}
	return fd;
}

/*
 * Hold one address.  False if somebody else does; any other failure must not
 * keep the server from being served.
 */
static bool
hold(const char *address)
{
	PortLock   *lock = &locks[nlocks];
	char		name[NAME_BYTES];

	snprintf(name, sizeof(name), "realtime/%s:%d", address, realtime_port);
	for (int i = 0; i < nlocks; i++)
	{
		if (strcmp(locks[i].name, name) == 0)
		{
			locks[i].wanted = true;
			return true;
		}
	}
	if (nlocks == ADDRESSES_MAX)
		return true;
	lock->fd = bind_name(name);
	if (lock->fd < 0)
		return errno != EADDRINUSE;
	strlcpy(lock->name, name, sizeof(lock->name));
	lock->wanted = true;
	nlocks++;
	return true;
}

/*
 * Give back what is no longer wanted.
 */
static void
release_unwanted(void)
{
	int			kept = 0;

	for (int i = 0; i < nlocks; i++)
	{
		if (locks[i].wanted)
			locks[kept++] = locks[i];
		else
			close(locks[i].fd);
	}
	nlocks = kept;
}

/*
 * Hold all that the settings name.
 */
bool
port_lock_hold(void)
{
	char	   *addresses = pstrdup(realtime_listen_addresses);
	const char *taken = NULL;
	List	   *list = NIL;
	ListCell   *cell;

	for (int i = 0; i < nlocks; i++)
		locks[i].wanted = false;
	(void) SplitGUCList(addresses, ',', &list);
	foreach(cell, list)
	{
		if (!hold(lfirst(cell)))
			taken = lfirst(cell);
	}
	release_unwanted();
	if (taken != NULL && !warned)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another server with realtime listens on \"%s\", port %d",
						taken, realtime_port),
				 errhint("Set realtime.port to another number in one of them.")));
	warned = taken != NULL;
	list_free(list);
	pfree(addresses);
	return taken == NULL;
}
