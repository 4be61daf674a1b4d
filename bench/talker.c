/*-------------------------------------------------------------------------
 *
 * talker.c
 *	  WebSocket clients that publish measured messages at a pace.
 *
 * What sender.c is for SQL sessions this is for WebSocket clients: each of
 * --connections joins --topic and publishes there, as supabase-js with the
 * protocol's version 2.0.0 does or as the SDK of InsForge, without asking for
 * acknowledgements.  A message's timestamp is taken right before send().  After
 * --warmup and --seconds every connection sends one last message, by which
 * receivers know that they have everything.
 *
 * The kind of frame is an option because a relay that takes nothing apart has to
 * be given what its receivers want: 3 is what Phoenix clients say, 4 what they
 * hear.
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

#include "dialect.h"
#include "marker.h"
#include "ws_client.h"

#define MAX_CONNECTIONS 256
#define MAX_HEAD DIALECT_MAX_TEXT	/* of a frame, before its payload */
#define WINDOW_BYTES (256 * 1024)

typedef struct Talker
{
	int			fd;
	uint64		seq;
} Talker;

static const char *dialect_name = "phoenix";
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
	{"dialect", OPTION_STRING, &dialect_name, "phoenix or socketio"},
	{"apikey", OPTION_STRING, &apikey, "token that all connect with"},
	{"topic", OPTION_STRING, &topic, "what all publish on"},
	{"connections", OPTION_INT, &ntalkers, "clients that publish, in turn"},
	{"rate", OPTION_INT, &rate, "messages per second, 0 = as fast as possible"},
	{"seconds", OPTION_INT, &seconds, "how long to send"},
	{"warmup", OPTION_INT, &warmup, "seconds before that, not measured"},
	{"payload", OPTION_INT, &payload_bytes, "bytes of a payload"},
	{"kind", OPTION_INT, &kind, "of Phoenix's binary frames: 3 or 4"},
	{NULL}
};

static Dialect dialect;
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
 * Read until a text comes, whatever comes before it and with it.
 */
static void
expect(int fd, const char *text)
{
	static char window[WINDOW_BYTES];
	size_t		keep = strlen(text) - 1;
	size_t		len = 0;

	for (;;)
	{
		ssize_t		n = read(fd, window + len, sizeof(window) - len);

		if (n <= 0)
			fatal("no \"%s\" from the server, but: %.*s", text, (int) len, window);
		len += (size_t) n;
		if (memmem(window, len, text, strlen(text)) != NULL)
			return;
		if (len > sizeof(window) / 2)
		{
			memmove(window, window + len - keep, keep);
			len = keep;
		}
	}
}

/*
 * Connect and join.
 */
static void
start_talker(Talker *talker)
{
	const Join	join = {1, topic};
	char		text[DIALECT_MAX_TEXT];
	int			len;

	dialect_target(dialect, "", apikey, text);
	talker->fd = ws_connect(port, text);
	expect(talker->fd, WS_UPGRADED);
	if (dialect == DIALECT_SOCKETIO)
	{
		len = dialect_hello(apikey, text);
		send_frame(talker->fd, 1, text, (size_t) len);
		expect(talker->fd, "40{");
	}
	len = dialect_join(dialect, &join, text);
	send_frame(talker->fd, 1, text, (size_t) len);
	expect(talker->fd, dialect == DIALECT_SOCKETIO ? "\"ok\":true" : "\"status\":\"ok\"");
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
 * Write the head of Phoenix's binary message; returns its length.
 */
static size_t
phoenix_head(char *dst)
{
	size_t		at = 0;

	/*
	 * Lengths of join ref and ref (of what is said only), topic, event and
	 * metadata, of which there is none; encoding 1 = JSON.
	 */
	dst[at++] = (char) kind;
	if (kind == 3)
	{
		dst[at++] = 1;
		dst[at++] = 1;
	}
	dst[at++] = (char) (strlen("realtime:") + strlen(topic));
	dst[at++] = (char) strlen("bench");
	dst[at++] = 0;
	dst[at++] = 1;
	return at + (size_t) sprintf(dst + at, "%srealtime:%sbench", kind == 3 ? "12" : "", topic);
}

/*
 * Publish one message, whose marker is left in *marker.
 */
static void
talk(Talker *talker, char marker_kind, Marker *marker)
{
	char		body[MARKER_MAX_PAYLOAD + MAX_HEAD];
	bool		is_text = dialect == DIALECT_SOCKETIO;
	size_t		at = is_text ? (size_t) dialect_publish_head(topic, "bench", body) : phoenix_head(body);

	drain(talker->fd);
	marker->kind = marker_kind;
	marker->sender = (uint32) (talker - talkers);
	marker->seq = talker->seq++;
	marker->time_us = now_us();
	marker_write(body + at, (size_t) payload_bytes, false, marker);
	at += (size_t) payload_bytes;
	if (is_text)
	{
		memcpy(body + at, DIALECT_PUBLISH_TAIL, strlen(DIALECT_PUBLISH_TAIL));
		at += strlen(DIALECT_PUBLISH_TAIL);
	}
	send_frame(talker->fd, is_text ? 1 : 2, body, at);
}

/*
 * Wait until the server has read what a talker said: the end of a connection
 * might overtake it.  In Socket.IO a client hears what it says itself.
 */
static void
finish_talker(const Talker *talker, const Marker *last)
{
	static const char leave[] = "[\"1\",\"3\",\"realtime:x\",\"phx_leave\",{}]";
	char		own[64];

	if (dialect == DIALECT_SOCKETIO)
	{
		snprintf(own, sizeof(own), "\"%c%016lld%04u", last->kind, (long long) last->time_us, last->sender);
		expect(talker->fd, own);
		return;
	}
	send_frame(talker->fd, 1, leave, sizeof(leave) - 1);
	expect(talker->fd, "\"3\"");
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
	Marker		marker;

	while (monotonic_ns() < end)
	{
		if (rate > 0)
		{
			int64		due = begin + (int64) ((double) count * 1e9 / (double) rate);

			if (due >= end)
				break;
			sleep_until(due);
		}
		talk(&talkers[count % (uint64) ntalkers], marker_kind, &marker);
		count++;
	}
	return count;
}

int
main(int argc, char **argv)
{
	static Marker ends[MAX_CONNECTIONS];
	int64		begin;
	uint64		count;

	parse_options(argc, argv, options);
	dialect = dialect_by_name(dialect_name);
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
		talk(&talkers[i], MARKER_END, &ends[i]);
	for (int i = 0; i < ntalkers; i++)
		finish_talker(&talkers[i], &ends[i]);
	printf("done=yes\n");
	return 0;
}
