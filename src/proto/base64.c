/*-------------------------------------------------------------------------
 *
 * base64.c
 *	  Base64 with padding, as others send it.
 *
 * OpenSSL decodes it, but takes '=' for a digit wherever it stands and leaves
 * white space out at both ends; so the text is looked at before.
 *
 * src/proto/base64.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/base64.h"

#include <limits.h>
#include <openssl/evp.h>

#define GROUP_DIGITS 4			/* which are 3 bytes */

/*
 * Is this one of the 64?
 */
static bool
is_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c >= '0' && c <= '9') || c == '+' || c == '/';
}

/*
 * Decode text onto *out.
 */
bool
base64_decode(Slice text, Bytes *out)
{
	size_t		digits = text.len;
	size_t		padding;

	if (text.len == 0)
		return true;
	if (text.len % GROUP_DIGITS != 0 || text.len > INT_MAX)
		return false;
	while (text.len - digits < 2 && text.data[digits - 1] == '=')
		digits--;
	for (size_t i = 0; i < digits; i++)
	{
		if (!is_digit(text.data[i]))
			return false;
	}
	if (!bytes_reserve(out, text.len / GROUP_DIGITS * 3))
		return false;
	padding = text.len - digits;

	/* padding counts as bytes there */
	out->len += (size_t) EVP_DecodeBlock((unsigned char *) out->data + out->len,
										 (const unsigned char *) text.data,
										 (int) text.len) - padding;
	return true;
}
