/*-------------------------------------------------------------------------
 *
 * hex_digit.h
 *	  Hex digits, for the parsers that meet one at a time.
 *
 * src/proto/hex_digit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HEX_DIGIT_H
#define REALTIME_HEX_DIGIT_H

#include "proto/proto.h"

/* Value of a hex digit, or -1. */
static inline int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * The byte that the percent-encoding at the front of s stands for (RFC 3986
 * 2.1), or -1 if there is none.
 */
static inline int
percent_encoded(Slice s)
{
	int			high = s.len > 2 && s.data[0] == '%' ? hex_digit(s.data[1]) : -1;
	int			low = high >= 0 ? hex_digit(s.data[2]) : -1;

	return low >= 0 ? high << 4 | low : -1;
}

#endif							/* REALTIME_HEX_DIGIT_H */
