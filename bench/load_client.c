/*-------------------------------------------------------------------------
 *
 * load_client.c
 *	  Many clients in one thread: receives, checks, measures.
 *
 * Every client has its own socket, joins topics in Phoenix, version 2.0.0, or in
 * Socket.IO, and beats its heart.  All of them connect with the one key of
 * --apikey, as the visitors of a page do; with --tokens each is a user who
 * joins with a token of his own.  Frames are taken apart in one buffer
 * that all clients share; only what a read leaves incomplete is kept per
 * client.  That, and one clock reading per read(), is what lets one thread
 * check several million small frames a second.
 *
 * Modes:
 *	receive	join, report "ready=yes", count until every sender's end came
 *	idle	join, report "ready=yes", stay for --seconds (0: until SIGTERM)
 *	joins	join everything as fast as the server answers, then end
 *	storm	connect, report "ready=yes", join all at once, and try again after
 *			a refusal as supabase-js does, for --seconds (0: until SIGTERM)
 *
 * Connecting blocks, a handshake of TLS included, which on loopback takes no time
 * as long as the server's backlog has room; --inflight bounds how many wait to be
 * answered.  What is reported of joins is from asking to the answer; with --ahead
 * all connections are there before the first of them.
 *
 * bench/load_client.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dialect.h"
#include "tally.h"
#include "tls_end.h"

#define READ_BYTES (128 * 1024) /* asked of one read() */
#define REST_BYTES (64 * 1024)	/* longest frame that may be left over */
#define EVENTS_PER_TURN 1024
#define MAX_TOKEN 2048
#define JOIN_LIMIT_NS INT64CONST(120000000000)
#define QUIET_MS 300			/* idle mode ends after SIGTERM and this
								 * silence */

#define OP_TEXT 1
#define OP_BINARY 2
#define OP_CLOSE 8
#define OP_PING 9
#define OP_PONG 10

/* The key of RFC 6455's example and what a server must answer to it. */
#define HANDSHAKE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

typedef enum ClientState
{
	CLIENT_NEW,					/* no socket yet; next: UPGRADING */
	CLIENT_UPGRADING,			/* request sent; next: GREETING, OPEN, CLOSED */
	CLIENT_GREETING,			/* Socket.IO: no namespace yet; next: OPEN,
								 * CLOSED */
	CLIENT_OPEN,				/* has nothing to do yet; next: JOINING */
	CLIENT_JOINING,				/* a join is on its way; next: JOINED,
								 * REFUSED, CLOSED */
	CLIENT_REFUSED,				/* will ask again; next: JOINING, CLOSED */
	CLIENT_JOINED,				/* has all its channels; next: CLOSED */
	CLIENT_CLOSED
} ClientState;

typedef struct Client
{
	int			fd;
	SSL		   *tls;			/* with --tls, or NULL */
	ClientState state;
	int			channels;		/* joined so far */
	int64		asked_us;		/* when the latest join was sent */
	int			refusals;		/* of this join in a row */
	uint32		rest_len;		/* bytes of an incomplete frame */
	uint32		rest_cap;
	char	   *rest;
} Client;

static const char *host = "127.0.0.1";
static const char *dialect_name = "phoenix";
static const char *path = "";
static const char *apikey = "";
static const char *tokens_file = "";
static const char *mode = "receive";
static const char *topic_prefix = "bench-";
static const char *commit_log = "";
static int64 port = 4000;
static int64 nclients = 1;
static int64 ntopics = 1;
static int64 nchannels = 1;
static int64 private_channels = 0;
static const char *follow = "";
static int64 filter = 0;
static int64 nsenders = 1;
static int64 nactive = -1;
static int64 seconds = 60;
static int64 heartbeat_ms = 25000;
static int64 inflight_max = 100;
static int64 ahead = 0;
static int64 nap_us = 0;
static int64 with_tls = 0;
static PidList pids;

static const Option options[] = {
	{"mode", OPTION_STRING, &mode, "receive, idle, joins or storm"},
	{"host", OPTION_STRING, &host, "IPv4 address of the server"},
	{"port", OPTION_INT, &port, "its port"},
	{"dialect", OPTION_STRING, &dialect_name, "phoenix or socketio"},
	{"path", OPTION_STRING, &path, "path of the WebSocket endpoint, if not the dialect's"},
	{"apikey", OPTION_STRING, &apikey, "token that all connect with"},
	{"tokens", OPTION_STRING, &tokens_file, "file of tokens, a line each; client n joins with the nth"},
	{"private", OPTION_INT, &private_channels, "1 = the channels are private"},
	{"follow", OPTION_STRING, &follow, "table whose changes the channels are for"},
	{"filter", OPTION_INT, &filter, "1 = only rows that name the client's topic"},
	{"clients", OPTION_INT, &nclients, "connections"},
	{"topics", OPTION_INT, &ntopics, "topics; client n joins topic n modulo this"},
	{"channels", OPTION_INT, &nchannels, "topics that every client joins"},
	{"prefix", OPTION_STRING, &topic_prefix, "topic name without its number"},
	{"senders", OPTION_INT, &nsenders, "connections that send"},
	{"active", OPTION_INT, &nactive, "clients that are sent to (default: all)"},
	{"seconds", OPTION_INT, &seconds, "receive: time limit; idle: time to stay"},
	{"heartbeat", OPTION_INT, &heartbeat_ms, "milliseconds between heartbeats"},
	{"inflight", OPTION_INT, &inflight_max, "clients that connect or join at once"},
	{"ahead", OPTION_INT, &ahead, "1 = connect all before the first one joins"},
	{"nap", OPTION_INT, &nap_us, "microseconds to sleep before each look at the sockets"},
	{"tls", OPTION_INT, &with_tls, "1 = connect by TLS, whoever answers"},
	{"pids", OPTION_PIDS, &pids, "processes whose CPU to measure"},
	{"commit-log", OPTION_STRING, &commit_log, "the sender's file of commit times"},
	{NULL}
};

static Dialect dialect;
static Client *clients;
static char **tokens;			/* of --tokens, or NULL */
static int64 ntokens;
static Tally tally;
static int	epoll_fd;
static char buffer[REST_BYTES + READ_BYTES];

static int	started;			/* clients with a socket so far */
static int	upgraded;			/* of them, those whose upgrade was answered */
static int	asked;				/* of those, the ones that have begun to join */
static int	joined;				/* of them, those with all their channels */
static int	closed;				/* connections that the server closed */
static int	close_code;			/* of the latest close frame */
static Histogram join_took;		/* join sent -> answered ok */
static int64 refusals;			/* joins answered with an error */
static int64 heartbeats_sent;
static int64 heartbeats_answered;
static int64 other_texts;		/* text messages that answer nothing */
static volatile sig_atomic_t stop_requested;

/*
 * SIGTERM, SIGINT: idle mode ends when nothing comes any more.
 */
static void
handle_stop(int signo)
{
	stop_requested = true;
}

/*
 * Write all of data to a client's socket, which has room for the little that
 * a client of this program says.
 */
static void
send_all(const Client *client, const char *data, size_t len)
{
	if (client->tls != NULL)
		tls_write(client->tls, data, len);
	else if (send(client->fd, data, len, MSG_NOSIGNAL) != (ssize_t) len &&
			 errno != EPIPE && errno != ECONNRESET)
		fatal("send: %m");
}

/*
 * Have what this client receives acknowledged when it is read.
 *
 * A socket that has lately sent something keeps its acknowledgements back for
 * data of its own to carry them (pingpong mode); on loopback they are then made
 * at odd moments inside the server's send(), for every second message or none,
 * which changes the server's cost by a third from one run to the next.
 */
static void
acknowledge_on_read(const Client *client)
{
	const int	on = 1;

	(void) setsockopt(client->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/*
 * Send one masked frame.
 */
static void
send_frame(const Client *client, int opcode, const char *payload, size_t len)
{
	static const unsigned char mask[4] = {0x5a, 0x13, 0xc4, 0x77};
	char		frame[DIALECT_MAX_TEXT + 8];
	size_t		pos = 2;

	if (len > sizeof(frame) - 8)
		fatal("frame too long");
	frame[0] = (char) (0x80 | opcode);
	if (len < 126)
		frame[1] = (char) (0x80 | len);
	else
	{
		frame[1] = (char) (0x80 | 126);
		frame[pos++] = (char) (len >> 8);
		frame[pos++] = (char) (len & 0xff);
	}
	memcpy(frame + pos, mask, 4);
	pos += 4;
	for (size_t i = 0; i < len; i++)
		frame[pos++] = (char) ((unsigned char) payload[i] ^ mask[i & 3]);
	send_all(client, frame, pos);
	acknowledge_on_read(client);
}

/*
 * Read the file of --tokens, which stays in memory.
 */
static void
read_tokens(void)
{
	FILE	   *file = fopen(tokens_file, "r");
	char		line[MAX_TOKEN + 2];

	if (file == NULL)
		fatal("cannot open \"%s\": %m", tokens_file);
	tokens = allocate(sizeof(char *) * (size_t) nclients);
	while (ntokens < nclients && fgets(line, sizeof(line), file) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		tokens[ntokens] = allocate(strlen(line) + 1);
		strcpy(tokens[ntokens++], line);
	}
	fclose(file);
	if (ntokens == 0)
		fatal("\"%s\" holds no token", tokens_file);
}

/*
 * Join a client's next channel.
 */
static void
send_join(const Client *client)
{
	int64		number = (client - clients) * nchannels + client->channels;
	char		topic[256];
	char		condition[300];
	char		text[DIALECT_MAX_TEXT];
	Join		join = {client->channels + 1, topic};

	snprintf(topic, sizeof(topic), "%s%lld", topic_prefix, (long long) (number % ntopics));
	snprintf(condition, sizeof(condition), "topic=eq.%s", topic);
	if (tokens != NULL)
		join.token = tokens[(client - clients) % ntokens];
	if (*follow != '\0')
		join.table = follow;
	if (filter)
		join.filter = condition;
	join.is_private = private_channels != 0;
	send_frame(client, OP_TEXT, text, (size_t) dialect_join(dialect, &join, text));
}

/*
 * Ask for a client's next channel, for the first time or again.
 */
static void
ask_to_join(Client *client)
{
	if (client->state == CLIENT_OPEN)
		asked++;
	client->state = CLIENT_JOINING;
	client->asked_us = now_us();
	send_join(client);
}

/*
 * Connect one more client and ask for the upgrade.
 */
static void
start_client(void)
{
	Client	   *client = &clients[started];
	struct sockaddr_in address = {0};
	struct epoll_event event = {0};
	const struct linger reset = {1, 0};
	const int	on = 1;
	char		target[DIALECT_MAX_TEXT];
	char		request[DIALECT_MAX_TEXT + 1024];
	int			len;

	address.sin_family = AF_INET;
	address.sin_port = htons((uint16) port);
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		fatal("\"%s\" is no IPv4 address", host);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		fatal("socket: %m");
	if (connect(client->fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		fatal("cannot connect to %s:%lld: %m", host, (long long) port);
	(void) setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (with_tls)
		client->tls = tls_connect(client->fd);
	if (fcntl(client->fd, F_SETFL, O_NONBLOCK) != 0)
		fatal("fcntl: %m");

	/*
	 * Close with a reset: ten thousand sockets in TIME_WAIT would leave the
	 * next run without ports.
	 */
	(void) setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	event.events = EPOLLIN;
	event.data.u32 = (uint32) started;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0)
		fatal("epoll_ctl: %m");
	started++;

	dialect_target(dialect, path, apikey, target);
	len = snprintf(request, sizeof(request),
				   "GET %s HTTP/1.1\r\nHost: %s:%lld\r\nUpgrade: websocket\r\n"
				   "Connection: Upgrade\r\nSec-WebSocket-Key: " HANDSHAKE_KEY "\r\n"
				   "Sec-WebSocket-Version: 13\r\n\r\n",
				   target, host, (long long) port);
	if (len >= (int) sizeof(request))
		fatal("the name of the host is too long");
	send_all(client, request, (size_t) len);
	client->state = CLIENT_UPGRADING;
}

/*
 * The server closed a connection, or said that it will.
 */
static void
client_closed(Client *client)
{
	if (client->state == CLIENT_CLOSED)
		return;
	if (client->state != CLIENT_JOINED)
		fatal("the server closed a connection before its join was answered (code %d)",
			  close_code);
	SSL_free(client->tls);
	client->tls = NULL;
	close(client->fd);
	client->state = CLIENT_CLOSED;
	closed++;
}

/*
 * A client may join now.
 */
static void
open_client(Client *client)
{
	client->state = CLIENT_OPEN;
	upgraded++;
	if (!ahead)
		ask_to_join(client);
}

/*
 * The answer to the upgrade request is in data[0..len).  Returns the bytes it
 * takes, 0 if it is not complete.
 */
static size_t
take_upgrade(Client *client, const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);

	if (end == NULL)
		return 0;
	if (len < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0 ||
		memmem(data, len, HANDSHAKE_ACCEPT, strlen(HANDSHAKE_ACCEPT)) == NULL)
		fatal("the upgrade was refused: %.*s", (int) (end - data), data);
	if (dialect == DIALECT_SOCKETIO)
		client->state = CLIENT_GREETING;
	else
		open_client(client);
	return (size_t) (end - data) + 4;
}

/*
 * A join was refused: try again later where that is what the mode is about.
 */
static void
take_refusal(Client *client, const char *text, size_t len)
{
	if (strcmp(mode, "storm") != 0)
		fatal("a join was refused: %.*s", (int) len, text);
	refusals++;
	client->refusals++;
	client->state = CLIENT_REFUSED;
}

/*
 * A join was answered: on to the next channel.
 */
static void
take_join(Client *client)
{
	histogram_add(&join_took, now_us() - client->asked_us, 1);
	client->channels++;
	if (client->channels < nchannels)
		ask_to_join(client);
	else
	{
		client->state = CLIENT_JOINED;
		joined++;
	}
}

/*
 * A text message, which took `wire` bytes.  What answers nothing that this
 * client has asked is of no interest.
 */
static void
take_text(Client *client, const char *text, size_t len, size_t wire, int64 now)
{
	const char *payload = NULL;
	Said		said = dialect_read(dialect, text, len, &payload);
	char		hello[DIALECT_MAX_TEXT];

	if (likely(said == SAID_MESSAGE))
		tally_message(&tally, (int) (client - clients), payload,
					  len - (size_t) (payload - text), wire, now);
	else if (said == SAID_PING)
		send_frame(client, OP_TEXT, DIALECT_PONG, strlen(DIALECT_PONG));
	else if (said == SAID_HEARTBEAT)
		heartbeats_answered++;
	else if (client->state == CLIENT_GREETING && said == SAID_HELLO)
		send_frame(client, OP_TEXT, hello, (size_t) dialect_hello(apikey, hello));
	else if (client->state == CLIENT_GREETING && said == SAID_CONNECTED)
		open_client(client);
	else if (client->state == CLIENT_JOINING && said == SAID_JOINED)
		take_join(client);
	else if (client->state == CLIENT_JOINING && said == SAID_REFUSED)
		take_refusal(client, text, len);
	else if (client->state != CLIENT_JOINED && said == SAID_FAILED)
		fatal("a connection or a join failed: %.*s", (int) len, text);
	else
		other_texts++;
}

/*
 * Take whole frames out of data[0..len); returns the bytes used.  `now` is
 * when they were read.
 */
static size_t
take_frames(Client *client, const char *data, size_t len, int64 now)
{
	int			number = (int) (client - clients);
	size_t		pos = 0;

	while (len - pos >= 2)
	{
		const unsigned char *head = (const unsigned char *) data + pos;
		size_t		head_len = 2;
		size_t		body_len = head[1];
		const char *body;

		if (body_len == 126)
		{
			head_len = 4;
			if (len - pos < head_len)
				break;
			body_len = ((size_t) head[2] << 8) | head[3];
		}
		else if (body_len > 126)
			fatal("a frame is masked or longer than 64 kB");
		if (len - pos < head_len + body_len)
			break;
		body = data + pos + head_len;
		pos += head_len + body_len;

		if (likely(head[0] == (0x80 | OP_BINARY)))
		{
			const unsigned char *kind = (const unsigned char *) body;
			size_t		skip;

			/* kind 4: lengths of topic, event, metadata; encoding 1 = JSON */
			if (body_len < 5 || kind[0] != 4 || kind[4] != 1)
				fatal("a binary message that is no broadcast of JSON");
			skip = (size_t) 5 + kind[1] + kind[2] + kind[3];
			if (skip > body_len)
				fatal("a broadcast that is longer than its frame");
			tally_message(&tally, number, body + skip, body_len - skip,
						  head_len + body_len, now);
			continue;
		}
		switch (head[0])
		{
			case 0x80 | OP_TEXT:
				take_text(client, body, body_len, head_len + body_len, now);
				break;
			case 0x80 | OP_PING:
				send_frame(client, OP_PONG, body, body_len);
				break;
			case 0x80 | OP_PONG:
				break;
			case 0x80 | OP_CLOSE:
				if (body_len >= 2)
					close_code = ((unsigned char) body[0] << 8) | (unsigned char) body[1];
				client_closed(client);
				return len;
			default:
				fatal("a frame starts with 0x%02x", head[0]);
		}
	}
	return pos;
}

/*
 * A socket is readable: read once, take what is whole, keep what is left.
 * epoll is level-triggered, so that one read per turn is enough; but it does not
 * know what TLS has read already.  Returns whether there may be more of that.
 */
static bool
read_client(Client *client)
{
	size_t		len = client->rest_len;
	size_t		used = 0;
	ssize_t		got;
	int64		now;

	memcpy(buffer, client->rest, len);
	got = client->tls != NULL ? tls_read(client->tls, buffer + len, READ_BYTES)
		: read(client->fd, buffer + len, READ_BYTES);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0)
	{
		client_closed(client);
		return false;
	}
	now = now_us();
	len += (size_t) got;

	if (client->state == CLIENT_UPGRADING)
		used = take_upgrade(client, buffer, len);
	if (client->state != CLIENT_UPGRADING)
		used += take_frames(client, buffer + used, len - used, now);
	len -= used;
	if (len > REST_BYTES)
		fatal("a frame is too long for this program");
	if (len > client->rest_cap)
	{
		client->rest = reallocate(client->rest, len + 256);
		client->rest_cap = (uint32) len + 256;
	}
	memcpy(client->rest, buffer + used, len);
	client->rest_len = (uint32) len;
	return client->tls != NULL && got == READ_BYTES;
}

/*
 * Send the heartbeats that are due, spread evenly over the interval as they
 * would come from clients that have nothing to do with each other.  In Socket.IO
 * it is the server who asks.
 */
static void
beat_hearts(int64 since_ns)
{
	int64		elapsed_ms = (monotonic_ns() - since_ns) / 1000000;
	int64		due = dialect == DIALECT_PHOENIX ? elapsed_ms * nclients / heartbeat_ms : 0;

	for (; heartbeats_sent < due; heartbeats_sent++)
	{
		const Client *client = &clients[heartbeats_sent % nclients];

		if (client->state == CLIENT_JOINED)
			send_frame(client, OP_TEXT, DIALECT_HEARTBEAT, strlen(DIALECT_HEARTBEAT));
	}
}

/*
 * Wait at most timeout_ms for the sockets and read those that have something.
 * With --nap, sleep a moment before: what comes meanwhile wakes nobody.
 */
static void
turn(int timeout_ms)
{
	static struct epoll_event events[EVENTS_PER_TURN];
	int			count;

	if (nap_us > 0 && joined == nclients)
		sleep_until(monotonic_ns() + nap_us * 1000);
	count = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, timeout_ms);

	if (count < 0 && errno != EINTR)
		fatal("epoll_wait: %m");
	for (int i = 0; i < count; i++)
	{
		Client	   *client = &clients[events[i].data.u32];

		while (read_client(client))
			;
	}
}

/*
 * Connect all clients.
 */
static void
connect_everybody(void)
{
	int64		begin = monotonic_ns();

	while (upgraded < nclients && !stop_requested)
	{
		while (started < nclients && started - upgraded < inflight_max)
			start_client();
		turn(100);
		if (monotonic_ns() - begin > JOIN_LIMIT_NS)
			fatal("only %d of %lld clients connected in time", upgraded, (long long) nclients);
	}
}

/*
 * Begin as many joins as may be on their way.
 */
static void
begin_joins(void)
{
	if (ahead)
	{
		while (asked < nclients && asked - joined < inflight_max)
			ask_to_join(&clients[asked]);
	}
	else
	{
		while (started < nclients && started - joined < inflight_max)
			start_client();
	}
}

/*
 * Join all clients, connecting them if that has not been done, and report how
 * long it took.
 */
static void
join_everybody(void)
{
	int64		begin;
	double		took;

	if (ahead)
		connect_everybody();
	begin = monotonic_ns();
	while (joined < nclients && !stop_requested)
	{
		begin_joins();
		turn(100);
		if (monotonic_ns() - begin > JOIN_LIMIT_NS)
			fatal("only %d of %lld clients joined in time", joined, (long long) nclients);
	}
	took = (double) (monotonic_ns() - begin) / 1e9;
	printf("join_seconds=%.4f\n", took);
	printf("joins_per_second=%.0f\n", (double) (nclients * nchannels) / took);
	histogram_print(&join_took, "join");
	printf("ready=yes\n");
	fflush(stdout);
}

/*
 * Is it time for a client to ask again?  supabase-js waits 1, 2, 5, and then
 * always 10 seconds.
 */
static bool
is_due_again(const Client *client, int64 now)
{
	static const int64 waits[] = {1, 2, 5, 10};
	int			n = Min(client->refusals, (int) lengthof(waits)) - 1;

	return client->state == CLIENT_REFUSED && now - client->asked_us > waits[n] * 1000000;
}

/*
 * Everybody asks at once, and whoever was refused asks again.
 */
static void
storm(void)
{
	int64		begin;

	connect_everybody();
	printf("ready=yes\n");
	fflush(stdout);
	begin = monotonic_ns();
	while (asked < nclients)
		ask_to_join(&clients[asked]);
	while (!stop_requested &&
		   !(seconds > 0 && monotonic_ns() - begin > seconds * 1000000000))
	{
		int64		now = now_us();

		for (int i = 0; i < nclients; i++)
		{
			if (is_due_again(&clients[i], now))
				ask_to_join(&clients[i]);
		}
		turn(20);
	}
	printf("joined=%d\n", joined);
	printf("waiting=%lld\n", (long long) (nclients - joined));
	histogram_print(&join_took, "join");
}

/*
 * Receive until every sender's end came, nobody is left or time is up.
 */
static void
receive(void)
{
	int64		begin = monotonic_ns();

	while (!tally_complete(&tally) && !stop_requested && closed < nclients)
	{
		beat_hearts(begin);
		turn(100);
		if (monotonic_ns() - begin > seconds * 1000000000)
			break;
	}
}

/*
 * Stay for the given time, or until SIGTERM and then some time without a
 * message; answers to heartbeats do not count.
 */
static void
idle(void)
{
	int64		begin = monotonic_ns();
	int64		last_message = begin;
	uint64		seen = 0;
	double		cpu = cpu_seconds(&pids);
	double		took;

	while (!stop_requested || monotonic_ns() - last_message < QUIET_MS * 1000000)
	{
		beat_hearts(begin);
		turn(20);
		if (tally.messages + tally.unmarked != seen)
			last_message = monotonic_ns();
		seen = tally.messages + tally.unmarked;
		if (seconds > 0 && monotonic_ns() - begin > seconds * 1000000000)
			break;
	}
	took = (double) (monotonic_ns() - begin) / 1e9;
	printf("idle_seconds=%.3f\n", took);
	if (pids.npids > 0)
		printf("idle_cpu_percent=%.3f\n", (cpu_seconds(&pids) - cpu) / took * 100);
}

int
main(int argc, char **argv)
{
	struct sigaction stop = {0};
	struct rlimit files;
	struct rusage usage;

	parse_options(argc, argv, options);
	dialect = dialect_by_name(dialect_name);
	if (nclients < 1 || ntopics < 1 || nchannels < 1 || heartbeat_ms < 1 || inflight_max < 1)
		fatal("clients, topics, channels, heartbeat and inflight must be at least 1");

	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
	{
		files.rlim_cur = files.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &files);
	}
	precise_sleep();
	stop.sa_handler = handle_stop;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);

	clients = allocate(sizeof(Client) * (size_t) nclients);
	if (tokens_file[0] != '\0')
		read_tokens();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		fatal("epoll_create1: %m");
	tally_init(&tally, (int) nclients, (int) (nactive >= 0 ? nactive : nclients),
			   (int) nsenders, &pids, commit_log[0] != '\0');

	if (strcmp(mode, "storm") == 0)
	{
		ahead = 1;
		storm();
	}
	else
		join_everybody();
	if (strcmp(mode, "receive") == 0)
		receive();
	else if (strcmp(mode, "idle") == 0)
		idle();
	else if (strcmp(mode, "joins") != 0 && strcmp(mode, "storm") != 0)
		fatal("there is no mode \"%s\"", mode);

	tally_print(&tally, commit_log);
	printf("closed=%d\n", closed);
	printf("close_code=%d\n", close_code);
	printf("refusals=%lld\n", (long long) refusals);
	printf("heartbeats_sent=%lld\n", (long long) heartbeats_sent);
	printf("heartbeats_answered=%lld\n", (long long) heartbeats_answered);
	printf("other_texts=%lld\n", (long long) other_texts);
	getrusage(RUSAGE_SELF, &usage);
	printf("own_cpu_seconds=%.3f\n",
		   (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	printf("done=yes\n");
	return 0;
}
