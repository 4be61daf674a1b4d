/*-------------------------------------------------------------------------
 *
 * support.c
 *	  What every benchmark program needs: clock, CPU of processes, options.
 *
 * Not for the product: a benchmark that runs out of memory or meets something
 * odd simply ends, and the runner says so.
 *
 * bench/support.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *program = "bench";

/*
 * Print "program: message" and end with status 1.
 */
void
fatal(const char *fmt,...)
{
	va_list		args;

	fflush(stdout);
	fprintf(stderr, "%s: ", program);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/*
 * malloc that ends the program rather than fail; the memory is zeroed.
 */
void *
allocate(size_t size)
{
	void	   *result = calloc(1, size > 0 ? size : 1);

	if (result == NULL)
		fatal("out of memory");
	return result;
}

/*
 * realloc that ends the program rather than fail.
 */
void *
reallocate(void *old, size_t size)
{
	void	   *result = realloc(old, size);

	if (result == NULL)
		fatal("out of memory");
	return result;
}

/*
 * Print what the program accepts and end.
 */
static void
usage(const Option *options)
{
	printf("usage: %s [--option=value ...]\n", program);
	for (; options->name != NULL; options++)
		printf("  --%-16s %s\n", options->name, options->help);
	exit(0);
}

/*
 * Read a whole number that is not negative.
 */
static int64
parse_int(const char *name, const char *text)
{
	char	   *end;
	long long	value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || value < 0)
		fatal("--%s wants a number, not \"%s\"", name, text);
	return value;
}

/*
 * Read "123,456,..." into *list.
 */
static void
parse_pids(const char *name, const char *text, PidList *list)
{
	const char *pos = text;

	list->npids = 0;
	while (*pos != '\0')
	{
		char	   *end;
		long		pid = strtol(pos, &end, 10);

		if (end == pos || pid <= 0 || (*end != ',' && *end != '\0'))
			fatal("--%s wants process ids, not \"%s\"", name, text);
		if (list->npids == MAX_PIDS)
			fatal("--%s takes at most %d process ids", name, MAX_PIDS);
		list->pids[list->npids++] = (int) pid;
		pos = *end == ',' ? end + 1 : end;
	}
}

/*
 * Set the one option that `arg` ("name=value") speaks of.
 */
static void
set_option(const char *arg, const Option *options)
{
	const char *equals = strchr(arg, '=');

	if (equals == NULL)
		fatal("expected --name=value, not \"--%s\"", arg);
	for (; options->name != NULL; options++)
	{
		if (strlen(options->name) != (size_t) (equals - arg) ||
			strncmp(options->name, arg, equals - arg) != 0)
			continue;
		switch (options->type)
		{
			case OPTION_INT:
				*(int64 *) options->value = parse_int(options->name, equals + 1);
				return;
			case OPTION_STRING:
				*(const char **) options->value = equals + 1;
				return;
			case OPTION_PIDS:
				parse_pids(options->name, equals + 1, options->value);
				return;
		}
	}
	fatal("there is no option --%.*s", (int) (equals - arg), arg);
}

/*
 * Fill the options' values from the command line; ends on anything unknown.
 */
void
parse_options(int argc, char **argv, const Option *options)
{
	const char *slash = strrchr(argv[0], '/');

	program = slash ? slash + 1 : argv[0];
	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--help") == 0)
			usage(options);
		if (strncmp(argv[i], "--", 2) != 0)
			fatal("unexpected argument \"%s\"", argv[i]);
		set_option(argv[i] + 2, options);
	}
}

/*
 * CPU seconds of one process, from its schedstat: the same sum that utime and
 * stime of /proc/<pid>/stat split, but in nanoseconds instead of ticks.
 */
static double
cpu_of_pid(int pid)
{
	char		path[64];
	FILE	   *file;
	unsigned long long run_ns;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu", &run_ns) != 1)
		fatal("cannot read %s: is the process still there?", path);
	fclose(file);
	return (double) run_ns / 1e9;
}

/*
 * CPU seconds that these processes have used so far.  All of them have one
 * thread, so that the main thread's account is the process's.
 */
double
cpu_seconds(const PidList *list)
{
	double		sum = 0;

	for (int i = 0; i < list->npids; i++)
		sum += cpu_of_pid(list->pids[i]);
	return sum;
}

/*
 * The user part, from field 14 of /proc/<pid>/stat, in ticks.  A program's name
 * stands in parentheses and may contain anything.
 */
double
user_cpu_seconds(const PidList *list)
{
	unsigned long long ticks = 0;

	for (int i = 0; i < list->npids; i++)
	{
		char		path[64];
		char		line[1024];
		FILE	   *file;
		const char *name_end;
		unsigned long long utime;

		snprintf(path, sizeof(path), "/proc/%d/stat", list->pids[i]);
		file = fopen(path, "r");
		if (file == NULL || fgets(line, sizeof(line), file) == NULL ||
			(name_end = strrchr(line, ')')) == NULL ||
			sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu",
				   &utime) != 1)
			fatal("cannot read %s: is the process still there?", path);
		fclose(file);
		ticks += utime;
	}
	return (double) ticks / (double) sysconf(_SC_CLK_TCK);
}

/*
 * User and system time of the caller.
 */
double
own_cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		(double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/*
 * Sleep until monotonic_ns() reaches `when`.
 */
void
sleep_until(int64 when)
{
	struct timespec ts;

	ts.tv_sec = when / 1000000000;
	ts.tv_nsec = when % 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/*
 * Have sleeps end when asked, not 50 us later: the kernel rounds timers of
 * ordinary processes up by that much to save wake-ups.
 */
void
precise_sleep(void)
{
	if (prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL) != 0)
		fatal("prctl: %m");
}
