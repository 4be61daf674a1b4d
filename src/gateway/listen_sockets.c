/*-------------------------------------------------------------------------
 *
 * listen_sockets.c
 *	  Opening the sockets that clients connect to.
 *
 * Runs in the process that looks up names (lookup.c), not in the gateway.  All
 * gateways share the port with SO_REUSEPORT.
 *
 * Socket options that clients need are set on the listening socket: Linux
 * hands them down to accepted ones, which saves a system call for each.
 *
 * src/gateway/listen_sockets.c
 *
 *-------------------------------------------------------------------------
 */
#include "gateway/listen_sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define UNSENT_MAX (128 * 1024) /* bytes that a socket takes ahead of its peer */
#define USER_TIMEOUT_MS 30000	/* until sent bytes must be acknowledged */

/*
 * Set the options of a socket to listen with.  Those that fail do not matter.
 *
 * TCP_NOTSENT_LOWAT: what a slow client does not take yet waits in our queue,
 * which is bounded and shared, not in the kernel's, which grows to megabytes
 * for each.
 */
static void
set_options(int fd, int family)
{
	int			on = 1;
	int			user_timeout = USER_TIMEOUT_MS;
	int			unsent = UNSENT_MAX;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof(user_timeout));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

/*
 * Listen on one address; -1 with errno set if that fails.
 */
static int
listen_on(const struct addrinfo *ai)
{
	int			fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			save_errno;

	if (fd < 0)
		return -1;
	set_options(fd, ai->ai_family);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	save_errno = errno;
	close(fd);
	errno = save_errno;
	return -1;
}

/*
 * Look up a name; NULL, and a complaint, if it has no address.
 */
static struct addrinfo *
look_up(const char *name, int port, ListenComplaint complain)
{
	struct addrinfo hints = {0};
	struct addrinfo *list;
	char		service[32];
	int			rc;

	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
	snprintf(service, sizeof(service), "%d", port);
	rc = getaddrinfo(strcmp(name, "*") == 0 ? NULL : name, service, &hints, &list);
	if (rc == 0)
		return list;
	complain("could not look up \"%s\" to listen on: %s", name, gai_strerror(rc));
	return NULL;
}

/*
 * Listen on all addresses of one name; returns how many sockets are in fds then.
 * Complains if none works; that a name has one that does not (IPv6 in a
 * container) is nothing unusual.
 */
static int
listen_on_name(const char *name, int port, int *fds, int count, ListenComplaint complain)
{
	struct addrinfo *list = look_up(name, port, complain);
	int			before = count;
	int			problem = 0;

	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
	{
		int			fd = -1;

		if (count < LISTEN_MAX)
			fd = listen_on(ai);
		else
			errno = ENOBUFS;
		if (fd >= 0)
			fds[count++] = fd;
		else
			problem = errno;
	}
	if (list != NULL && count == before)
		complain("could not listen on \"%s\", port %d: %s%s",
				 name, port, strerror(problem), problem == EADDRINUSE ?
				 " (is another program using the port? see realtime.port)" : "");
	if (list != NULL)
		freeaddrinfo(list);
	return count;
}

/*
 * Open all that is named.
 */
int
listen_sockets_open(char *names, int port, int *fds, ListenComplaint complain)
{
	char	   *rest = NULL;
	int			count = 0;

	for (char *name = strtok_r(names, LISTEN_SEPARATORS, &rest); name != NULL;
		 name = strtok_r(NULL, LISTEN_SEPARATORS, &rest))
		count = listen_on_name(name, port, fds, count, complain);
	return count;
}
