/*-------------------------------------------------------------------------
 *
 * base64url.c
 *	  Base64 with the URL-safe alphabet and no padding.
 *
 * Neither OpenSSL nor libpgcommon has this alphabet, and both are lenient
 * where a token must not be.
 *
 * src/proto/base64url.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/base64url.h"

static const char alphabet[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The six bits that a character stands for, or -1. */
static int
six_bits(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

/*
 * Decode text onto *out.
 */
bool
base64url_decode(Slice text, Bytes *out)
{
	uint32		bits = 0;
	int			nbits = 0;
	char	   *dst;

	/* one character more than a group of four says less than a byte */
	if (text.len % 4 == 1 || !bytes_reserve(out, text.len / 4 * 3 + 2))
		return false;

	dst = out->data + out->len;
	for (size_t i = 0; i < text.len; i++)
	{
		int			six = six_bits(text.data[i]);

		if (six < 0)
			return false;
		bits = bits << 6 | (uint32) six;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			*dst++ = (char) (uint8) (bits >> nbits);
		}
	}
	if ((bits & ((1U << nbits) - 1)) != 0)
		return false;			/* spare bits that say something */
	out->len = dst - out->data;
	return true;
}

/*
 * Write the spelling of some bytes.
 */
char *
base64url_write(Slice bytes, char *dst)
{
	uint32		bits = 0;
	int			nbits = 0;

	for (size_t i = 0; i < bytes.len; i++)
	{
		bits = bits << 8 | (uint8) bytes.data[i];
		nbits += 8;
		while (nbits >= 6)
		{
			nbits -= 6;
			*dst++ = alphabet[bits >> nbits & 63];
		}
	}
	if (nbits > 0)
		*dst++ = alphabet[bits << (6 - nbits) & 63];
	return dst;
}

/*
 * Encode bytes onto *out.
 */
bool
base64url_encode(Slice bytes, Bytes *out)
{
	if (!bytes_reserve(out, BASE64URL_LENGTH(bytes.len)))
		return false;
	out->len = base64url_write(bytes, out->data + out->len) - out->data;
	return true;
}
