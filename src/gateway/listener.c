/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  The sockets that clients connect to.
 *
 * New addresses are opened before the old ones are closed, and if none of them
 * can be had, the old ones stay: a typing slip in a setting must not end a
 * service.  If there are no old ones, the attempt is repeated with a growing
 * pause.  All gateways share the port with SO_REUSEPORT.
 *
 * Socket options that clients need are set on the listening socket: Linux
 * hands them down to accepted ones, which saves a system call for each.
 *
 * Connections that say nothing cost whoever makes them nothing, so they must not
 * keep others out.  When there is no room for a client, the one whose request
 * has been waited for longest goes: who means it has sent his by then.
 *
 * When there is no descriptor left for a client, and none to be had that way,
 * accepting pauses: a pending connection keeps epoll awake, and trying again at
 * once would spin.  One is answered with a close, by means of a descriptor held
 * in reserve, so that its client knows.
 *
 * src/gateway/listener.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/conn_input.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/listener.h"
#include "gateway/polling.h"
#include "gateway/relay.h"
#include "gateway/tls_accept.h"
#include "program/bus_link.h"
#include "program/loop.h"
#include "proto/bytes.h"

#define SEPARATORS ", \t\n\""	/* between names, as GUC lists have them */
#define LISTEN_MAX 64			/* sockets */
#define BACKLOG 4096
#define ACCEPT_PER_TURN 256
#define ACCEPT_PAUSE_MS 100
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 10000
#define OVER_LIMIT_MAX 256		/* connections past the limit, to be told so */
#define UNSENT_MAX (128 * 1024) /* bytes that a socket takes ahead of its peer */
#define USER_TIMEOUT_MS 30000	/* until sent bytes must be acknowledged */

typedef struct ListenerSet
{
	struct ListenerSet *next;	/* in the list of retired ones */
	int			count;
	Watch		watches[LISTEN_MAX];
} ListenerSet;

static ListenerSet *active;		/* NULL while nothing is listened on */
static ListenerSet *retired;	/* closed, may still have events in this turn */
static char *active_addresses;	/* what it was opened for */
static int64 active_port;
static int	reserve_fd = -1;
static bool out_of_fds;			/* logged since the last success */
static int64 resume_at = LOOP_NEVER;	/* accepting pauses until then */
static int64 retry_at = LOOP_NEVER;
static int64 retry_pause = RETRY_FIRST_MS;

/*
 * Watch all listening sockets for these events.
 */
static void
watch_all(uint32 events)
{
	for (int i = 0; active != NULL && i < active->count; i++)
		loop_change(&active->watches[i], events);
}

/*
 * No descriptor or memory for a client: close one that waits, then pause.
 */
static void
pause_accepting(int listen_fd)
{
	if (!out_of_fds)
		bus_log(BUS_LOG_WARNING, "could not accept a connection: %s; pausing", strerror(errno));
	out_of_fds = true;
	if (reserve_fd >= 0)
	{
		close(reserve_fd);
		reserve_fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (reserve_fd >= 0)
			close(reserve_fd);
		reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	watch_all(0);
	resume_at = loop_now + ACCEPT_PAUSE_MS;
}

/*
 * Have the connection go that has waited longest for its request; false if all
 * have said what they want.
 */
static bool
make_room(void)
{
	if (!conn_make_room())
		return false;
	STAT_INC(BUS_STAT_REFUSED);
	return true;
}

/*
 * Is there room for one more, or can it be made?  Some connections past the limit
 * are kept to be told so when they ask for an upgrade; /healthz is answered to
 * them, too.  Who polls has up to two at a time.
 */
static bool
has_room(void)
{
	return conn_count() + relay_count() < gw_settings.max_connections + polling_count() + OVER_LIMIT_MAX ||
		make_room();
}

/*
 * Take over a client.
 */
Conn *
listener_take(int fd, bool by_tls)
{
	Conn	   *conn = NULL;

	if (has_room())
		conn = conn_open(fd, conn_input_ready, by_tls);
	if (conn == NULL)
	{
		STAT_INC(BUS_STAT_REFUSED);
		close(fd);
	}
	return conn;
}

/*
 * Accept what waits at one socket, up to a limit: the others and the clients
 * that are connected already have their turn, too.
 */
static void
listener_ready(Watch *watch, uint32 events)
{
	if (watch->events == 0)		/* paused or closed earlier in this turn */
		return;
	for (int i = 0; i < ACCEPT_PER_TURN; i++)
	{
		int			fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
		{
			out_of_fds = false;
			STAT_INC(BUS_STAT_ACCEPTED);
			(void) listener_take(fd, tls_wanted());
		}
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		{
			/*
			 * That is said even if nobody waits any more: who does is told of
			 * in the next turn, and what is closed leaves its descriptor when
			 * this one ends.
			 */
			if (i == 0 && conn_closed_count() == 0 && !make_room())
				pause_accepting(watch->fd);
			return;
		}
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		/* anything else is the failure of one client, accept(2) */
	}
}

/*
 * Close the sockets of a set; NULL is allowed.  Its memory goes at the end of
 * the turn.
 */
static void
retire_set(ListenerSet *set)
{
	if (set == NULL)
		return;
	for (int i = 0; i < set->count; i++)
	{
		loop_remove(&set->watches[i]);
		close(set->watches[i].fd);
	}
	set->next = retired;
	retired = set;
}

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
 * Listen on one address and add it to the set; false with errno set.
 */
static bool
listen_on(ListenerSet *set, const struct addrinfo *ai)
{
	Watch	   *watch = &set->watches[set->count];
	int			fd;
	int			save_errno;

	if (set->count == LISTEN_MAX)
	{
		errno = ENOBUFS;
		return false;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	set_options(fd, ai->ai_family);
	watch->fd = fd;
	watch->ready = listener_ready;
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0 &&
		loop_add(watch, EPOLLIN))
	{
		set->count++;
		return true;
	}
	save_errno = errno;
	close(fd);
	errno = save_errno;
	return false;
}

/*
 * Listen on all addresses of one name and the port.  Warns if none works; that
 * a name has one that does not (IPv6 in a container) is nothing unusual.
 */
static void
listen_on_name(ListenerSet *set, const char *name)
{
	struct addrinfo hints = {0};
	struct addrinfo *list;
	char		port[32];
	int			before = set->count;
	int			problem = 0;
	int			rc;

	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
	snprintf(port, sizeof(port), "%d", (int) gw_settings.port);
	rc = getaddrinfo(strcmp(name, "*") == 0 ? NULL : name, port, &hints, &list);
	if (rc != 0)
	{
		bus_log(BUS_LOG_WARNING, "could not look up \"%s\" to listen on: %s",
				name, gai_strerror(rc));
		return;
	}
	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
	{
		if (!listen_on(set, ai))
			problem = errno;
	}
	freeaddrinfo(list);
	if (set->count == before)
		bus_log(BUS_LOG_WARNING, "could not listen on \"%s\", port %d: %s%s",
				name, (int) gw_settings.port, strerror(problem),
				problem == EADDRINUSE ?
				" (is another program using the port? see realtime.port)" : "");
}

/*
 * Open all that gw_settings names.  NULL without memory; a set may be empty.
 */
static ListenerSet *
open_set(void)
{
	ListenerSet *set = calloc(1, sizeof(ListenerSet));
	char	   *names = strdup(gw_settings.listen_addresses);
	char	   *rest = NULL;

	if (set != NULL && names != NULL)
	{
		for (char *name = strtok_r(names, SEPARATORS, &rest); name != NULL;
			 name = strtok_r(NULL, SEPARATORS, &rest))
			listen_on_name(set, name);
	}
	free(names);
	return set;
}

/*
 * Append the address that a socket is bound to, as host:port.
 */
static void
append_address(Bytes *list, int fd)
{
	struct sockaddr_storage addr;
	socklen_t	len = sizeof(addr);
	char		host[NI_MAXHOST];
	char		port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *) &addr, &len) != 0 ||
		getnameinfo((struct sockaddr *) &addr, len, host, sizeof(host),
					port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	bytes_printf(list, addr.ss_family == AF_INET6 ? "%s[%s]:%s" : "%s%s:%s",
				 list->len > 0 ? ", " : "", host, port);
}

/*
 * Tell the hub where clients can connect now.
 */
static void
report_ready(void)
{
	Bytes		list;

	bytes_init(&list);
	for (int i = 0; i < active->count; i++)
		append_address(&list, active->watches[i].fd);
	bus_send(BUS_READY, list.data, list.len, NULL, 0);
	bytes_free(&list);
}

/*
 * Is what gw_settings names what we listen on?
 */
static bool
up_to_date(void)
{
	return active != NULL && active_addresses != NULL &&
		active_port == gw_settings.port &&
		strcmp(active_addresses, gw_settings.listen_addresses) == 0;
}

/*
 * Make a set the active one.  Clients that wait at the old sockets are
 * accepted first; closing those would reset them.
 */
static void
activate(ListenerSet *set)
{
	for (int i = 0; active != NULL && i < active->count; i++)
		listener_ready(&active->watches[i], EPOLLIN);
	retire_set(active);
	free(active_addresses);
	active = set;
	active_addresses = strdup(gw_settings.listen_addresses);
	active_port = gw_settings.port;
	retry_at = LOOP_NEVER;
	retry_pause = RETRY_FIRST_MS;
	report_ready();
}

/*
 * Is this a list without a name in it?  Then listening nowhere is what is
 * wanted.
 */
static bool
names_nothing(const char *addresses)
{
	return addresses[strspn(addresses, SEPARATORS)] == '\0';
}

/*
 * Open the new addresses; then, and only then, close the old ones.
 */
void
listener_configure(void)
{
	const char *addresses = gw_settings.listen_addresses;
	ListenerSet *set;

	if (addresses == NULL || up_to_date())
		return;
	/* who is refused anyway need not connect; the hub has said why */
	if (active == NULL && tls_wanted() && !tls_possible())
		return;
	if (reserve_fd < 0)
		reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	set = open_set();
	if (set != NULL && (set->count > 0 || names_nothing(addresses)))
	{
		activate(set);
		return;
	}
	free(set);					/* has no sockets */
	if (active != NULL)
	{
		bus_log(BUS_LOG_WARNING, "still listening on the previous addresses");
		return;
	}
	retry_at = loop_now + retry_pause;
	retry_pause = Min(retry_pause * 2, RETRY_MAX_MS);
}

/*
 * Stop listening for good.
 */
void
listener_close(void)
{
	retire_set(active);
	active = NULL;
	retry_at = LOOP_NEVER;
	resume_at = LOOP_NEVER;
}

/*
 * No event can be left of what was retired before this turn's events ended.
 */
static void
free_retired(void)
{
	while (retired != NULL)
	{
		ListenerSet *next = retired->next;

		free(retired);
		retired = next;
	}
}

/*
 * Do what is due.
 */
void
listener_run_timers(int64 now)
{
	free_retired();
	if (resume_at <= now)
	{
		resume_at = LOOP_NEVER;
		watch_all(EPOLLIN);
	}
	if (retry_at <= now)
	{
		retry_at = LOOP_NEVER;
		listener_configure();
	}
}

/*
 * The earlier of two.
 */
int64
listener_deadline(void)
{
	return Min(resume_at, retry_at);
}
