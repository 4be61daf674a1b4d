/*-------------------------------------------------------------------------
 *
 * support.h
 *	  What every benchmark program needs: clock, CPU of processes, options.
 *
 * bench/support.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H

#include "postgres_fe.h"

#include <time.h>

#define MAX_PIDS 80

/* Processes whose CPU time is charged to the thing under test. */
typedef struct PidList
{
	int			npids;
	int			pids[MAX_PIDS];
} PidList;

/* What one program accepts on its command line: --name=value. */
typedef enum OptionType
{
	OPTION_INT,					/* int64, not negative */
	OPTION_STRING,				/* const char *, kept by reference */
	OPTION_PIDS					/* PidList, comma-separated */
} OptionType;

typedef struct Option
{
	const char *name;			/* NULL ends the list */
	OptionType	type;
	void	   *value;			/* holds the default at first */
	const char *help;
} Option;

/* Microseconds since 1970; what the timestamps in payloads are made of. */
static inline int64
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Nanoseconds of a clock that nobody sets; what pacing uses. */
static inline int64
monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Print "program: message" and end with status 1. */
extern void fatal(const char *fmt,...) pg_attribute_printf(1, 2) pg_attribute_noreturn();

/* malloc and realloc that end the program rather than fail. */
extern void *allocate(size_t size);
extern void *reallocate(void *old, size_t size);

/* Fill the options' values from the command line; ends on anything unknown. */
extern void parse_options(int argc, char **argv, const Option *options);

/* CPU seconds, user and system, that these processes have used so far. */
extern double cpu_seconds(const PidList *list);

/* Of it what they spent in their own code, not in the kernel's; to 1/100 s. */
extern double user_cpu_seconds(const PidList *list);

/* CPU seconds of the calling process. */
extern double own_cpu_seconds(void);

/* Sleep until monotonic_ns() reaches `when`. */
extern void sleep_until(int64 when);

/* Have sleeps end when asked, not 50 us later. */
extern void precise_sleep(void);

#endif							/* BENCH_SUPPORT_H */
