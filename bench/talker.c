/*-------------------------------------------------------------------------
 *
 * talker.c
 *	  Phoenix clients that broadcast measured messages at a pace.
 *
 * What sender.c is for SQL sessions this is for WebSocket clients: each of
 * --connections joins --topic and broadcasts, as supabase-js with the protocol's
 * version 2.0.0 does, without asking for acknowledgements.  A message's timestamp
 * is taken right before send().  After --warmup and --seconds every connection
 * sends one last message, by which receivers know that they have everything.
 *
 * The kind of frame is an option because a relay that takes nothing apart has to
 * be given what its receivers want: 3 is what clients say, 4 what they hear.
 *
 * bench/talker.c
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
#include "ws_client.h"

#define MAX_CONNECTIONS 256
#define MAX_HEAD 600			/* of a frame, before its payload */

typedef struct Talker
{
	int			fd;
	uint64		seq;
} Talker;

static const char *apikey = "";
static const char *topic = "bench-0";
static int64 port = 4000;
static int64 ntalkers = 1;
static int64 rate = 200;
static int64 seconds = 5;
static int64 warmup = 1;
static int64 payload_bytes = 200;
static int64 kind = 3;

static const Option options[] = {
	{"port", OPTION_INT, &port, "port of the server, on loopback"},
	{"apikey", OPTION_STRING, &apikey, "token that all connect with"},
	{"topic", OPTION_STRING, &topic, "what all broadcast to"},
	{"connections", OPTION_INT, &ntalkers, "clients that broadcast, in turn"},
	{"rate", OPTION_INT, &rate, "messages per second, 0 = as fast as possible"},
	{"seconds", OPTION_INT, &seconds, "how long to send"},
	{"warmup", OPTION_INT, &warmup, "seconds before that, not measured"},
	{"payload", OPTION_INT, &payload_bytes, "bytes of a payload"},
	{"kind", OPTION_INT, &kind, "of the binary frames: 3 or 4"},
	{NULL}
};

static Talker talkers[MAX_CONNECTIONS];

/*
 * Write all of data to a socket, which blocks: a server that does not read
 * makes us late, and the schedule stands.
 */
static void
send_all(int fd, const char *data, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			fatal("send: %m");
		data += n;
		len -= (size_t) n;
	}
}

/*
 * Send one masked frame.
 */
static void
send_frame(int fd, int opcode, const char *body, size_t len)
{
	static const unsigned char mask[4] = {0x5a, 0x13, 0xc4, 0x77};
	char		frame[MARKER_MAX_PAYLOAD + MAX_HEAD];
	size_t		pos = 2;

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
		frame[pos++] = (char) ((unsigned char) body[i] ^ mask[i & 3]);
	send_all(fd, frame, pos);
}

/*
 * Read until a text comes.
 */
static void
expect(int fd, const char *text)
{
	char		answer[8192];
	size_t		len = 0;

	while (memmem(answer, len, text, strlen(text)) == NULL)
	{
		ssize_t		n = len < sizeof(answer) ? read(fd, answer + len, sizeof(answer) - len) : 0;

		if (n <= 0)
			fatal("no \"%s\" from the server, but: %.*s", text, (int) len, answer);
		len += (size_t) n;
	}
}

/*
 * Connect and join.
 */
static void
start_talker(Talker *talker)
{
	char		text[2048];
	int			len;

	talker->fd = ws_connect(port, apikey);
	expect(talker->fd, WS_UPGRADED);
	len = snprintf(text, sizeof(text), "[\"1\",\"1\",\"realtime:%s\",\"phx_join\",{\"config\":"
				   "{\"broadcast\":{\"self\":false,\"ack\":false}}}]", topic);
	if (len >= (int) sizeof(text))
		fatal("the topic is too long");
	send_frame(talker->fd, 1, text, (size_t) len);
	expect(talker->fd, "\"status\":\"ok\"");
}

/*
 * Drop what came: what the other talkers said.
 */
static void
drain(int fd)
{
	static char buffer[256 * 1024];
	ssize_t		n;

	do
		n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	while (n == (ssize_t) sizeof(buffer));
	if (n == 0)
		fatal("the server closed a connection");
}

/*
 * Broadcast one message.
 */
static void
talk(Talker *talker, char marker_kind)
{
	char		body[MARKER_MAX_PAYLOAD + MAX_HEAD];
	Marker		marker = {marker_kind, 0, (uint32) (talker - talkers), talker->seq++};
	size_t		at = 0;

	drain(talker->fd);
	/*
	 * Lengths of join ref and ref (of what is said only), topic, event and
	 * metadata, of which there is none; encoding 1 = JSON.
	 */
	body[at++] = (char) kind;
	if (kind == 3)
	{
		body[at++] = 1;
		body[at++] = 1;
	}
	body[at++] = (char) (strlen("realtime:") + strlen(topic));
	body[at++] = (char) strlen("bench");
	body[at++] = 0;
	body[at++] = 1;
	at += (size_t) sprintf(body + at, "%srealtime:%sbench", kind == 3 ? "12" : "", topic);
	marker.time_us = now_us();
	marker_write(body + at, (size_t) payload_bytes, false, &marker);
	send_frame(talker->fd, 2, body, at + (size_t) payload_bytes);
}

/*
 * Send messages of one kind for a time; returns how many.
 */
static uint64
talk_for(char marker_kind, int64 duration)
{
	int64		begin = monotonic_ns();
	int64		end = begin + duration * 1000000000;
	uint64		count = 0;

	while (monotonic_ns() < end)
	{
		if (rate > 0)
		{
			int64		due = begin + (int64) ((double) count * 1e9 / (double) rate);

			if (due >= end)
				break;
			sleep_until(due);
		}
		talk(&talkers[count % (uint64) ntalkers], marker_kind);
		count++;
	}
	return count;
}

int
main(int argc, char **argv)
{
	int64		begin;
	uint64		count;

	parse_options(argc, argv, options);
	if (ntalkers < 1 || ntalkers > MAX_CONNECTIONS)
		fatal("--connections must be between 1 and %d", MAX_CONNECTIONS);
	if (payload_bytes < 100 || payload_bytes > 65000 || strlen(topic) > 200)
		fatal("--payload must be between 100 and 65000, and --topic short");
	if (kind != 3 && kind != 4)
		fatal("--kind must be 3 or 4");
	precise_sleep();
	for (int i = 0; i < ntalkers; i++)
		start_talker(&talkers[i]);

	talk_for(MARKER_WARMUP, warmup);
	begin = monotonic_ns();
	count = talk_for(MARKER_MESSAGE, seconds);
	printf("sent=%llu\nmessages_per_second=%.0f\n", (unsigned long long) count,
		   (double) count * 1e9 / (double) (monotonic_ns() - begin));
	for (int i = 0; i < ntalkers; i++)
		talk(&talkers[i], MARKER_END);

	/* an end of the connection might overtake what the server has not read yet */
	for (int i = 0; i < ntalkers; i++)
	{
		static const char leave[] = "[\"1\",\"3\",\"realtime:x\",\"phx_leave\",{}]";

		send_frame(talkers[i].fd, 1, leave, sizeof(leave) - 1);
		expect(talkers[i].fd, "\"3\"");
	}
	printf("done=yes\n");
	return 0;
}
