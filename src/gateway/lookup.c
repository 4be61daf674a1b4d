/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  The process that looks up names and opens listen sockets for a gateway.
 *
 * The gateway itself may neither read /etc/hosts nor make sockets (gw_sandbox.c),
 * and must not wait for a name server while clients wait for it.  So before it
 * has settings or clients it forks: the child, which shows itself as
 * realtime_lookup, knows nothing but what it is asked, and answers with
 * descriptors (SCM_RIGHTS).  It ends with its gateway, whatever becomes of that,
 * by a signal of the kernel as the gateway ends with the hub; like that one with
 * an exit code, never by the signal (hub/spawn.c tells why).
 *
 * Between the two is a SOCK_SEQPACKET pair.  A question is a LookupQuestion and
 * the addresses; the answer is any number of complaints, each a byte and a
 * text, and then a byte that says how many descriptors come along.
 *
 * The addresses are the gateway's word, so whoever is in the gateway can have
 * names looked up and ports listened on, and no more than that.
 *
 * src/gateway/lookup.c
 *
 *-------------------------------------------------------------------------
 */
#include "gateway/lookup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/listen_sockets.h"
#include "program/bus_link.h"
#include "program/loop.h"
#include "program/sandbox.h"
#include "proto/bus_frame.h"

#define TITLE "realtime_lookup"
#define LOOKUP_FD 3				/* the child's end, its only one */
#define ADDRESSES_MAX (32 * 1024)
#define MESSAGE_MAX 1024		/* of an answer */

typedef struct LookupQuestion
{
	int32		port;
	bool		sandboxed;
} LookupQuestion;

typedef enum LookupKind
{
	LOOKUP_COMPLAINT = 'c',
	LOOKUP_SOCKETS = 's'
} LookupKind;

/* Room for the descriptors of one answer. */
typedef union LookupControl
{
	struct cmsghdr aligned;
	char		bytes[CMSG_SPACE(LISTEN_MAX * sizeof(int))];
} LookupControl;

static Watch link_watch;
static LookupAnswer take_answer;
static bool lost;

/*
 * In the child: what went wrong with a name.  If it cannot be told, the gateway
 * is gone.
 */
static void pg_attribute_printf(1, 2)
complain(const char *fmt,...)
{
	char		message[MESSAGE_MAX];
	va_list		args;

	message[0] = LOOKUP_COMPLAINT;
	va_start(args, fmt);
	(void) vsnprintf(message + 1, sizeof(message) - 1, fmt, args);
	va_end(args);
	(void) send(LOOKUP_FD, message, 1 + strlen(message + 1), MSG_NOSIGNAL);
}

/*
 * In the child: hand over sockets, and close them here; a copy that stays would
 * keep a share of the clients.
 */
static void
hand_over(const int *fds, int count)
{
	char		kind = LOOKUP_SOCKETS;
	struct iovec iov = {&kind, sizeof(kind)};
	LookupControl control = {{0}};
	struct msghdr msg = {.msg_iov = &iov,.msg_iovlen = 1};

	if (count > 0)
	{
		struct cmsghdr *rights = &control.aligned;

		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	(void) sendmsg(LOOKUP_FD, &msg, MSG_NOSIGNAL);
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

/*
 * In the child: answer one question of len bytes, NUL behind them.
 */
static void
answer(const char *question, size_t len)
{
	static bool sandboxed;
	LookupQuestion head;
	char		addresses[ADDRESSES_MAX + 1];
	int			fds[LISTEN_MAX];

	if (len < sizeof(head))
		_exit(1);
	memcpy(&head, question, sizeof(head));
	if (head.sandboxed && !sandboxed && sandbox_enter_lookup() == SANDBOX_FAILED)
		complain("could not enter the sandbox of lookups: %s", strerror(errno));
	sandboxed |= head.sandboxed;
	strlcpy(addresses, question + sizeof(head), sizeof(addresses));
	hand_over(fds, listen_sockets_open(addresses, head.port, fds, complain));
}

/*
 * In the child: answer until the gateway is gone.  Nothing that it inherits
 * stays open: not the bus, nor the pipe of the server's log.
 */
static void
serve(int fd, pid_t gateway)
{
	static char question[sizeof(LookupQuestion) + ADDRESSES_MAX + 1];
	int			null_fd = open("/dev/null", O_RDWR);
	ssize_t		n;

	(void) prctl(PR_SET_PDEATHSIG, BUS_DEATH_SIGNAL);
	if (getppid() != gateway || null_fd < 0)
		_exit(1);
	for (int number = 0; number < LOOKUP_FD; number++)
	{
		if (dup2(null_fd, number) < 0)
			_exit(1);
	}
	if (dup2(fd, LOOKUP_FD) < 0)
		_exit(1);
	(void) syscall(SYS_close_range, LOOKUP_FD + 1, ~0U, 0);
	while ((n = recv(LOOKUP_FD, question, sizeof(question) - 1, 0)) > 0 ||
		   (n < 0 && errno == EINTR))
	{
		if (n < 0)
			continue;
		question[n] = '\0';
		answer(question, (size_t) n);
	}
	_exit(0);
}

/*
 * The descriptors of an answer; -1, and none is left, if they are not all there.
 */
static int
take_descriptors(struct msghdr *msg, int *fds)
{
	struct cmsghdr *rights = CMSG_FIRSTHDR(msg);
	int			count = 0;

	if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
	{
		count = (int) ((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(rights), count * sizeof(int));
	}
	if ((msg->msg_flags & MSG_CTRUNC) == 0)
		return count;
	while (count > 0)
		close(fds[--count]);
	return -1;
}

/*
 * The child has ended, without being asked to.
 */
static void
lose(void)
{
	lost = true;
	bus_log(BUS_LOG_WARNING, "the process that looks up names has ended");
	loop_remove(&link_watch);
	close(link_watch.fd);
}

/*
 * The child has something to say.
 */
static void
link_ready(Watch *watch, uint32 events)
{
	char		text[MESSAGE_MAX];
	struct iovec iov = {text, sizeof(text) - 1};
	LookupControl control;
	struct msghdr msg = {.msg_iov = &iov,.msg_iovlen = 1,
	.msg_control = &control,.msg_controllen = sizeof(control)};
	int			fds[LISTEN_MAX];
	ssize_t		n = recvmsg(watch->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
	{
		lose();
		return;
	}
	text[n] = '\0';
	if (text[0] == LOOKUP_COMPLAINT)
		bus_log(BUS_LOG_WARNING, "%s", text + 1);
	else
		take_answer(fds, take_descriptors(&msg, fds));
}

/*
 * Fork.
 */
bool
lookup_start(char *title, LookupAnswer answer_taker)
{
	pid_t		gateway = getpid();
	pid_t		pid;
	int			ends[2];

	/* nobody waits for it: the kernel is to reap it */
	signal(SIGCHLD, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	pid = fork();
	if (pid < 0)
		return false;
	if (pid == 0)
	{
		/* as long as what was there; what is left of that is wiped */
		strncpy(title, TITLE, strlen(title));
		(void) prctl(PR_SET_NAME, TITLE);
		serve(ends[1], gateway);
	}
	close(ends[1]);
	take_answer = answer_taker;
	link_watch.fd = ends[0];
	link_watch.ready = link_ready;
	return loop_add(&link_watch, EPOLLIN);
}

/*
 * Ask.  The child reads at once unless it waits for a name server, and so few
 * questions are asked that there is room for them.
 */
bool
lookup_ask(const char *addresses, int port, bool sandboxed)
{
	LookupQuestion head = {.port = port,.sandboxed = sandboxed};
	struct iovec iov[] = {{&head, sizeof(head)},
	{unconstify(char *, addresses), strlen(addresses)}};
	struct msghdr msg = {.msg_iov = iov,.msg_iovlen = lengthof(iov)};

	if (lost)
		return false;
	if (strlen(addresses) > ADDRESSES_MAX)
	{
		bus_log(BUS_LOG_WARNING, "realtime.listen_addresses is too long");
		return false;
	}
	return sendmsg(link_watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/*
 * Has it ended?
 */
bool
lookup_is_lost(void)
{
	return lost;
}
