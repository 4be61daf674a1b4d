/*-------------------------------------------------------------------------
 *
 * base64url.h
 *	  Base64 with the URL-safe alphabet and no padding (RFC 4648 5, RFC 7515 2).
 *
 * Every sequence of bytes has exactly one spelling here: white space, padding,
 * the other alphabet and spare bits that are not zero are all refused, so that
 * a token cannot be altered without its text being another one.
 *
 * src/proto/base64url.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BASE64URL_H
#define REALTIME_BASE64URL_H

#include "proto/bytes.h"

/*
 * Append the bytes that text stands for.  False if it is not base64url, or
 * there is no memory (out->failed); *out is as before then.
 */
extern bool base64url_decode(Slice text, Bytes *out) RT_MUSTCHECK;

/* Append the spelling of some bytes; on failure *out is as before. */
extern bool base64url_encode(Slice bytes, Bytes *out) RT_MUSTCHECK;

/* Length of the spelling of n bytes. */
#define BASE64URL_LENGTH(n) (((n) * 4 + 2) / 3)

/* Write the spelling to dst, which has that many bytes; returns its end. */
extern char *base64url_write(Slice bytes, char *dst);

#endif							/* REALTIME_BASE64URL_H */
