/*-------------------------------------------------------------------------
 *
 * tap.h
 *	  What the unit tests share: TAP, byte strings, buffers that end exactly.
 *
 * A test program calls ok() and its kin and returns done_testing() from main.
 * Buffers handed to the code under test come from exact(), so that one byte
 * read too many is caught by AddressSanitizer.
 *
 * test/unit/tap.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TAP_H
#define REALTIME_TAP_H

#include "proto/proto.h"

#include "proto/bytes.h"

/* A byte string of a literal, which may contain NUL. */
#define B(lit) slice_make(lit, sizeof(lit) - 1)

/* The same as an initializer, for tables. */
#define P(lit) {lit, sizeof(lit) - 1}

static int	tap_count = 0;
static int	tap_failures = 0;

/*
 * One test; the name is a printf format.  Returns cond.  The name may contain
 * pieces of test data: what TAP could misread becomes a blank.
 */
static bool pg_attribute_printf(2, 3) pg_attribute_unused()
ok(bool cond, const char *fmt,...)
{
	char		name[256];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	for (char *p = name; *p != '\0'; p++)
	{
		if ((*p > 0 && *p < 0x20) || *p == '#')
			*p = ' ';
	}
	printf("%sok %d - %s\n", cond ? "" : "not ", ++tap_count, name);
	if (!cond)
		tap_failures++;
	fflush(stdout);
	return cond;
}

/* A line of diagnostics. */
static void pg_attribute_printf(1, 2) pg_attribute_unused()
diag(const char *fmt,...)
{
	va_list		args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

/* Two numbers are the same. */
static bool pg_attribute_unused()
is_int(int64 got, int64 want, const char *name)
{
	if (ok(got == want, "%s", name))
		return true;
	diag("got " INT64_FORMAT ", wanted " INT64_FORMAT, got, want);
	return false;
}

/* Print bytes so that every one of them can be seen. */
static void pg_attribute_unused()
diag_bytes(const char *what, Slice s)
{
	printf("# %s (%zu): ", what, s.len);
	for (size_t i = 0; i < Min(s.len, 300); i++)
	{
		if (s.data[i] >= 0x20 && s.data[i] < 0x7F)
			putchar(s.data[i]);
		else
			printf("\\x%02x", (uint8) s.data[i]);
	}
	printf(s.len > 300 ? "...\n" : "\n");
}

/* Two byte strings are the same. */
static bool pg_attribute_unused()
is_bytes(Slice got, Slice want, const char *name)
{
	if (ok(slice_equals(got, want), "%s", name))
		return true;
	diag_bytes("got", got);
	diag_bytes("wanted", want);
	return false;
}

/* A string and a byte string are the same. */
static bool pg_attribute_unused()
is_text(Slice got, const char *want, const char *name)
{
	return is_bytes(got, slice_make(want, strlen(want)), name);
}

/*
 * A copy on the heap that ends where its allocation ends, and begins where it
 * begins; free() its data.
 */
static Slice pg_attribute_unused()
exact(Slice s)
{
	char	   *copy = malloc(s.len);

	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return slice_make(copy, s.len);
}

/* Release what exact() made. */
static void pg_attribute_unused()
release(Slice s)
{
	free(unconstify(char *, s.data));
}

/* A fixed sequence of pseudo-random numbers: xorshift64*. */
static uint64 pg_attribute_unused()
tap_random(void)
{
	static uint64 x = UINT64CONST(88172645463325252);

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	return x * UINT64CONST(2685821657736338717);
}

/* One of 0 .. n-1. */
static size_t pg_attribute_unused()
tap_below(size_t n)
{
	return (tap_random() >> 16) % n;
}

/* Print the plan; the exit code of the program. */
static int pg_attribute_unused()
done_testing(void)
{
	printf("1..%d\n", tap_count);
	if (tap_failures > 0)
		diag("%d of %d tests failed", tap_failures, tap_count);
	return tap_failures > 0 ? 1 : 0;
}

#endif							/* REALTIME_TAP_H */
