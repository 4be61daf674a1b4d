/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  The sockets that clients connect to.
 *
 * New addresses are opened before the old ones are closed, and if none of them
 * can be had, the old ones stay: a typing slip in a setting must not end a
 * service.  If there are no old ones, the attempt is repeated with a growing
 * pause.
 *
 * The sockets themselves are opened by a process beside this one (lookup.c), so
 * what is asked for comes a while later; if the settings are others by then, it
 * is closed and asked for again.
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

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/conn_input.h"
#include "gateway/conn_timers.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/listen_sockets.h"
#include "gateway/listener.h"
#include "gateway/lookup.h"
#include "gateway/polling.h"
#include "gateway/relay.h"
#include "gateway/tls_accept.h"
#include "program/bus_link.h"
#include "program/life.h"
#include "program/loop.h"
#include "proto/bytes.h"

#define ACCEPT_PER_TURN 256
#define ACCEPT_PAUSE_MS 100
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 10000
#define OVER_LIMIT_MAX 256		/* connections past the limit, to be told so */

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
static char *asked_addresses;	/* NULL while no sockets are asked for */
static int64 asked_port;
static bool closed;				/* for good */
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
		reserve_fd = life_spare_descriptor();
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
 * Append the address that a socket is bound to, as host:port.
 */
static void
append_address(Bytes *list, int fd)
{
	struct sockaddr_storage addr = {0};
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
 * Does gw_settings name these?  NULL is nowhere.
 */
static bool
is_wanted(const char *addresses, int64 port)
{
	return addresses != NULL && port == gw_settings.port &&
		strcmp(addresses, gw_settings.listen_addresses) == 0;
}

/*
 * Is what gw_settings names what we listen on?
 */
static bool
up_to_date(void)
{
	return active != NULL && is_wanted(active_addresses, active_port);
}

/*
 * Make a set of sockets; those that cannot be watched are closed.  NULL, and all
 * are closed, without memory.
 */
static ListenerSet *
make_set(const int *fds, int count)
{
	ListenerSet *set = calloc(1, sizeof(ListenerSet));

	for (int i = 0; i < count; i++)
	{
		Watch	   *watch = set != NULL ? &set->watches[set->count] : NULL;

		if (watch != NULL)
		{
			watch->fd = fds[i];
			watch->ready = listener_ready;
		}
		if (watch != NULL && loop_add(watch, EPOLLIN))
			set->count++;
		else
			close(fds[i]);
	}
	return set;
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
	return addresses[strspn(addresses, LISTEN_SEPARATORS)] == '\0';
}

/*
 * What was wanted cannot be had.
 */
static void
keep_what_is(void)
{
	if (active != NULL)
	{
		bus_log(BUS_LOG_WARNING, "still listening on the previous addresses");
		return;
	}
	retry_at = loop_now + retry_pause;
	retry_pause = Min(retry_pause * 2, RETRY_MAX_MS);
}

/*
 * Sockets have come; a count of -1 is none, for want of something.
 */
static void
take_sockets(const int *fds, int count)
{
	bool		wanted = !closed && is_wanted(asked_addresses, asked_port);
	ListenerSet *set = NULL;

	free(asked_addresses);
	asked_addresses = NULL;
	if (wanted)
		set = make_set(fds, count);
	else
	{
		for (int i = 0; i < count; i++)
			close(fds[i]);
	}
	if (set != NULL && (set->count > 0 ||
						(count == 0 && names_nothing(gw_settings.listen_addresses))))
		activate(set);
	else
	{
		free(set);				/* has no sockets */
		if (wanted)
			keep_what_is();
		else if (!closed)
			listener_configure();
	}
}

/*
 * Start what opens sockets.
 */
bool
listener_init(char *title)
{
	return lookup_start(title, take_sockets);
}

/*
 * Ask for the new addresses; when they are there, and only then, the old ones
 * are closed.
 */
void
listener_configure(void)
{
	const char *addresses = gw_settings.listen_addresses;

	if (addresses == NULL || asked_addresses != NULL || up_to_date())
		return;
	/* who is refused anyway need not connect; the hub has said why */
	if (active == NULL && tls_wanted() && !tls_possible())
		return;
	if (reserve_fd < 0)
		reserve_fd = life_spare_descriptor();
	asked_addresses = strdup(addresses);
	asked_port = gw_settings.port;
	if (asked_addresses == NULL ||
		!lookup_ask(addresses, (int) asked_port, gw_settings.sandbox))
	{
		free(asked_addresses);
		asked_addresses = NULL;
		keep_what_is();
	}
}

/*
 * Are there sockets to be had that nobody can open?
 */
bool
listener_is_lost(void)
{
	return lookup_is_lost() && gw_settings.listen_addresses != NULL && !up_to_date();
}

/*
 * Stop listening for good.
 */
void
listener_close(void)
{
	closed = true;
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
