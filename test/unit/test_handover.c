/*-------------------------------------------------------------------------
 *
 * test_handover.c
 *	  Connections on their way to another gateway: through a real socket pair,
 *	  because the kernel has a say in what arrives.
 *
 * test/unit/test_handover.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/engine_sid.h"
#include "proto/handover_queue.h"

#define SLOTS 4

static int	door[2];
static char buffer[HANDOVER_MAX_MESSAGE];
static char large[HANDOVER_MAX_BYTES + 1];

/* What came of one message. */
typedef struct Received
{
	HandoverVerdict verdict;
	HandoverHead head;
	Slice		bytes;
	int			nfds;
	int			fds[HANDOVER_FDS];
} Received;

/* How many descriptors this process has. */
static int
descriptors(void)
{
	int			n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Receive a message, and close its descriptors. */
static Received
receive(void)
{
	HandoverEnvelope envelope;
	Received	got = {0};
	ssize_t		n;

	handover_to_receive(&envelope, buffer);
	n = recvmsg(door[1], &envelope.msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (!ok(n >= 0, "a message came"))
		exit(1);
	got.nfds = handover_descriptors(&envelope, got.fds);
	got.verdict = handover_judge(&envelope, n, got.nfds, SLOTS, &got.head, &got.bytes);
	for (int i = 0; i < got.nfds; i++)
		close(got.fds[i]);
	return got;
}

/* Send what handover_to_send() would not: that many descriptors, this length. */
static bool
send_raw(uint32 slot, uint32 length, Slice bytes, int nfds)
{
	HandoverHead head = {slot, length};
	struct iovec iov[2] = {{&head, sizeof(head)}, {unconstify(char *, bytes.data), bytes.len}};
	struct msghdr msg = {.msg_iov = iov,.msg_iovlen = 2};
	union
	{
		struct cmsghdr aligned;
		char		bytes[CMSG_SPACE(8 * sizeof(int))];
	}			control = {0};

	if (nfds > 0)
	{
		struct cmsghdr *rights = &control.aligned;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (int i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(rights) + i * sizeof(int), &door[0], sizeof(int));
	}
	return sendmsg(door[0], &msg, MSG_DONTWAIT) >= 0;
}

/* Send one as it should be. */
static bool
send_good(uint32 slot, Slice bytes)
{
	HandoverHead head = {slot, (uint32) bytes.len};
	HandoverEnvelope envelope;

	handover_to_send(&envelope, &head, bytes, door[0]);
	return sendmsg(door[0], &envelope.msg, MSG_DONTWAIT) >= 0;
}

/* Good ones, of all lengths that there are limits for. */
static void
test_good(void)
{
	static const size_t lengths[] = {0, 1, 8192, HANDOVER_MAX_BYTES};

	for (int i = 0; i < lengthof(lengths); i++)
	{
		Slice		bytes = slice_make(large, lengths[i]);
		Received	got;

		ok(send_good(SLOTS - 1, bytes), "%zu bytes are sent", lengths[i]);
		got = receive();
		is_int(got.verdict, HANDOVER_GOOD, "they are good");
		ok(got.nfds == 1 && got.head.slot == SLOTS - 1 && slice_equals(got.bytes, bytes),
		   "with a descriptor, for that gateway, the same bytes");
	}
}

/* What should not have been sent. */
static void
test_bad(void)
{
	Slice		four = slice_make(large, 4);
	int			before = descriptors();

	ok(send_good(SLOTS, four) && receive().verdict == HANDOVER_BAD, "a slot that there is not");
	ok(send_raw(0, 5, four, 1) && receive().verdict == HANDOVER_BAD, "fewer bytes than it says");
	ok(send_raw(0, 3, four, 1) && receive().verdict == HANDOVER_BAD, "more bytes than it says");
	ok(send_raw(0, 4, four, 0) && receive().verdict == HANDOVER_BAD, "no descriptor");
	ok(send_raw(0, 4, four, 2) && receive().verdict == HANDOVER_BAD, "two descriptors");
	ok(send_raw(0, 4, four, 8) && receive().verdict == HANDOVER_BAD, "eight descriptors");
	ok(send_raw(0, HANDOVER_MAX_BYTES + 1, slice_make(large, HANDOVER_MAX_BYTES + 1), 1) &&
	   receive().verdict == HANDOVER_BAD, "too many bytes");
	ok(send(door[0], "1234567", 7, 0) == 7 && receive().verdict == HANDOVER_BAD, "half a head");
	is_int(descriptors(), before, "no descriptor is left");
}

/* The receiver has no number free for the descriptor. */
static void
test_shortage(void)
{
	struct rlimit few = {64, 64};
	int			taken[64];
	int			n = 0;
	int			fd;

	setrlimit(RLIMIT_NOFILE, &few);
	while (n < lengthof(taken) && (fd = dup(0)) >= 0)
		taken[n++] = fd;
	ok(send_good(0, slice_make(large, 4)), "one is sent");
	is_int(receive().verdict, HANDOVER_LOST, "without a free descriptor it is lost");
	while (n > 0)
		close(taken[--n]);
}

/* A queue keeps order, bytes and descriptors. */
static void
test_queue(void)
{
	HandoverQueue queue = {0};
	bool		good = true;

	for (int round = 0; round < 2; round++)
	{
		for (uint32 i = 0; i < 3; i++)
		{
			HandoverHead head = {i, i};

			good = good && handover_queue_push(&queue, &head, slice_make(large, i),
											   100 + (int) i);
		}
		for (uint32 i = 0; i < 3; i++)
		{
			HandoverItem *item = queue.first;

			good = good && item->head.slot == i && item->head.length == i &&
				memcmp(item->bytes, large, i) == 0 &&
				handover_queue_pop(&queue) == 100 + (int) i;
		}
		good = good && queue.first == NULL;
	}
	ok(good, "what is pushed comes out in the same order, twice");
}

/* Ids of sessions. */
static void
test_sid(void)
{
	char		sid[ENGINE_SID_LENGTH]; /* on the stack: ASan sees its end */
	char		other[ENGINE_SID_LENGTH];
	bool		good = true;

	for (uint32 slot = 0; slot <= PG_UINT8_MAX; slot++)
		good = good && engine_sid_make(sid, slot) &&
			engine_sid_slot(slice_make(sid, sizeof(sid))) == (int) slot;
	ok(good, "an id tells its slot");
	ok(engine_sid_make(sid, 7) && engine_sid_make(other, 7) &&
	   memcmp(sid, other, sizeof(sid)) != 0, "two of a slot differ");
	is_int(engine_sid_slot(B("")), -1, "an empty one is none");
	is_int(engine_sid_slot(slice_make(sid, sizeof(sid) - 1)), -1, "nor is one cut short");
	is_int(engine_sid_slot(B("AAAAAAAAAAAAAAAAAAA=")), -1, "nor one of another alphabet");
	is_int(engine_sid_slot(B("AAAAAAAAAAAAAAAAAAAAA")), -1, "nor one that is longer");
}

int
main(void)
{
	int			size = 4 * HANDOVER_MAX_MESSAGE;

	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char) (i * 7 + i / 251);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, door) != 0)
		return 1;
	setsockopt(door[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	test_good();
	test_bad();
	test_shortage();
	test_queue();
	test_sid();
	return done_testing();
}
