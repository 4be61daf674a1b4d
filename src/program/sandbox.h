/*-------------------------------------------------------------------------
 *
 * sandbox.h
 *	  What a program may ask of the kernel, and nothing else.
 *
 * src/program/sandbox.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SANDBOX_H
#define REALTIME_SANDBOX_H

#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "proto/proto.h"

/*
 * Sanitizers read files and start threads at any time: a program that is built
 * with one has no filter, and no limits.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif

#define SANDBOX_ALLOW SECCOMP_RET_ALLOW
#define SANDBOX_KILL SECCOMP_RET_KILL_PROCESS
#define SANDBOX_FAIL(number) (SECCOMP_RET_ERRNO | (number))

#define SANDBOX_MAX_TESTS 3
#define SANDBOX_MAX_RULES 128

/*
 * A condition on the lower half of an argument: (argument & mask) == value.
 * With a mask of 0 there is none, and no further one.
 */
typedef struct SandboxTest
{
	uint32		argument;		/* from 0 */
	uint32		mask;
	uint32		value;
} SandboxTest;

/* What happens to a system call for which all tests hold. */
typedef struct SandboxRule
{
	int			number;			/* SYS_... */
	uint32		action;			/* SANDBOX_... */
	SandboxTest tests[SANDBOX_MAX_TESTS];
} SandboxRule;

typedef enum SandboxOutcome
{
	SANDBOX_ENTERED,
	SANDBOX_UNSUPPORTED,		/* built for another processor, or with
								 * sanitizers: there is no filter */
	SANDBOX_FAILED				/* errno tells why */
} SandboxOutcome;

/*
 * From here on the first rule that fits decides about each system call, and
 * `otherwise` about those that none fits.  It holds for all threads and cannot
 * be taken back; nor can the process, or one that it becomes, gain privileges.
 *
 * What runs into SANDBOX_KILL ends with SIGSYS.
 */
extern SandboxOutcome sandbox_enter(const SandboxRule *rules, int nrules,
									uint32 otherwise) RT_MUSTCHECK;

/*
 * Take from the process what it needs for neither sockets nor memory: it can
 * start no other one and write to no file, whatever the processor.
 */
extern void sandbox_limit(void);

/*
 * The sandbox of processes that look up names (sandbox_lookup.c), for those who
 * have asked for it with realtime.sandbox.
 */
extern SandboxOutcome sandbox_enter_lookup(void) RT_MUSTCHECK;

#endif							/* REALTIME_SANDBOX_H */
