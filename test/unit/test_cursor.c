/*-------------------------------------------------------------------------
 *
 * test_cursor.c
 *	  Cursors: there and back, and nothing else is one.
 *
 * test/unit/test_cursor.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/cursor.h"

/* There and back. */
static void
round_trip(uint64 epoch, uint64 lsn, uint32 timeline, uint32 number, const char *expected)
{
	Cursor		cursor = {epoch, {lsn, timeline, number}};
	Cursor		got;
	char	   *text = malloc(CURSOR_TEXT_BYTES);
	Slice		slice = slice_make(text, CURSOR_TEXT_BYTES);

	cursor_write(&cursor, text);
	is_text(slice, expected, expected);
	ok(cursor_parse(slice, &got) && memcmp(&got, &cursor, sizeof(cursor)) == 0, "and back");
	free(text);
}

/* What is no cursor. */
static void
test_bad(void)
{
	static const char good[] = "AAAAAAAAAAEAAAAAAAAAAgAAAAMAAAAE";
	Cursor		got;
	int			refused = 0;

	ok(cursor_parse(B(good), &got), "a cursor");
	for (size_t len = 0; len < CURSOR_TEXT_BYTES; len++)
	{
		Slice		part = exact(slice_make(good, len));

		refused += !cursor_parse(part, &got);
		release(part);
	}
	is_int(refused, CURSOR_TEXT_BYTES, "cut at every place");
	ok(!cursor_parse(B("AAAAAAAAAAEAAAAAAAAAAgAAAAMAAAAEA"), &got), "longer");
	ok(!cursor_parse(B("AAAAAAAAAAEAAAAAAAAAAgAAAAMAAAA="), &got), "with padding");
	ok(!cursor_parse(B("AAAAAAAAAAEAAAAAAAAAAgAAAAMAAAA\0"), &got), "with a NUL");
	ok(!cursor_parse(B("AAAAAAAAAAEAAAAAAAAAAAAAAAMAAAAE"), &got), "of no commit");
}

int
main(void)
{
	round_trip(1, 2, 3, 4, "AAAAAAAAAAEAAAAAAAAAAgAAAAMAAAAE");
	round_trip(0, 1, 0, 0, "AAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAA");
	round_trip(PG_UINT64_MAX, PG_UINT64_MAX, PG_UINT32_MAX, PLACE_WHOLE,
			   "________________________________");
	test_bad();
	return done_testing();
}
