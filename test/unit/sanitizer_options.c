/*-------------------------------------------------------------------------
 *
 * sanitizer_options.c
 *	  What the sanitizers of the programs do, linked into them.
 *
 * The hub starts its programs with an environment of its own, so options that
 * stand in the environment would not reach them.  Whatever is found ends the
 * program and stands in the server's log, where SanitizedPrograms.pm looks.
 *
 * test/unit/sanitizer_options.c
 *
 *-------------------------------------------------------------------------
 */
extern const char *__asan_default_options(void);
extern const char *__ubsan_default_options(void);

/*
 * Memory errors.  Leaks are looked for when a program ends in an orderly way.
 * Not strict_string_checks, which wants the whole argument of strndup() to be a
 * string.
 */
const char *
__asan_default_options(void)
{
	return "detect_stack_use_after_return=1:"
		"check_initialization_order=1:detect_leaks=1";
}

/*
 * Undefined behaviour.
 */
const char *
__ubsan_default_options(void)
{
	return "print_stacktrace=1";
}
