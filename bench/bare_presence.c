/*-------------------------------------------------------------------------
 *
 * bare_presence.c
 *	  The physical limit of presence: the bytes of it, a loop of send() and
 *	  nothing else.
 *
 * A member that joins a topic of n has to be told of n members, and n members
 * of it; nobody can make these bytes fewer without compressing them.  This
 * program writes them as the product does: to who joins the state as it was
 * last told, and to all that are there a diff of the newcomers, at the product's
 * pace of DELIVERIES_PER_MS.  No database, no protocol, no queue, no epoll.
 *
 * A child process has the other ends and reads.  The CPU that is reported is
 * the writer's.
 *
 * bench/bare_presence.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DELIVERIES_PER_MS 25	/* as in presence_topics.c */
#define READ_BYTES (256 * 1024)
#define EVENTS_PER_TURN 1024
#define MAX_ENTRY 100

static int64 nclients = 100;
static int64 rounds = 1;
static int64 rate = 1000;

static const Option options[] = {
	{"clients", OPTION_INT, &nclients, "members of one topic"},
	{"rounds", OPTION_INT, &rounds, "one after the other"},
	{"rate", OPTION_INT, &rate, "joins per second"},
	{NULL}
};

static int *sockets;			/* the writer's ends */
static char *entries;			/* of all members, one behind the other */
static size_t *starts;			/* where member i begins; [nclients] = the end */
static int64 sends;
static int64 bytes_out;

/*
 * What the product says of each member that presence_client is.
 */
static void
make_entries(void)
{
	size_t		at = 0;

	entries = allocate((size_t) nclients * MAX_ENTRY);
	starts = allocate(sizeof(size_t) * (size_t) (nclients + 1));
	for (int i = 0; i < nclients; i++)
	{
		starts[i] = at;
		at += (size_t) sprintf(entries + at, "\"user-%d\":{\"metas\":[{\"phx_ref\":\"AAAAAAAAAAA\","
							   "\"user\":%d,\"online\":true}]},", i, i);
	}
	starts[nclients] = at;
}

/*
 * The child: connect everybody to where the writer listens, then read and
 * forget what comes until it is ended.
 */
static void
be_readers(const struct sockaddr_in *address)
{
	static char buffer[READ_BYTES];
	int			epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < nclients; i++)
	{
		struct epoll_event event = {.events = EPOLLIN};

		event.data.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (event.data.fd < 0 ||
			connect(event.data.fd, (const struct sockaddr *) address, sizeof(*address)) != 0 ||
			epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event) != 0)
			fatal("cannot connect: %m");
	}
	for (;;)
	{
		struct epoll_event events[EVENTS_PER_TURN];
		int			n = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, -1);

		for (int i = 0; i < n; i++)
			(void) !recv(events[i].data.fd, buffer, READ_BYTES, MSG_DONTWAIT);
	}
}

/*
 * Start the child and wait until all its sockets are connected.
 */
static pid_t
start_readers(void)
{
	struct sockaddr_in address = {0};
	socklen_t	len = sizeof(address);
	const int	on = 1;
	int			listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t		parent = getpid();
	pid_t		child;

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 ||
		bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listener, 4096) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &len) != 0)
		fatal("cannot listen: %m");
	child = fork();
	if (child < 0)
		fatal("fork: %m");
	if (child == 0)
	{
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
			_exit(1);
		close(listener);
		be_readers(&address);
	}
	for (int i = 0; i < nclients; i++)
	{
		sockets[i] = accept(listener, NULL, NULL);
		if (sockets[i] < 0)
			fatal("cannot accept: %m");
		(void) setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	close(listener);
	return child;
}

/*
 * Tell client `to` of the members from..until.  The socket blocks: who reads
 * slowly makes us wait, which is no CPU.
 */
static void
tell(int to, int from, int until)
{
	const char *data = entries + starts[from];
	size_t		left = starts[until] - starts[from];

	while (left > 0)
	{
		ssize_t		n = send(sockets[to], data, left, MSG_NOSIGNAL);

		if (n < 0)
			fatal("send: %m");
		sends++;
		bytes_out += n;
		data += n;
		left -= (size_t) n;
	}
}

/*
 * Tell all that are there of those who came since the last time.
 */
static void
tell_all(int told, int here)
{
	for (int i = 0; i < here; i++)
		tell(i, told, here);
}

/*
 * Everybody joins.
 */
static void
join_all(void)
{
	int64		start = monotonic_ns();
	int64		tell_at = 0;
	int			told = 0;

	for (int i = 0; i < nclients; i++)
	{
		sleep_until(start + i * INT64CONST(1000000000) / rate);
		tell(i, 0, told);
		if (monotonic_ns() < tell_at)
			continue;
		tell_all(told, i + 1);
		told = i + 1;
		tell_at = monotonic_ns() + told / DELIVERIES_PER_MS * INT64CONST(1000000);
	}
	tell_all(told, (int) nclients);
}

/*
 * One round with a reader of its own; returns the writer's CPU seconds.
 */
static double
run_round(void)
{
	pid_t		child = start_readers();
	double		cpu;

	cpu = own_cpu_seconds();
	join_all();
	cpu = own_cpu_seconds() - cpu;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	for (int i = 0; i < nclients; i++)
		close(sockets[i]);
	return cpu;
}

int
main(int argc, char **argv)
{
	struct rlimit limit;
	double		cpu = 0;
	double		joins;

	parse_options(argc, argv, options);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
	precise_sleep();
	make_entries();
	sockets = allocate(sizeof(int) * (size_t) nclients);
	for (int64 round = 0; round < rounds; round++)
		cpu += run_round();
	joins = (double) (nclients * rounds);
	printf("cpu_us_per_join=%.1f\nsends_per_join=%.1f\nkb_per_join=%.1f\n",
		   cpu * 1e6 / joins, (double) sends / joins, (double) bytes_out / 1024 / joins);
	return 0;
}
