/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  What jslice_validate() says of texts, for whoever wants to compare.
 *
 * Reads lines of hexadecimal digits, each the bytes of a text, and writes a line
 * for each: "yes", or "no" and why.
 *
 * test/fuzz/verdict.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/jslice.h"

#include "proto/hex_digit.h"

int
main(void)
{
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		len;

	while ((len = getline(&line, &room, stdin)) > 0)
	{
		const char *error = NULL;
		size_t		n = 0;

		/* decoded in place: two digits are read before one byte is written */
		for (ssize_t i = 0; i + 1 < len && line[i] != '\n'; i += 2)
			line[n++] = (char) (hex_digit(line[i]) << 4 | hex_digit(line[i + 1]));
		if (jslice_validate(line, n, &error))
			puts("yes");
		else
			printf("no %s\n", error);
	}
	free(line);
	return 0;
}
