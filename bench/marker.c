/*-------------------------------------------------------------------------
 *
 * marker.c
 *	  Writing the payload of a measured message.
 *
 * bench/marker.c
 *
 *-------------------------------------------------------------------------
 */
#include "marker.h"

/*
 * Write a payload of exactly `size` bytes and a NUL to dst.  The padding is
 * letters, which JSON does not escape.
 */
void
marker_write(char *dst, size_t size, bool spaced, const Marker *marker)
{
	size_t		pos;

	pos = (size_t) sprintf(dst, "{\"a\":%s\"%c%016lld%04u%012llu",
						   spaced ? " " : "", marker->kind,
						   (long long) marker->time_us, marker->sender,
						   (unsigned long long) marker->seq);
	for (; pos < size - 2; pos++)
		dst[pos] = (char) ('a' + pos % 26);
	memcpy(dst + size - 2, "\"}", 3);
}
