/*-------------------------------------------------------------------------
 *
 * iso_time.c
 *	  Times as JavaScript spells them: 2026-04-25T17:00:00.000Z.
 *
 * src/proto/iso_time.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/iso_time.h"

#define MS_PER_DAY INT64CONST(86400000)

/* The Gregorian calendar repeats itself after an era. */
#define YEARS_PER_ERA 400
#define DAYS_PER_ERA 146097
#define DAYS_PER_CENTURY 36524
#define DAYS_PER_4_YEARS 1461
#define DAYS_PER_YEAR 365

/* Days from 0000-03-01, where an era begins, to 1970-01-01. */
#define EPOCH_DAYS 719468

/* 0000-01-01 and the last moment of 9999. */
#define FIRST_MS INT64CONST(-62167219200000)
#define LAST_MS INT64CONST(253402300799999)

/* Write a number with leading zeros; returns its end. */
static char *
put_digits(char *dst, uint32 value, int width)
{
	for (int i = width; i-- > 0;)
	{
		dst[i] = (char) ('0' + value % 10);
		value /= 10;
	}
	return dst + width;
}

/*
 * Write a date.  A year that begins in March has its leap day at the end, and
 * the months before that are 153 days in five.
 */
static char *
put_date(char *dst, int64 days)
{
	int64		shifted = days + EPOCH_DAYS + DAYS_PER_ERA; /* not negative */
	uint32		era = (uint32) (shifted / DAYS_PER_ERA);
	uint32		day = (uint32) (shifted % DAYS_PER_ERA);
	uint32		year = (day - day / (DAYS_PER_4_YEARS - 1) + day / DAYS_PER_CENTURY -
						day / (DAYS_PER_ERA - 1)) / DAYS_PER_YEAR;
	uint32		month;

	day -= DAYS_PER_YEAR * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	year += (era - 1) * YEARS_PER_ERA + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	dst = put_digits(dst, year, 4);
	*dst++ = '-';
	dst = put_digits(dst, month, 2);
	*dst++ = '-';
	return put_digits(dst, day + 1, 2);
}

/* Spell a time. */
void
iso_time_write(int64 unix_ms, char *dst)
{
	int64		ms = Max(Min(unix_ms, LAST_MS), FIRST_MS);
	int64		days = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
	uint32		rest = (uint32) (ms - days * MS_PER_DAY);

	dst = put_date(dst, days);
	*dst++ = 'T';
	dst = put_digits(dst, rest / 3600000, 2);
	*dst++ = ':';
	dst = put_digits(dst, rest / 60000 % 60, 2);
	*dst++ = ':';
	dst = put_digits(dst, rest / 1000 % 60, 2);
	*dst++ = '.';
	dst = put_digits(dst, rest % 1000, 3);
	*dst = 'Z';
}
