/*-------------------------------------------------------------------------
 *
 * jslice_scan.h
 *	  What the two halves of jslice share: the inner loops over JSON text.
 *
 * For jslice.c and jslice_validate.c only.
 *
 * src/proto/jslice_scan.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JSLICE_SCAN_H
#define REALTIME_JSLICE_SCAN_H

#include "port/pg_bitutils.h"
#include "proto/proto.h"

#define JSCAN_ONES UINT64CONST(0x0101010101010101)
#define JSCAN_HIGH UINT64CONST(0x8080808080808080)

/* White space of RFC 8259, section 2. */
static inline bool
jscan_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* First byte in [p, end) that is no white space, or end. */
static inline const char *
jscan_space(const char *p, const char *end)
{
	while (p < end && jscan_is_space(*p))
		p++;
	return p;
}

/* A byte that stands for itself in a JSON string and is ASCII. */
static inline bool
jscan_is_plain(char c)
{
	return (uint8) c >= 0x20 && (uint8) c < 0x80 && c != '"' && c != '\\';
}

/*
 * High bits of the bytes of a word that are not plain.
 *
 * A borrow can set the bit of a plain byte too, but only above one that is
 * rightly set: the lowest bit is always right.
 */
static inline uint64
jscan_word(uint64 word)
{
	uint64		quote = word ^ JSCAN_ONES * '"';
	uint64		backslash = word ^ JSCAN_ONES * '\\';

	return ((word - JSCAN_ONES * 0x20) | (quote - JSCAN_ONES) |
			(backslash - JSCAN_ONES) | word) & JSCAN_HIGH;
}

/* First byte in [p, end) that is not plain, or end. */
static inline const char *
jscan_plain(const char *p, const char *end)
{
	while (end - p >= 8)
	{
		uint64		word;
		uint64		hits;

		memcpy(&word, p, sizeof(word));
		hits = jscan_word(word);
		if (hits != 0)
		{
#ifndef WORDS_BIGENDIAN
			return p + pg_rightmost_one_pos64(hits) / 8;
#else
			break;				/* in that order the highest would count */
#endif
		}
		p += 8;
	}
	while (p < end && jscan_is_plain(*p))
		p++;
	return p;
}

/* Four hex digits at p, or -1. */
static inline int32
jscan_hex4(const char *p)
{
	int32		value = 0;

	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value << 4 | (c - 'A' + 10);
		else
			return -1;
	}
	return value;
}

/*
 * Decode a \uXXXX, or a pair of them that makes one character, and move *p
 * behind it.  Returns the character, or -1 if it is cut off, no hex, or half a
 * pair.
 */
static inline int32
jscan_unicode_escape(const char **p, const char *end)
{
	int32		c;
	int32		low;

	if (end - *p < 6)
		return -1;
	c = jscan_hex4(*p + 2);
	if (c >= 0xDC00 && c <= 0xDFFF)
		return -1;
	if (c < 0xD800 || c > 0xDBFF)
	{
		*p += 6;
		return c;
	}

	if (end - *p < 12 || (*p)[6] != '\\' || (*p)[7] != 'u')
		return -1;
	low = jscan_hex4(*p + 8);
	if (low < 0xDC00 || low > 0xDFFF)
		return -1;
	*p += 12;
	return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

#endif							/* REALTIME_JSLICE_SCAN_H */
