/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *	  Memory and claims of the fuzz targets, and allocations that fail.
 *
 * In the programs with libFuzzer nothing fails by itself; in replay.c every
 * malloc(), calloc() and realloc() of ours goes through the functions here
 * (ld's --wrap), which let one of them fail.
 *
 * test/fuzz/fuzz.c
 *
 *-------------------------------------------------------------------------
 */
#include "faults.h"
#include "fuzz.h"

#include <setjmp.h>

/* What is to be done at the end of a run, the newest first. */
typedef struct Duty
{
	struct Duty *next;
	void		(*function) (void *arg);
	void	   *arg;
} Duty;

static Duty *duties;
static sigjmp_buf run_end;

/* Of replay.c; see faults.h. */
uint64		faults_at;
uint64		faults_seen;
bool		faults_hit;
static int	faults_paused = 1;	/* outside of a run nothing fails */

/*
 * Should this allocation fail?
 */
bool
faults_strike(void)
{
	if (faults_paused > 0 || ++faults_seen != faults_at)
		return false;
	faults_hit = true;
	return true;
}

void
fuzz_pause_faults(void)
{
	faults_paused++;
}

void
fuzz_resume_faults(void)
{
	faults_paused--;
}

/*
 * A claim does not hold.
 */
void
fuzz_broken(const char *claim, const char *file, int line)
{
	if (faults_hit)
		siglongjmp(run_end, 1);
	fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, claim);
	abort();
}

/*
 * Remember something for the end.
 */
void
fuzz_at_end(void (*function) (void *arg), void *arg)
{
	Duty	   *duty;

	fuzz_pause_faults();
	duty = malloc(sizeof(Duty));
	fuzz_resume_faults();
	if (duty == NULL)
		abort();
	duty->next = duties;
	duty->function = function;
	duty->arg = arg;
	duties = duty;
}

/*
 * Memory of this run.
 */
void	   *
fuzz_alloc(size_t size)
{
	void	   *memory;

	fuzz_pause_faults();
	memory = calloc(1, size);
	fuzz_resume_faults();
	if (memory == NULL)
		abort();
	fuzz_at_end(free, memory);
	return memory;
}

Slice
fuzz_exact(Slice bytes)
{
	char	   *copy;

	if (bytes.len == 0)
		return slice_make(NULL, 0);
	copy = fuzz_alloc(bytes.len);
	memcpy(copy, bytes.data, bytes.len);
	return slice_make(copy, bytes.len);
}

const char *
fuzz_cstr(Slice s)
{
	char	   *copy = fuzz_alloc(s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return copy;
}

/*
 * Free a buffer's memory; the buffer itself is of fuzz_alloc().
 */
static void
free_bytes(void *bytes)
{
	bytes_free(bytes);
}

Bytes	   *
fuzz_bytes(void)
{
	Bytes	   *bytes = fuzz_alloc(sizeof(Bytes));

	bytes_init(bytes);
	fuzz_at_end(free_bytes, bytes);
	return bytes;
}

/*
 * Run a target.
 */
void
fuzz_run(void (*target) (Slice input), const uint8 *data, size_t len)
{
	if (sigsetjmp(run_end, 0) == 0)
	{
		faults_paused = 0;
		target(fuzz_exact(slice_make((const char *) data, len)));
	}
	faults_paused = 1;
	while (duties != NULL)
	{
		Duty	   *duty = duties;

		duties = duty->next;
		duty->function(duty->arg);
		free(duty);
	}
}
