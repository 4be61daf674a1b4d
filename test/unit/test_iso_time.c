/*-------------------------------------------------------------------------
 *
 * test_iso_time.c
 *	  Times as JavaScript spells them, beside those of the C library.
 *
 * test/unit/test_iso_time.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include <time.h>

#include "proto/iso_time.h"

static void
spells(int64 unix_ms, const char *want)
{
	char		text[ISO_TIME_BYTES];

	iso_time_write(unix_ms, text);
	is_text(slice_make(text, sizeof(text)), want, want);
}

/* Any day of 0000 to 9999 is that of gmtime(). */
static void
test_days(void)
{
	bool		good = true;

	for (int64 day = -719528; day < 2932897; day++)
	{
		time_t		t = (time_t) day * 86400;
		char		text[ISO_TIME_BYTES];
		char		want[64];
		struct tm	tm;

		gmtime_r(&t, &tm);
		snprintf(want, sizeof(want), "%04d-%02d-%02dT00:00:00.000Z",
				 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		iso_time_write(day * 86400000, text);
		good = good && memcmp(text, want, sizeof(text)) == 0;
	}
	ok(good, "all days of ten thousand years");
}

int
main(void)
{
	spells(0, "1970-01-01T00:00:00.000Z");
	spells(-1, "1969-12-31T23:59:59.999Z");
	spells(INT64CONST(1777136400123), "2026-04-25T17:00:00.123Z");
	spells(INT64CONST(951868799999), "2000-02-29T23:59:59.999Z");
	spells(PG_INT64_MIN, "0000-01-01T00:00:00.000Z");
	spells(PG_INT64_MAX, "9999-12-31T23:59:59.999Z");
	test_days();
	return done_testing();
}
