/*-------------------------------------------------------------------------
 *
 * sandbox.c
 *	  What a program may ask of the kernel, and nothing else.
 *
 * Turns a table of rules into a seccomp filter.  The filter is a plain chain of
 * comparisons in the order of the table: the kernel compiles it, and remembers
 * for each system call without tests what the answer is, so that only those
 * with tests are worth a place at the front.
 *
 * A system call has its number only within an architecture.  A process of one
 * can call by the numbers of another (int 0x80 on x86-64), hence the first
 * comparison; the numbers of x32 are above all of x86-64's, so no rule fits.
 * Where a table forbids rather than allows, these are killed, too.
 *
 * Rules look at the lower half of an argument only: what is tested here are ints
 * and flags, of which the kernel takes no more.
 *
 * src/program/sandbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "program/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#define FOREIGN_NUMBERS 0x40000000	/* x32's begin here */
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#define FOREIGN_NUMBERS 0x80000000
#endif

#ifdef SANDBOX_SANITIZED
#undef SANDBOX_ARCH
#endif

#ifdef SANDBOX_ARCH

#define HEAD_LENGTH 5			/* instructions before the first rule */
#define RULE_LENGTH(ntests) (3 + 3 * (ntests))
#define MAX_LENGTH (HEAD_LENGTH + SANDBOX_MAX_RULES * RULE_LENGTH(SANDBOX_MAX_TESTS) + 1)

StaticAssertDecl(MAX_LENGTH <= BPF_MAXINSNS, "the kernel takes a full table");

typedef struct Filter
{
	unsigned short length;
	struct sock_filter code[MAX_LENGTH];
} Filter;

/*
 * Append one instruction.
 */
static void
emit(Filter *filter, uint16 code, uint32 k, uint8 if_true, uint8 if_false)
{
	struct sock_filter instruction = BPF_JUMP(code, k, if_true, if_false);

	filter->code[filter->length++] = instruction;
}

/*
 * Append: load what is at this place of struct seccomp_data.
 */
static void
emit_load(Filter *filter, size_t offset)
{
	emit(filter, BPF_LD | BPF_W | BPF_ABS, (uint32) offset, 0, 0);
}

/*
 * Where the lower half of an argument is.
 */
static size_t
argument_offset(uint32 argument)
{
	size_t		offset = offsetof(struct seccomp_data, args) + argument * sizeof(uint64);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	offset += sizeof(uint32);
#endif
	return offset;
}

/*
 * Kill what comes by another architecture's numbers.
 */
static void
emit_head(Filter *filter)
{
	emit_load(filter, offsetof(struct seccomp_data, arch));
	emit(filter, BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 0, 2);
	emit_load(filter, offsetof(struct seccomp_data, nr));
	emit(filter, BPF_JMP | BPF_JGE | BPF_K, FOREIGN_NUMBERS, 0, 1);
	emit(filter, BPF_RET | BPF_K, SANDBOX_KILL, 0, 0);
}

/*
 * Append a rule: each comparison that fails jumps to what comes after it.
 */
static void
emit_rule(Filter *filter, const SandboxRule *rule)
{
	int			ntests = 0;
	uint8		left;

	while (ntests < SANDBOX_MAX_TESTS && rule->tests[ntests].mask != 0)
		ntests++;
	/* instructions of the rule behind the one at hand */
	left = (uint8) (RULE_LENGTH(ntests) - 2);
	emit_load(filter, offsetof(struct seccomp_data, nr));
	emit(filter, BPF_JMP | BPF_JEQ | BPF_K, (uint32) rule->number, 0, left);
	for (int i = 0; i < ntests; i++)
	{
		const SandboxTest *test = &rule->tests[i];

		left -= 3;
		emit_load(filter, argument_offset(test->argument));
		emit(filter, BPF_ALU | BPF_AND | BPF_K, test->mask, 0, 0);
		emit(filter, BPF_JMP | BPF_JEQ | BPF_K, test->value, 0, left);
	}
	emit(filter, BPF_RET | BPF_K, rule->action, 0, 0);
}

/*
 * Hand the filter to the kernel; false with errno set if it does not take it.
 * A thread that cannot be filtered, too, is a failure.
 */
static bool
install(Filter *filter)
{
	struct sock_fprog program = {
		.len = filter->length,
		.filter = filter->code
	};
	long		rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
							 SECCOMP_FILTER_FLAG_TSYNC, &program);

	if (rc > 0)
		errno = EAGAIN;
	return rc == 0;
}

#endif							/* SANDBOX_ARCH */

/*
 * Build the filter of a table and go under it.
 */
SandboxOutcome
sandbox_enter(const SandboxRule *rules, int nrules, uint32 otherwise)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return SANDBOX_FAILED;
#ifdef SANDBOX_ARCH
	{
		static Filter filter;

		if (nrules > SANDBOX_MAX_RULES)
		{
			errno = E2BIG;
			return SANDBOX_FAILED;
		}
		filter.length = 0;
		emit_head(&filter);
		for (int i = 0; i < nrules; i++)
			emit_rule(&filter, &rules[i]);
		emit(&filter, BPF_RET | BPF_K, otherwise, 0, 0);
		return install(&filter) ? SANDBOX_ENTERED : SANDBOX_FAILED;
	}
#else
	return SANDBOX_UNSUPPORTED;
#endif
}

/*
 * Limits cannot be raised again but by root.
 */
void
sandbox_limit(void)
{
#ifndef SANDBOX_SANITIZED
	const struct rlimit none = {0, 0};

	(void) setrlimit(RLIMIT_NPROC, &none);
	(void) setrlimit(RLIMIT_FSIZE, &none);
#endif
}
