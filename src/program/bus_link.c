/*-------------------------------------------------------------------------
 *
 * bus_link.c
 *	  A program's end of the bus to the hub.
 *
 * One recv() of at most READ_CHUNK bytes per turn: when sockets are slow or
 * the CPU is short, that is what makes the bus fill up and the hub wait in
 * turn, with nothing piling up in between but the WAL.  Only a frame that is
 * larger gets a larger buffer, for as long as it takes.
 *
 * What frames mean is their owner's affair.
 *
 * src/program/bus_link.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program/bus_link.h"
#include "program/loop.h"
#include "proto/bytes.h"

#define READ_CHUNK (256 * 1024)
#define LOG_LINE_MAX 1024

static Watch bus;
static const BusHandlers *handlers;
static bool lost;
static bool paused;

static char *in;				/* bytes not handed out yet */
static size_t in_len;
static size_t in_cap;
static Bytes out;

/*
 * Stop using the bus and tell the owner, once.  The reason is offered to the
 * server's log, without much hope.
 */
static void
lose(const char *why)
{
	char		head[BUS_HEADER_BYTES + 1];

	if (lost)
		return;
	lost = true;
	bus_frame_header(head, BUS_LOG, 1 + strlen(why));
	head[BUS_HEADER_BYTES] = BUS_LOG_FATAL;
	if (bytes_append(&out, head, sizeof(head)) && bytes_append_cstr(&out, why))
		(void) send(bus.fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	loop_remove(&bus);
	handlers->lost(why);
}

/*
 * Watch for what we want of the bus at the moment.
 */
static void
watch_bus(void)
{
	if (!lost)
		loop_change(&bus, (paused ? 0 : EPOLLIN) | (out.len > 0 ? EPOLLOUT : 0));
}

/*
 * Give the input buffer another size; false without memory.
 */
static bool
resize_input(size_t cap)
{
	char	   *moved = realloc(in, cap);

	if (moved == NULL)
		return false;
	in = moved;
	in_cap = cap;
	return true;
}

/*
 * Hand out all whole frames.  False if the hub sent garbage.
 */
static bool
hand_out(void)
{
	size_t		done = 0;

	while (!lost)
	{
		BusHeader	header;
		Slice		body;
		ssize_t		n = bus_frame_decode(in + done, in_len - done, &header, &body);

		if (n < 0)
			return false;
		if (n == 0)
			break;
		if (!handlers->frame(header.type, body))
			return false;
		done += n;
	}
	in_len -= done;
	memmove(in, in + done, in_len);
	return true;
}

/*
 * Make room for the rest of the frame that stands at the front, or give back
 * what a large one took.  False without memory.
 */
static bool
fit_input(void)
{
	BusHeader	header;
	size_t		need = READ_CHUNK;

	if (in_len >= BUS_HEADER_BYTES)
	{
		memcpy(&header, in, BUS_HEADER_BYTES);
		need = Max(need, BUS_HEADER_BYTES + (size_t) header.length);
	}
	return need == in_cap || resize_input(need);
}

/*
 * Read once and hand out what is whole.
 */
static void
read_bus(void)
{
	ssize_t		n = recv(bus.fd, in + in_len, in_cap - in_len, MSG_DONTWAIT);

	if (n == 0)
		lose("the server closed the bus");
	else if (n > 0)
	{
		in_len += n;
		if (!hand_out())
			lose("the server sent an invalid frame");
		handlers->piece_end();
		if (!lost && !fit_input())
			lose("out of memory");
	}
	else if (errno != EAGAIN && errno != EINTR)
		lose(strerror(errno));
}

/*
 * Something happened on the bus.
 */
static void
bus_ready(Watch *watch, uint32 events)
{
	if (events & EPOLLOUT)
		bus_link_flush();
	/* a paused bus reports nothing but the end of the hub */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !lost)
		read_bus();
}

/*
 * Take over the inherited descriptor.
 */
bool
bus_link_open(const BusHandlers *callbacks)
{
	struct stat st;
	int			flags;

	if (fstat(BUS_FD, &st) != 0)
		return false;
	if (!S_ISSOCK(st.st_mode))
	{
		errno = ENOTSOCK;
		return false;
	}
	flags = fcntl(BUS_FD, F_GETFL);
	if (flags < 0 || fcntl(BUS_FD, F_SETFL, flags | O_NONBLOCK) != 0 ||
		!resize_input(READ_CHUNK))
		return false;
	handlers = callbacks;
	bytes_init(&out);
	bus.fd = BUS_FD;
	bus.ready = bus_ready;
	return loop_add(&bus, EPOLLIN);
}

/*
 * Stop or resume reading.  The end of the hub is noticed in any case.
 */
void
bus_link_pause(bool wait)
{
	paused = wait;
	watch_bus();
}

/*
 * Queue one frame.  A queue past its bound is the end of the bus; a frame may
 * be longer than that.
 */
void
bus_send(BusFrameType type, const void *head, size_t head_len,
		 const void *rest, size_t rest_len)
{
	char		header[BUS_HEADER_BYTES];

	if (lost)
		return;
	bus_frame_header(header, type, head_len + rest_len);
	if (out.len > BUS_OUT_MAX ||
		!bytes_reserve(&out, sizeof(header) + head_len + rest_len))
	{
		lose("the server does not read from the bus");
		return;
	}
	bytes_append(&out, header, sizeof(header));
	bytes_append(&out, head, head_len);
	bytes_append(&out, rest, rest_len);
}

/*
 * Queue one line of log, cut to LOG_LINE_MAX.
 */
void
bus_log(BusLogLevel level, const char *fmt,...)
{
	uint8		level_byte = level;
	char		line[LOG_LINE_MAX];
	va_list		args;
	int			n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (n < 0)
		return;
	bus_send(BUS_LOG, &level_byte, 1, line, Min((size_t) n, sizeof(line) - 1));
}

/*
 * How much waits for the hub.
 */
size_t
bus_queued(void)
{
	return out.len;
}

/*
 * Write what the socket takes; the rest goes when it is writable again.
 */
void
bus_link_flush(void)
{
	ssize_t		n;

	if (lost || out.len == 0)
		return;
	n = send(bus.fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
	{
		bytes_consume(&out, n);
		if (out.len == 0 && out.cap > BUS_OUT_MARK)
			bytes_free(&out);
	}
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
	{
		lose(strerror(errno));
		return;
	}
	watch_bus();
}
