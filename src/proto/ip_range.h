/*-------------------------------------------------------------------------
 *
 * ip_range.h
 *	  Addresses, ranges of them, and which ones anybody may be sent to.
 *
 * src/proto/ip_range.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_IP_RANGE_H
#define REALTIME_IP_RANGE_H

#include "proto/proto.h"

/* In network order; an IPv4 address is ::ffff:a.b.c.d, however it came. */
typedef struct IpAddress
{
	uint8		bytes[16];
} IpAddress;

typedef struct IpRange
{
	IpAddress	base;
	int			bits;			/* of it that count, 0..128 */
} IpRange;

/* From the 4 or 16 bytes of a socket address. */
extern IpAddress ip_from_v4(const void *bytes);
extern IpAddress ip_from_v6(const void *bytes);

/* Read a spelled address; false if it is none. */
extern bool ip_parse(Slice text, IpAddress *address) RT_MUSTCHECK;

/*
 * Take the next range off a list like '10.0.0.0/8, fd00::/8, 127.0.0.1'.
 * 1 = there was one, 0 = end, -1 = bad.
 */
extern int	ip_next_range(Slice *list, IpRange *range) RT_MUSTCHECK;

extern bool ip_in_range(const IpAddress *address, const IpRange *range);

/*
 * Is it an address on the internet?  Not so are those that a host, a network or
 * a provider has for itself (loopback, private, link-local, shared, unique
 * local), those for groups, documentation and tests, and those that the
 * registries of special addresses (RFC 6890) keep for other purposes.
 */
extern bool ip_is_public(const IpAddress *address);

#endif							/* REALTIME_IP_RANGE_H */
