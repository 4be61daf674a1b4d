/*-------------------------------------------------------------------------
 *
 * resume_client.c
 *	  Many Phoenix clients that come back together with their cursors.
 *
 * They join, keep the cursor of the answer, print "ready=yes" and go.  On
 * SIGUSR1 they all connect again at once and join with their cursors.  Then each has to be given the messages that were sent
 * meanwhile, numbered from 1 on, and after these what is live.
 *
 * Frames are not taken apart: a message is known by its number, "n": 123, which
 * is in nothing else, and all have to come one after the other.
 *
 * bench/resume_client.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dialect.h"
#include "ws_client.h"

#define READ_BYTES (256 * 1024)
#define EVENTS_PER_TURN 1024
#define CARRY_BYTES 512			/* more than the answer to a join has */
#define CURSOR_BYTES 32
#define LIMIT_S 120

#define NUMBER_MARK "\"n\": "
#define CURSOR_MARK "\"cursor\":\""
#define RECOVERED_MARK "\"recovered\":"

typedef struct Client
{
	int			fd;
	bool		upgraded;
	bool		answered;		/* its join */
	bool		recovered;
	int64		last;			/* number of the last message */
	uint32		carry_len;
	char		carry[CARRY_BYTES]; /* end of what was read last */
	char		cursor[CURSOR_BYTES + 1];
} Client;

static const char *apikey = "";
static int64 port = 4000;
static int64 nclients = 1000;
static int64 topics = 1;
static int64 missed = 1000;
static PidList pids;

static const Option options[] = {
	{"port", OPTION_INT, &port, "port of the server, on loopback"},
	{"apikey", OPTION_STRING, &apikey, "token that all connect with"},
	{"clients", OPTION_INT, &nclients, "that come back"},
	{"topics", OPTION_INT, &topics, "that they are spread over"},
	{"missed", OPTION_INT, &missed, "messages that each has missed; one more is live"},
	{"pids", OPTION_PIDS, &pids, "processes whose CPU to measure"},
	{NULL}
};

static Client *clients;
static int	epoll_fd;
static int	upgraded;
static int	answered;
static int	recovered;			/* have all they had missed */
static int	live;				/* and one more */
static int64 wrong;				/* messages that were not the next one */
static int64 recovered_at;
static char buffer[CARRY_BYTES + READ_BYTES];

/*
 * Join, with the cursor if there is one.
 */
static void
join(int number)
{
	Client	   *client = &clients[number];
	char		resume[64] = "";
	char		text[512];

	if (client->cursor[0] != '\0')
		snprintf(resume, sizeof(resume), "\"resume\":\"%s\"", client->cursor);
	snprintf(text, sizeof(text),
			 "[\"1\",\"1\",\"realtime:resume-%lld\",\"phx_join\",{\"config\":{\"broadcast\":{%s},"
			 "\"presence\":{\"enabled\":false},\"private\":false},\"version\":\"resume_client, a benchmark\"}]",
			 (long long) (number % topics), resume);
	ws_send_text(client->fd, text);
}

/*
 * A message.
 */
static void
take_number(Client *client, int64 number)
{
	if (number != client->last + 1)
		wrong++;
	client->last = number;
	if (number == missed && ++recovered == nclients)
		recovered_at = monotonic_ns();
	if (number == missed + 1)
		live++;
}

/*
 * The answer to the join.
 */
static void
take_answer(Client *client, const char *cursor, const char *from, size_t len)
{
	const char *mark = memmem(from, len, RECOVERED_MARK "true", strlen(RECOVERED_MARK "true"));

	client->recovered = mark != NULL;
	memcpy(client->cursor, cursor, CURSOR_BYTES);
	client->cursor[CURSOR_BYTES] = '\0';
	client->answered = true;
	answered++;
}

/*
 * Look for what matters in data[0..len), and return how much of it is looked
 * at: the rest may be the beginning of something.
 */
static size_t
look(Client *client, const char *data, size_t len)
{
	const char *end = data + len;
	const char *p = data;

	if (!client->answered)
	{
		p = memmem(data, len, CURSOR_MARK, strlen(CURSOR_MARK));
		if (p == NULL || memmem(p, end - p, "}}]", 3) == NULL)
			return 0;
		take_answer(client, p + strlen(CURSOR_MARK), data, len);
	}
	for (;;)
	{
		const char *digit;
		int64		number = 0;

		p = memmem(p, end - p, NUMBER_MARK, strlen(NUMBER_MARK));
		if (p == NULL)
			return len - Min(len, strlen(NUMBER_MARK));
		for (digit = p + strlen(NUMBER_MARK); digit < end && *digit >= '0' && *digit <= '9'; digit++)
			number = number * 10 + (*digit - '0');
		if (digit == end)
			return p - data;
		take_number(client, number);
		p = digit;
	}
}

/*
 * Something came.
 */
static void
take_input(int number)
{
	Client	   *client = &clients[number];
	ssize_t		n;
	size_t		len;
	size_t		done;

	memcpy(buffer, client->carry, client->carry_len);
	n = recv(client->fd, buffer + client->carry_len, READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		fatal("the server closed a connection that had message %lld", (long long) client->last);
	len = client->carry_len + (size_t) n;
	if (!client->upgraded)
	{
		if (len < strlen(WS_UPGRADED) || strncmp(buffer, WS_UPGRADED, strlen(WS_UPGRADED)) != 0)
			fatal("the upgrade was refused: %.*s", (int) len, buffer);
		client->upgraded = true;
		upgraded++;
		join(number);
		return;
	}
	done = look(client, buffer, len);
	if (len - done > CARRY_BYTES)
		fatal("the answer to a join came in pieces");
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
		take_input((int) events[i].data.u32);
}

/*
 * Connect a client; the join follows its upgrade.
 */
static void
start_client(int number)
{
	Client	   *client = &clients[number];
	struct epoll_event event = {0};
	char		target[DIALECT_MAX_TEXT];

	client->upgraded = client->answered = false;
	client->carry_len = 0;
	dialect_target(DIALECT_PHOENIX, "", apikey, target);
	client->fd = ws_connect(port, target);
	event.events = EPOLLIN;
	event.data.u32 = (uint32) number;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0)
		fatal("epoll_ctl: %m");
}

/*
 * Connect all, a hundred at a time.
 */
static void
start_all(void)
{
	upgraded = answered = 0;
	for (int i = 0; i < nclients; i++)
	{
		start_client(i);
		while (upgraded < i - 100)
			turn(100);
	}
}

/*
 * Take what comes until *count has come.
 */
static void
wait_for(const int *count, const char *what)
{
	int64		deadline = monotonic_ns() + LIMIT_S * INT64CONST(1000000000);

	while (*count < nclients)
	{
		if (monotonic_ns() > deadline)
			fatal("after %d s only %d of %lld clients %s", LIMIT_S, *count, (long long) nclients, what);
		turn(100);
	}
}

/*
 * Go.
 */
static void
leave_all(void)
{
	for (int i = 0; i < nclients; i++)
		close(clients[i].fd);
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	sigset_t	signals;
	int			signal;
	double		cpu;
	int64		start;
	int			told = 0;

	parse_options(argc, argv, options);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	clients = allocate(nclients * sizeof(Client));
	memset(clients, 0, nclients * sizeof(Client));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	start_all();
	wait_for(&answered, "have joined");
	leave_all();
	printf("ready=yes\n");
	fflush(stdout);
	sigwait(&signals, &signal);

	cpu = cpu_seconds(&pids);
	start = monotonic_ns();
	start_all();
	wait_for(&recovered, "have what they had missed");
	cpu = cpu_seconds(&pids) - cpu;
	printf("recovered=yes\n");
	fflush(stdout);
	wait_for(&live, "are live");
	for (int i = 0; i < nclients; i++)
		told += clients[i].recovered;
	printf("seconds=%.3f\ncpu_seconds=%.3f\nmessages=%lld\nwrong=%lld\ntold=%d\n",
		   (recovered_at - start) / 1e9, cpu, (long long) (nclients * missed), (long long) wrong, told);
	return 0;
}
