/*-------------------------------------------------------------------------
 *
 * webhook_sink.c
 *	  A server that answers every POST with 200 and counts: where webhooks lead.
 *
 * As little work per request as there can be, so that what is measured is who
 * makes them.  Prints its port and, at the end, how many requests came and how
 * many per second from the first to the last one.
 *
 * bench/webhook_sink.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX (64 * 1024)

static int64 wanted = 0;

static const Option options[] = {
	{"count", OPTION_INT, &wanted, "requests after which to end; 0 = when asked to"},
	{NULL}
};

/* A client, and what has come of its next request. */
typedef struct Client
{
	int			fd;
	size_t		len;
	char		request[REQUEST_MAX];
} Client;

static int64 requests;
static int64 first_ns;
static int64 last_ns;
static volatile sig_atomic_t asked_to_end;

/*
 * Only note it.
 */
static void
handle_sigterm(int signo)
{
	asked_to_end = 1;
}

/*
 * Listen on loopback and say on which port.
 */
static int
listen_somewhere(void)
{
	struct sockaddr_in address = {0};
	socklen_t	len = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &len) != 0)
		fatal("cannot listen: %m");
	printf("port=%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

/*
 * Bytes of the request that stands at the front; 0 if it is not whole.
 */
static size_t
request_length(Client *client)
{
	char	   *end;
	char	   *length;
	size_t		total;

	client->request[client->len] = '\0';
	end = strstr(client->request, "\r\n\r\n");
	if (end == NULL)
		return 0;
	length = strcasestr(client->request, "\r\nContent-Length:");
	if (length == NULL || length > end)
		fatal("a request has no length");
	total = (size_t) (end - client->request) + 4 + strtoul(length + 17, NULL, 10);
	return client->len >= total ? total : 0;
}

/*
 * Take what a client sends; false when it has gone.
 */
static bool
serve(Client *client)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"received\":true}";
	ssize_t		n = recv(client->fd, client->request + client->len,
						 REQUEST_MAX - 1 - client->len, MSG_DONTWAIT);
	size_t		taken;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	client->len += (size_t) n;
	while ((taken = request_length(client)) > 0)
	{
		client->len -= taken;
		memmove(client->request, client->request + taken, client->len);
		last_ns = monotonic_ns();
		if (requests++ == 0)
			first_ns = last_ns;
		if (send(client->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
			return false;
	}
	if (client->len == REQUEST_MAX - 1)
		fatal("a request is too long");
	return true;
}

/*
 * Take new clients.
 */
static void
accept_clients(int epoll, int listener)
{
	int			fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
	{
		Client	   *client = allocate(sizeof(Client));
		struct epoll_event event = {.events = EPOLLIN,.data.ptr = client};

		client->fd = fd;
		client->len = 0;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
			fatal("epoll_ctl: %m");
	}
}

/*
 * Serve until enough has come, or somebody asks for the end.
 */
static void
serve_all(int epoll, int listener)
{
	struct epoll_event events[64];

	while (!asked_to_end && (wanted == 0 || requests < wanted))
	{
		int			n = epoll_wait(epoll, events, lengthof(events), 100);

		for (int i = 0; i < n; i++)
		{
			Client	   *client = events[i].data.ptr;

			if (client == NULL)
				accept_clients(epoll, listener);
			else if (!serve(client))
			{
				close(client->fd);
				free(client);
			}
		}
	}
}

int
main(int argc, char **argv)
{
	struct epoll_event event = {.events = EPOLLIN};
	int			listener;
	int			epoll;

	parse_options(argc, argv, options);
	signal(SIGTERM, handle_sigterm);
	listener = listen_somewhere();
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		fatal("epoll: %m");
	serve_all(epoll, listener);
	printf("requests=%lld\nper_second=%.1f\n", (long long) requests,
		   requests < 2 ? 0.0 : (double) (requests - 1) * 1e9 / (double) (last_ns - first_ns));
	return 0;
}
