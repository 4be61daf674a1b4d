/*-------------------------------------------------------------------------
 *
 * bare_broadcast.c
 *	  The physical limit of fan-out: a loop of send() and nothing else.
 *
 * Accepts --clients sockets and sends each of them the same frame, byte for
 * byte what the product sends to a subscriber, --rate times a second (0: as
 * fast as the sockets take it).  No database, no topics, no queue, no epoll:
 * one send() per delivery is what the kernel charges for it at least.
 *
 * With --certificate it is SSL_write() instead, which is what TLS costs at least.
 *
 * The receiver is load_client, run as against the product.  Its handshake and
 * its join are answered with constants, unread: a connection on which both
 * sides have spoken acknowledges late where one that only ever carried data
 * one way acknowledges at once, and the two things compared must have the same
 * kind of sockets.
 *
 * bench/bare_broadcast.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "marker.h"
#include "tls_end.h"

static const char *prefix = "bench-";
static int64 port = 0;
static int64 nclients = 1000;
static int64 rate = 100;
static int64 seconds = 5;
static int64 warmup = 1;
static int64 payload_bytes = 200;
static const char *certificate = "";
static const char *key = "";

static const Option options[] = {
	{"port", OPTION_INT, &port, "port to listen on (default: a free one)"},
	{"clients", OPTION_INT, &nclients, "sockets to wait for"},
	{"rate", OPTION_INT, &rate, "messages per second, 0 = as fast as possible"},
	{"seconds", OPTION_INT, &seconds, "how long to send"},
	{"warmup", OPTION_INT, &warmup, "seconds before that, not measured"},
	{"payload", OPTION_INT, &payload_bytes, "bytes of a payload as delivered"},
	{"prefix", OPTION_STRING, &prefix, "topic name without its number"},
	{"certificate", OPTION_STRING, &certificate, "file of a certificate: TLS"},
	{"key", OPTION_STRING, &key, "file of its key"},
	{NULL}
};

/* A connection to a receiver. */
typedef struct Receiver
{
	int			fd;
	SSL		   *tls;			/* NULL without TLS */
} Receiver;

static Receiver *receivers;
static char frame[MARKER_MAX_PAYLOAD + 512];
static size_t frame_len;
static size_t payload_at;		/* where in the frame the payload starts */

/*
 * Listen on loopback and say on which port.
 */
static int
listen_somewhere(void)
{
	struct sockaddr_in address = {0};
	socklen_t	len = sizeof(address);
	const int	on = 1;
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_family = AF_INET;
	address.sin_port = htons((uint16) port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(fd, 4096) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &len) != 0)
		fatal("cannot listen: %m");
	printf("port=%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

/*
 * Send all of it to a receiver.
 */
static void
send_to(const Receiver *receiver, const char *data, size_t len)
{
	if (receiver->tls != NULL)
		tls_write(receiver->tls, data, len);
	else if (send(receiver->fd, data, len, MSG_NOSIGNAL) != (ssize_t) len)
		fatal("send: %m");
}

/*
 * Read something from a receiver.
 */
static ssize_t
read_from(const Receiver *receiver, char *data, size_t size)
{
	return receiver->tls != NULL ? tls_read(receiver->tls, data, size)
		: read(receiver->fd, data, size);
}

/*
 * Read one request from a receiver, whatever it is, and send a fixed answer.
 * What receivers ask here is short and comes in one piece.
 */
static void
answer(const Receiver *receiver, const char *text, size_t len)
{
	char		request[4096];

	if (read_from(receiver, request, sizeof(request)) <= 0)
		fatal("a receiver went away");
	send_to(receiver, text, len);
}

/*
 * Wait for all receivers, and let each believe that it has joined.
 */
static void
accept_everybody(int listener)
{
	static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\n"
		"Upgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	static const char reply[] = "\x81\x40[\"1\",\"1\",\"realtime:x\",\"phx_reply\","
		"{\"status\":\"ok\",\"response\":{}}]";
	const int	on = 1;

	receivers = allocate(sizeof(Receiver) * (size_t) nclients);
	for (int i = 0; i < nclients; i++)
	{
		Receiver   *receiver = &receivers[i];

		receiver->fd = accept(listener, NULL, NULL);
		if (receiver->fd < 0)
			fatal("accept: %m");
		(void) setsockopt(receiver->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (*certificate != '\0')
			receiver->tls = tls_accept(receiver->fd, certificate, key);
		answer(receiver, upgrade, sizeof(upgrade) - 1);
		answer(receiver, reply, sizeof(reply) - 1);
	}
	close(listener);
}

/*
 * Make the frame that the product would send: a kind-4 broadcast with the
 * message's id as metadata, in a binary WebSocket frame.
 */
static void
build_frame(void)
{
	static const char event[] = "bench";
	static const char meta[] = "{\"id\":\"0193a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\"}";
	char		topic[256];
	int			topic_len = snprintf(topic, sizeof(topic), "realtime:%s0", prefix);
	size_t		body_len;

	if (topic_len > 255)
		fatal("the topic is too long");
	body_len = 5 + (size_t) topic_len + strlen(event) + strlen(meta) + (size_t) payload_bytes;
	if (body_len < 126 || body_len > 65535)
		fatal("--payload must be between 100 and 65000");
	frame[0] = (char) 0x82;
	frame[1] = 126;
	frame[2] = (char) (body_len >> 8);
	frame[3] = (char) (body_len & 0xff);
	frame[4] = 4;				/* kind: user broadcast */
	frame[5] = (char) topic_len;
	frame[6] = (char) strlen(event);
	frame[7] = (char) strlen(meta);
	frame[8] = 1;				/* encoding: JSON */
	payload_at = 9 + (size_t) sprintf(frame + 9, "%s%s%s", topic, event, meta);
	frame_len = payload_at + (size_t) payload_bytes;
}

/*
 * Send one message to everybody.  The sockets block: a receiver that is slower
 * than the loop sets its pace.
 */
static void
broadcast(char kind, uint64 seq)
{
	Marker		marker = {kind, now_us(), 0, seq};

	marker_write(frame + payload_at, (size_t) payload_bytes, true, &marker);
	for (int i = 0; i < nclients; i++)
		send_to(&receivers[i], frame, frame_len);
}

/*
 * Send messages of one kind for a time, at the rate asked for.  Returns how
 * many; *seq counts on.
 */
static uint64
broadcast_for(char kind, int64 duration, uint64 *seq)
{
	int64		begin = monotonic_ns();
	int64		end = begin + duration * 1000000000;
	uint64		count = 0;

	while (monotonic_ns() < end)
	{
		if (rate > 0)
		{
			int64		due = begin + (int64) count * (1000000000 / rate);

			if (due >= end)
				break;
			sleep_until(due);
		}
		broadcast(kind, (*seq)++);
		count++;
	}
	return count;
}

int
main(int argc, char **argv)
{
	uint64		seq = 0;
	uint64		count;
	int64		begin;
	double		took;
	double		cpu;
	char		byte;

	parse_options(argc, argv, options);
	precise_sleep();
	build_frame();
	accept_everybody(listen_somewhere());

	broadcast_for(MARKER_WARMUP, warmup, &seq);
	begin = monotonic_ns();
	cpu = own_cpu_seconds();
	count = broadcast_for(MARKER_MESSAGE, seconds, &seq);
	cpu = own_cpu_seconds() - cpu;
	took = (double) (monotonic_ns() - begin) / 1e9;
	broadcast(MARKER_END, seq);

	printf("messages=%llu\n", (unsigned long long) count);
	printf("frame_bytes=%zu\n", frame_len);
	printf("seconds=%.3f\n", took);
	printf("per_second=%.0f\n", (double) (count * (uint64) nclients) / took);
	printf("per_cpu_second=%.0f\n", (double) (count * (uint64) nclients) / cpu);
	fflush(stdout);

	/* stay until the receivers have read the rest and gone */
	for (int i = 0; i < nclients; i++)
		(void) read_from(&receivers[i], &byte, 1);
	printf("done=yes\n");
	return 0;
}
