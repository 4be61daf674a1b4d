/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  The corpora without libFuzzer: every file once, and once more for each of
 *	  its allocations, which fails.
 *
 *	  replay [-q] corpus-directory
 *
 * The directory has one for each target.  Speaks TAP: one test per target and
 * kind of run.  What ends the program is a claim that does not hold, or a report
 * of a sanitizer, and then the last line of its errors names the file; a leak is
 * told at its end.  With -q no allocation fails.
 *
 * test/fuzz/replay.c
 *
 *-------------------------------------------------------------------------
 */
#include "faults.h"
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define HAVE_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_SANITIZER
#endif
#endif
#ifdef HAVE_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

#define MAX_FAULTS 3000			/* of one input */
#define RUN_SECONDS 60			/* more than any run takes */

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
extern void *__real_realloc(void *memory, size_t size);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t n, size_t size);
extern void *__wrap_realloc(void *memory, size_t size);

void	   *
__wrap_malloc(size_t size)
{
	return faults_strike() ? NULL : __real_malloc(size);
}

void	   *
__wrap_calloc(size_t n, size_t size)
{
	return faults_strike() ? NULL : __real_calloc(n, size);
}

void	   *
__wrap_realloc(void *memory, size_t size)
{
	return faults_strike() ? NULL : __real_realloc(memory, size);
}

static const struct
{
	const char *name;
	void		(*run) (Slice input);
}			targets[] = {
	{"websocket", fuzz_websocket},
	{"http", fuzz_http},
	{"phoenix", fuzz_phoenix},
	{"socketio", fuzz_socketio},
	{"json", fuzz_json},
	{"token", fuzz_token},
	{"bus", fuzz_bus},
	{"changes", fuzz_changes}
};

/* Which file is at hand, for whoever reads the end of the output. */
static char at_hand[MAXPGPATH];

/*
 * Read a file; the caller frees the bytes.
 */
static uint8 *
read_file(const char *path, size_t *len)
{
	FILE	   *file = fopen(path, "rb");
	uint8	   *bytes = malloc(1 << 20);

	if (file == NULL || bytes == NULL)
	{
		printf("Bail out! cannot read %s: %s\n", path, strerror(errno));
		exit(1);
	}
	*len = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

/*
 * Run a target with one input, n-th allocation failing; returns whether it had
 * as many.
 */
static bool
run_with_fault(int target, const uint8 *bytes, size_t len, uint64 n)
{
	faults_at = n;
	faults_seen = 0;
	faults_hit = false;
	alarm(RUN_SECONDS);
	fuzz_run(targets[target].run, bytes, len);
	faults_at = 0;
	return faults_hit;
}

/*
 * Replay the files of a target; returns the number of runs.
 */
static uint64
replay(int target, const char *corpus, bool with_faults, int *files)
{
	char		path[MAXPGPATH];
	DIR		   *dir;
	struct dirent *entry;
	uint64		runs = 0;

	*files = 0;
	snprintf(path, sizeof(path), "%s/%s", corpus, targets[target].name);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
	{
		uint8	   *bytes;
		size_t		len;
		uint64		n = 0;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(at_hand, sizeof(at_hand), "%s/%s/%s", corpus, targets[target].name, entry->d_name);
		bytes = read_file(at_hand, &len);
		while (run_with_fault(target, bytes, len, with_faults ? ++n : 0) && n < MAX_FAULTS)
			runs++;
		runs++;
		++*files;
		free(bytes);
	}
	if (dir != NULL)
		closedir(dir);
	return runs;
}

/*
 * The end that nobody wants, of a sanitizer or of a claim: say where.
 */
static void
tell_file(void)
{
	fprintf(stderr, "the last file was %s, with allocation " UINT64_FORMAT " failing\n", at_hand, faults_at);
}

/* A claim has ended it, or it did not end. */
static void
on_signal(int signal)
{
	tell_file();
	_exit(1);
}

int
main(int argc, char **argv)
{
	bool		quick = argc > 1 && strcmp(argv[1], "-q") == 0;
	const char *corpus = argv[argc - 1];
	int			tests = 0;

	if (argc < 2 + quick)
	{
		fprintf(stderr, "usage: %s [-q] corpus-directory\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef HAVE_SANITIZER
	__sanitizer_set_death_callback(tell_file);
#endif
	signal(SIGABRT, on_signal);
	signal(SIGALRM, on_signal);
	for (int with_faults = 0; with_faults <= !quick; with_faults++)
	{
		for (int i = 0; i < lengthof(targets); i++)
		{
			int			files;
			uint64		runs = replay(i, corpus, with_faults, &files);

			printf("%sok %d - %s: %d files, " UINT64_FORMAT " runs%s\n", files > 0 ? "" : "not ",
				   ++tests, targets[i].name, files, runs, with_faults ? " with a failing allocation" : "");
		}
	}
	printf("1..%d\n", tests);
	return 0;
}
