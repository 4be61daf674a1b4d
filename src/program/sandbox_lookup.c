/*-------------------------------------------------------------------------
 *
 * sandbox_lookup.c
 *	  The sandbox of processes that look up names.
 *
 * Looking up a name is done by plug-ins of the system (nsswitch.conf), which
 * read files, load libraries, ask other daemons and start threads; so does a
 * client of HTTPS.  A table of what they may do would be wrong somewhere, and
 * then nothing works.  So this one names what they have no business with, and
 * answers with an error instead of ending the process: running programs, changing
 * files, reaching into other processes or signalling them, changing the system.
 *
 * What is not forbidden is reading what the server's user may read.  That is why
 * clients are not served by such a process.
 *
 * src/program/sandbox_lookup.c
 *
 *-------------------------------------------------------------------------
 */
#include "program/sandbox.h"

#include <asm-generic/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>

#define REFUSE SANDBOX_FAIL(EPERM)
/* as if the kernel did not have it: libraries know what to do then */
#define UNKNOWN SANDBOX_FAIL(ENOSYS)

/* What opens for more than reading. */
#define WRITING_FLAGS (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static const SandboxRule rules[] = {
	/* for reading, and /dev/null and the like for writing is opened before */
	{SYS_openat, SANDBOX_ALLOW, {{2, WRITING_FLAGS, O_RDONLY}}},
	{SYS_openat, REFUSE},
	{SYS_openat2, UNKNOWN},
#ifdef SYS_open
	{SYS_open, SANDBOX_ALLOW, {{1, WRITING_FLAGS, O_RDONLY}}},
	{SYS_open, REFUSE},
	{SYS_creat, REFUSE},
#endif
	{SYS_open_by_handle_at, REFUSE},

	/* threads, but no processes; clone3() keeps its flags in memory */
	{SYS_clone, SANDBOX_ALLOW, {{0, CLONE_THREAD, CLONE_THREAD}}},
	{SYS_clone, REFUSE},
	{SYS_clone3, UNKNOWN},
	{SYS_execve, REFUSE},
	{SYS_execveat, REFUSE},
#ifdef SYS_fork
	{SYS_fork, REFUSE},
	{SYS_vfork, REFUSE},
#endif

	/* other processes of the same user: the whole server */
	{SYS_ptrace, REFUSE},
	{SYS_process_vm_readv, REFUSE},
	{SYS_process_vm_writev, REFUSE},
	{SYS_process_madvise, REFUSE},
	{SYS_pidfd_open, REFUSE},
	{SYS_pidfd_getfd, REFUSE},
	{SYS_pidfd_send_signal, REFUSE},
	{SYS_kill, REFUSE},
	{SYS_tkill, REFUSE},
	{SYS_rt_sigqueueinfo, REFUSE},
	{SYS_rt_tgsigqueueinfo, REFUSE},
	{SYS_prlimit64, SANDBOX_ALLOW, {{0, PG_UINT32_MAX, 0}}},
	{SYS_prlimit64, REFUSE},
	{SYS_setpriority, REFUSE},
	{SYS_ioprio_set, REFUSE},
	{SYS_shmget, REFUSE},
	{SYS_shmat, REFUSE},
	{SYS_shmctl, REFUSE},
	{SYS_semget, REFUSE},
	{SYS_semctl, REFUSE},
	{SYS_semop, REFUSE},
	/* signals by way of a descriptor's owner */
	{SYS_fcntl, REFUSE, {{1, PG_UINT32_MAX, F_SETOWN}}},
	{SYS_fcntl, REFUSE, {{1, PG_UINT32_MAX, F_SETOWN_EX}}},
	{SYS_fcntl, REFUSE, {{1, PG_UINT32_MAX, F_SETSIG}}},
	{SYS_ioctl, REFUSE, {{1, PG_UINT32_MAX, FIOSETOWN}}},
	{SYS_ioctl, REFUSE, {{1, PG_UINT32_MAX, SIOCSPGRP}}},
	{SYS_ioctl, REFUSE, {{1, PG_UINT32_MAX, TIOCSTI}}},

	/* files */
	{SYS_unlinkat, REFUSE},
	{SYS_renameat2, REFUSE},
	{SYS_linkat, REFUSE},
	{SYS_symlinkat, REFUSE},
	{SYS_mkdirat, REFUSE},
	{SYS_mknodat, REFUSE},
	{SYS_fchmod, REFUSE},
	{SYS_fchmodat, REFUSE},
	{SYS_fchown, REFUSE},
	{SYS_fchownat, REFUSE},
	{SYS_truncate, REFUSE},
	{SYS_utimensat, REFUSE},
	{SYS_setxattr, REFUSE},
	{SYS_lsetxattr, REFUSE},
	{SYS_fsetxattr, REFUSE},
	{SYS_removexattr, REFUSE},
	{SYS_lremovexattr, REFUSE},
	{SYS_fremovexattr, REFUSE},
#ifdef SYS_renameat
	{SYS_renameat, REFUSE},
#endif
#ifdef SYS_unlink
	{SYS_unlink, REFUSE},
	{SYS_rmdir, REFUSE},
	{SYS_rename, REFUSE},
	{SYS_link, REFUSE},
	{SYS_symlink, REFUSE},
	{SYS_mkdir, REFUSE},
	{SYS_mknod, REFUSE},
	{SYS_chmod, REFUSE},
	{SYS_chown, REFUSE},
	{SYS_lchown, REFUSE},
	{SYS_utime, REFUSE},
	{SYS_utimes, REFUSE},
	{SYS_futimesat, REFUSE},
#endif

	/* ways around a filter, and parts of the kernel that few need */
	{SYS_io_uring_setup, UNKNOWN},
	{SYS_io_uring_enter, UNKNOWN},
	{SYS_io_uring_register, UNKNOWN},
	{SYS_userfaultfd, REFUSE},
	{SYS_bpf, REFUSE},
	{SYS_perf_event_open, REFUSE},
	{SYS_keyctl, REFUSE},
	{SYS_add_key, REFUSE},
	{SYS_request_key, REFUSE},
	{SYS_unshare, REFUSE},
	{SYS_setns, REFUSE},
	{SYS_mount, REFUSE},
	{SYS_chroot, REFUSE},
	{SYS_memfd_create, REFUSE},
	{SYS_personality, REFUSE},
};

/*
 * Go under it.
 */
SandboxOutcome
sandbox_enter_lookup(void)
{
	return sandbox_enter(rules, lengthof(rules), SANDBOX_ALLOW);
}
