/*-------------------------------------------------------------------------
 *
 * gw_sandbox.c
 *	  All that a gateway may ask of the kernel while it serves clients.
 *
 * Nobody knows of an error in the gateway that lets a client run code of its own;
 * this is for the day on which somebody does.  Whoever is in the gateway then has
 * its sockets and what it knows (tokens, the secret they are signed with), but no
 * file, no program, no other process, and no way to connect anywhere.  A call
 * that is not in the table ends the process, and the hub starts another one.
 *
 * What needs more than that is done before (settings come over the bus, OpenSSL
 * is initialised) or by another process: listen sockets are opened by lookup.c,
 * because names are to be resolved for them.
 *
 * Some tests are less obvious than their system calls:
 *
 * - MSG_FASTOPEN makes sendto() a connect(), and a listening socket that was
 *	 shut down can be used for it.
 * - A datagram socket sends to whatever address it is told; socketpair() makes
 *	 streams only.
 * - F_SETOWN and F_SETSIG have the kernel signal any process of the same user.
 *
 * Limits (sandbox_limit) repeat what the filter says about processes and files;
 * where there is no filter for the processor, they are what is left.  Memory has
 * none, because what clients may take of it has (realtime.max_...), and a
 * limit of address space is none of memory.  Descriptors have the server's own,
 * which nobody but root can raise.  The process stays "dumpable": the server's
 * user may look at it and get a core file as of the server's own processes,
 * which know the same secrets.
 *
 * src/gateway/gw_sandbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "gateway/gw_sandbox.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WHOLE PG_UINT32_MAX		/* mask of an argument that is compared as it is */

/* Rules with tests come first: see sandbox.c. */
static const SandboxRule rules[] = {
	/* sockets that are there */
	{SYS_sendto, SANDBOX_ALLOW, {{3, MSG_FASTOPEN, 0}}},
	{SYS_sendmsg, SANDBOX_ALLOW, {{2, MSG_FASTOPEN, 0}}},
	{SYS_fcntl, SANDBOX_ALLOW, {{1, WHOLE, F_SETFL}}},
	{SYS_fcntl, SANDBOX_ALLOW, {{1, WHOLE, F_GETFL}}},
	{SYS_fcntl, SANDBOX_ALLOW, {{1, WHOLE, F_GETFD}}},
	{SYS_fcntl, SANDBOX_ALLOW, {{1, WHOLE, F_SETFD}}},
	{SYS_fcntl, SANDBOX_ALLOW, {{1, WHOLE, F_DUPFD_CLOEXEC}}},
	{SYS_ioctl, SANDBOX_ALLOW, {{1, WHOLE, SIOCOUTQ}}},
	{SYS_socketpair, SANDBOX_ALLOW, {{0, WHOLE, AF_UNIX},
	{1, ~(uint32) (SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_STREAM}}},
	{SYS_recvfrom, SANDBOX_ALLOW},
	{SYS_recvmsg, SANDBOX_ALLOW},
	{SYS_read, SANDBOX_ALLOW},
	{SYS_readv, SANDBOX_ALLOW},
	{SYS_write, SANDBOX_ALLOW},
	{SYS_writev, SANDBOX_ALLOW},
	{SYS_accept4, SANDBOX_ALLOW},
	{SYS_shutdown, SANDBOX_ALLOW},
	{SYS_close, SANDBOX_ALLOW},
	{SYS_getsockopt, SANDBOX_ALLOW},
	{SYS_setsockopt, SANDBOX_ALLOW},
	{SYS_getsockname, SANDBOX_ALLOW},
	{SYS_getpeername, SANDBOX_ALLOW},
	{SYS_epoll_pwait, SANDBOX_ALLOW},
	{SYS_epoll_ctl, SANDBOX_ALLOW},

	/* memory, but none that could be executed */
	{SYS_mmap, SANDBOX_ALLOW, {{2, PROT_EXEC, 0}}},
	{SYS_mprotect, SANDBOX_ALLOW, {{2, PROT_EXEC, 0}}},
	{SYS_brk, SANDBOX_ALLOW},
	{SYS_munmap, SANDBOX_ALLOW},
	{SYS_mremap, SANDBOX_ALLOW},
	{SYS_madvise, SANDBOX_ALLOW},

	/* what time it is, and chance; clocks mostly come without a system call */
	{SYS_clock_gettime, SANDBOX_ALLOW},
	{SYS_gettimeofday, SANDBOX_ALLOW},
#ifdef SYS_time
	{SYS_time, SANDBOX_ALLOW},
#endif
	{SYS_getrandom, SANDBOX_ALLOW},
	{SYS_getpid, SANDBOX_ALLOW},	/* OpenSSL: has the process forked? */
	{SYS_gettid, SANDBOX_ALLOW},
	{SYS_futex, SANDBOX_ALLOW},
	{SYS_sysinfo, SANDBOX_ALLOW},	/* qsort() of the C library */

	/* signals and the end */
	{SYS_rt_sigreturn, SANDBOX_ALLOW},
	{SYS_rt_sigprocmask, SANDBOX_ALLOW},
	{SYS_rt_sigaction, SANDBOX_ALLOW},
	{SYS_restart_syscall, SANDBOX_ALLOW},
	{SYS_exit, SANDBOX_ALLOW},
	{SYS_exit_group, SANDBOX_ALLOW},
};

/*
 * See to all that would need a file later.
 */
void
gw_sandbox_prepare(void)
{
	/* a second arena has malloc() look at /proc and /sys; one thread needs one */
	(void) mallopt(M_ARENA_MAX, 1);
	/* reads /etc/localtime even for gmtime() */
	tzset();
	/* openssl.cnf, and what it says is to be loaded */
	(void) OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
							OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
}

/*
 * Go under it.  abort() signals by tgkill(), which is allowed for ourselves only.
 */
SandboxOutcome
gw_sandbox_enter(void)
{
	SandboxRule all[lengthof(rules) + 1] = {
		[lengthof(rules)] = {SYS_tgkill, SANDBOX_ALLOW, {{0, WHOLE, (uint32) getpid()}}}
	};

	memcpy(all, rules, sizeof(rules));
	sandbox_limit();
	return sandbox_enter(all, lengthof(all), SANDBOX_KILL);
}
