/*-------------------------------------------------------------------------
 *
 * ip_range.c
 *	  Addresses, ranges of them, and which ones anybody may be sent to.
 *
 * Of IPv6 only what is given out to networks (2000::/3) is public, less what is
 * taken out of it, so that an address of a kind that is yet to be invented is
 * refused.  An address that stands for one of IPv4 (mapped, NAT64) is judged as
 * that one.
 *
 * src/proto/ip_range.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/ip_range.h"

#include <arpa/inet.h>

#define V4_BITS 96				/* of the prefix ::ffff:0:0 */
#define SPELLED_MAX 64

static const uint8 v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* A range of IPv4 addresses. */
typedef struct V4Range
{
	uint8		base[4];
	int			bits;
} V4Range;

static const V4Range v4_special[] = {
	{{0, 0, 0, 0}, 8},			/* this network */
	{{10, 0, 0, 0}, 8},			/* private */
	{{100, 64, 0, 0}, 10},		/* shared by a provider's clients */
	{{127, 0, 0, 0}, 8},		/* loopback */
	{{169, 254, 0, 0}, 16},		/* link-local; metadata of clouds */
	{{172, 16, 0, 0}, 12},		/* private */
	{{192, 0, 0, 0}, 24},		/* protocols */
	{{192, 0, 2, 0}, 24},		/* documentation */
	{{192, 88, 99, 0}, 24},		/* relays of 6to4 */
	{{192, 168, 0, 0}, 16},		/* private */
	{{198, 18, 0, 0}, 15},		/* benchmarks */
	{{198, 51, 100, 0}, 24},	/* documentation */
	{{203, 0, 113, 0}, 24},		/* documentation */
	{{224, 0, 0, 0}, 4},		/* multicast */
	{{240, 0, 0, 0}, 4}			/* reserved, broadcast */
};

/* Within 2000::/3. */
static const IpRange v6_special[] = {
	{{{0x20, 0x01, 0x00}}, 23}, /* protocols, Teredo, ORCHID */
	{{{0x20, 0x01, 0x0d, 0xb8}}, 32},	/* documentation */
	{{{0x20, 0x02}}, 16},		/* 6to4: has an IPv4 address in it */
	{{{0x3f, 0xff, 0x00}}, 20}	/* documentation */
};

static const IpRange v6_global = {{{0x20}}, 3};
static const IpRange nat64 = {{{0x00, 0x64, 0xff, 0x9b}}, 96};

/*
 * From the bytes of a sockaddr_in.
 */
IpAddress
ip_from_v4(const void *bytes)
{
	IpAddress	address;

	memcpy(address.bytes, v4_prefix, sizeof(v4_prefix));
	memcpy(address.bytes + sizeof(v4_prefix), bytes, 4);
	return address;
}

/*
 * From the bytes of a sockaddr_in6.
 */
IpAddress
ip_from_v6(const void *bytes)
{
	IpAddress	address;

	memcpy(address.bytes, bytes, sizeof(address.bytes));
	return address;
}

/*
 * Is it one of IPv4?
 */
static bool
is_v4(const IpAddress *address)
{
	return memcmp(address->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

/*
 * Do the first bits agree?
 */
static bool
same_bits(const uint8 *a, const uint8 *b, int bits)
{
	int			rest = bits % 8;

	return memcmp(a, b, bits / 8) == 0 &&
		(rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0);
}

/*
 * Read a spelled address.
 */
bool
ip_parse(Slice text, IpAddress *address)
{
	char		spelled[SPELLED_MAX];
	uint8		bytes[16];

	if (text.len == 0 || text.len >= sizeof(spelled))
		return false;
	memcpy(spelled, text.data, text.len);
	spelled[text.len] = '\0';
	if (strlen(spelled) != text.len)
		return false;
	if (inet_pton(AF_INET, spelled, bytes) == 1)
		*address = ip_from_v4(bytes);
	else if (inet_pton(AF_INET6, spelled, bytes) == 1)
		*address = ip_from_v6(bytes);
	else
		return false;
	return true;
}

/*
 * Read up to three digits.
 */
static bool
parse_bits(Slice text, int most, int *bits)
{
	*bits = 0;
	if (text.len == 0 || text.len > 3)
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		*bits = *bits * 10 + (text.data[i] - '0');
	}
	return *bits <= most;
}

/*
 * Read an address, or a range with its number of bits.
 */
static bool
parse_range(Slice text, IpRange *range)
{
	const char *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
	size_t		len = slash ? (size_t) (slash - text.data) : text.len;
	bool		v4;

	if (!ip_parse(slice_make(text.data, len), &range->base))
		return false;
	range->bits = 128;
	if (slash == NULL)
		return true;
	/* as it is spelled: ::ffff:1.2.3.0/120 counts bits of IPv6 */
	v4 = memchr(text.data, ':', len) == NULL;
	if (!parse_bits(slice_make(slash + 1, text.len - len - 1), v4 ? 32 : 128, &range->bits))
		return false;
	if (v4)
		range->bits += V4_BITS;
	return true;
}

/*
 * Take white space off both ends.
 */
static Slice
trim(Slice text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = slice_make(text.data + 1, text.len - 1);
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/*
 * Take the next range off a list.
 */
int
ip_next_range(Slice *list, IpRange *range)
{
	const char *comma;
	Slice		item;

	*list = trim(*list);
	if (list->len == 0)
		return 0;
	comma = memchr(list->data, ',', list->len);
	item = slice_make(list->data, comma ? (size_t) (comma - list->data) : list->len);
	*list = slice_make(list->data + item.len, list->len - item.len);
	if (comma)
	{
		*list = trim(slice_make(list->data + 1, list->len - 1));
		if (list->len == 0)
			return -1;
	}
	return parse_range(trim(item), range) ? 1 : -1;
}

/*
 * Is the address in the range?
 */
bool
ip_in_range(const IpAddress *address, const IpRange *range)
{
	return same_bits(address->bytes, range->base.bytes, range->bits);
}

/*
 * Is it an IPv4 address on the internet?
 */
static bool
v4_is_public(const uint8 *bytes)
{
	for (int i = 0; i < (int) lengthof(v4_special); i++)
	{
		if (same_bits(bytes, v4_special[i].base, v4_special[i].bits))
			return false;
	}
	return true;
}

/*
 * Is it an address on the internet?
 */
bool
ip_is_public(const IpAddress *address)
{
	if (is_v4(address) || ip_in_range(address, &nat64))
		return v4_is_public(address->bytes + 12);
	if (!ip_in_range(address, &v6_global))
		return false;
	for (int i = 0; i < (int) lengthof(v6_special); i++)
	{
		if (ip_in_range(address, &v6_special[i]))
			return false;
	}
	return true;
}
