/*-------------------------------------------------------------------------
 *
 * presence_client.c
 *	  Many Phoenix clients that join one topic and track, in one thread.
 *
 * All connect first.  Then they join and track at a given rate, in rounds on a
 * topic each, and a round ends when every client knows all others; with
 * --leave=1 half of them close their connections after that, and it ends when the
 * rest knows.  What is reported of CPU is from the first join to that.
 *
 * A client keeps no state but how many metas it knows and the exclusive or of
 * their refs' hashes, so that ten thousand clients can know ten thousand members:
 * in the end all must have the same of both.  Frames are not taken apart: what is
 * looked for in the stream of bytes, is in no header and in nobody's meta.
 *
 * bench/presence_client.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/hashfn.h"

#include "dialect.h"
#include "ws_client.h"

#define READ_BYTES (256 * 1024)
#define EVENTS_PER_TURN 1024
#define REF_BYTES 11
#define CARRY_BYTES 21			/* the most that can be the beginning of what
								 * is looked for: a mark and its ref */
#define LIMIT_S 120				/* for one round */

#define REF_MARK "\"phx_ref\":\""
#define JOINS_MARK "\"joins\":{"
#define LEAVES_MARK "\"leaves\":{"
#define STATE_MARK "presence_state"

typedef struct Client
{
	int			fd;				/* -1 = closed by us */
	bool		upgraded;
	bool		leaving;		/* what comes is of a diff's leaves */
	int			states;			/* presence_state that came */
	int			known;
	uint64		refs;			/* exclusive or of hashes */
	uint32		carry_len;
	char		carry[CARRY_BYTES]; /* end of what was read last */
} Client;

static const char *apikey = "";
static int64 port = 4000;
static int64 nclients = 100;
static int64 rounds = 1;
static int64 rate = 1000;
static int64 leave = 0;
static PidList pids;

static const Option options[] = {
	{"port", OPTION_INT, &port, "port of the server, on loopback"},
	{"apikey", OPTION_STRING, &apikey, "token that all connect with"},
	{"clients", OPTION_INT, &nclients, "members of one topic"},
	{"rounds", OPTION_INT, &rounds, "one after the other, each on a topic of its own"},
	{"rate", OPTION_INT, &rate, "joins per second"},
	{"leave", OPTION_INT, &leave, "1 = half of them leave in the end"},
	{"pids", OPTION_PIDS, &pids, "processes whose CPU to measure"},
	{NULL}
};

static Client *clients;
static int	epoll_fd;
static int	upgraded;
static int	complete;			/* clients that know as many as `wanted` */
static int	wanted;
static int64 bytes_in;
static char buffer[CARRY_BYTES + READ_BYTES];

/*
 * Note that a client knows one more or one fewer.
 */
static void
know(Client *client, int more, uint64 hash)
{
	complete -= client->known == wanted;
	client->known += more;
	client->refs ^= hash;
	complete += client->known == wanted;
}

/*
 * Where a mark is next at or after `from`; `end` if it is not.
 */
static const char *
find(const char *from, const char *end, const char *mark)
{
	const char *at = memmem(from, end - from, mark, strlen(mark));

	return at != NULL ? at : end;
}

/*
 * Look for what matters in data[0..len), and return how much of it is looked
 * at: the rest may be the beginning of something.
 */
static size_t
look(Client *client, const char *data, size_t len)
{
	const char *end = data + len;
	const char *done = data;
	const char *p = data;
	const char *joins = find(p, end, JOINS_MARK);
	const char *leaves = find(p, end, LEAVES_MARK);
	const char *state = find(p, end, STATE_MARK);
	const char *ref = find(p, end, REF_MARK);

	for (;;)
	{
		p = Min(Min(joins, leaves), Min(state, ref));
		if (p == end || (p == ref && end - p < (ssize_t) strlen(REF_MARK) + REF_BYTES))
			return Max(Min(p, end - CARRY_BYTES), done) - data;
		done = p + 1;
		if (p == ref)
		{
			p += strlen(REF_MARK);
			know(client, client->leaving ? -1 : 1,
				 hash_bytes_extended((const unsigned char *) p, REF_BYTES, 0));
			ref = find(p, end, REF_MARK);
		}
		else if (p == leaves)
		{
			client->leaving = true;
			leaves = find(p + 1, end, LEAVES_MARK);
		}
		else if (p == joins)
		{
			client->leaving = false;
			joins = find(p + 1, end, JOINS_MARK);
		}
		else
		{
			client->leaving = false;
			client->states++;
			state = find(p + 1, end, STATE_MARK);
		}
	}
}

/*
 * Something came.
 */
static void
take_input(Client *client)
{
	ssize_t		n;
	size_t		len;
	size_t		done;

	memcpy(buffer, client->carry, client->carry_len);
	n = recv(client->fd, buffer + client->carry_len, READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		fatal("the server closed a connection that knew %d of %d", client->known, wanted);
	bytes_in += n;
	len = client->carry_len + (size_t) n;
	if (!client->upgraded)
	{
		if (memmem(buffer, len, "\r\n\r\n", 4) == NULL)
			fatal("half an answer to the upgrade");
		if (strncmp(buffer, WS_UPGRADED, strlen(WS_UPGRADED)) != 0)
			fatal("the upgrade was refused: %.*s", (int) len, buffer);
		client->upgraded = true;
		upgraded++;
		return;
	}
	done = len < CARRY_BYTES ? 0 : look(client, buffer, len);
	client->carry_len = (uint32) (len - done);
	memcpy(client->carry, buffer + done, client->carry_len);
}

/*
 * Take what comes for so many milliseconds, at most one turn.
 */
static void
turn(int timeout)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int			n = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, timeout);

	for (int i = 0; i < n; i++)
	{
		Client	   *client = &clients[events[i].data.u32];

		if (client->fd >= 0)
			take_input(client);
	}
}

/*
 * Connect a client and ask for the upgrade.
 */
static void
start_client(int number)
{
	Client	   *client = &clients[number];
	const struct linger reset = {1, 0};
	struct epoll_event event = {0};
	char		target[DIALECT_MAX_TEXT];

	memset(client, 0, sizeof(*client));
	dialect_target(DIALECT_PHOENIX, "", apikey, target);
	client->fd = ws_connect(port, target);
	(void) setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	event.events = EPOLLIN;
	event.data.u32 = (uint32) number;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0)
		fatal("epoll_ctl: %m");
}

/*
 * Connect all, a hundred at a time.
 */
static void
connect_all(void)
{
	upgraded = 0;
	for (int i = 0; i < nclients; i++)
	{
		start_client(i);
		while (upgraded < i - 100)
			turn(100);
	}
	while (upgraded < nclients)
		turn(100);
}

/*
 * Have a client join.
 */
static void
join(int number, int64 round)
{
	char		text[512];

	snprintf(text, sizeof(text),
			 "[\"1\",\"1\",\"realtime:bench-%lld\",\"phx_join\",{\"config\":{\"presence\":"
			 "{\"enabled\":true,\"key\":\"user-%d\"}}}]", (long long) round, number);
	ws_send_text(clients[number].fd, text);
}

/*
 * Have it track.  Where the topic is known to the server, this may follow the
 * join at once: that is answered before this is looked at.
 */
static void
track(int number, int64 round)
{
	char		text[512];

	snprintf(text, sizeof(text),
			 "[\"1\",\"2\",\"realtime:bench-%lld\",\"presence\",{\"type\":\"presence\",\"event\":\"track\","
			 "\"payload\":{\"user\":%d,\"online\":true}}]", (long long) round, number);
	ws_send_text(clients[number].fd, text);
}

/*
 * Take what comes until so many clients know what is wanted.
 */
static void
wait_complete(int number)
{
	int64		deadline = monotonic_ns() + LIMIT_S * INT64CONST(1000000000);

	while (complete < number)
	{
		if (monotonic_ns() > deadline)
			fatal("after %d s only %d of %d clients know %d members",
				  LIMIT_S, complete, number, wanted);
		turn(100);
	}
}

/*
 * Begin to count clients that know so many.
 */
static void
want(int number)
{
	wanted = number;
	complete = 0;
	for (int i = 0; i < nclients; i++)
		complete += clients[i].fd >= 0 && clients[i].known == wanted;
}

/*
 * All that are here must know the same, and have been given one state.
 */
static int64
wrong_clients(void)
{
	const Client *last = &clients[nclients - 1];
	int64		wrong = 0;

	for (int i = 0; i < nclients; i++)
	{
		if (clients[i].fd >= 0 &&
			(clients[i].known != wanted || clients[i].refs != last->refs || clients[i].states != 1))
			wrong++;
	}
	return wrong;
}

/*
 * One client joins ahead of the others, who come at the rate.
 */
static void
join_all(int64 round)
{
	int64		start;

	want((int) nclients);
	join(0, round);
	while (clients[0].states == 0)
		turn(10);
	start = monotonic_ns();
	track(0, round);
	for (int i = 1; i < nclients; i++)
	{
		while (monotonic_ns() < start + i * INT64CONST(1000000000) / rate)
			turn(0);
		join(i, round);
		track(i, round);
	}
	wait_complete((int) nclients);
}

/*
 * The first half goes without a word.
 */
static void
leave_half(void)
{
	want((int) (nclients - nclients / 2));
	for (int i = 0; i < nclients / 2; i++)
	{
		complete -= clients[i].known == wanted;
		close(clients[i].fd);
		clients[i].fd = -1;
	}
	wait_complete((int) (nclients - nclients / 2));
}

/*
 * Close what is open.
 */
static void
close_all(void)
{
	for (int i = 0; i < nclients; i++)
	{
		if (clients[i].fd >= 0)
			close(clients[i].fd);
	}
}

/*
 * Run the rounds and report.
 */
int
main(int argc, char **argv)
{
	struct rlimit limit;
	double		cpu = 0;
	double		user = 0;
	double		leave_cpu = 0;
	int64		bytes = 0;
	double		took = 0;
	int64		wrong = 0;

	parse_options(argc, argv, options);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
	clients = allocate(sizeof(Client) * (size_t) nclients);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int64 round = 0; round < rounds; round++)
	{
		double		before;
		int64		start;

		connect_all();
		before = cpu_seconds(&pids);
		user -= user_cpu_seconds(&pids);
		bytes -= bytes_in;
		start = monotonic_ns();
		join_all(round);
		took += (double) (monotonic_ns() - start) / 1e9;
		cpu += cpu_seconds(&pids) - before;
		user += user_cpu_seconds(&pids);
		bytes += bytes_in;
		wrong += wrong_clients();
		if (leave)
		{
			before = cpu_seconds(&pids);
			leave_half();
			leave_cpu += cpu_seconds(&pids) - before;
			wrong += wrong_clients();
		}
		close_all();
	}
	printf("seconds=%.2f\ncpu_us_per_join=%.1f\nuser_us_per_join=%.1f\ncpu_us_per_leave=%.1f\n"
		   "kb_per_join=%.1f\nwrong=%lld\n", took,
		   cpu * 1e6 / (double) (nclients * rounds),
		   user * 1e6 / (double) (nclients * rounds),
		   leave ? leave_cpu * 1e6 / (double) (nclients / 2 * rounds) : 0,
		   (double) bytes / 1024 / (double) (nclients * rounds), (long long) wrong);
	return wrong > 0 ? 1 : 0;
}
