/*-------------------------------------------------------------------------
 *
 * test_sandbox.c
 *	  The sandboxes: what the kernel does for whoever is in one, and what not.
 *
 * Each call is made by a child that has entered the sandbox; its parent looks how
 * that ended.  What a gateway may call at all is compared, number by number,
 * with a list of its own here.  Built without sanitizers, with which there is no
 * filter.
 *
 * test/unit/test_sandbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/gw_sandbox.h"
#include "program/sandbox.h"

#define LAST_NUMBER 500			/* of system calls, with room for new ones */
#define PATIENCE_S 20			/* of a child that hangs */
#define NO_SANDBOX 99			/* exit code of a child that could not enter */
#define X32_BIT 0x40000000

typedef long (*Deed) (void);
typedef SandboxOutcome (*Enter) (void);

static int	listening;			/* sockets that are there before */
static int	accepted;
static void *page;
static pid_t parent;

/*
 * Enter a sandbox in a child and have it do something; the child's exit code is 0
 * if that returned no error, else its errno.  Returns what wait() says.
 */
static int
run(Enter enter, Deed deed)
{
	int			status = -1;
	pid_t		pid = fork();

	if (pid == 0)
	{
		alarm(PATIENCE_S);
		if (enter() != SANDBOX_ENTERED)
			_exit(NO_SANDBOX);
		errno = 0;
		_exit(deed() >= 0 ? 0 : errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/*
 * Say how a child ended, for those who look at a failure.
 */
static void
diag_status(int status)
{
	if (WIFSIGNALED(status))
		diag("it ended by signal %d", WTERMSIG(status));
	else
		diag("it ended with %d (%s)", WEXITSTATUS(status), strerror(WEXITSTATUS(status)));
}

static SandboxOutcome
enter_gateway(void)
{
	gw_sandbox_prepare();
	return gw_sandbox_enter();
}

static void
kills(Deed deed, const char *name)
{
	int			status = run(enter_gateway, deed);

	if (!ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "a gateway dies of %s", name))
		diag_status(status);
}

static void
works(Enter enter, Deed deed, const char *name)
{
	int			status = run(enter, deed);

	if (!ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", name))
		diag_status(status);
}

static void
fails(Deed deed, int error, const char *name)
{
	int			status = run(sandbox_enter_lookup, deed);

	if (!ok(WIFEXITED(status) && WEXITSTATUS(status) == error, "a lookup cannot %s", name))
		diag_status(status);
}

/* ---------------------------------------------------------------- deeds */

static long
open_file(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long
open_for_writing(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR, 0600);
}

static long
create_file(void)
{
	return open("/dev/null", O_RDONLY | O_CREAT, 0600);
}

static long
execute(void)
{
	char		name[] = "true";
	char	   *argv[] = {name, NULL};

	return execve("/bin/true", argv, NULL);
}

static long
fork_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void *
do_nothing(void *arg)
{
	return arg;
}

static long
make_thread(void)
{
	pthread_t	thread;
	int			rc = pthread_create(&thread, NULL, do_nothing, NULL);

	errno = rc;
	return rc == 0 ? pthread_join(thread, NULL) : -1;
}

static long
make_tcp(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long
make_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long
make_stream_pair(void)
{
	int			ends[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

static long
make_datagram_pair(void)
{
	int			ends[2];

	return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
}

static struct sockaddr_in
loopback(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,.sin_port = htons(9)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static long
connect_again(void)
{
	struct sockaddr_in address = loopback();

	return connect(accepted, (struct sockaddr *) &address, sizeof(address));
}

/* what would work: a listening socket that was shut down can connect */
static long
send_and_connect(void)
{
	struct sockaddr_in address = loopback();

	shutdown(listening, SHUT_RDWR);
	return sendto(listening, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
				  (struct sockaddr *) &address, sizeof(address));
}

static long
send_message_and_connect(void)
{
	struct sockaddr_in address = loopback();
	char		byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_name = &address,.msg_namelen = sizeof(address),
	.msg_iov = &iov,.msg_iovlen = 1};

	shutdown(listening, SHUT_RDWR);
	return sendmsg(listening, &msg, MSG_FASTOPEN | MSG_NOSIGNAL);
}

static long
bind_socket(void)
{
	struct sockaddr_in address = loopback();

	return bind(accepted, (struct sockaddr *) &address, sizeof(address));
}

static long
listen_again(void)
{
	return listen(listening, 1);
}

static long
signal_other(void)
{
	return syscall(SYS_tgkill, parent, parent, 0);
}

static long
kill_other(void)
{
	return kill(parent, 0);
}

static long
own_descriptor(void)
{
	return fcntl(accepted, F_SETOWN, parent);
}

static long
choose_signal(void)
{
	return fcntl(accepted, F_SETSIG, SIGKILL);
}

static long
own_by_ioctl(void)
{
	return ioctl(accepted, SIOCSPGRP, &parent);
}

static long
trace(void)
{
	return ptrace(PTRACE_SEIZE, parent, NULL, NULL);
}

static long
read_memory(void)
{
	char		byte;
	struct iovec to = {&byte, 1};
	struct iovec from = {page, 1};

	return syscall(SYS_process_vm_readv, parent, &to, 1UL, &from, 1UL, 0UL);
}

static long
map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		== MAP_FAILED ? -1 : 0;
}

static long
make_code(void)
{
	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long
raise_limit(void)
{
	struct rlimit limit = {100, 100};

	return setrlimit(RLIMIT_NOFILE, &limit);
}

static long
remove_file(void)
{
	return unlink("/nowhere/at/all");
}

static long
use_io_uring(void)
{
	char		params[120] = {0};

	return syscall(SYS_io_uring_setup, 1, params);
}

static long
call_prctl(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

#ifdef __x86_64__
static long
call_by_x32(void)
{
	return syscall(X32_BIT | SYS_getpid);
}

/* getpid() of i386: by other numbers that would be exit() and the like here */
static long
call_by_i386(void)
{
	long		result;

	__asm__ volatile("int $0x80": "=a"(result): "a"(20): "memory");
	return result;
}
#endif

static long
use_openssl(void)
{
	uint8		out[EVP_MAX_MD_SIZE];
	size_t		len = 0;
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	EVP_PKEY   *key = EVP_EC_gen("P-256");

	(void) len;
	return mac != NULL && cipher != NULL && key != NULL && RAND_bytes(out, 32) == 1 &&
		EVP_Q_digest(NULL, "SHA256", NULL, "x", 1, out, &len) == 1 ? 0 : -1;
}

static long
use_time(void)
{
	time_t		now = time(NULL);
	struct tm	tm;

	return gmtime_r(&now, &tm) != NULL && localtime_r(&now, &tm) != NULL ? 0 : -1;
}

/* the C library looks for cores and for overcommit when an arena is full */
static long
run_out_of_memory(void)
{
	size_t		size = (size_t) 1 << 40;
	int			n = 0;

	while (size > 16)
	{
		char	   *block = malloc(size);

		if (block == NULL)
			size /= 2;
		else if (n++ > 100000)
			break;
	}
	return 0;
}

static long
use_memory(void)
{
	char	   *blocks[64];

	for (int i = 0; i < 64; i++)
	{
		blocks[i] = malloc((size_t) 64 << (i % 16));
		if (blocks[i] == NULL)
			return -1;
		blocks[i] = realloc(blocks[i], (size_t) 128 << (i % 16));
	}
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
	return 0;
}

static long
give_up(void)
{
	abort();
}

static long
look_up_name(void)
{
	struct addrinfo *list;

	return getaddrinfo("localhost", "80", NULL, &list) == 0 ? 0 : -1;
}

/* ---------------------------------------------------------- the tests */

/*
 * An address space that ends soon, then the sandbox.
 */
static SandboxOutcome
enter_gateway_small(void)
{
	struct rlimit limit = {(rlim_t) 256 << 20, (rlim_t) 256 << 20};

	gw_sandbox_prepare();
	setrlimit(RLIMIT_AS, &limit);
	return gw_sandbox_enter();
}

/*
 * All that does not kill a gateway when its arguments are 0.
 */
static bool
is_allowed(int number)
{
	static const int allowed[] = {
		SYS_sendto, SYS_sendmsg, SYS_recvfrom, SYS_recvmsg, SYS_read, SYS_readv, SYS_write,
		SYS_writev, SYS_accept4, SYS_shutdown, SYS_close, SYS_getsockopt, SYS_setsockopt,
		SYS_getsockname, SYS_getpeername, SYS_epoll_pwait, SYS_epoll_ctl, SYS_mmap,
		SYS_mprotect, SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_clock_gettime,
		SYS_gettimeofday,
#ifdef SYS_time
		SYS_time,
#endif
		SYS_getrandom, SYS_getpid, SYS_gettid, SYS_futex, SYS_sysinfo, SYS_rt_sigreturn,
		SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_restart_syscall, SYS_exit, SYS_exit_group
	};

	for (int i = 0; i < (int) lengthof(allowed); i++)
	{
		if (allowed[i] == number)
			return true;
	}
	return false;
}

/*
 * Is this a part of the kernel's own probes (uretprobe, uprobe)?  It lets nobody
 * else call them, and no filter see them.
 */
static bool
is_probe(int number)
{
#ifdef __x86_64__
	return number == 335 || number == 336;
#else
	return false;
#endif
}

static int	number_at_hand;

static long
call_number(void)
{
	syscall(number_at_hand, 0, 0, 0, 0, 0, 0);
	return 0;
}

static void
test_numbers(void)
{
	int			wrong = 0;
	int			killed = 0;

	for (number_at_hand = 0; number_at_hand <= LAST_NUMBER; number_at_hand++)
	{
		int			status;
		bool		dead;

		if (is_probe(number_at_hand))
			continue;
		status = run(enter_gateway, call_number);
		dead = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
		killed += dead;
		if (status == -1 || dead == is_allowed(number_at_hand))
		{
			wrong++;
			diag("system call %d:", number_at_hand);
			diag_status(status);
		}
	}
	is_int(wrong, 0, "the system calls of a gateway are those of the list here, and no others");
	diag("%d of %d numbers end a gateway", killed, LAST_NUMBER + 1);
}

/*
 * A field of /proc/<pid>/status.
 */
static int
status_field(pid_t pid, const char *field)
{
	char		path[64];
	char		line[256];
	int			value = -1;
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
	{
		if (strncmp(line, field, strlen(field)) == 0)
			value = atoi(line + strlen(field));
	}
	if (file != NULL)
		fclose(file);
	return value;
}

static void
test_state(Enter enter, const char *name)
{
	int			ends[2];
	char		byte = 0;
	pid_t		pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || (pid = fork()) < 0)
	{
		ok(false, "no processes to test with");
		return;
	}
	if (pid == 0)
	{
		(void) close(ends[0]);
		if (enter() == SANDBOX_ENTERED && write(ends[1], "x", 1) == 1)
			(void) !read(ends[1], &byte, 1);
		_exit(0);
	}
	close(ends[1]);
	is_int(read(ends[0], &byte, 1), 1, name);
	is_int(status_field(pid, "Seccomp:"), 2, "... with a filter");
	is_int(status_field(pid, "NoNewPrivs:"), 1, "... and can gain no privileges");
	close(ends[0]);
	waitpid(pid, NULL, 0);
}

static SandboxOutcome
enter_too_much(void)
{
	static SandboxRule rules[SANDBOX_MAX_RULES + 1];

	return sandbox_enter(rules, lengthof(rules), SANDBOX_ALLOW) == SANDBOX_FAILED &&
		errno == E2BIG ? SANDBOX_ENTERED : SANDBOX_FAILED;
}

/*
 * A connection and the socket it came from.
 */
static bool
open_sockets(void)
{
	struct sockaddr_in address = loopback();
	socklen_t	len = sizeof(address);
	int			client = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_port = 0;
	listening = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listening, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listening, 8) != 0 ||
		getsockname(listening, (struct sockaddr *) &address, &len) != 0 ||
		connect(client, (struct sockaddr *) &address, sizeof(address)) != 0)
		return false;
	accepted = accept(listening, NULL, NULL);
	return accepted >= 0;
}

static void
test_gateway(void)
{
	static const struct
	{
		Deed		deed;
		const char *name;
	}			forbidden[] = {
		{open_file, "open()"}, {open_for_writing, "open() for writing"},
		{execute, "execve()"}, {fork_process, "fork()"}, {make_thread, "a thread"},
		{make_tcp, "socket() of TCP"}, {make_unix, "socket() of AF_UNIX"},
		{make_datagram_pair, "socketpair() of datagrams"},
		{connect_again, "connect()"}, {send_and_connect, "sendto() that connects"},
		{send_message_and_connect, "sendmsg() that connects"},
		{bind_socket, "bind()"}, {listen_again, "listen()"},
		{kill_other, "kill()"}, {signal_other, "tgkill() of another process"},
		{own_descriptor, "F_SETOWN"}, {choose_signal, "F_SETSIG"}, {own_by_ioctl, "SIOCSPGRP"},
		{trace, "ptrace()"}, {read_memory, "process_vm_readv()"},
		{map_code, "mmap() of code"}, {make_code, "mprotect() that makes code"},
		{raise_limit, "setrlimit()"}, {remove_file, "unlink()"},
		{use_io_uring, "io_uring_setup()"}, {call_prctl, "prctl()"},
#ifdef __x86_64__
		{call_by_x32, "a call by x32's numbers"},
#endif
	};
	int			status;

	for (int i = 0; i < (int) lengthof(forbidden); i++)
		kills(forbidden[i].deed, forbidden[i].name);
#ifdef __x86_64__
	status = run(enter_gateway, call_by_i386);
	/* a kernel without 32 bit answers with SIGSEGV */
	ok(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV),
	   "a gateway dies of a call by i386's numbers");
#endif
	status = run(enter_gateway, give_up);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "abort() is what it is");
	works(enter_gateway, make_stream_pair, "a gateway may make a pair of streams");
	works(enter_gateway, use_openssl, "OpenSSL needs no file");
	works(enter_gateway, use_time, "neither does the time of day");
	works(enter_gateway, use_memory, "nor memory");
	works(enter_gateway_small, run_out_of_memory, "nor the end of memory");
}

static void
test_lookup(void)
{
	works(sandbox_enter_lookup, look_up_name, "a lookup may look up a name");
	works(sandbox_enter_lookup, open_file, "... read files");
	works(sandbox_enter_lookup, make_thread, "... start threads");
	works(sandbox_enter_lookup, make_tcp, "... make sockets");
	works(sandbox_enter_lookup, map_code, "... load code");
	works(sandbox_enter_lookup, use_openssl, "... use OpenSSL");
	fails(open_for_writing, EPERM, "open for writing");
	fails(create_file, EPERM, "create a file");
	fails(remove_file, EPERM, "remove one");
	fails(execute, EPERM, "run a program");
	fails(fork_process, EPERM, "fork");
	fails(trace, EPERM, "trace");
	fails(read_memory, EPERM, "read the memory of others");
	fails(kill_other, EPERM, "signal");
	fails(own_descriptor, EPERM, "have the kernel signal");
	fails(choose_signal, EPERM, "choose the signal");
	fails(own_by_ioctl, EPERM, "do that by ioctl()");
	fails(use_io_uring, ENOSYS, "go around it");
#ifdef __x86_64__
	{
		int			status = run(sandbox_enter_lookup, call_by_x32);

		ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		   "a lookup dies of a call by x32's numbers");
	}
#endif
}

int
main(void)
{
	const struct rlimit no_core = {0, 0};

	/* children die here in numbers */
	setrlimit(RLIMIT_CORE, &no_core);
	parent = getpid();
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!ok(page != MAP_FAILED && open_sockets(), "there are sockets to test with"))
		return done_testing();
	test_state(enter_gateway, "a gateway goes into its sandbox");
	test_state(sandbox_enter_lookup, "a lookup goes into its sandbox");
	test_gateway();
	test_lookup();
	works(enter_too_much, use_memory, "a table that is too long is refused");
	test_numbers();
	return done_testing();
}
