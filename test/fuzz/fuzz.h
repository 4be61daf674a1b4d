/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzz targets share: their inputs, their memory, their claims.
 *
 * A target is one function that takes any bytes and claims things about the
 * parsers that it feeds with them.  A claim that does not hold ends the
 * program, as does what the sanitizers find.
 *
 * The same functions run without libFuzzer, over the files of the corpora, with
 * one allocation after the other failing (replay.c).  Claims do not hold then;
 * the first that does not ends the run of the input.  So what a target
 * allocates is given back by fuzz.c, at the end of a run, however it ends.
 *
 * test/fuzz/fuzz.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_FUZZ_H
#define REALTIME_FUZZ_H

#include "proto/bytes.h"

/* The targets. */
extern void fuzz_websocket(Slice input);
extern void fuzz_http(Slice input);
extern void fuzz_phoenix(Slice input);
extern void fuzz_socketio(Slice input);
extern void fuzz_json(Slice input);
extern void fuzz_token(Slice input);
extern void fuzz_bus(Slice input);
extern void fuzz_changes(Slice input);

/* Run a target with an input, and give back what it has allocated. */
extern void fuzz_run(void (*target) (Slice input), const uint8 *data, size_t len);

/*
 * Claim something.  Not to be made between getting something of the code under
 * test and telling fuzz_at_end() about it.
 */
#define must(cond) ((cond) ? (void) 0 : fuzz_broken(#cond, __FILE__, __LINE__))

extern void fuzz_broken(const char *claim, const char *file, int line) __attribute__((noreturn));

/* Memory of this run, all zero; its end is that of its allocation. */
extern void *fuzz_alloc(size_t size);

/*
 * A copy that ends where its allocation ends.  An empty one has no data at all,
 * as an empty slice may.
 */
extern Slice fuzz_exact(Slice bytes);

/* A buffer that is freed at the end of this run. */
extern Bytes *fuzz_bytes(void);

/* Have a function called at the end of this run. */
extern void fuzz_at_end(void (*function) (void *arg), void *arg);

/*
 * Allocations between these two never fail: of the judges, which are not under
 * test.
 */
extern void fuzz_pause_faults(void);
extern void fuzz_resume_faults(void);

/* The next byte of an input; 0 at its end. */
static inline uint8
input_byte(Slice *input)
{
	uint8		byte;

	if (input->len == 0)
		return 0;
	byte = (uint8) *input->data;
	*input = slice_make(input->data + 1, input->len - 1);
	return byte;
}

/* A number of that many bytes. */
static inline uint64
input_number(Slice *input, int bytes)
{
	uint64		number = 0;

	while (bytes-- > 0)
		number = number << 8 | input_byte(input);
	return number;
}

/* At most this many bytes. */
static inline Slice
input_bytes(Slice *input, size_t len)
{
	Slice		piece = slice_make(input->data, Min(len, input->len));

	*input = slice_make(slice_end(piece), input->len - piece.len);
	return fuzz_exact(piece);
}

/* What stands before the next line feed, or the end. */
static inline Slice
input_line(Slice *input)
{
	const char *end = input->len > 0 ? memchr(input->data, '\n', input->len) : NULL;
	Slice		line = input_bytes(input, end ? (size_t) (end - input->data) : input->len);

	if (end)
		(void) input_byte(input);
	return line;
}

/*
 * How a stream is cut into pieces: one after the other has one of these lengths.
 */
#define CUTS 4

typedef struct Cuts
{
	uint8		length[CUTS];	/* the pieces are longer by one */
	unsigned	next;
} Cuts;

static inline Cuts
input_cuts(Slice *input)
{
	Cuts		cuts = {{0}, 0};

	for (int i = 0; i < CUTS; i++)
		cuts.length[i] = input_byte(input);
	return cuts;
}

/* Length of the next piece of what has `left` bytes. */
static inline size_t
cuts_next(Cuts *cuts, size_t left)
{
	size_t		length = (size_t) cuts->length[cuts->next++ % CUTS] + 1;

	return Min(left, length);
}

/* Cuts everywhere. */
#define CUTS_BYTEWISE ((Cuts) {{0, 0, 0, 0}, 0})

/* Does a slice lie in another one? */
static inline bool
lies_in(Slice part, Slice whole)
{
	return part.len == 0 ||
		(part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

/* Is a byte in it? */
static inline bool
has_byte(Slice s, char c)
{
	return s.len > 0 && memchr(s.data, c, s.len) != NULL;
}

/* A buffer's contents, as an exact copy. */
static inline Slice
exact_bytes(const Bytes *bytes)
{
	return fuzz_exact(bytes_slice(bytes));
}

/* A copy that ends with a NUL. */
extern const char *fuzz_cstr(Slice s);

#endif							/* REALTIME_FUZZ_H */
