/*-------------------------------------------------------------------------
 *
 * fuzzer.c
 *	  A program of libFuzzer: built once for each target, named by TARGET.
 *
 * test/fuzz/fuzzer.c
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/*
 * What libFuzzer calls, over and over.
 */
int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	fuzz_run(TARGET, data, size);
	return 0;
}
